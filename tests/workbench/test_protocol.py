"""protocol: searches respect their limits, replay, and leave the test split alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from regnas_core import Evaluator, run_search
from regnas_core.errors import DataError, RegnasError
from regnas_core.search.rewards import reward
from regnas_core.spaces.space import Arch
from regnas_core.workbench.protocol import get_score


@pytest.fixture
def reference(bench) -> Arch:
    return bench.space.sample(np.random.default_rng(1), max_cost=7e4)


# ── rewards and searches ─────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("weights", ["R0", "R1", "R2", (0.5, 2.0)])
def test_scores_are_rewards_on_the_search_split(bench, archs, weights):
    right = bench.correct(archs, "search")
    nfr = [(right[0] & ~row).mean() for row in right]
    scores = get_score(bench, weights, archs[0])(archs[1:])
    assert scores == pytest.approx(reward(right.mean(1), np.array(nfr), weights)[1:])
    assert len(set(scores)) > 1


def test_without_a_reference_there_is_top1_alone(bench, archs):
    assert get_score(bench, "R0", None)(archs) == pytest.approx(bench.correct(archs, "search").mean(1))
    for weights in ("R1", "R2", (1.0, 0.5)):
        with pytest.raises(RegnasError, match="needs a reference"):
            get_score(bench, weights, None)


@pytest.mark.parametrize("cas", [False, True])
def test_a_search_respects_its_limits_and_keeps_its_log(bench, reference, cas):
    found = run_search(bench, "R2", reference=reference, cas=cas, seed=3)
    assert found.log.groupby("generation").size().tolist() == [8, 6]
    assert max(map(bench.space.macs, found.archs)) <= 0.14e6
    assert all(bench.space.contains(a, reference) for a in found.archs) == cas
    (path,) = (bench.runs / "searches").glob(f"R2{'+CAS' if cas else ''}-0.14M-seed3-*.parquet")
    kept = pd.read_parquet(path)
    pd.testing.assert_frame_equal(kept, found.log)
    again = run_search(bench, "R2", reference=reference, cas=cas, seed=3)
    assert again.best == found.best and tuple(again.archs) == found.archs
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"cannot be read .* Delete it"):
        run_search(bench, "R2", reference=reference, cas=cas, seed=3)
    right, own = bench.correct(found.archs, "search"), bench.correct([reference], "search")
    assert kept["arch"].tolist() == list(map(str, found.archs))
    for column, rate in (("top1_pct", right.mean(1)), ("nfr_pct", (own & ~right).mean(1))):
        assert kept[column].tolist() == pytest.approx((100 * rate).tolist(), rel=1e-12)
    assert kept["score"].tolist() == pytest.approx(((kept["top1_pct"] - kept["nfr_pct"]) / 100).tolist())
    assert str(found.best) == kept["arch"][kept["score"].idxmax()]


def test_budget_and_label_of_a_search_can_be_given(bench, reference):
    found = run_search(bench, "R0", budget=0.08, label="small")
    assert max(map(bench.space.macs, found.archs)) <= 0.08e6
    assert "nfr_pct" not in found.log
    run_search(bench, (1, 0.5), reference=reference)
    names = {p.stem.rpartition("-")[0] for p in (bench.runs / "searches").iterdir()}
    assert names == {"small-0.08M-seed0", "1,0.5-0.14M-seed0"}


@pytest.mark.slow
def test_a_budget_can_be_in_any_cost(bench, reference):
    found = run_search(bench, "R2", reference=reference, cost="params", budget=0.012)
    assert max(map(bench.space.params, found.archs)) <= 12_000
    assert found.log["cost"].tolist() == [bench.space.params(arch) for arch in found.archs]
    found = run_search(bench, "R2", reference=reference, cas=True, cost="latency", budget=1000)
    assert all(bench.space.contains(arch, reference) for arch in found.archs)
    assert (bench.runs.parent / "latency").is_dir() and (found.log["cost"] > 0).all()
    names = {p.stem.rpartition("-")[0] for p in (bench.runs / "searches").iterdir()}
    assert {"R2-0.012M-seed0", "R2+CAS-1000ms-seed0"} <= names
    with pytest.raises(RegnasError, match="A search by note10 needs a budget"):
        run_search(bench, "R2", reference=reference, cost="note10")


def test_a_repeated_search_replays_from_the_store(bench, reference, make_bench, tmp_path, monkeypatch):
    found = run_search(bench, "R2", reference=reference, cas=True)
    monkeypatch.setattr(Evaluator, "predict", lambda *_, **__: pytest.fail("a network was run again"))
    again = run_search(make_bench(tmp_path), "R2", reference=reference, cas=True)
    assert again.best == found.best
    pd.testing.assert_frame_equal(again.log, found.log)


def test_a_killed_search_goes_on_where_it_stopped(bench, reference, predicted, make_bench, tmp_path):
    whole = run_search(make_bench(tmp_path / "whole"), "R2", reference=reference)
    once = Counter(predicted)
    predicted.clear()
    score, calls = get_score(bench, "R2", reference), []

    def dies_in_the_second_generation(archs):
        calls.append(archs)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return score(archs)

    with pytest.raises(KeyboardInterrupt):
        run_search(bench, "R2", reference=reference, score=dies_in_the_second_generation)
    resumed = run_search(make_bench(tmp_path), "R2", reference=reference)
    pd.testing.assert_frame_equal(resumed.log, whole.log)
    assert predicted == once  # over both runs, each network once


def test_a_search_opens_neither_test_nor_training_pictures(make_bench, tmp_path, reference):
    blind = make_bench(tmp_path, splits=("calibration", "search"))
    for weights, cas in (("R0", False), ("R1", False), ("R2", True)):
        run_search(blind, weights, reference=reference, cas=cas)
    with pytest.raises(AssertionError, match="the test split was opened"):
        blind.measure([reference], reference, "test")


# ── racing ───────────────────────────────────────────────────────────────────────────────────────
def _racing(level: float | None) -> dict:
    return {
        "generations": 3,
        "population": 12,
        "racing": level,
        "reference_mmacs": 0.07,
        "target_mmacs": 0.14,
    }


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["R0", "R2", (0.5, 2.0), (-0.5, -1.0)])
def test_a_search_that_races_by_the_exact_bound_finds_the_same(make_bench, tmp_path, reference, weights):
    plain, raced = (
        run_search(make_bench(tmp_path / str(level), search=_racing(level)), weights, reference=reference)
        for level in (None, 0.0)
    )
    assert raced.best == plain.best and raced.archs == plain.archs
    kept = raced.log["top1_pct"].notna()
    assert raced.log.loc[kept, "score"].tolist() == plain.log.loc[kept, "score"].tolist()  # ties as well
    for column in ("top1_pct", "nfr_pct"):
        assert (raced.log.loc[kept, column] == plain.log.loc[kept, column]).all()
    dropped = ~kept & (raced.log["generation"] == 3)
    assert (raced.log.loc[dropped, "score"] < raced.log["score"].nlargest(3).min()).all()


def test_a_race_drops_candidates_and_replays_from_the_store(make_bench, tmp_path, reference, monkeypatch):
    options = {"search": _racing(0.4)}
    found = run_search(make_bench(tmp_path, **options), "R2", reference=reference, cas=True)
    assert found.log["top1_pct"].isna().any() and found.log["top1_pct"].notna().any()
    monkeypatch.setattr(Evaluator, "predict", lambda *_, **__: pytest.fail("a network was run again"))
    monkeypatch.setattr(Evaluator, "calibrate", lambda *_, **__: pytest.fail("statistics were taken again"))
    again = run_search(make_bench(tmp_path, **options), "R2", reference=reference, cas=True)
    pd.testing.assert_frame_equal(again.log, found.log)


@pytest.mark.slow
def test_a_race_takes_a_generations_statistics_once(make_bench, tmp_path, reference, monkeypatch):
    calls, calibrate = [], Evaluator.calibrate

    def counted(self, archs, **kwargs):
        calls.append(len(archs))
        return calibrate(self, archs, **kwargs)

    monkeypatch.setattr(Evaluator, "calibrate", counted)
    run_search(make_bench(tmp_path, search=_racing(0.0)), "R2", reference=reference)
    assert calls == [12, 9, 9]


def test_a_preset_may_name_a_strategy_and_its_evaluations(bench):
    settings = {"strategy": "surrogate", "evaluations": 30}
    search = bench.preset.search.model_copy(update=settings)
    other = replace(bench, preset=bench.preset.model_copy(update={"search": search}))
    found = run_search(other, "R0", seed=1)
    assert len(found.log) == 30 and found.log["origin"].tolist()[-1] == "surrogate"
