"""objectives: fronts no better than the exact one, and optima that are optima."""

from __future__ import annotations

import numpy as np
import pytest
from tables import table as toy

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


def test_two_machines_rank_networks_differently():
    rho = objectives.machines(toy(), networks=20)
    assert rho.loc["MACs", "compute-bound"] > rho.loc["MACs", "memory-bound"]
    assert np.diag(rho) == pytest.approx(1)
    rows = objectives.on_both_machines(toy(), evaluations=60)
    assert len(rows) > 1 and (rows.filter(like="_ms") > 0).all(axis=None)
