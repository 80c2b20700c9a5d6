"""base: reference, targets and verdicts follow the rules that they claim to follow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from regnas_core import experiments
from regnas_core.errors import InfeasibleError
from regnas_core.experiments import DESIGNS, judge
from regnas_core.experiments.base import Effect


# ── reference and targets ────────────────────────────────────────────────────────────────────────
def test_the_reference_has_the_best_top1_that_its_search_saw(bench, ref):
    log = pd.read_parquet(bench.runs / "searches" / "reference-0.07M-seed0.parquet")
    assert len(log) == 14 and log["cost"].max() <= 0.07e6
    assert log["arch"][log["score"].idxmax()] == str(ref)
    top1 = bench.correct([bench.space.parse(text) for text in log["arch"]], "search").mean(1)
    assert log["score"].tolist() == pytest.approx(top1.tolist())


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS)
def test_targets_respect_budget_and_constraint_and_have_the_best_reward(bench, ref, design):
    weights, cas = DESIGNS[design]
    found = experiments.targets(bench, ref, design)
    assert len(found) == 2
    for seed, arch in enumerate(found):
        assert bench.space.macs(arch) <= 0.14e6
        assert bench.space.contains(arch, ref) or not cas
        log = pd.read_parquet(bench.runs / "searches" / f"{design}-0.14M-seed{seed}.parquet")
        gain, cost = {"R0": (1, 0), "R1": (0, 1), "R2": (1, 1)}[weights]
        rewards = gain * log["top1_pct"] - cost * log["nfr_pct"]
        assert rewards[log["arch"] == str(arch)].item() == pytest.approx(rewards.max())


def test_designs_are_those_of_the_paper():
    assert DESIGNS == {"R0": ("R0", False), "R1": ("R1", False), "R2": ("R2", False), "R2+CAS": ("R2", True)}


def test_models_are_named_as_in_the_paper(bench):
    assert experiments.model_name(bench, "R0", 150.0) == "Mini-R0-150"
    assert experiments.model_name(bench, "R2+CAS", 2.6) == "Mini-(R2+CAS)-2.6"


def test_the_preset_gives_first_seed_and_number_of_seeds(make_bench, tmp_path):
    bench = make_bench(tmp_path, seed=4, seeds=3)
    assert list(experiments.seeds(bench)) == [4, 5, 6]
    experiments.targets(bench, experiments.reference(bench), "R0")
    assert sorted(path.name for path in (bench.runs / "searches").iterdir()) == [
        *(f"R0-0.14M-seed{seed}.parquet" for seed in (4, 5, 6)),
        "reference-0.07M-seed4.parquet",
    ]


def test_uniform_networks_fill_a_budget_best(bench):
    space = bench.space
    found = experiments.uniform(space, 0.14e6)
    assert all(len({v for v in found.genes[name] if v is not None}) == 1 for name in ("ks", "e", "d"))
    others = [space.arch(ks=k, e=e, d=d) for k in (3, 5, 7) for e in (2, 3, 4) for d in (2, 3, 4)]
    assert space.macs(found) == max(space.macs(a) for a in others if space.macs(a) <= 0.14e6)
    with pytest.raises(InfeasibleError, match="no uniform network"):
        experiments.uniform(space, 1e3)


# ── verdicts ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("low", "high", "bar", "verdict"),
    [
        (-2, -1, {"below": 0}, "holds"),
        (1, 2, {"below": 0}, "does not hold"),
        (-1, 1, {"below": 0}, "not enough data"),
        (-1, 0, {"below": 0}, "not enough data"),
        (1, 2, {"above": 0}, "holds"),
        (-2, -1, {"above": 0}, "does not hold"),
        (-0.2, 1, {"above": -0.3}, "holds"),
        (-0.4, 1, {"above": -0.3}, "not enough data"),
        (-0.1, 0.1, {"within": 0.2}, "holds"),
        (0.05, 0.1, {"within": 0.2}, "holds"),
        (-0.1, 0.3, {"within": 0.2}, "not enough data"),
        (0.1, 0.3, {"within": 0.2}, "does not hold"),
        (-0.5, -0.1, {"within": 0.2}, "does not hold"),
        (np.nan, np.nan, {"below": 0}, "not enough data"),
        (np.nan, np.nan, {"within": 0.2}, "not enough data"),
    ],
)
def test_a_claim_holds_where_its_whole_interval_does(low, high, bar, verdict):
    found = judge("claim", Effect((low + high) / 2, low, high, 0.5), **bar)
    assert found["verdict"] == verdict
    assert list(found) == ["claim", "value", "low", "high", "p", "verdict"]
    assert found["p"] == pytest.approx(np.nan if bar == {"above": -0.3} else 0.5, nan_ok=True)
