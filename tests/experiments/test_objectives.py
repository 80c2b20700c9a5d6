"""objectives: fronts no better than the exact one, and optima that are optima."""

from __future__ import annotations

import numpy as np
import pytest
from tables import table as toy

from regnas_core import get_space, load_tabular
from regnas_core.experiments import objectives
from regnas_core.experiments.search_strategies import task


def test_a_search_that_sees_all_has_the_exact_front():
    found = objectives.fronts(toy(), ["random", "nsga2"], seeds=1, evaluations=10_000)
    assert found["volume_pct"].tolist() == pytest.approx([100, 100]) and found["networks"].nunique() == 1
    part = objectives.fronts(toy(), ["random"], seeds=1, evaluations=5)
    assert (part["volume_pct"] < 100).all()


def test_fairness_chooses_by_the_worst_class():
    t = toy()
    found = objectives.fairness(t).set_index("objective")
    reference, budget = task(t)
    allowed = t.within(budget, exclude=(reference,))
    gains = t.top1("search") - t.class_nfr(reference, "search").max(1)
    row = int(np.argmax(np.where(allowed, gains, -np.inf)))
    assert found.loc["worst class", "mmacs"] == t.macs[row] / 1e6
    assert (
        found.loc["worst class", "worst_class_nfr_search_pct"]
        <= found.loc["R2", "worst_class_nfr_search_pct"]
    )
    assert len(found) == 3


def test_machines_rank_networks_differently():
    t = toy()
    rho = objectives.machines(t.space, t.archs[:20])
    assert rho.loc["MACs", "compute-bound"] > rho.loc["MACs", "memory-bound"]
    assert np.diag(rho) == pytest.approx(1)


def test_recorded_clocks_are_among_the_machines():
    table, phone = load_tabular("demo"), get_space("ofa-mbv3-w1.2", resolutions=(160,))
    rho = objectives.machines(table.space, table.archs[::1000])
    assert [*rho][-2:] == ["mini-wide-cpu-batch1", "mini-wide-cpu-batch64"]
    rng = np.random.default_rng(0)
    assert [*objectives.machines(phone, [phone.sample(rng) for _ in range(3)])][-1] == "note10"


@pytest.mark.parametrize("name", ["toy", "demo"])
def test_one_search_serves_every_machine(name):
    t = toy() if name == "toy" else load_tabular(name)
    rows = objectives.on_every_machine(t, evaluations=60)
    assert len(rows) > 1 and (rows.filter(like="_ms") > 0).all(axis=None)
    clocks = [c.removesuffix("_ms") for c in rows if c.endswith("_ms")]
    expected = {"toy": [*objectives.MACHINES], "demo": ["mini-wide-cpu-batch1", "mini-wide-cpu-batch64"]}
    assert clocks == expected[name]
