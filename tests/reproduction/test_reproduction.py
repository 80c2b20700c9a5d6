"""The notebooks as files: complete, executed, and in step with the project. nbval checks what they print."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from regnas_core.errors import NotebookError
from regnas_core.reproduction.catalogue import choose, execute, notebooks, read_notebook
from regnas_core.resources import project_path

PATHS = sorted(project_path("notebooks").glob("*.ipynb"))
IDS = [path.stem for path in PATHS]


def code_cells(path: Path) -> list:
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code" and c.source.strip()]


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_every_code_cell_was_executed_in_order_and_without_error(path):
    cells = code_cells(path)
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    assert not [
        o for c in cells for o in c.outputs if o.output_type in ("error",) or o.get("name") == "stderr"
    ]


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_nbval_compares_something(path):
    compared = [
        c for c in code_cells(path) if "nbval-ignore-output" not in c.metadata.get("tags", []) and c.outputs
    ]
    text = [o for c in compared for o in c.outputs if "text" in o or "text/plain" in o.get("data", {})]
    assert len(text) >= 2


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_metadata_names_kernel_language_and_items(path):
    meta = nbformat.read(path, as_version=4).metadata
    assert meta.kernelspec.name == "python3"
    assert meta.language_info.name == "python"
    assert meta.regnas["items"]


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_parameters_are_the_same_everywhere(path):
    assert read_notebook(path).parameters == ("preset", "seed", "overrides")


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_stored_outputs_are_the_demo_presets(path):
    tagged = next(c for c in code_cells(path) if "parameters" in c.metadata.get("tags", []))
    values: dict = {}
    exec(tagged.source, values)
    assert (values["preset"], values["seed"], values["overrides"]) == ("demo", None, {})


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_notebooks_define_no_functions_and_show_no_machine_paths(path):
    text = path.read_text()
    assert not [
        c for c in code_cells(path) if "def " in c.source or "class " in c.source.replace("by_class", "")
    ]
    assert "/home/" not in text
    assert "/tmp/" not in text


def test_items_are_made_by_one_notebook_each_and_found_by_name():
    items = [item for nb in notebooks() for item in nb.items]
    assert len(items) == len(set(items))
    assert [nb.path.stem for nb in choose(["table2"])] == ["08_table2_rewards"]
    assert [nb.path.stem for nb in choose(["fig2", "table1b"])] == [
        "02_fig2_strategies",
        "07_table1_strategies",
    ]
    assert [nb.path.stem for nb in choose(["appendix"])] == ["12_appendix"]
    assert len(choose([])) == len(PATHS)


def test_an_unknown_item_is_refused_with_the_known_ones():
    with pytest.raises(NotebookError, match=r"Unknown item table9; choose from .*table2"):
        choose(["table9"])


def small_notebook(tmp_path: Path, source: str, tags: tuple[str, ...] = ("parameters",)) -> Path:
    nb = nbformat.v4.new_notebook()
    nb.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nb.metadata["language_info"] = {"name": "python"}
    nb.metadata["regnas"] = {"items": ["toy"]}
    first = nbformat.v4.new_code_cell("a = 1")
    first.metadata["tags"] = list(tags)
    nb.cells = [nbformat.v4.new_markdown_cell("# Toy"), first, nbformat.v4.new_code_cell(source)]
    path = tmp_path / "toy.ipynb"
    nbformat.write(nb, path)
    return path


def test_a_parameter_that_the_notebook_lacks_is_refused(tmp_path):
    nb = read_notebook(small_notebook(tmp_path, "print(a)"))
    with pytest.raises(NotebookError, match="has no parameter b; it has a"):
        execute(nb, tmp_path / "out.ipynb", {"b": 2})


def test_a_notebook_without_parameters_cell_is_refused(tmp_path):
    with pytest.raises(NotebookError, match="parameters"):
        read_notebook(small_notebook(tmp_path, "print(1)", tags=()))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_failing_cell_is_named_and_the_executed_copy_kept(tmp_path):
    nb = read_notebook(small_notebook(tmp_path, "print('before'); raise ValueError(f'broken {a}')"))
    out = tmp_path / "out" / "toy.ipynb"
    with pytest.raises(NotebookError, match=r"toy.ipynb failed in cell \d+: ValueError: broken 7"):
        execute(nb, out, {"a": 7})
    assert "before" in out.read_text()
