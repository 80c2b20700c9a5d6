"""search_strategies: courses that end at the optimum, and summaries with known answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tables import table as toy

from regnas_core import plots
from regnas_core.errors import DataError
from regnas_core.experiments import search_strategies as compared


def test_a_course_ends_where_the_best_was_seen():
    t = toy()
    reference, budget = compared.task(t)
    rewards = 100 * t.rewards("R2", reference)
    for cas in (False, True):
        allowed = t.within(budget, containing=reference if cas else None, exclude=(reference,))
        seen = compared.course(t, "random", 0, cas=cas)
        assert seen.max() == pytest.approx(rewards[allowed].max())
        assert len(seen) <= allowed.sum() and len(set(seen)) > 1


def test_regret_is_that_of_the_whole_space():
    t = toy()
    free, cas = (compared.compare(t, "local", range(4), cas=cas) for cas in (False, True))
    assert (free["regret_1525_pct"].abs() < 1e-9).all() and free["best"].notna().all()
    assert (free["near"] <= free["best"]).all() and (
        free.filter(like="regret").diff(axis=1).iloc[:, 1:] <= 0
    ).all(axis=None)
    assert cas["regret_1525_pct"].nunique() == 1 and (cas["regret_1525_pct"] >= 0).all()
    short = compared.compare(t, "random", range(4), cas=False, evaluations=25)
    unfinished = short[short["best"].isna()]
    assert unfinished["regret_50_pct"].isna().all() and short["regret_25_pct"].notna().all()


@pytest.fixture
def found() -> pd.DataFrame:
    """Two strategies; the quick one is near after 10, 20, … evaluations, the slow one half of the time."""
    rows = []
    for strategy, near, regret in (("quick", 10, 0.0), ("slow", 100, 1.0)):
        for seed in range(20):
            arrived = strategy == "quick" or seed % 2 == 0
            row = {"strategy": strategy, "training": 0, "cas": False, "seed": seed}
            row |= {f"regret_{n}_pct": regret + seed / 1000 for n in compared.STEPS}
            rows.append(row | {"near": near * (1 + seed) if arrived else np.nan, "best": np.nan})
    return pd.DataFrame(rows)


def test_the_summary_counts_who_arrived(found):
    s = compared.summary(found).set_index("strategy")
    assert s.loc["quick", ["near_pct", "near", "searches"]].tolist() == [100, 100, 20]
    assert s.loc["slow", "near_pct"] == 50 and s.loc["slow", "near_high"] == np.inf
    assert (
        s.loc["quick", "near_low"] == 60 and s.loc["quick", "near_high"] == 150
    )  # Binomial(20, ½): 6 and 14
    assert s.loc["quick", "near_low_pct"] < 100 == pytest.approx(s.loc["quick", "near_high_pct"])
    found.loc[found.index[-1], "regret_500_pct"] = np.nan
    means = compared.summary(found).set_index("strategy")["regret_500_pct"]
    assert np.isnan(means["slow"]) and means["quick"] > 0, "no mean of those alone that arrived"


def test_winners_have_the_least_regret_and_equals_are_named(found):
    w = compared.winners(found)
    assert w["evaluations"].tolist() == list(compared.STEPS) and set(w["winner"]) == {"quick"}
    assert set(w["level"]) == {""}
    twin = found[found["strategy"] == "quick"].assign(strategy="twin")
    assert set(compared.winners(pd.concat([found, twin]))["level"]) == {"twin"}


def test_a_record_is_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(compared, "trainings", lambda preset: [0, 1])
    monkeypatch.setattr(compared, "load_tabular", lambda preset, k: toy(seed=k))
    path = tmp_path / "found.parquet"
    first = compared.record("toy", path, seeds=2, strategies=["random"])
    assert len(first) == 2 * 2 * 2
    monkeypatch.setattr(compared, "course", lambda *a, **k: pytest.fail("searched again"))
    pd.testing.assert_frame_equal(
        compared.record("toy", path, seeds=2, strategies=["random"]), first, check_dtype=False
    )


def test_what_was_recorded_has_a_hundred_searches_of_each():
    found = compared.recorded("demo")
    of_each = found.groupby(compared.KEYS).size()
    assert set(of_each) == {100} and {"surrogate", "evolution", "random"} <= set(found["strategy"])
    again = compared.compare(compared.load_tabular("demo"), "random", range(2), cas=True)
    kept = found.query("strategy == 'random' and training == 0 and cas").head(2)
    pd.testing.assert_frame_equal(again, kept[again.columns].reset_index(drop=True), check_dtype=False)
    with pytest.raises(DataError, match="bench strategies --preset toy"):
        compared.recorded("toy")


def test_it_is_drawn(found):
    figure = plots.search_strategies(compared.summary(found))
    assert [len(ax.lines) for ax in figure.axes] == [2, 0]


def test_fronts_are_drawn():
    table = pd.DataFrame({"strategy": ["a", "a", "b"], "volume_pct": [50.0, 60, 40]})
    (ax,) = plots.fronts(table).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a"]
