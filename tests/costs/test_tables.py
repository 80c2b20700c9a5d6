"""tables: once-for-all's own sums as the measure of the Note10's, and tables recorded elsewhere."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import ofa
import pandas as pd
import pytest
import yaml
from stopwatch import LARGE, SMALL, SPACE, Clock, table

from regnas_core import evolve, get_space
from regnas_core.costs.cost import get_cost
from regnas_core.costs.tables import NOTE10, note10, recorded_tables
from regnas_core.errors import GeneError, InfeasibleError, RegnasError
from regnas_core.resources import data_root
from regnas_core.spaces.arch import Arch
from regnas_core.workbench.presets import load_preset

RESOLUTIONS = (160, 176, 192, 208, 224)
PHONE = get_space("ofa-mbv3-w1.2", resolutions=RESOLUTIONS)


# ── the Note10 ───────────────────────────────────────────────────────────────────────────────────
def published_sum(lut: dict, arch: Arch) -> float:
    """What once-for-all's own estimator makes of a table."""
    path = Path(ofa.__path__[0]) / "tutorial" / "latency_table.py"  # the package around it wants gdown
    spec = spec_from_file_location("ofa_latency_table", path)
    spec.loader.exec_module(module := module_from_spec(spec))
    estimator = object.__new__(module.LatencyEstimator)
    estimator.lut = lut
    genes = {name: [value or 0 for value in getattr(arch, name)] for name in ("ks", "e", "d")}
    return estimator.predict_network_latency_given_spec({**genes, "r": [arch.r]})


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """The packaged table, with once-for-all's keys."""
    frame = pd.read_csv(NOTE10, comment="#")
    shapes = "-input:" + frame["input"] + "-output:" + frame["output"].replace("1x1x1000", "1000")
    names = ["expand", "kernel", "stride", "idskip", "se", "hs"]
    details = frame[names].apply(
        lambda row: "".join(f"-{n}:{v:.0f}" for n, v in row.items()) if row.notna().all() else "", axis=1
    )
    return frame.assign(key=frame["layer"] + shapes + details)


def drawn(resolution: int) -> list[Arch]:
    rng, space = np.random.default_rng(resolution), get_space("ofa-mbv3-w1.2", resolutions=RESOLUTIONS)
    genes = [space.sample(rng).genes | {"r": resolution} for _ in range(30)]
    ends = [end.genes | {"r": resolution} for end in (space.smallest, space.largest)]
    return [space.arch(**one) for one in (*genes, *ends)]


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_the_note10_is_once_for_alls_sum_over_the_packaged_table(rows, resolution):
    own = rows[rows["resolution"] == resolution]
    lut, cost = {key: {"mean": ms} for key, ms in zip(own["key"], own["mean_ms"], strict=True)}, note10(PHONE)
    for arch in drawn(resolution):
        assert cost(arch) == pytest.approx(published_sum(lut, arch), rel=1e-12)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_the_note10_is_once_for_alls_sum_over_the_published_table(rows, resolution):
    path = data_root() / "ofa" / "note10" / f"{resolution}_lookup_table.yaml"
    if not path.is_file():
        pytest.skip(f"published table not compared: REGNAS_DATA has no {path}")
    lut = yaml.safe_load(path.read_text())
    own = rows[rows["resolution"] == resolution].set_index("key")
    assert set(own.index) == set(lut) and own.index.is_unique
    for key, entry in lut.items():
        assert own.loc[key, "mean_ms"] == pytest.approx(entry["mean"], rel=5e-6)
        assert own.loc[key, "std_ms"] == pytest.approx(entry["std"], rel=5e-3)
        assert own.loc[key, "count"] == entry["count"]
    cost = note10(PHONE)
    for arch in drawn(resolution):
        assert cost(arch) == pytest.approx(published_sum(lut, arch), rel=5e-6)


def test_the_note10s_extremes_are_pinned():
    cost = note10(PHONE)
    assert cost(PHONE.smallest) == pytest.approx(9.8903, abs=1e-3)
    assert cost(PHONE.largest) == pytest.approx(92.3981, abs=1e-3)


def test_the_note10_at_a_resolution_that_is_not_drawn():
    fixed = get_space("ofa-mbv3-w1.2")
    cost, genes = note10(fixed), PHONE.largest.genes
    for resolution in RESOLUTIONS:
        other = note10(PHONE)(PHONE.arch(**genes | {"r": resolution}))
        assert cost(fixed.arch(**genes | {"r": resolution})) == other


