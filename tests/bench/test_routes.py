"""routes: measured on equal terms, and all of them predict the same."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
import torch

from regnas_core import bench, evolve, get_space, load_supernet
from regnas_core.bench import routes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            routes, "evolve", partial(evolve, population=16)
        )  # the networks come from a small search
        return bench.evaluate(
            "ofa-mbv3-w1.0",
            resolution=64,
            images=20,
            calibration=24,
            networks=4,
            baseline=2,
            device="cpu",
            progress=False,
        )


def test_all_routes_predict_the_same_and_are_compared_by_ratios(measured):
    table, summary = measured
    assert table.groupby("group")["route"].apply(list).tolist() == [["generation", "one by one", "ofa"]] * 2
    assert (table["agreement"] >= 0.95).all()  # untrained networks are full of near-ties
    seconds = table.set_index(["group", "route"])["seconds_per_network"]
    ratios = {key: value for key, value in summary.items() if key.endswith("_ratio")}
    assert ratios.keys() == {
        f"{g}_over_{r}_ratio" for g in ("first", "converged") for r in ("ofa", "one_by_one")
    }
    ratio = seconds["first", "ofa"] / seconds["first", "generation"]
    assert ratios["first_over_ofa_ratio"] == pytest.approx(ratio, abs=1e-3)
    assert summary["threads"] == torch.get_num_threads() and summary["space"].startswith("ofa-mbv3-w1.0")
    json.dumps(summary)


def test_ofas_route_predicts_as_ours_in_double_precision():
    net = load_supernet("ofa-resnet50", "random:0", resolutions=(64,)).to(torch.float64)
    work = bench.workload(net, (3, 64), 9, 7, calibration_batch=4)
    archs = [net.space.sample(np.random.default_rng(seed)) for seed in range(2)]
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        theirs = bench.OfaRoute(work, torch.device("cpu"), batch_size=3)
        theirs.net.double()
        expected = theirs.predict(archs)
    finally:
        torch.set_default_dtype(before)
    np.testing.assert_array_equal(work.evaluator(device="cpu").predict(archs, work.images), expected)


def test_generations_are_those_of_the_papers_protocol():
    space = get_space("ofa-mbv3-w1.0")
    groups = bench.generations(space, 300e6)
    assert {name: len(archs) for name, archs in groups.items()} == {1: 100, 20: 75}
    assert all(space.macs(arch) <= 300e6 for archs in groups.values() for arch in archs)
    first, late = (bench.sharing(space, archs) for archs in groups.values())
    assert 0 < late < first < 1


def test_sharing_counts_distinct_prefixes():
    space = get_space("mini")
    assert bench.sharing(space, [space.largest]) == 1
    assert bench.sharing(space, [space.largest] * 4) == 0.25
