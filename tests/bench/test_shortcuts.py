"""shortcuts: precision and racing against what they replace."""

from __future__ import annotations

import pytest

from regnas_core import bench


def test_precision_compares_predictions_of_the_same_networks(make_bench, tmp_path):
    table, summary = bench.precision(make_bench(tmp_path), networks=3)
    assert len(table) == 3 and table["disagreement_pct"].between(0, 20).all()
    assert (table["top1_change_pct"].abs() <= table["disagreement_pct"]).all()
    assert summary["images"] == 60


@pytest.mark.slow
def test_races_are_compared_with_the_search_that_does_not_race(make_bench, tmp_path):
    toy = make_bench(tmp_path)
    table, _ = bench.racing(toy, levels=(0.0, 0.3), seeds=2)
    assert table[["seed", "level"]].to_numpy().tolist() == [[0, 0.0], [0, 0.3], [1, 0.0], [1, 0.3]]
    assert table["work"].between(0.1, 1).all()
    exact = table[table["level"] == 0]
    assert exact["same"].all() and (exact["reward_lost_pct"] == 0).all()
    assert (table["reward_lost_pct"] >= 0).all()
