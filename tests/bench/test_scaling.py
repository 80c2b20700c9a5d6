"""scaling: growth along every axis, memory of a process of its own, flips of all pairs."""

from __future__ import annotations

import os
import pickle
from functools import partial

import pytest
import torch
from filled import fill

from regnas_core import bench, evolve
from regnas_core.bench import routes, scaling
from regnas_core.bench.scaling import in_a_process_of_its_own


@pytest.fixture
def here(monkeypatch) -> None:
    """A process of its own costs seconds: what it would be sent is done here."""
    sent = lambda work, *args: scaling._with_peak(*pickle.loads(pickle.dumps((work, *args))))  # noqa: E731
    monkeypatch.setattr(scaling, "in_a_process_of_its_own", sent)


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_growth_measures_every_point_of_every_axis(monkeypatch):
    monkeypatch.setattr(routes, "evolve", partial(evolve, population=16))
    points = {"population": (3,), "generation": (20,), "images": (16,)}
    given = {"networks": 2, "images": 8, "calibration": 8, "points": points, "device": "cpu"}
    table, summary = bench.growth("mini", **given, progress=False)
    assert table[["axis", "value", "networks"]].to_numpy().tolist() == [
        ["population", 3, 3],
        ["generation", 20, 2],
        ["images", 16, 2],
    ]
    assert (table["seconds_per_network"] > 0).all() and table["distinct_macs"].between(0, 1).all()
    assert summary["images"] == 8 and summary["threads"] == torch.get_num_threads()


@pytest.mark.slow
def test_peak_memory_is_of_a_process_of_its_own():
    large = in_a_process_of_its_own(fill, 400)
    assert large["sum"] == 400_000_000 and large["process"] != os.getpid()
    assert 0.3 < large["peak_gbytes"] - large["before_gbytes"] < 0.5


@pytest.mark.usefixtures("here")
def test_all_pairs_are_counted_at_scale():
    table, _ = bench.flips_at_scale(40, 2000, 10)
    row = table.iloc[0]
    assert row["pairs"] == 40 * 39 / 2 and row["mean_nfr_pct"] == pytest.approx(25 * 0.75, abs=1)
