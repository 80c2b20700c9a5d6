"""Which notebooks there are, what each makes and needs, and how one is run: through papermill."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat

from ..errors import NotebookError
from ..resources import data_root, project_path
from ..tabular.benchmark import trainings


@dataclass(frozen=True)
class Notebook:
    """A notebook that regenerates items of the paper.

    Attributes:
        path: the notebook.
        title: its first heading.
        items: the paper's items, as named in figures/<preset>/.
        parameters: names that its cell tagged ``parameters`` sets.
        needs: files under the data root without which it cannot run; what makes them tries to download them.
            Or, as "package:NAME", packages beyond the extras search and notebooks.
        tables: whether it reads the preset's tabular benchmarks.
        alone: whether it measures time, so that nothing is to run beside it.
        opening, closing: its first text below the title, and its last, in Markdown.
    """

    path: Path
    title: str
    items: tuple[str, ...]
    parameters: tuple[str, ...]
    needs: tuple[str, ...] = ()
    tables: bool = False
    alone: bool = False
    opening: str = ""
    closing: str = ""

    def missing(self, preset: str, overrides: dict[str, Any]) -> list[str]:
        """What it needs, but is not there."""
        away = [_away(name) for name in self.needs]
        lacks = self.tables and (overrides or not trainings(preset))
        return [*filter(None, away), *([f"a table of {preset} as it is"] if lacks else [])]


def _away(need: str) -> str | None:
    """What a notebook needs, as a text, if it is not there."""
    kind, colon, package = need.partition(":")
    if kind == "package" and colon:
        return None if find_spec(package) else f"the package {package} (extra deploy)"
    path = data_root() / need
    return None if path.is_file() else str(path)


def notebooks() -> list[Notebook]:
    """All notebooks of the project, in reading order."""
    return [read_notebook(path) for path in sorted(project_path("notebooks").glob("*.ipynb"))]


def read_notebook(path: Path) -> Notebook:
    """What a notebook says of itself.

    Raises:
        NotebookError: it names no items, or has no cell tagged ``parameters``.
    """
    from papermill import inspect_notebook

    nb = nbformat.read(path, as_version=4)
    about = nb.metadata.get("regnas", {})
    items = about.get("items")
    parameters = tuple(inspect_notebook(str(path)))
    if not items or not parameters:
        raise NotebookError(
            f"{path}: expected metadata regnas.items and a cell tagged 'parameters' that sets something."
        )
    texts = [cell.source for cell in nb.cells if cell.cell_type == "markdown"]
    title, _, opening = texts[0].partition("\n")
    return Notebook(
        path,
        title.removeprefix("# "),
        tuple(items),
        parameters,
        needs=tuple(about.get("needs", ())),
        tables=bool(about.get("tables")),
        alone=bool(about.get("alone")),
        opening=opening.strip(),
        closing=texts[-1] if len(texts) > 1 else "",
    )


def choose(only: list[str]) -> list[Notebook]:
    """The notebooks that make the given items; all of them for none.

    The paper's names will do, too: fig2 is fig2a and fig2b, table1b is in table1, appendix is all of it.

    Raises:
        NotebookError: an unknown item.
    """
    available = notebooks()
    known = [item for nb in available for item in nb.items]
    parts = ("a", "b", "_a", "_b", "_c")
    asked = {name: {name, name.rstrip("ab"), *(name + part for part in parts)} for name in only}
    if unknown := [name for name, meant in asked.items() if not meant & set(known)]:
        raise NotebookError(f"Unknown item {', '.join(unknown)}; choose from {', '.join(known)}.")
    wanted = set().union(*asked.values())
    return [nb for nb in available if not only or wanted & set(nb.items)]


def execute(nb: Notebook, output: Path, parameters: dict[str, Any], *, bar: bool = True) -> None:
    """Run one notebook, with a ``bar`` of its cells; the executed copy is kept, also where it fails.

    Raises:
        NotebookError: a parameter that the notebook does not have, or a cell that failed.
    """
    from papermill import PapermillExecutionError, execute_notebook

    if unknown := sorted(set(parameters) - set(nb.parameters)):
        raise NotebookError(
            f"{nb.path.name} has no parameter {', '.join(unknown)}; it has {', '.join(nb.parameters)}."
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        execute_notebook(
            str(nb.path),
            str(output),
            parameters,
            kernel_name="python3",
            cwd=str(nb.path.parent),
            log_output=False,
            progress_bar=bar,
        )
    except PapermillExecutionError as error:
        raise NotebookError(
            f"{nb.path.name} failed in cell {error.exec_count}: {error.ename}: {error.evalue}\nSee {output}."
        ) from None
