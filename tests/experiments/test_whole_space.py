"""whole_space: optima, collapse, constraint and genes by plain loops over a small table."""

from __future__ import annotations

import numpy as np
import pytest
from tables import table

from regnas_core.experiments import whole_space

TABLE = table()
REFERENCE = TABLE.best("R0", max_cost=float(np.quantile(TABLE.macs, 0.15)))
BUDGETS = whole_space.budgets(TABLE, float(np.quantile(TABLE.macs, 0.3)), 5)
RIGHT = TABLE.right("test")
OWN = RIGHT[TABLE.row(REFERENCE)]


def nfr_pct(row: int) -> float:
    return 100 * sum(a and not b for a, b in zip(OWN, RIGHT[row], strict=True)) / len(OWN)


def test_budgets_go_up_to_the_largest_network_by_equal_factors():
    assert len(BUDGETS) == 5 and BUDGETS[-1] == pytest.approx(TABLE.macs.max())
    assert np.allclose(BUDGETS[1:] / BUDGETS[:-1], BUDGETS[1] / BUDGETS[0])


def test_the_regime_compares_the_best_of_two_budgets():
    (row,) = whole_space.regime(TABLE, [5e5]).to_dict("records")
    a, b = TABLE.best("R0", max_cost=5e5), TABLE.best("R0", TABLE.best("R0", max_cost=5e5), max_cost=1e6)
    right = TABLE.right("test", [a, b])
    assert row["gain_pct"] == pytest.approx(100 * (right[1].mean() - right[0].mean()))
    assert row["nfr_pct"] == pytest.approx(100 * (right[0] & ~right[1]).mean())
    assert row["ratio"] == pytest.approx(row["gain_pct"] / row["nfr_pct"])


def test_optima_keep_their_limits_and_are_measured_on_test():
    found = whole_space.optima(TABLE, REFERENCE, BUDGETS)
    assert set(found["design"]) == {"R0", "R1", "R2", "R2+CAS"} and set(found["sizes"]) == {
        "up to",
        "matched",
    }
    assert (found["mmacs"] <= found["budget_mmacs"] + 1e-9).all()
    matched = found[found["sizes"] == "matched"]
    assert (matched["mmacs"] >= 0.93 * matched["budget_mmacs"]).all()
    for row in found.to_dict("records"):
        arch = TABLE.space.parse(row["arch"])
        assert arch != REFERENCE
        assert row["nfr_pct"] == pytest.approx(nfr_pct(TABLE.row(arch)))
        assert row["design"] != "R2+CAS" or TABLE.space.contains(arch, REFERENCE)


@pytest.mark.parametrize("matched", [False, True])
def test_effects_are_paired_image_by_image(matched):
    tables = [TABLE, table(seed=1)]
    references = [t.best("R0", max_cost=float(np.quantile(t.macs, 0.15))) for t in tables]
    found = whole_space.effect(tables, references, BUDGETS[3], matched=matched)
    nfr, top1 = [], []
    for t, reference in zip(tables, references, strict=True):
        rows = whole_space.optima(t, reference, [BUDGETS[3]])
        rows = rows[rows["sizes"] == ("matched" if matched else "up to")].set_index("design")
        nfr.append(rows.loc["R2+CAS", "nfr_pct"] - rows.loc["R0", "nfr_pct"])
        top1.append(rows.loc["R2+CAS", "top1_pct"] - rows.loc["R0", "top1_pct"])
    assert found["nfr_diff_pct"] == pytest.approx(np.mean(nfr))
    assert found["top1_diff_pct"] == pytest.approx(np.mean(top1))
    assert found["nfr_diff_pct_low"] < found["nfr_diff_pct"] < found["nfr_diff_pct_high"]
    alone = whole_space.effect(tables[:1], references[:1], BUDGETS[3], matched=matched)
    assert alone["nfr_diff_pct"] == pytest.approx(nfr[0])


def test_collapse_says_what_of_the_budget_is_used():
    found = whole_space.collapse(TABLE, REFERENCE, BUDGETS, ratios=(0.0, np.inf))
    assert len(found) == 2 * len(BUDGETS)
    for row in found.to_dict("records"):
        best = TABLE.best("R1" if row["ratio"] else "R0", REFERENCE, max_cost=row["budget_mmacs"] * 1e6)
        macs = TABLE.macs[TABLE.row(best)]
        assert row["used_pct"] == pytest.approx(100 * macs / 1e6 / row["budget_mmacs"])
        assert row["times_reference"] == pytest.approx(macs / TABLE.macs[TABLE.row(REFERENCE)])


def test_the_constraint_is_compared_at_equal_size(monkeypatch):
    monkeypatch.setattr(whole_space, "LEAST", 2)
    monkeypatch.setattr(whole_space, "BIN", 1.5)
    found = whole_space.constraint(TABLE, 9e5, progress=False)
    assert len(found) > 5
    bins = np.floor(np.log(TABLE.macs) / np.log(1.5)).astype(int)
    top1 = RIGHT.mean(1)
    for row in found.to_dict("records"):
        (r,) = [
            i
            for i in range(len(TABLE))
            if TABLE.macs[i] / 1e6 == row["mmacs"] and 100 * top1[i] == row["top1_pct"]
        ]
        larger = [i for i in range(len(TABLE)) if TABLE.macs[i] > TABLE.macs[r]]
        inside = {i for i in larger if TABLE.space.contains(TABLE.archs[i], TABLE.archs[r])}
        weight = total = accuracy = 0.0
        for b in set(bins):
            ins = [i for i in larger if bins[i] == b and i in inside]
            out = [i for i in larger if bins[i] == b and i not in inside]
            if ins and out:
                flips = [np.mean([(RIGHT[r] & ~RIGHT[i]).mean() for i in kind]) for kind in (ins, out)]
                total += len(ins) * (flips[0] - flips[1])
                accuracy += len(ins) * (top1[ins].mean() - top1[out].mean())
                weight += len(ins)
        assert row["inside"] == weight
        assert row["nfr_diff_pct"] == pytest.approx(100 * total / weight)
        assert row["top1_diff_pct"] == pytest.approx(100 * accuracy / weight)


def test_genes_are_averaged_over_all_networks_that_have_a_value():
    found = whole_space.genes(TABLE, REFERENCE)
    assert found["gene"].tolist()[:4] == ["ks 1", "ks 1", "ks 2", "ks 2"]
    row = found[(found["gene"] == "d 2") & (found["value"] == 2)].iloc[0]
    has = [i for i, arch in enumerate(TABLE.archs) if arch.d[1] == 2]
    assert row["top1_pct"] == pytest.approx(100 * RIGHT[has].mean())
    assert row["nfr_pct"] == pytest.approx(np.mean([nfr_pct(i) for i in has]))


def test_searches_come_down_to_the_optimum():
    budget = float(TABLE.macs.max())
    found = whole_space.searches(TABLE, REFERENCE, budget, seeds=2, progress=False)
    assert (found["regret_pct"] >= -1e-9).all()
    for _, course in found.groupby(["method", "cas", "seed"]):
        assert course["regret_pct"].is_monotonic_decreasing
    free = found[~found["cas"]]
    assert free.groupby(["method", "seed"])["found"].last().all()  # all of so small a space was seen
    summary = whole_space.until_found(found)
    assert summary["found_pct"].between(0, 100).all() and len(summary) <= 4 * 14
