"""Two workbenches that the experiments share: what one test computes, the next one reads."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from regnas_core import experiments
from regnas_core.spaces.space import Arch
from regnas_core.workbench.workbench import Workbench


@pytest.fixture(scope="session")
def bench(make_bench, tmp_path_factory) -> Workbench:
    """Of two trainings, with two seeds each, which search on 40 of 60 images."""
    search = {
        "reference_mmacs": 0.07,
        "target_mmacs": 0.14,
        "generations": 2,
        "population": 8,
        "images_per_seed": 40,
    }
    return twice(make_bench(tmp_path_factory.mktemp("bench"), search=search))


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
    return twice(make_bench(tmp_path_factory.mktemp("wide"), splits, search=search, networks=networks))


def twice(bench: Workbench) -> Workbench:
    """The same bench with a second training: other weights, of the same super-network."""
    weights = {name: w.flip(0) if w.ndim == 1 else -w for name, w in bench.net.weights.items()}
    bench.__dict__["trainings"] = (bench, replace(bench, net=replace(bench.net, weights=weights)))
    return bench


@pytest.fixture(scope="session")
def first(bench) -> experiments.Repetition:
    return experiments.repetitions(bench)[0]


@pytest.fixture(scope="session")
def ref(first) -> Arch:
    return experiments.reference(first)


@pytest.fixture(scope="session")
def found(bench) -> experiments.Comparison:
    return experiments.table2(bench)


@pytest.fixture(scope="session")
def table2(found) -> pd.DataFrame:
    return found.networks()
