"""notebook: parameters are what they should be, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tables import contents

from regnas_core import load_tabular
from regnas_core.errors import NotebookError
from regnas_core.reproduction.catalogue import Notebook
from regnas_core.reproduction.notebook import open_notebook, open_tables, parameters
from regnas_core.tabular import benchmark
from regnas_core.tabular.format import write

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


def test_tables_are_those_of_every_training_of_the_preset(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "TABLES", tmp_path)
    for training in (0, 2, 10):
        write(tmp_path / f"toy-{training}.npz", contents(seed=training))
    write(tmp_path / "toy-resnet-1.npz", contents("mini-resnet"))
    assert benchmark.trainings("toy") == [0, 2, 10] and benchmark.trainings("toy-resnet") == [1]
    found = open_tables({**GIVEN, "preset": "toy"})
    np.testing.assert_array_equal(found[1].right("test"), load_tabular("toy", 2).right("test"))
    with pytest.raises(NotebookError, match="no table of 'other'; `regnas tabulate --preset other`"):
        open_tables({**GIVEN, "preset": "other"})
    with pytest.raises(NotebookError, match="leave seed and overrides alone"):
        open_tables({**GIVEN, "preset": "toy", "seed": 3})
    nb = Notebook(tmp_path, "A title", ("item",), ("preset",), tables=True)
    assert nb.missing("toy", {}) == [] and nb.missing("other", {}) == ["a table of other as it is"]
    assert nb.missing("toy", {"seeds": 1}) == ["a table of toy as it is"]
    lacking = replace(nb, needs=("package:json", "package:nothing_of_this_name"))
    assert lacking.missing("toy", {}) == ["the package nothing_of_this_name (extra deploy)"]
