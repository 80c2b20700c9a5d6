"""evolution: the paper's numbers, the constraint, the budget, and a search whose outcome is known."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import pandas as pd
import pytest

from regnas_core import evolve, get_space
from regnas_core.errors import InfeasibleError, RegnasError
from regnas_core.search.evolution import SearchResult
from regnas_core.spaces.space import Arch

SPACE = get_space("mini")
TINY = get_space("mini", kernels=(3, 5), expansions=(2,), depths=(1, 2))  # 216 architectures
GOAL = SPACE.sample(np.random.default_rng(42))
REF = SPACE.sample(np.random.default_rng(7), max_cost=1.3e6)
BUDGET = 2.6e6


def genes(arch: Arch) -> np.ndarray:
    return np.array([value or 0 for _, values in arch.items for value in values])


def closeness(archs: list[Arch]) -> list[int]:
    """0 for GOAL and the less the further from it: separable, whole numbers, one optimum."""
    return [-int(abs(genes(arch) - genes(GOAL)).sum()) for arch in archs]


def rugged(archs: list[Arch]) -> list[int]:
    """Closeness with an offset of its own for each architecture, so that a population keeps its variety."""
    return [
        10 * near + crc32(str(arch).encode()) % 80 for near, arch in zip(closeness(archs), archs, strict=True)
    ]


class Recorded:
    """A score that remembers what it was asked for."""

    def __init__(self, score=rugged) -> None:
        self.score, self.calls = score, []

    def __call__(self, archs: list[Arch]):
        self.calls.append(list(archs))
        return self.score(archs)


@pytest.fixture(scope="module", params=["free", "CAS"])
def default_search(request) -> tuple[SearchResult, Recorded, Arch | None]:
    """A search of the paper's size within a budget, without and with a reference."""
    score, ref = Recorded(), REF if request.param == "CAS" else None
    return evolve(SPACE, score, seed=0, max_cost=BUDGET, reference=ref), score, ref


# ── the protocol of Sec. 4.1 ─────────────────────────────────────────────────────────────────────
def test_the_defaults_evaluate_1525_architectures_and_none_twice(default_search):
    found, score, _ = default_search
    assert [len(call) for call in score.calls] == [100] + 19 * [75]
    assert [arch for call in score.calls for arch in call] == list(found.archs)
    assert len(set(found.archs)) == len(found.log) == 1525
    assert found.stopped is None


def test_every_architecture_respects_budget_and_reference(default_search):
    found, _, ref = default_search
    assert max(map(SPACE.macs, found.archs)) <= BUDGET
    if ref is not None:
        assert all(SPACE.contains(arch, ref) for arch in found.archs)
        assert ref not in found.archs
    else:
        assert not all(SPACE.contains(arch, REF) for arch in found.archs)


def test_the_log_says_what_was_evaluated(default_search):
    found, _, _ = default_search
    log = found.log
    assert list(log) == ["generation", "origin", "arch", "cost", "score"]
    assert [SPACE.parse(text) for text in log["arch"][::100]] == list(found.archs[::100])
    assert log["score"].tolist() == rugged(list(found.archs))
    assert log["cost"].tolist() == [SPACE.macs(arch) for arch in found.archs]
    counts = pd.crosstab(log["generation"], log["origin"])
    assert counts.loc[1].to_dict() == {"random": 100, "mutation": 0, "crossover": 0}
    assert (counts.loc[2:, "mutation"] == 38).all() and (counts.loc[2:, "crossover"] == 37).all()
    assert found.best == found.archs[int(np.argmax(log["score"]))]


def test_the_best_go_on_and_the_others_do_not(default_search):
    """Every gene of a crossover is one of the 25 best seen before it; mutants are close to one."""
    found, score, _ = default_search
    seen: list[Arch] = []
    for generation, born in enumerate(score.calls, 1):
        parents = np.array([genes(a) for a in sorted(seen, key=lambda a: -rugged([a])[0])[:25]])
        origins = found.log.loc[found.log["generation"] == generation, "origin"]
        changed = []
        for arch, origin in zip(born, origins, strict=True):
            if origin == "crossover":
                assert all((parents[:, slot] == v).any() for slot, v in enumerate(genes(arch)) if v)
            if origin == "mutation":
                changed.append(np.count_nonzero(parents != genes(arch), axis=1).min())
        assert generation == 1 or 0 < np.mean(changed) < 5  # of 27 genes, each redrawn with probability 0.1
        seen += born


# ── the outcome ──────────────────────────────────────────────────────────────────────────────────
def test_a_search_beats_random_sampling_of_the_same_size():
    for seed in range(3):
        rng = np.random.default_rng(seed)
        by_chance = max(rugged([SPACE.sample(rng, max_cost=BUDGET) for _ in range(600)]))
        found = evolve(SPACE, rugged, seed=seed, generations=8, population=96, max_cost=BUDGET)
        assert len(found.log) == 600
        assert found.log["score"].max() > by_chance + 40


@pytest.mark.slow
@pytest.mark.parametrize("constrained", [False, True])
def test_a_search_finds_the_optimum(constrained):
    ref = (
        SPACE.arch(ks=[3] * 12, e=np.minimum(genes(GOAL)[12:24], 3).clip(2), d=[2, 2, 2])
        if constrained
        else None
    )
    assert ref is None or SPACE.contains(GOAL, ref)
    for seed in range(3):
        assert evolve(SPACE, closeness, seed=seed, reference=ref, generations=12).best == GOAL


@pytest.mark.slow
def test_a_population_that_has_converged_does_not_end_the_search():
    found = evolve(SPACE, closeness, seed=0)
    assert (len(found.log), found.stopped) == (1525, None)
    assert found.log.groupby("generation").size().tolist() == [100] + 19 * [75]


