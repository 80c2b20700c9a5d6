"""notebook: parameters are what they should be, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from regnas_core.errors import NotebookError
from regnas_core.reproduction.notebook import open_notebook, parameters

GIVEN = {"preset": "demo", "seed": None, "overrides": {}}


def test_what_a_shell_and_imports_leave_is_no_parameter():
    shell = {"In": ["", "x"], "Out": {}, "_": 1, "_i1": "x", "exit": 1, "quit": 1, "np": np, "open": open}
    assert parameters({**shell, **GIVEN, "Path": int, "helper": len}) == GIVEN


@pytest.mark.parametrize("name", ["sead", "Preset", "search_population"])
def test_other_variables_are_refused(name):
    with pytest.raises(NotebookError, match=rf"Unknown parameter {name}; there are preset, seed, overrides"):
        open_notebook({**GIVEN, name: 3})


def test_a_cell_that_was_not_run_is_named():
    with pytest.raises(NotebookError, match="Run the cell that sets preset, seed first"):
        parameters({"overrides": {}})
