"""The lessons as a student walks through them: nothing done, wrong answers, then the solutions."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from regnas_core.reproduction.exercises import exercise
from regnas_core.resources import project_path

LESSONS = sorted(project_path("notebooks/lessons").glob("*.ipynb"))
IDS = [path.stem for path in LESSONS]
WRONG = {  # exercise → answers that a class gives, in place of a piece of the solution, and what it is told
    "four_places": [("3, 1, 3, 1", "3, 3, 1, 1", "look again"), ("3, 1, 3, 1", "3, 1, 3, 2", "add up")],
    "flip_rate": [
        ("(first_right & ~second_right).mean()", "(first_right & ~second_right).sum()", "a count"),
        ("(first_right & ~second_right).mean()", "(~first_right & second_right).mean()", "positive"),
        (".mean()", ".sum() / first_right.sum()", "divides by all"),
        ("first_right & ~second_right", "first_right - second_right", "ends with TypeError"),
    ],
    "oriented": [
        ("a_right.mean() <=", "a_right.mean() >=", "lower Top-1"),
        ("if a_right", "if True or a_right", "in whichever order"),
    ],
    "images_needed": [("4500", "1000", "± 1.0"), ("4500", "20_000", "fewer will do")],
    "only_one_flips": [
        ("small & ~large & other", "~large & other", "count images"),
        (", only_a + only_b)", ", n)", "p is"),
        ("only_a, only_b, p, ref", "only_b, only_a, p, ref", "exchanged"),
    ],
    "chance_of_classes": [
        (">= seen", "< seen", "at least as large"),
        ("np.mean(np", "2 + np.mean(np", "between 0 and 1"),
    ],
    "reward": [("- weight", "+ weight", "λ = 1"), ("weight * nfr", "nfr", "λ = 0")],
    "containing": [
        (">=", ">", "at least, not more than"),
        (".all(axis=1)", ".any(axis=1)", "all genes"),
        (".all(axis=1)", "", "one answer a network"),
    ],
    "optimum": [
        ("np.where(allowed, values, -np.inf)", "values", "not allowed"),
        ("-np.inf", "np.inf", "not allowed"),
        ("np.argmax(np.where(allowed, values, -np.inf))", "np.flatnonzero(allowed)[0]", "is possible"),
    ],
    "mutation": [
        ("< 0.1", "< 0.5", "of the genes change"),
        ("integers(low,", "integers(0,", "below low"),
        ("return np.where(redrawn, rng.integers(low, choices), parent)",
         "parent[redrawn] = rng.integers(low, choices)[redrawn]\n    return parent", "parent.copy()"),
    ],
    "crossover": [
        ("rng.random(len(a))", "rng.random()", "not all together"),
        ("< 0.5", "< 0.2", "equal chance"),
        ("np.where(rng.random(len(a)) < 0.5, a, b)", "(a + b) / 2", "one of the parents'"),
    ],
    "evolution": [
        ("-values", "values", "no better than the first"),
        ("default_rng(seed)", "default_rng(0)", "all seeds do the same"),
        ("scored += born", "scored += born * 2", "scored twice"),
        ("range(20)", "range(5)", "were scored"),
        ("return scored", "return [row_of[tuple((choices - 1).tolist())]]", "not allowed"),
    ],
}  # fmt: skip


def cells_of(path: Path) -> list[tuple[str, str | None]]:
    """Code cells, each with its solution where it is an exercise: the next cell's Python, and the check."""
    cells = nbformat.read(path, as_version=4).cells
    found = []
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        if cell.cell_type == "code":
            asked = "exercise" in cell.metadata.get("tags", [])
            solved = re.search(r"```python\n(.*?)```", after.source, re.S)[1] if asked else None
            if solved and "check." not in solved:
                solved += cell.source[cell.source.index("\ncheck.") :]
            found.append((cell.source, solved))
    return found


def run(source: str, space: dict, capsys) -> str:
    exec(compile(source, "lesson", "exec"), space)
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Searches are there to look at: two are enough here."""
    from regnas_core.search import evolution

    whole = evolution.evolve
    monkeypatch.setattr(
        "regnas_core.evolve", lambda *a, **k: whole(*a, **{**k, "generations": 2}), raising=False
    )


@pytest.mark.parametrize("path", LESSONS, ids=IDS)
def test_a_student_goes_through_it(path, capsys):
    space: dict = {}
    walked = []
    for source, solved in cells_of(path):
        if solved is None:
            run(source, space, capsys)
            continue
        name = re.search(r"check\.(\w+)\(", solved)[1]
        walked.append(name)
        again = dict(space)
        assert run(source, again, capsys).startswith(("not yet:", "exercise 1 comes first")), name
        for piece, instead, told in WRONG[name]:
            assert piece in solved, (name, piece)
            said = run(solved.replace(piece, instead), dict(space), capsys)
            assert said.startswith("not yet: ") and told in said, (name, instead, said)
        assert run(solved, space, capsys) == "right\n", name
    assert len(walked) >= 6


def test_all_wrong_answers_belong_to_an_exercise():
    names = {
        re.search(r"check\.(\w+)\(", solved)[1] for path in LESSONS for _, solved in cells_of(path) if solved
    }
    assert names == set(WRONG)


@pytest.mark.parametrize("path", LESSONS, ids=IDS)
def test_it_is_stored_as_it_was_run_with_nothing_answered(path):
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    outputs = [o for c in cells for o in c.outputs]
    assert {o.output_type for o in outputs} == {"stream"} and {o.name for o in outputs} == {"stdout"}
    assert "right\n" not in {o.text for o in outputs}


@pytest.mark.parametrize("path", LESSONS, ids=IDS)
def test_it_says_what_a_lesson_has_to_and_links_lead_somewhere(path):
    text = "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown")
    for wanted in ("**Goal.**", "**Time.**", "**Needs.**", "Notes for the instructor", "← ", " →"):
        assert wanted in text
    assert text.count("<details>") == text.count("</details>") >= 8
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links and not [link for link in links if not (path.parent / link).exists()]


def test_lessons_need_no_torch():
    assert not [
        path for path in LESSONS if re.search(r"torch|open_workbench", "".join(s for s, _ in cells_of(path)))
    ]


def test_an_error_of_the_students_function_is_told(capsys):
    @exercise
    def check(function):
        function()

    check(lambda: 1 / 0)
    assert capsys.readouterr().out == "not yet: it ends with ZeroDivisionError: division by zero\n"
