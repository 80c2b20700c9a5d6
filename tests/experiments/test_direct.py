"""direct: Table 2 in the whole space, beside its tied part; what was searched is not searched again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from regnas_core import experiments
from regnas_core.errors import DataError, PresetError
from regnas_core.experiments import DESIGNS, direct
from regnas_core.search.rewards import reward

STRATEGIES = {"evolution": None, "random": 5}


@pytest.fixture(scope="module")
def bench(make_bench, tmp_path_factory):
    return make_bench(tmp_path_factory.mktemp("direct"))


@pytest.fixture(scope="module")
def path(bench):
    return bench.root / "direct.parquet"


@pytest.fixture(scope="module")
def rows(bench, path) -> pd.DataFrame:
    return direct.record(bench, path, STRATEGIES)


def test_both_spaces_and_every_strategy_have_every_design(bench, rows):
    each = rows.groupby(["seed", "strategy"], sort=False)["design"].apply(list)
    assert list(each.index) == [(s, k) for s in (0, 1) for k in (direct.TIED, "evolution", "random")]
    designs = list(DESIGNS)
    assert each.tolist() == 2 * [["reference", *designs], ["reference", *designs], designs]
    assert (rows["mmacs"] <= np.where(rows["design"] == "reference", 0.07, 0.14)).all()
    assert (rows.loc[rows["strategy"] == "random", "evaluations"] == 5).all()
    assert (rows.loc[rows["strategy"] == "evolution", "evaluations"] > 5).all()
    tied = bench.tied.space
    for row in rows.itertuples():
        space = tied if row.strategy == direct.TIED else bench.space
        assert space.macs(space.parse(row.arch)) == pytest.approx(1e6 * row.mmacs)


def test_rewards_are_against_the_references_that_evolution_found(bench, rows):
    by = rows.set_index(["seed", "strategy", "design"])
    for seed, strategy, design in [(0, "random", "R2"), (1, "random", "R2+CAS"), (1, "evolution", "R1")]:
        row = by.loc[seed, strategy, design]
        arch, ref = map(bench.space.parse, (row["arch"], by.loc[seed, "evolution", "reference"]["arch"]))
        rates = bench.rates([arch], ref, "search", bench.searched(seed))
        assert row["reward_pct"] == pytest.approx(100 * reward(*rates, DESIGNS[design][0])[0])
        if design == "R2+CAS":
            assert bench.space.contains(arch, ref)


def test_what_was_found_is_compared_on_the_test_images(bench, rows):
    found = direct.compared(rows, "random")
    assert found.designs == list(DESIGNS)
    archs = [bench.space.parse(arch) for arch in found["R1"].networks["arch"]]
    np.testing.assert_array_equal(found["R1"].right, bench.correct(archs, "test"))
    refs = [experiments.reference(rep) for rep in experiments.repetitions(bench)]
    np.testing.assert_array_equal(found.reference.right, bench.correct(refs, "test"))


def test_a_killed_run_goes_on_and_a_whole_one_searches_nothing(bench, path, rows, monkeypatch):
    half = path.with_name("half.parquet")
    rows.iloc[:12].to_parquet(half)
    searched = []
    search = direct.run_search
    monkeypatch.setattr(direct, "run_search", lambda *a, **k: searched.append(1) or search(*a, **k))
    timed = ["seconds"]
    again = direct.record(bench, half, STRATEGIES)
    pd.testing.assert_frame_equal(again.drop(columns=timed), rows.drop(columns=timed))
    assert len(searched) == len(rows) - 12
    direct.record(bench, path, STRATEGIES)
    assert len(searched) == len(rows) - 12


def test_what_is_refused(bench, tmp_path):
    tied = replace(bench, net=bench.tied)
    with pytest.raises(PresetError, match=r"set supernet\.options\.tied=false"):
        direct.record(tied, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="regnas bench direct --preset demo"):
        direct.recorded("demo")