def test_the_note10_refuses_what_its_table_lacks():
    with pytest.raises(RegnasError, match=r"layers of ofa-mbv3-w1\.2 only, none of ofa-mbv3-w1\.0"):
        note10(get_space("ofa-mbv3-w1.0"))
    with pytest.raises(RegnasError, match="none of mini"):
        get_cost("note10", SPACE)
    five = r"no resolution 128, only 160, 176, 192, 208, 224.*resolutions=\(160, 176, 192, 208, 224\)"
    with pytest.raises(GeneError, match=five):
        note10(get_space("ofa-mbv3-w1.2", resolutions=(128, 160)))
    fixed = get_space("ofa-mbv3-w1.2")
    with pytest.raises(GeneError, match=five):
        note10(fixed)(fixed.arch(**fixed.largest.genes | {"r": 128}))
    with pytest.raises(GeneError, match="An architecture of mini"):
        note10(fixed)(SMALL)


def test_the_packaged_table_says_whose_it_is(rows):
    head = NOTE10.read_text(encoding="utf-8").splitlines()[0]
    assert head.startswith("# ") and "Samsung Note10" in head and "mit-han-lab/once-for-all (MIT" in head
    assert len(rows) == 5 * 96 and rows.groupby("resolution").size().tolist() == [96] * 5


def test_a_search_within_a_latency_of_the_note10():
    limits = {"max_cost": 25, "cost": note10(PHONE)}
    found = evolve(PHONE, lambda archs: list(map(PHONE.macs, archs)), generations=3, population=20, **limits)
    assert found.log["cost"].max() <= 25
    with pytest.raises(InfeasibleError, match=r"costs 9\.89"):
        PHONE.sample(np.random.default_rng(0), max_cost=9, cost=note10(PHONE))


# ── recorded tables ──────────────────────────────────────────────────────────────────────────────
def test_a_recorded_table_is_a_cost_on_any_machine(tmp_path):
    recorded = table(tmp_path / "t.csv", Clock(extra=(8, 0, 1)))
    recorded.measure(progress=False)
    cost = get_cost(str(tmp_path / "t.csv"), SPACE)
    for seed in range(20):
        arch = SPACE.sample(np.random.default_rng(seed))
        assert cost(arch) == recorded(arch)


def test_costs_of_one_table_are_equal_and_share_what_a_search_asked():
    from regnas_core.search.course import asked_once

    space, name = get_space("mini-wide", tied=True), "mini-wide-cpu-batch1.csv"
    one, again = get_cost(name, space), get_cost(name, space)
    assert one == again and asked_once(one) is asked_once(again)
    assert one != get_cost("mini-wide-cpu-batch64.csv", space)


def test_a_recorded_table_says_what_it_lacks(tmp_path):
    table(tmp_path / "t.csv", Clock())(SMALL)
    cost = get_cost(str(tmp_path / "t.csv"), SPACE)
    assert cost(SMALL) > 0
    with pytest.raises(RegnasError, match=r"t\.csv lacks the step '.*' on an input of .*\. Record it again"):
        cost(LARGE)
    with pytest.raises(RegnasError, match=r"of mini.*, not of mini"):
        get_cost(str(tmp_path / "t.csv"), get_space("mini"))
    with pytest.raises(RegnasError, match=r"no latency table .*nowhere\.csv.*regnas bench latency"):
        get_cost("nowhere.csv", SPACE)


@pytest.mark.parametrize("preset", ["demo", "cifar10"])
def test_the_packaged_tables_know_every_network(preset):
    chosen = load_preset(preset)
    space = get_space(chosen.supernet.space, **chosen.supernet.options)
    rng = np.random.default_rng(0)
    archs = [space.smallest, space.largest, *(space.sample(rng) for _ in range(500))]
    tables = recorded_tables(space)
    assert len(tables) == 2
    assert {name for name in chosen.search.platforms if name.endswith(".csv")} <= {*tables}
    for name in tables:
        cost = get_cost(name, space)
        times = np.array([cost(arch) for arch in archs])
        assert times[0] < 1.01 * times.min()  # one image at a time, a wider last layer may cost nothing
        assert times[1] > 0.9 * times.max()  # noise aside, larger is slower
