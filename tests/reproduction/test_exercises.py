"""The lessons as a student walks through them: nothing done, wrong answers, then the solutions."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from regnas_core.reproduction.exercises import exercise
from regnas_core.resources import project_path

LESSONS = sorted(project_path("notebooks/lessons").glob("*.ipynb"))
IDS = [path.stem for path in LESSONS]
SLOW = pytest.mark.slow  # the lesson that runs networks
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
    # lesson 2
    "middle": [
        ("// 2", "// 2 - 1", "leaves"),
        ("low : low + size, low : low + size", ":size, :size", "innermost"),
        ("..., low : low + size, low", "..., 0 : size, low", "innermost"),
    ],
    "same_beginning": [
        ("            break\n", "            continue\n", "stop at the first"),
        ("count += 1", "count += 2", "stop at the first"),
    ],
    "overlap": [
        ("max(0, min(a_stop, b_stop) - max(a_start, b_start))",
         "(min(a_stop, b_stop) - max(a_start, b_start))", "must not be negative"),
        ("min(a_stop, b_stop)", "max(a_stop, b_stop)", "in common"),
    ],
    "contained": [
        ("== space.params(small)", "== space.params(big)", "all weights"),
        ("== space.params(small)", "> 0", "all weights"),
    ],
    "moments": [
        ("x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)",
         "x.mean(dim=0), x.var(dim=0, correction=0)", "one value a channel"),
        (", correction=0", "", "one less"),
        ("x.var(", "x.std(", "standard deviation"),
        ("x.mean(dim=(0, 2, 3))", "x.sum(dim=(0, 2, 3))", "over all images and places"),
    ],
    "batch_norm": [
        ("torch.sqrt(var + eps)", "(var + eps)", "the root"),
        ("* scale + shift", "+ shift", "(x − mean)"),
        ("(x - mean)", "(x - mean)[0]", "shape of x"),
    ],
    "few_images": [("= 64", "= 16", "points away"), ("= 64", "= 1024", "fewer"), ("= 64", "= 5", "one of")],
    # lesson 4
    "both_differences": [
        ("100 * flips, 100 *", "-100 * flips, -100 *", "minus b"),
        ("100 * flips, 100 * (b.mean() - a.mean())", "flips, b.mean() - a.mean()", "fractions"),
        ("100 * flips, 100 * (b.mean() - a.mean())", "100 * (b.mean() - a.mean()), 100 * flips", "first"),
        ("own & ~b", "~own & b", "a flip:"),
    ],
    "matched": [
        (">= 0.93", "> 0.93", "a network of 930"),
        ("& (macs <= budget)", "", "a network of 1,001"),
        ("(macs >= 0.93 * budget) & (macs <= budget)", "macs[macs <= budget]", "True or False"),
    ],
    "mean_interval": [
        ("stats.t.ppf(0.975, count - 1)", "1.96", "Student's"),
        ("ddof=1", "ddof=0", "one less"),
        (" / np.sqrt(count)", "", "divide by"),
        ("np.mean(values), np.mean", "np.median(values), np.mean", "is the mean"),
        ("0.975", "0.95", "the half-width is"),
    ],
    "false_alarms": [
        ("np.mean(np.array(p_values) < 0.05)", "np.sum(np.array(p_values) < 0.05)", "a count"),
        ("combinations(flipped, 2)", "zip(flipped, flipped[1:])", "each pair once"),
    ],
    "trainings_needed": [
        ("needed = min(", "needed = 2 * min(", "fewer will do"),
        ("needed = min(", "needed = -1 + min(", "still be"),
        ("needed = min(", "needed = 0 * min(", "whole number"),
    ],
    "corrected": [
        ("np.arange(len(p), 0, -1) * p[order]", "len(p) * p[order]", "Bonferroni"),
        ("np.maximum.accumulate(steps)", "steps", "is right; your function gives"),
        ("np.minimum(1, np.maximum.accumulate(steps))", "np.maximum.accumulate(steps)", "1 at most"),
        ("corrected[order] =", "corrected[:] =", "sorted"),
        ("corrected = np.argsort(p), np.empty(len(p))", "corrected = np.argsort(p), p", "a copy"),
    ],
    "discoveries": [
        (".any(axis=1).mean()", ".mean()", "share of the tests"),
        ("(holm(report) < 0.05)", "(report < 0.05)", "after holm"),
        (".any(axis=1).mean()", ".any(axis=1).sum()", "between 0 and 1"),
        (".any(axis=1).mean()", ".all(axis=1).mean()", "at least one"),
    ],
    # lesson 5
    "released": [
        ("int(((old == labels) & (new != labels)).sum())", "int(((old != labels) & (new == labels)).sum())",
         "the old one comes first"),
        ("int(((old == labels) & (new != labels)).sum())", "int((new != labels).sum())", "count pictures"),
        ("int(((old == labels) & (new != labels)).sum())", "((old == labels) & (new != labels)).mean()",
         "a rate"),
        ("return int(", "old, new = sorted((old, new), key=lambda x: (x == labels).sum())\n    return int(",
         "the new one is less accurate"),
    ],
    "put_in_order": [
        ("np.array([answer_to[i] for i in ids.tolist()])", "answers", "still in the order"),
        ("np.array([answer_to[i] for i in ids.tolist()])", "answers[np.argsort(theirs)]", "at each place"),
    ],
    "upper_bound": [
        ("0.95", "0.975", "two-sided"),
        ("stats.beta.ppf(0.95, flips + 1, n - flips)", "flips / n", "were the true rate"),
        ("ppf(0.95, flips + 1, n - flips)", "ppf(0.05, flips, n - flips + 1)", "lower bound"),
        ("flips + 1, n - flips", "flips + 1, n - flips + 1", "not 5 %"),
    ],
    "verdict": [
        ("if low > limit", "if flips / n > limit", "for you"),
        ("if high <= limit", "if flips / n <= limit", "for you"),
        ('"inconclusive"', '"perhaps"', "none of"),
    ],
    "pictures_needed": [
        ("1350", "1099", "the bound is"), ("1350", "3000", "fewer"), ("1350", "0", "a number"),
    ],
    "slice_chance": [
        ("flips - 1", "flips", "themselves"),
        ("stats.binom.sf(flips - 1, n, limit)", "stats.binom.cdf(flips, n, limit)", "of so few"),
        ("stats.binom.sf(flips - 1, n, limit)", "flips / n", "with a chance of"),
    ],
    "which_first": [
        ('"old", "lower", "old", "old"', '"old", "lower", "lower", "old"', "look again at 3"),
        ('"old", "lower", "old", "old"', '"old", "new", "old", "old"', "four words"),
        ('"lower", "old", "old"', '"lower", "old", None', "still None"),
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


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.stem, marks=SLOW if path == LESSONS[1] else ()) for path in LESSONS]
)
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
    figures = [c for c in cells if "nbval-ignore-output" in c.metadata.get("tags", [])]
    assert all("image/png" in o.data for c in figures for o in c.outputs)
    outputs = [o for c in cells if c not in figures for o in c.outputs]
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


def test_only_the_lesson_on_super_networks_needs_torch():
    needs = r"torch|open_workbench|load_supernet|load_dataset|Evaluator|experiments"
    found = [path.stem for path in LESSONS if re.search(needs, "".join(s for s, _ in cells_of(path)))]
    assert found == ["02_one_super_network"]


def test_lessons_are_a_chain():
    for before, after in pairwise(LESSONS):
        (one, other) = (nbformat.read(path, as_version=4).cells for path in (before, after))
        assert all(f"({after.name})" in one[place].source for place in (0, -1) if before != LESSONS[0])
        assert all(f"({before.name})" in other[place].source for place in (0, -1))


def test_lesson_1_makes_slides_that_are_short():
    cells = nbformat.read(LESSONS[0], as_version=4).cells
    kinds = [c.metadata["slideshow"]["slide_type"] for c in cells]
    assert set(kinds) == {"slide", "subslide", "fragment", "-", "skip", "notes"} and kinds[0] == "slide"
    slides: list[list[str]] = []
    for cell, kind in zip(cells, kinds, strict=True):
        if "A solution" in cell.source or "for the instructor" in cell.source:
            assert kind == "notes"
        if kind in ("slide", "subslide"):
            slides.append([])
        if kind not in ("skip", "notes"):
            slides[-1] += cell.source.splitlines()
            slides[-1] += [line for o in cell.get("outputs", []) for line in o.text.splitlines()]
    lengths = [sum(1 + len(line) // 100 for line in slide) for slide in slides]
    assert len(slides) >= 15 and max(lengths) <= 24, lengths
    shown = [c for c, kind in zip(cells, kinds, strict=True) if kind not in ("skip", "notes")]
    code = [line for c in shown if c.cell_type == "code" for line in c.source.splitlines()]
    assert max(map(len, code)) <= 80  # what is wider is cut


def test_an_error_of_the_students_function_is_told(capsys):
    @exercise
    def check(function):
        function()

    check(lambda: 1 / 0)
    assert capsys.readouterr().out == "not yet: it ends with ZeroDivisionError: division by zero\n"
