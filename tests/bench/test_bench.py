"""The benchmark measures what it says, on equal terms."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from regnas_core import bench, cli, get_space, load_supernet
from regnas_core.bench.scaling import in_a_process_of_its_own


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
    assert {name: len(archs) for name, archs in groups.items()} == {1: 100, 20: 75}
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


def test_growth_measures_every_point_of_every_axis():
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


def fill(megabytes: int) -> dict:
    return {"sum": int(np.ones(megabytes * 1_000_000, np.uint8).sum())}


def test_peak_memory_is_of_a_process_of_its_own():
    small, large = (in_a_process_of_its_own(fill, megabytes) for megabytes in (1, 400))
    assert large["sum"] == 400_000_000
    assert 0.3 < large["peak_gbytes"] - small["peak_gbytes"] < 0.5


def test_all_pairs_are_counted_at_scale():
    table, _ = bench.flips_at_scale(40, 2000, 10)
    row = table.iloc[0]
    assert row["pairs"] == 40 * 39 / 2 and row["mean_nfr_pct"] == pytest.approx(25 * 0.75, abs=1)


def test_precision_compares_predictions_of_the_same_networks(make_bench, tmp_path):
    table, summary = bench.precision(make_bench(tmp_path), networks=3)
    assert len(table) == 3 and table["disagreement_pct"].between(0, 20).all()
    assert (table["top1_change_pct"].abs() <= table["disagreement_pct"]).all()
    assert summary["images"] == 60


def test_races_are_compared_with_the_search_that_does_not_race(make_bench, tmp_path):
    toy = make_bench(tmp_path)
    table, _ = bench.racing(toy, levels=(0.0, 0.3), seeds=2)
    assert table[["seed", "level"]].to_numpy().tolist() == [[0, 0.0], [0, 0.3], [1, 0.0], [1, 0.3]]
    assert table["work"].between(0.1, 1).all()
    exact = table[table["level"] == 0]
    assert exact["same"].all() and (exact["reward_lost_pct"] == 0).all()
    assert (table["reward_lost_pct"] >= 0).all()


def test_a_measurement_is_kept_with_its_conditions(tmp_path):
    path = tmp_path / "flips.csv"
    done = CliRunner().invoke(
        cli.app, ["bench", "flips", "--models", "5", "--images", "50", "--json", "--csv", str(path)]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout.splitlines()[-1]) == json.loads(path.with_suffix(".json").read_text())
    assert pd.read_csv(path)["pairs"].item() == 10
