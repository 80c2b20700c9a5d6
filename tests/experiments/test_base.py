"""base: repetitions, references, targets and verdicts follow the rules that they claim to follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from regnas_core import experiments, get_space
from regnas_core.errors import InfeasibleError
from regnas_core.experiments import DESIGNS, decided, judge
from regnas_core.experiments.base import accompanied, repeated
from regnas_core.flips.intervals import Estimate
from regnas_core.workbench.presets import load_preset


def log(rep, label: str, budget: float = 0.14) -> pd.DataFrame:
    """What a repetition's search saw, of the searches with this label the one that found its network."""
    files = (rep.bench.runs / "searches").glob(f"{label}-{budget:g}M-seed{rep.seed}-*.parquet")
    return [pd.read_parquet(file) for file in sorted(files)]


# ── repetitions ──────────────────────────────────────────────────────────────────────────────────
def test_every_training_is_repeated_with_every_seed(bench):
    reps = experiments.repetitions(bench)
    assert [(rep.training, rep.seed) for rep in reps] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [rep.bench for rep in reps] == [bench.trainings[0]] * 2 + [bench.trainings[1]] * 2
    assert experiments.firsts(bench) == [reps[0], reps[2]]


def test_networks_are_trained_beside_as_many_trainings_as_the_preset_says(bench):
    reps = experiments.repetitions(bench)
    assert accompanied(reps) == reps
    networks = bench.preset.networks.model_copy(update={"trainings": 1})
    preset = bench.preset.model_copy(update={"networks": networks})
    few = [rep._replace(bench=replace(rep.bench, preset=preset)) for rep in reps]
    assert accompanied(few) == few[:2] and [rep.training for rep in few] == [0, 0, 1, 1]


def test_the_preset_gives_first_seed_and_number_of_seeds(make_bench, tmp_path):
    bench = make_bench(tmp_path, seed=4, seeds=3)
    assert bench.trainings == (bench,)
    assert [rep.seed for rep in experiments.repetitions(bench)] == [4, 5, 6]


def test_a_seed_has_search_images_of_its_own(bench):
    parts = [bench.searched(seed) for seed in (0, 0, 1)]
    assert all(len(set(part)) == 40 and max(part) < 60 for part in parts)
    assert (parts[0] == parts[1]).all() and (parts[0] != parts[2]).any()


# ── reference and targets ────────────────────────────────────────────────────────────────────────
def test_the_reference_has_the_best_top1_that_its_search_saw(bench):
    for rep in experiments.repetitions(bench):
        ref, logs = experiments.reference(rep), log(rep, "reference", 0.07)
        seen = []
        for table in logs:  # of both trainings
            assert len(table) == 14 and table["cost"].max() <= 0.07e6
            archs = [bench.space.parse(text) for text in table["arch"]]
            top1 = rep.bench.correct(archs, "search")[:, bench.searched(rep.seed)].mean(1)
            if table["score"].tolist() == pytest.approx(top1.tolist()):
                seen.append(table["arch"][table["score"].idxmax()])
        assert seen == [str(ref)]


@pytest.mark.slow
@pytest.mark.parametrize("matched", [False, True])
@pytest.mark.parametrize("design", DESIGNS)
def test_targets_respect_budget_and_constraint_and_have_the_best_reward(bench, design, matched):
    weights, cas = DESIGNS[design]
    gain, cost = {"R0": (1, 0), "R1": (0, 1), "R2": (1, 1)}[weights]
    found = experiments.targets(bench, design, matched=matched)
    assert list(found) == experiments.repetitions(bench)
    for rep, arch in found.items():
        assert 0.93 * matched * 0.14e6 <= bench.space.macs(arch) <= 0.14e6
        assert bench.space.contains(arch, experiments.reference(rep)) or not cas
        logs = [table for table in log(rep, design) if str(arch) in set(table["arch"])]
        rewards = [(gain * t["top1_pct"] - cost * t["nfr_pct"]).set_axis(t["arch"]) for t in logs]
        assert any(r[str(arch)] == pytest.approx(r.max()) for r in rewards)


def test_a_search_is_read_from_its_log(bench, first, predicted):
    before = experiments.target(first, "R2")
    predicted.clear()
    assert experiments.target(first, "R2") == before and not predicted


def test_repetitions_without_a_network_within_the_limits_are_left_out(bench):
    def find(rep):
        if rep.seed:
            raise InfeasibleError("nothing fits")
        return bench.space.smallest

    assert list(repeated(bench, find)) == experiments.firsts(bench)
    with pytest.raises(InfeasibleError, match="cheapest"):
        experiments.targets(bench, "R0", budget=1e-6)


