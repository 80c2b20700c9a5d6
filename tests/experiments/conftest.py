"""Two workbenches that the experiments share: what one test computes, the next one reads."""

from __future__ import annotations

import pandas as pd
import pytest

from regnas_core import experiments
from regnas_core.spaces.space import Arch
from regnas_core.workbench.workbench import Workbench


@pytest.fixture(scope="session")
def bench(make_bench, tmp_path_factory) -> Workbench:
    return make_bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="session")
def wide(make_bench, tmp_path_factory) -> Workbench:
    """A bench with a sweep of budgets; its networks train for one epoch."""
    search = {
        "reference_mmacs": 0.07,
        "target_mmacs": 0.14,
        "generations": 3,
        "population": 8,
        "sweep": [0.1, 0.14, 0.18],
        "platforms": ["params", "latency"],
    }
    networks = {"epochs": 1, "finetune_epochs": 1}
    splits = ("train", "calibration", "search", "test")
    return make_bench(
        tmp_path_factory.mktemp("wide"), splits, search=search, networks=networks, sweep_seeds=2
    )


@pytest.fixture(scope="session")
def ref(bench) -> Arch:
    return experiments.reference(bench)


@pytest.fixture(scope="session")
def found(bench) -> experiments.Comparison:
    return experiments.table2(bench)


@pytest.fixture(scope="session")
def table2(found) -> pd.DataFrame:
    return found.by_seed()
