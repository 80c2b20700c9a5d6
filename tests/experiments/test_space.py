"""space: members of a subspace against others of their size, and what they share with the reference."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from regnas_core import experiments
from regnas_core.errors import InfeasibleError
from regnas_core.flips.intervals import crossed_mean


# ── Figure 4 ─────────────────────────────────────────────────────────────────────────────────────
def test_fig4a_pairs_members_and_others_of_equal_size(bench, ref):
    clouds = experiments.fig4a(bench)
    table = clouds.table
    inside, outside = (table[table["subset"] == s].reset_index(drop=True) for s in ("A_t", "A_c"))
    assert len(table) == 8 and len(inside) == len(outside) == 4
    for text, subset in zip(table["arch"], table["subset"], strict=True):
        assert bench.space.contains(bench.space.parse(text), ref) == (subset == "A_t")
    assert (table["contains_reference"] == (table["subset"] == "A_t")).all()
    assert (outside["mmacs"] / inside["mmacs"] - 1).abs().max() <= 0.02
    assert table["mmacs"].max() <= 0.14 and table["arch"].nunique() > 6
    assert clouds.keys == [(0, 0), (0, 1), (1, 0), (1, 1)]
    pd.testing.assert_frame_equal(experiments.fig4a(bench).table, table)  # the seeds decide


def test_fig4a_counts_flips_by_accuracy_image_by_image(bench, ref):
    clouds, labels = experiments.fig4a(bench), bench.images("test").labels
    archs = [bench.space.parse(text) for text in [str(ref), *clouds.table["arch"]]]
    own, *others = bench.predictions(archs, "test") == labels
    flips = np.array([own & ~row if own.sum() <= row.sum() else row & ~own for row in others])
    np.testing.assert_allclose(clouds.nfr_change[0], flips[:4].mean(0) - flips[4:].mean(0), atol=1e-6)
    np.testing.assert_allclose(
        clouds.top1_change[0], np.mean(others[:4], 0) - np.mean(others[4:], 0), atol=1e-6
    )
    r = stats.pearsonr(np.mean(others[:4], 1), flips[:4].mean(1)).statistic
    assert clouds.r[0] == pytest.approx(r)


@pytest.mark.slow
def test_fig4a_asks_for_networks_that_do_not_contain_the_reference(bench, monkeypatch):
    smallest = lambda rep: rep.bench.space.smallest  # noqa: E731  in every network
    monkeypatch.setattr(experiments.space, "reference", smallest)
    with pytest.raises(InfeasibleError, match=r"nearly all networks of .* MACs contain the reference"):
        experiments.fig4a(bench)


def test_fig4a_claims_are_over_trainings_and_images():
    rng, keys = np.random.default_rng(0), [(0, 0), (0, 1), (1, 0), (2, 0)]
    nfr, top1 = rng.normal(-0.01, 0.1, (2, 4, 50))
    clouds = experiments.Clouds(
        pd.DataFrame(), keys, nfr, top1, np.array([0.1, 0.3, -0.2, 0.0]), rng.normal(size=(4, 2))
    )
    less, more, r = experiments.fig4a_claims(clouds)
    expected = crossed_mean(nfr, np.array([0, 0, 1, 2]))
    assert less["value"] == pytest.approx(100 * expected.value) and less["p"] == pytest.approx(expected.p())
    assert (less["trainings"], less["number"], more["number"], r["number"]) == (3, 3, 3, 2)
    assert r["value"] == pytest.approx((0.2 - 0.2 + 0.0) / 3)


@pytest.mark.slow
def test_fig4b_holds_every_visit_of_a_search_with_each_reward(bench):
    table = experiments.fig4b(bench)
    visits = table.groupby(["reward", "training"]).size()
    assert visits.to_dict() == {(reward, k): 14 for reward in ("R0", "R1", "R2") for k in (0, 1)}
    assert table["cost"].max() <= 0.14e6
    gain = table["reward"].map({"R0": 1, "R1": 0, "R2": 1})
    loss = table["reward"].map({"R0": 0, "R1": 1, "R2": 1})
    rewards = (gain * table["top1_pct"] - loss * table["nfr_pct"]) / 100
    assert table["score"].tolist() == pytest.approx(rewards.tolist())
    choices = experiments.fig4b_choices(table)
    assert list(choices) == ["reward", "training", "cost", "top1_pct", "nfr_pct"] and len(choices) == 6
    for row in choices.itertuples():
        best = experiments.target(experiments.firsts(bench)[row.training], row.reward)
        assert row.cost == bench.space.macs(best)


# ── shared weights ───────────────────────────────────────────────────────────────────────────────
def test_the_shared_fraction_is_one_inside_the_constraint(wide):
    table = experiments.appendix_a(wide, experiments.fig4a(wide))
    ref = experiments.reference(experiments.repetitions(wide)[0])
    for row in table.itertuples():
        shared = wide.space.shared_weights(wide.space.parse(row.arch), ref)
        assert row.shared_fraction == shared / wide.space.params(ref)
        assert (row.shared_fraction == 1) == (row.subset == "A_t")
    assert str(ref) not in set(table["arch"])


@pytest.mark.slow
def test_correlations_of_the_shared_fraction_are_means_over_repetitions(wide):
    plain, partial = experiments.appendix_a_claims(experiments.fig4a(wide))
    assert all(-1 <= row["value"] <= 1 and row["trainings"] == 2 for row in (plain, partial))


def test_a_partial_correlation_leaves_accuracy_out():
    rng = np.random.default_rng(0)
    top1, noise = rng.normal(size=300), rng.normal(size=(2, 300))
    shared, nfr = top1 + 0.1 * noise[0], -top1 + 0.1 * noise[1]
    without = experiments.space._without
    assert np.corrcoef(shared, nfr)[0, 1] < -0.9
    assert abs(np.corrcoef(without(shared, top1), without(nfr, top1))[0, 1]) < 0.2
