"""searches: courses, budgets, rewards and platforms against the searches themselves."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from regnas_core import experiments, run_search
from regnas_core.costs import timing
from regnas_core.costs.timing import LatencyTable

pytestmark = pytest.mark.slow


def test_the_course_of_a_search_is_the_best_so_far(wide):
    course, rep = experiments.fig5a(wide), experiments.repetitions(wide)[3]
    assert len(course) == 2 * 4 * 3
    log = run_search(rep.bench, "R2", reference=experiments.reference(rep), cas=True, seed=1).log
    mine = course[(course["design"] == "R2+CAS") & (course["training"] == 1) & (course["seed"] == 1)]
    for row in mine.itertuples():
        so_far = log[log["generation"] <= row.generation]
        best = so_far.loc[so_far["score"].idxmax()]
        assert row.evaluated == len(so_far)
        assert row.reward_pct == pytest.approx(best["top1_pct"] - best["nfr_pct"])  # search images
        arch, ref = rep.bench.space.parse(best["arch"]), experiments.reference(rep)
        tested = rep.bench.measure([arch], ref, "test").iloc[0]
        assert (row.top1_pct, row.nfr_pct) == pytest.approx((tested["top1_pct"], tested["nfr_pct"]))
    rates = course.pivot_table(index=["training", "seed"], columns=["design", "generation"], values="nfr_pct")
    expected = (rates["R2+CAS"] - rates["R2"]).to_numpy().mean()
    assert experiments.fig5a_claims(course)[1]["value"] == pytest.approx(expected)


def test_of_equal_scores_the_course_shows_the_first_as_the_search_does(wide, monkeypatch):
    log = pd.DataFrame({"generation": [1, 1, 2, 3], "score": [0.5, 0.7, 0.7, 0.6], "arch": list("abcd")})
    seen = []

    def tested(rep, archs):
        seen.extend(archs)
        return np.zeros(len(archs)), np.zeros(len(archs))

    monkeypatch.setattr(experiments.searches, "run_search", lambda *args, **kwargs: SimpleNamespace(log=log))
    monkeypatch.setattr(experiments.searches, "_tested", tested)
    experiments.fig5a(wide)
    assert set(seen) == {"b"}


def test_every_budget_of_the_sweep_is_searched_with_and_without_cas(wide):
    found = experiments.sweep(wide)
    assert list(found) == [(sizes, budget) for sizes in ("up to", "matched") for budget in (0.1, 0.14, 0.18)]
    for (sizes, budget), comparison in found.items():
        assert comparison.designs == ["R0", "R2+CAS"] and len(comparison["R0"].keys) == 4
        for group in comparison.groups:
            assert group.networks["mmacs"].between((sizes == "matched") * 0.93 * budget, budget).all()
    table = experiments.fig5b(found)
    assert table["design"].tolist() == ["reference", *["R0", "R2+CAS"] * 6]
    differences = experiments.sweep_differences(found)
    assert differences["budget"].tolist() == [0.1, 0.14, 0.18] * 2
    claims = experiments.sweep_claims(found)
    assert [row["value"] for row in claims[::2]] == pytest.approx(differences["nfr_pct"].tolist())
    assert [row["value"] for row in claims[1::2]] == pytest.approx(differences["top1_pct"].tolist())
    assert [row["number"] for row in claims] == [6, 4] * 6
    (gap,) = experiments.gap_claim(found)
    assert -1 <= gap["value"] <= 1 and gap["bar"] == 0.2


def test_weights_of_the_reward_are_ablated_between_r0_and_r1(wide):
    table = experiments.appendix_b(wide)
    assert table["ratio"].tolist() == [0, 0.5, 1, 2, np.inf]
    labels, top1 = wide.images("test").labels, []
    for rep in experiments.repetitions(wide):
        best = run_search(rep.bench, (1.0, 2.0), reference=experiments.reference(rep), seed=rep.seed).best
        top1.append((rep.bench.predictions([best], "test") == labels).mean())
    assert table["top1_pct"][3] == pytest.approx(100 * np.mean(top1))


def test_platforms_have_budgets_of_their_own(wide, tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "_wall_ms", lambda work: len(work.args[1]))  # a ms a layer, on any machine
    bench, other = (replace(trained, runs=tmp_path / "toy") for trained in wide.trainings)
    bench.__dict__["trainings"] = (bench, other)
    table = experiments.platforms(bench)
    assert table["platform"].tolist() == ["params"] * 3 + ["latency"] * 3
    assert table["unit"].tolist() == ["M"] * 3 + ["ms"] * 3
    nfr = table.pivot(index="platform", columns="design", values="nfr_pct")
    change = table.set_index(["platform", "design"])["nfr_change_pct"].unstack()
    assert (table["networks"] == 4).all()  # where a repetition finds nothing, changes are over fewer
    assert change["R2+CAS"].tolist() == pytest.approx((nfr["R2+CAS"] - nfr["R0"]).tolist())
    assert change[["R0", "reference"]].isna().all(axis=None)
    assert (table["cost"] <= table["budget"] * (1 + 1e-9)).all()


def test_a_platform_may_be_a_table_that_was_recorded(wide, tmp_path):
    clock = lambda work: len(work.args[1])  # noqa: E731  a ms a layer, so that depth is what costs
    LatencyTable(wide.net, tmp_path / "phone.csv", timer=clock, repeats=1).measure(progress=False)
    search = wide.preset.search.model_copy(update={"platforms": (str(tmp_path / "phone.csv"),)})
    bench = replace(wide, preset=wide.preset.model_copy(update={"search": search}))  # one training
    found = experiments.platforms(bench)
    assert (found["platform"] == "phone").all() and (found["unit"] == "ms").all()
    assert (found["cost"] <= found["budget"] * (1 + 1e-9)).all()


def test_relative_reductions_are_of_the_differences(wide):
    found = experiments.sweep(wide)
    table = experiments.appendix_c(wide, found)
    assert table["budget"].tolist() == [0.14, 0.14, 0.1, 0.18, 0.1, 0.18] and (table["where"] == "toy").all()
    difference = found["up to", 0.1].differences([("R2+CAS", "R0")]).iloc[0]
    assert table["relative_reduction_pct"][2] == -difference["relative_nfr_change_pct"]
    assert table["nfr_change_low_pct"][2] == difference["nfr_low_pct"]
