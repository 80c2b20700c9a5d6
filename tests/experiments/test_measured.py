"""measured: networks of once-for-all with their Top-1, and how predictions of it are judged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from regnas_core import get_space
from regnas_core.experiments.measured import agreement, by_strategy, measured_networks


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return measured_networks()


def test_costs_are_those_that_were_published(table):
    space = get_space("ofa-mbv3-w1.0", resolutions=(224,))
    assert len(table) == 2162 and table["top1_pct"].between(70, 78).all()
    for row in table.sample(100, random_state=0).itertuples():
        arch = space.parse(row.arch)
        assert space.macs(arch) / 1e6 == pytest.approx(row.mmacs) and space.params(arch) == row.params


def test_agreement_is_of_ranks_and_offset_by_size():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"mmacs": rng.uniform(150, 350, 300)})
    table["top1_pct"] = 70 + table["mmacs"] / 50 + rng.normal(0, 0.5, 300)
    table["predicted_pct"] = table["top1_pct"] + 5
    found = agreement(table)
    assert found["band"].tolist() == ["all", "150 to 250 M", "250 to 350 M"]
    assert found["spearman"].tolist() == pytest.approx([1, 1, 1]) and (found["left_pct"] == 0).all()
    assert found["offset_pct"].tolist() == pytest.approx([5, 5, 5])
    assert found["networks"][0] == 300 == found["networks"][1:].sum()
    noisy = agreement(table.assign(predicted_pct=table["predicted_pct"] + rng.normal(0, 1, 300)))
    assert (noisy["spearman_low"] < noisy["spearman"]).all() and (noisy["left_pct"] >= 0).all()
    assert noisy["spearman"][0] > noisy["spearman"][1]  # all sizes are easier than one


def test_strategies_stand_beside_the_measured_front(table):
    def predict(archs):  # what grows with cost, six points too high
        return np.array([0.76 + space.macs(arch) / 1e10 for arch in archs])

    space = get_space("ofa-mbv3-w1.0", resolutions=(224,))
    known = table.assign(predicted_pct=76 + table["mmacs"] / 100, top1_pct=70 + table["mmacs"] / 50)
    asked = {"strategies": {"random": 40, "evolution": 40}, "seeds": (0, 1)}
    found = by_strategy(known, predict, budgets=(250, 400), **asked)
    assert len(found) == 2 * 2 * 2 and (found["mmacs"] <= found["budget"]).all()
    assert found["expected_pct"].tolist() == pytest.approx((70 + found["mmacs"] / 50).tolist())
    assert found["error_pct"].max() < 1e-6  # a straight line tells all
    within = known["top1_pct"].where(known["mmacs"] <= 250).max()
    assert found["front_pct"][0] == within
    assert found["behind_pct"].tolist() == pytest.approx(
        (found["front_pct"] - found["expected_pct"]).tolist()
    )
    most = known["predicted_pct"].where(known["mmacs"] <= 250).max()
    assert found["beyond_pct"][0] == pytest.approx(found["predicted_pct"][0] - most)
