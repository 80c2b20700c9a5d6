"""searches: courses, budgets, rewards and platforms against the searches themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from straight import right

from regnas_core import experiments, run_search
from regnas_core.costs.timing import LatencyTable

pytestmark = pytest.mark.slow


def test_the_course_of_a_search_is_the_best_so_far(wide):
    course, ref = experiments.fig5a(wide), experiments.reference(wide)
    assert len(course) == 2 * 2 * 3
    log = run_search(wide, "R2", reference=ref, cas=True, seed=1).log
    mine = course[(course["design"] == "R2+CAS") & (course["seed"] == 1)]
    for row in mine.itertuples():
        so_far = log[log["generation"] <= row.generation]
        best = so_far.loc[so_far["score"].idxmax()]
        assert row.evaluated == len(so_far)
        assert (row.top1_pct, row.nfr_pct) == (best["top1_pct"], best["nfr_pct"])
        assert row.reward_pct == pytest.approx(row.top1_pct - row.nfr_pct)
    claims = experiments.fig5a_claims(course)
    wide_table = course.pivot_table(index="seed", columns=["design", "generation"], values="nfr_pct")
    expected = (wide_table["R2+CAS"] - wide_table["R2"]).to_numpy().mean()
    assert claims["value"].iloc[1] == pytest.approx(expected)


def test_every_budget_of_the_sweep_is_searched_with_and_without_cas(wide):
    found, ref = experiments.sweep(wide), experiments.reference(wide)
    assert list(found) == [0.1, 0.14, 0.18]
    for budget, comparison in found.items():
        assert comparison.designs == ["R0", "R2+CAS"] and comparison["R0"].seeds == [0, 1]
        assert max(*comparison["R0"].mmacs, *comparison["R2+CAS"].mmacs) <= budget
        assert all(wide.space.contains(wide.space.parse(a), ref) for a in comparison["R2+CAS"].archs)
    table = experiments.fig5b(found)
    assert table["design"].tolist() == ["reference", *["R0", "R2+CAS"] * 3]
    differences = experiments.sweep_differences(found)
    assert differences["budget"].tolist() == [0.1, 0.14, 0.18]
    claims = experiments.fig5b_claims(found)
    assert len(claims) == 4 and claims["value"].tolist()[:3] == differences["nfr_pct"].tolist()


def test_weights_of_the_reward_are_ablated_between_r0_and_r1(wide):
    table = experiments.appendix_b(wide)
    assert table["ratio"].tolist() == [0, 0.5, 1, 2, np.inf]
    ref = experiments.reference(wide)
    best = [run_search(wide, (1.0, 2.0), reference=ref, seed=seed).best for seed in (0, 1)]
    expected = 100 * right(wide, [str(a) for a in best]).mean()
    assert table["top1_pct"][3] == pytest.approx(expected)


def test_platforms_have_budgets_of_their_own(wide):
    table = experiments.platforms(wide)
    assert table["platform"].tolist() == ["params"] * 3 + ["latency"] * 3
    assert table["unit"].tolist() == ["M"] * 3 + ["ms"] * 3
    assert (table["cost"] <= table["budget"] * (1 + 1e-9)).all()


def test_a_platform_may_be_a_table_that_was_recorded(wide, tmp_path):
    clock = lambda work: len(work.args[1])  # noqa: E731  a ms a layer, so that depth is what costs
    LatencyTable(wide.net, tmp_path / "phone.csv", timer=clock, repeats=1).measure(progress=False)
    search = wide.preset.search.model_copy(update={"platforms": (str(tmp_path / "phone.csv"),)})
    bench = replace(wide, preset=wide.preset.model_copy(update={"search": search}))
    found = experiments.platforms(bench)
    assert (found["platform"] == "phone").all() and (found["unit"] == "ms").all()
    assert (found["cost"] <= found["budget"] * (1 + 1e-9)).all()


def test_relative_reductions_are_of_the_differences(wide):
    found = experiments.sweep(wide)
    table = experiments.appendix_c(wide, found)
    assert table["budget"].tolist() == [0.14, 0.1, 0.18] and (table["where"] == "toy").all()
    difference = found[0.1].differences([("R2+CAS", "R0")]).iloc[0]
    assert table["relative_reduction_pct"][1] == -difference["relative_nfr_change_pct"]
