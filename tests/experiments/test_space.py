"""space: members of a subspace against others of their size, and what they share with the reference."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from straight import right

from regnas_core import experiments
from regnas_core.errors import InfeasibleError


# ── Figure 4 ─────────────────────────────────────────────────────────────────────────────────────
def test_fig4a_pairs_members_and_others_of_equal_size(bench, ref):
    table = experiments.fig4a(bench)
    inside, outside = (table[table["subset"] == s].reset_index(drop=True) for s in ("A_t", "A_c"))
    assert len(table) == 8 and len(inside) == len(outside) == 4
    for text, subset in zip(table["arch"], table["subset"], strict=True):
        assert bench.space.contains(bench.space.parse(text), ref) == (subset == "A_t")
    assert (table["contains_reference"] == (table["subset"] == "A_t")).all()
    assert (outside["mmacs"] / inside["mmacs"] - 1).abs().max() <= 0.02
    assert table["mmacs"].max() <= 0.14
    assert table["arch"].nunique() > 6
    correct = right(bench, [str(ref), *table["arch"]])
    assert table["nfr_pct"].tolist() == pytest.approx((100 * (correct[0] & ~correct[1:]).mean(1)).tolist())
    pd.testing.assert_frame_equal(experiments.fig4a(bench), table)  # the preset's seed decides


@pytest.mark.slow
def test_fig4a_asks_for_networks_that_do_not_contain_the_reference(bench, monkeypatch):
    smallest = lambda bench: bench.space.smallest  # noqa: E731  in every network
    monkeypatch.setattr(experiments.space, "reference", smallest)
    with pytest.raises(InfeasibleError, match=r"nearly all networks of .* MACs contain the reference"):
        experiments.fig4a(bench)


def test_fig4a_claims_compare_pair_by_pair():
    rng = np.random.default_rng(0)
    size, noise = rng.normal(0, 5, 40), rng.normal(0, 0.3, (3, 40))
    inside = pd.DataFrame({"nfr_pct": 10 + size, "top1_pct": 70 + noise[0], "subset": "A_t"})
    outside = pd.DataFrame({"nfr_pct": 11 + size + noise[1], "top1_pct": 70 + noise[2], "subset": "A_c"})
    claims = experiments.fig4a_claims(pd.concat([inside, outside], ignore_index=True))
    nfr, top1, correlation = (row for _, row in claims.iterrows())
    differences = inside["nfr_pct"] - outside["nfr_pct"]
    test = stats.ttest_rel(inside["nfr_pct"], outside["nfr_pct"]).confidence_interval()
    assert nfr["value"] == pytest.approx(differences.mean())
    assert (nfr["low"], nfr["high"]) == pytest.approx((test.low, test.high))
    assert nfr["p"] == pytest.approx(stats.ttest_rel(inside["nfr_pct"], outside["nfr_pct"]).pvalue)
    assert (nfr["verdict"], top1["verdict"]) == ("holds", "not enough data")  # only pairs show the first
    assert correlation["value"] == pytest.approx(np.corrcoef(inside["top1_pct"], inside["nfr_pct"])[0, 1])
    assert correlation["low"] < correlation["value"] < correlation["high"]


@pytest.mark.slow
def test_fig4b_holds_every_visit_of_the_searches_with_three_rewards(bench, ref):
    table = experiments.fig4b(bench)
    visits = table.groupby(["reward", "seed"]).size()
    assert visits.to_dict() == {(reward, seed): 14 for reward in ("R0", "R1", "R2") for seed in (0, 1)}
    assert table["cost"].max() <= 0.14e6
    archs = [bench.space.parse(text) for text in table["arch"]]
    seen = bench.correct(archs, "search")
    nfr = (bench.correct([ref], "search") & ~seen).mean(1)
    assert table["top1_pct"].tolist() == pytest.approx((100 * seen.mean(1)).tolist())
    assert table["nfr_pct"].tolist() == pytest.approx((100 * nfr).tolist())
    gain, loss = (
        table["reward"].map({"R0": 1, "R1": 0, "R2": 1}),
        table["reward"].map({"R0": 0, "R1": 1, "R2": 1}),
    )
    assert table["score"].tolist() == pytest.approx((gain * seen.mean(1) - loss * nfr).tolist())

    choices = experiments.fig4b_choices(table)
    assert list(choices) == ["reward", "seed", "cost", "top1_pct", "nfr_pct"] and len(choices) == 6
    for row in choices.itertuples():
        best = experiments.targets(bench, ref, row.reward)[row.seed]
        assert row.cost == bench.space.macs(best)


# ── shared weights ───────────────────────────────────────────────────────────────────────────────
def test_the_shared_fraction_is_one_inside_the_constraint(wide):
    table = experiments.appendix_a(wide, experiments.fig4a(wide))
    ref = experiments.reference(wide)
    for row in table.itertuples():
        shared = wide.space.shared_weights(wide.space.parse(row.arch), ref)
        assert row.shared_fraction == shared / wide.space.params(ref)
        assert (row.shared_fraction == 1) == (row.subset == "A_t")


def test_a_partial_correlation_leaves_accuracy_out():
    rng = np.random.default_rng(0)
    top1 = rng.normal(size=300)
    table = pd.DataFrame(
        {
            "subset": "A_c",
            "top1_pct": top1,
            "shared_fraction": top1 + 0.1 * rng.normal(size=300),
            "nfr_pct": -top1 + 0.1 * rng.normal(size=300),
        }
    )
    _, outside, partial = experiments.appendix_a_claims(table)["value"]
    assert outside < -0.9 and abs(partial) < 0.2
