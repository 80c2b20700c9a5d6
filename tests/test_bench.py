"""The benchmark measures what it says, on equal terms."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from regnas_core import bench, cli, get_space, load_supernet


@pytest.fixture(scope="module")
def measured():
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
    assert {name: len(archs) for name, archs in groups.items()} == {"first": 100, "converged": 75}
    assert all(space.macs(arch) <= 300e6 for archs in groups.values() for arch in archs)
    first, late = (bench.sharing(space, archs) for archs in groups.values())
    assert 0 < late < first < 1


def test_sharing_counts_distinct_prefixes():
    space = get_space("mini")
    assert bench.sharing(space, [space.largest]) == 1
    assert bench.sharing(space, [space.largest] * 4) == 0.25


def test_the_command_ends_with_one_line_of_json(tmp_path):
    arguments = (
        "bench evaluate --space mini --images 30 --calibration 20 --networks 3 --baseline 2 --device cpu"
    )
    done = CliRunner().invoke(cli.app, [*arguments.split(), "--json", "--csv", str(tmp_path / "t.csv")])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["first_over_one_by_one_ratio"] > 0 and "first_over_ofa_ratio" not in summary
    assert (tmp_path / "t.csv").read_text().startswith("group,route")
