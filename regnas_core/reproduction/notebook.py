"""What every notebook begins and ends with: its parameters, its workbench, its tables."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import NotebookError

if TYPE_CHECKING:
    from ..tabular.benchmark import TabularBenchmark
    from ..workbench.workbench import Workbench

PARAMETERS = ("preset", "seed", "overrides")
SHELL = {"In", "Out", "get_ipython", "exit", "quit", "open"}  # what a notebook's shell puts there


def parameters(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that a notebook, or papermill for it, has set; for the cell after them.

    Args:
        namespace: of the notebook, ``globals()``.

    Raises:
        NotebookError: there is another variable, such as a mistyped parameter, or one is missing.

    >>> parameters({"preset": "demo", "seed": 3, "overrides": {}})
    {'preset': 'demo', 'seed': 3, 'overrides': {}}
    """
    found = {
        name: value
        for name, value in namespace.items()
        if not name.startswith("_")
        and name not in SHELL
        and not isinstance(value, ModuleType | type)
        and not callable(value)
    }
    if unknown := sorted(set(found) - set(PARAMETERS)):
        raise NotebookError(f"Unknown parameter {', '.join(unknown)}; there are {', '.join(PARAMETERS)}.")
    if missing := [name for name in PARAMETERS if name not in found]:
        raise NotebookError(f"Run the cell that sets {', '.join(missing)} first.")
    return {name: found[name] for name in PARAMETERS}


def open_notebook(namespace: Mapping[str, Any]) -> Workbench:
    """The workbench that a notebook's parameters ask for (see :func:`regnas_core.open_workbench`).

    Raises:
        NotebookError: as :func:`parameters`.
        PresetError, DataError, CheckpointError: with what to do.
    """
    from ..workbench.workbench import open_workbench

    given = parameters(namespace)
    return open_workbench(given["preset"], given["overrides"], seed=given["seed"])


def open_tables(namespace: Mapping[str, Any]) -> list[TabularBenchmark]:
    """The tabular benchmarks of a notebook's preset, one a training.

    Raises:
        NotebookError: as :func:`parameters`; or there is none, or seeds and overrides ask for others.
    """
    from ..tabular.benchmark import load_tabular, trainings

    given = parameters(namespace)
    name = given["preset"]
    if given["seed"] is not None or given["overrides"]:
        raise NotebookError("Tables are of a preset as it is: leave seed and overrides alone here.")
    if not (there := trainings(name)):
        raise NotebookError(f"There is no table of {name!r}; `regnas tabulate --preset {name}` makes one.")
    return [load_tabular(name, training) for training in there]