@pytest.mark.parametrize(("mutation_prob", "origin"), [(0.1, "mutation"), (0.0, "random")])
def test_where_relatives_are_all_known_mutants_and_then_newcomers_take_their_place(mutation_prob, origin):
    """A single parent crossed with itself is itself; and so it is mutated with probability 0."""
    found = evolve(
        SPACE,
        rugged,
        generations=3,
        population=5,
        parent_ratio=0.2,
        mutation_ratio=0.0,
        mutation_prob=mutation_prob,
        max_cost=BUDGET,
        reference=REF,
    )
    assert found.stopped is None and len(set(found.archs)) == 13
    assert found.log.groupby("generation").size().tolist() == [5, 4, 4]
    assert set(found.log.loc[found.log["generation"] > 1, "origin"]) == {origin}  # what it is, not was to be
    assert max(map(SPACE.macs, found.archs)) <= BUDGET
    assert all(SPACE.contains(arch, REF) for arch in found.archs) and REF not in found.archs


def test_a_seeded_search_is_pinned():
    found = evolve(SPACE, closeness, seed=0, generations=6, population=20, max_cost=BUDGET)
    assert (len(found.log), found.log["score"].max(), SPACE.macs(found.best)) == (95, -12, 2_307_584)
    assert found.best.ks == (3, 7, 5, 5, 7, 7, 3, None, 3, 3, 5, None)
    assert found.best.e == (4, 3, 2, 3, 2, 4, 2, None, 3, 2, 2, None)
    assert found.best.d == (4, 3, 3)


def test_the_seed_alone_decides():
    def search(seed: int) -> pd.DataFrame:
        return evolve(SPACE, rugged, seed=seed, generations=3, population=32).log

    first = search(0)
    np.random.seed(9)  # noqa: NPY002  (the global state must not matter)
    pd.testing.assert_frame_equal(search(0), first)
    assert not search(1)["arch"].equals(first["arch"])


def test_ratios_and_another_cost_are_followed():
    asked = []

    def layers(arch: Arch) -> int:
        asked.append(arch)
        return sum(arch.d)

    found = evolve(
        SPACE,
        closeness,
        generations=3,
        population=10,
        parent_ratio=0.5,
        mutation_ratio=0.0,
        max_cost=8,
        cost=layers,
    )
    assert found.log.groupby("generation").size().tolist() == [10, 5, 5]
    assert set(found.log["origin"]) == {"random", "crossover"}
    assert len(asked) == len(set(asked)) >= 20, "a cost may be dear, as a latency that is measured"
    assert found.log["cost"].max() <= 8 and found.log["cost"].tolist() == [layers(a) for a in found.archs]


def test_excluded_architectures_are_never_proposed():
    everything = evolve(SPACE, closeness, seed=0, generations=3, population=20)
    banned = everything.best
    again = evolve(SPACE, closeness, seed=0, generations=3, population=20, exclude=[banned])
    assert banned in everything.archs and banned not in again.archs


# ── small spaces, impossible ones, broken scores ─────────────────────────────────────────────────
@pytest.mark.slow
def test_an_exhausted_space_ends_the_search_early_and_says_so():
    with pytest.warns(UserWarning, match=r"mini: search ended early, generation \d+ found .*\d+ new"):
        found = evolve(
            TINY, Recorded(lambda archs: [TINY.macs(a) for a in archs]), generations=50, population=40
        )
    assert "new architectures of" in found.stopped and found.log["generation"].max() < 50
    assert 40 < len(set(found.archs)) == len(found.log) <= TINY.size()
    assert found.best == TINY.largest


@pytest.mark.slow
def test_a_first_generation_may_be_all_there_is():
    ref = TINY.arch(ks=[5] * 6, e=[2] * 6, d=[2, 2, 1])  # contained in itself and in two others
    with pytest.warns(UserWarning, match=r"generation 1 found .*2 new architectures of 100"):
        found = evolve(TINY, lambda archs: [1] * len(archs), reference=ref)
    assert len(found.archs) == 2 and ref not in found.archs


@pytest.mark.slow
def test_a_reference_that_nothing_else_contains_is_an_error():
    with (
        pytest.warns(UserWarning, match=r"found .*0 new"),
        pytest.raises(RegnasError, match="the reference is the only architecture within"),
    ):
        evolve(TINY, lambda archs: [1] * len(archs), reference=TINY.largest)


def test_an_infeasible_budget_is_reported_before_anything_is_scored():
    score = Recorded()
    with pytest.raises(InfeasibleError, match=f"contain the reference costs {SPACE.macs(REF):,}"):
        evolve(SPACE, score, reference=REF, max_cost=SPACE.macs(REF) - 1)
    assert score.calls == []


@pytest.mark.parametrize(
    "scores",
    [
        lambda n: [float("nan")] * n,
        lambda n: [1.0] * (n - 1) + [np.inf],
        lambda n: [1.0] * (n + 1),
        lambda n: [],
    ],
)
def test_scores_must_be_one_finite_number_an_architecture(scores):
    with pytest.raises(RegnasError, match="expected 8 finite numbers, one an architecture"):
        evolve(SPACE, lambda archs: scores(len(archs)), population=8, generations=2)


def test_a_search_stays_within_a_window_of_costs():
    found = evolve(
        SPACE,
        rugged,
        seed=1,
        min_cost=0.93 * BUDGET,
        max_cost=BUDGET,
        reference=REF,
        generations=4,
        population=20,
    )
    assert found.log["cost"].between(0.93 * BUDGET, BUDGET).all() and len(found.log) == 20 + 3 * 15
    assert all(SPACE.contains(arch, REF) for arch in found.archs)