def test_designs_are_those_of_the_paper():
    assert DESIGNS == {"R0": ("R0", False), "R1": ("R1", False), "R2": ("R2", False), "R2+CAS": ("R2", True)}


def test_models_are_named_as_in_the_paper(bench):
    assert experiments.model_name(bench, "R0", 150.0) == "Mini-R0-150"
    assert experiments.model_name(bench, "R2+CAS", 2.6) == "Mini-(R2+CAS)-2.6"


def test_uniform_networks_fill_a_budget_best(bench):
    space = bench.space
    found = experiments.uniform(space, 0.14e6)
    assert all(len({v for v in found.genes[name] if v is not None}) == 1 for name in ("ks", "e", "d"))
    others = [space.arch(ks=k, e=e, d=d) for k in (3, 5, 7) for e in (2, 3, 4) for d in (2, 3, 4)]
    assert space.macs(found) == max(space.macs(a) for a in others if space.macs(a) <= 0.14e6)
    with pytest.raises(InfeasibleError, match="no uniform network"):
        experiments.uniform(space, 1e3)


@pytest.mark.parametrize(
    "preset", ["imagenet", "imagenet-resnet50", "imagenet-mbv3-w1.2", "imagenet-fbnetv3"]
)
def test_every_real_space_has_uniform_networks_for_its_budgets(preset):
    chosen = load_preset(preset)
    space = get_space(chosen.supernet.space, **chosen.supernet.options)
    for budget in (chosen.search.reference_mmacs, chosen.search.target_mmacs):
        assert 0.85 * budget < space.macs(experiments.uniform(space, budget * 1e6)) / 1e6 <= budget


# ── verdicts ─────────────────────────────────────────────────────────────────────────────────────
def estimate(value: float, error: float, freedom: float = 1e9, means=()) -> Estimate:
    return Estimate(value, error, freedom, np.nan, means)


KEYS = [(training, seed) for training in range(3) for seed in range(2)]


@pytest.mark.parametrize(
    ("value", "error", "bar", "inside", "p"),
    [
        (-1, 0.5, {"below": 0}, True, 0.0455),
        (1, 0.5, {"below": 0}, False, 0.0455),
        (1, 0.5, {"above": 0}, True, 0.0455),
        (0.2, 0.25, {"above": -0.3}, True, 0.0455),
        (-0.8, 0.25, {"above": -0.3}, False, 0.0455),
        (0.0, 0.1, {"within": 0.2}, True, 0.0455),
        (0.4, 0.1, {"within": 0.2}, False, 0.0455),
        (-0.4, 0.1, {"within": 0.2}, False, 0.0455),
        (0.1, 0.1, {"within": 0.2}, True, 0.3173),
    ],
)
def test_a_claim_is_tested_at_its_bar(value, error, bar, inside, p):
    found = judge(3, "claim", estimate(value, error, means=(value, -5.0, value)), KEYS, **bar)
    assert (found["number"], found["claim"], found["value"]) == (3, "claim", value)
    assert (found["trainings"], found["repetitions"]) == (3, 6)
    beside = ("below" in bar) == inside if "within" not in bar else not inside  # where −5 lies
    assert found["agree"] == ("3 of 3" if beside else "2 of 3")
    assert found["inside"] == inside and found["p"] == pytest.approx(p, abs=1e-4)
    ends = value - 1.96 * error, value + 1.96 * error
    assert (found["low"], found["high"]) == pytest.approx(ends, abs=1e-3)


def test_verdicts_need_trainings_and_a_p_that_stands_the_correction():
    def test(name: str, value: float, error: float, primary: bool = True, keys=KEYS, **bar) -> dict:
        return judge(1, name, estimate(value, error), keys, **(bar or {"below": 0})) | {"primary": primary}

    rows = [
        test("strong", -1, 0.1),
        test("wrong way", 1, 0.1),
        test("alone", -1, 0.1, keys=KEYS[:2]),
        test("weak", -1, 0.45),
        test("small", -0.02, 0.03),
        test("wide", 0.01, 0.4),
        test("other bar", -0.25, 0.1, above=-0.3),
        test("beside", -1, 0.45, primary=False),
    ]
    table = decided(pd.DataFrame(rows))
    assert dict(zip(table["claim"], table["verdict"], strict=True)) == {
        "strong": "holds",
        "wrong way": "does not hold",
        "alone": "one training",
        "weak": "undecided",  # p is 0.026, and seven tests were made
        "small": "no effect larger than 0.079",
        "wide": "undecided",
        "other bar": "undecided",
        "beside": "holds",  # of its kind it is the only one
    }
    assert table["p_holm"][3] == pytest.approx(4 * table["p"][3])
    assert table["p_holm"][7] == table["p"][7]
