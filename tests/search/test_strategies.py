"""strategies: each keeps to limits and budget, asks once, finds what is known, and more than chance does."""

from __future__ import annotations

import warnings
from importlib.metadata import EntryPoint, EntryPoints
from zlib import crc32

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tables import table as toy

import regnas_core as rc
from regnas_core.errors import GeneError, InfeasibleError, MissingExtraError, RegnasError
from regnas_core.search import strategies
from regnas_core.search.course import Course
from regnas_core.search.strategies import get_strategy, register_strategy, search, strategy_names
from regnas_core.spaces.arch import Arch

NAMES = [name for name in strategies._OWN]
SPACES = {
    "mini-wide": rc.get_space("mini-wide", tied=True),
    "mini": rc.get_space("mini"),
    "mini-resnet": rc.get_space("mini-resnet", tied=True),  # containment is more than genes
    "ofa-mbv3-w1.0": rc.get_space("ofa-mbv3-w1.0", resolutions=(160, 192, 224)),
    "ofa-resnet50": rc.get_space("ofa-resnet50"),
    "fbnetv3": rc.get_space("fbnetv3"),
}


def rugged(archs: list[Arch]) -> list[float]:
    return [crc32(str(arch).encode()) % 1000 / 1000 for arch in archs]


def two(archs: list[Arch]) -> list[list[float]]:
    """A score of two objectives."""
    return [[score, -score / 3] for score in rugged(archs)]


# ── what every strategy promises ─────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", ["mini-wide", pytest.param("mini", marks=pytest.mark.slow)])
def test_limits_and_evaluations_are_kept_and_nothing_is_asked_twice(name, where):
    space = SPACES[where]
    least = space.macs(space.smallest)
    ref = space.sample(np.random.default_rng(3), max_cost=1.2 * least)
    asked: list[list[Arch]] = []

    def score(archs: list[Arch]) -> list[float]:
        asked.append(archs)
        return rugged(archs)

    limits = {"max_cost": 2.5 * least, "min_cost": 1.2 * least}
    found = search(space, score, name, 60, 1, reference=ref, **limits)
    archs = [arch for batch in asked for arch in batch]
    assert archs == list(found.archs) and len(set(archs)) == len(archs) == 60
    assert len(asked) < 40, "scores are asked for in batches"
    assert ref not in archs and all(space.contains(arch, ref) for arch in archs)
    assert found.log["cost"].between(1.2 * least, 2.5 * least).all()
    assert found.log["score"].tolist() == rugged(archs)
    assert found.best == archs[int(np.argmax(rugged(archs)))] and found.stopped is None


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", ["mini-resnet", "ofa-mbv3-w1.0", "ofa-resnet50", "fbnetv3"])
def test_other_spaces_are_searched_alike(name, where):
    space = SPACES[where]
    ref = space.sample(np.random.default_rng(3), max_cost=1.4 * space.macs(space.smallest))
    budget = 2.5 * space.macs(ref)
    found = search(space, two, name, 45, 1, max_cost=budget, reference=ref)
    assert len(set(found.archs)) == 45 and found.log["cost"].max() <= budget
    assert all(space.contains(arch, ref) for arch in found.archs)
    assert all(space.parse(str(arch)) == arch for arch in found.archs)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides(name):
    space = SPACES["mini-wide"]
    logs = []
    for seed in (0, 0, 1):
        np.random.seed(len(logs))  # noqa: NPY002  (the global state must not matter)
        logs.append(search(space, two, name, 50, seed, max_cost=1e6).log)
    pd.testing.assert_frame_equal(logs[0], logs[1])
    assert not logs[0]["arch"].equals(logs[2]["arch"])
    assert logs[0]["score"].to_numpy() == pytest.approx(
        logs[0][["objective_1", "objective_2"]].sum(axis=1).to_numpy()
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_small_space_is_seen_whole_and_its_optimum_found(name):
    t = toy()
    ref = t.best("R0", max_cost=float(np.quantile(t.macs, 0.2)))
    inside = int(t.within(containing=ref, exclude=(ref, t.archs[-1])).sum())
    score = t.score("R2", reference=ref)
    found = search(t.space, score, name, reference=ref, exclude=[t.archs[-1]], evaluations=10_000)
    assert len(found.archs) == score.looked_up == inside
    assert found.stopped == f"all {inside} architectures within the limits were evaluated"
    rewards = t.rewards("R2", ref)[t.within(containing=ref, exclude=(ref, t.archs[-1]))]
    assert found.log["score"].max() == rewards.max()


@pytest.fixture(scope="module")
def demo():
    """The demo's table, a reference, and limits."""
    t = rc.load_tabular("demo")
    ref = t.best("R0", max_cost=2 * t.macs.min())
    return t, ref, {"max_cost": 4 * float(t.macs.min()), "exclude": (ref,)}


@pytest.mark.parametrize(
    ("name", "evaluations"),
    [(n, 100) for n in ("local", "surrogate", "monas", "dpp-net", "moboga", "tpe")]
    + [("evolution", 300), ("nsga2", 200), ("nsga3", 200)],  # pnag: better within any budget, see below
)
def test_more_is_found_than_by_chance(name, evaluations, demo):
    """On average over three seeds, at equal evaluations, more than the best of so many random networks."""
    t, ref, limits = demo
    rewards = t.rewards("R2", ref)
    found = [
        search(t.space, t.score("R2", ref), name, evaluations, seed, **limits).log["score"].max()
        for seed in range(3)
    ]
    allowed = rewards[t.within(limits["max_cost"], exclude=(ref,))]
    ordered = np.sort(allowed)
    below = (np.arange(1, len(ordered) + 1) / len(ordered)) ** evaluations  # P(best of so many ≤ x)
    by_chance = float(ordered @ np.diff(below, prepend=0))
    assert np.mean(found) > by_chance


# ── known answers ────────────────────────────────────────────────────────────────────────────────
def test_evolution_by_name_is_the_papers():
    space = SPACES["mini"]
    limits = {"seed": 2, "max_cost": 2.6e6}
    found = rc.search(space, rugged, "evolution", 250, **limits)
    pd.testing.assert_frame_equal(found.log, rc.evolve(space, rugged, generations=3, **limits).log)
    cut = rc.search(space, rugged, evaluations=130, **limits)
    pd.testing.assert_frame_equal(cut.log.head(100), found.log.head(100))
    assert len(cut.log) == 130


def test_local_search_climbs_a_separable_score_step_by_step():
    space = SPACES["mini-wide"]
    goal = np.array([1, 0, 1, 2, 1, 0, 3, 2, 1])

    def near(archs: list[Arch]) -> list[float]:
        return (-abs(space.grid(archs) - goal).sum(1)).tolist()

    found = search(space, near, "local", 400, 0, batch=1000)
    assert found.log["score"].max() == 0
    climb = found.log.groupby("generation")["score"].max()
    top = int(climb.idxmax())
    assert (climb.loc[2:top].diff().dropna() >= 1).all(), "the best neighbour is nearer by one step of a gene"


def test_the_surrogate_needs_few_evaluations():
    """Of 7,823 networks within the budget it finds the best with 70; confirmed on the second training."""
    for training in (0, 1):
        t = rc.load_tabular("demo", training)
        ref = t.best("R0", max_cost=2 * t.macs.min())
        limits = {"max_cost": 4 * float(t.macs.min())}
        best = t.best("R2", ref, **limits)
        assert search(t.space, t.score("R2", ref), "surrogate", 70, exclude=(ref,), **limits).best == best


@pytest.mark.parametrize(("kind", "expected"), [("cost", 0.8), ("accuracy", 0.7), ("mixed", 0.25)])
def test_the_rewards_of_monas(kind, expected):
    from regnas_core.search.strategies.monas import _reward

    assert _reward(0.8, 0.3, kind, 0.5, 0.75) == pytest.approx(expected)
    assert _reward(0.7, 0.3, "accuracy", 0.5, 0.75) == 0


def test_moboga_weighs_improvement_by_the_chance_of_feasibility(demo):
    from regnas_core.search.strategies.gaussian import Fitter, encode
    from regnas_core.search.strategies.moboga import _acquisition

    t, ref, limits = demo
    score = t.score("R2", ref, parts=True)
    course = Course(t.space, score, evaluations=40, **limits)
    course.evaluate(course.draw(40))
    models, others = Fitter(course)(), [course.sample() for _ in range(30)]
    free, bound = (
        _acquisition(course, models, np.ones(2), 0.8, np.array([-np.inf, low]))(others)
        for low in (-np.inf, -0.05)
    )
    belief = models[1].posterior(encode(t.space, others))
    chance = stats.norm.sf(-0.05, belief.mean, np.sqrt(belief.variance))
    assert bound - free == pytest.approx(np.log(chance))
    with pytest.raises(RegnasError, match="1 thresholds; the score has 2 objectives"):
        search(t.space, score, "moboga", 30, at_least=(0.1,))


def test_a_gaussian_process_knows_what_it_saw_and_believes_what_it_is_told():
    from regnas_core.search.strategies.gaussian import GaussianProcess, Kernel, encode, log_improvement

    space, rng = SPACES["mini-wide"], np.random.default_rng(0)
    archs = list(dict.fromkeys(space.sample(rng) for _ in range(40)))
    x, y = encode(space, archs), np.array(rugged(archs))
    assert (x @ x.T == [[sum(space.grid([a])[0] == space.grid([b])[0]) for b in archs] for a in archs]).all()
    process = GaussianProcess(x[:30], y[:30], [Kernel(2, 1, 1e-6)])
    seen = process.posterior(x[:30])
    assert seen.mean == pytest.approx(y[:30], abs=1e-4) and seen.variance.max() < 1e-4
    told, again = process.posterior(x[30:]), process.posterior(x[30:])
    told.believe(0)
    longer = GaussianProcess(
        np.vstack([x[:30], x[30:31]]), np.append(y[:30], again.mean[0]), [process.kernel]
    ).posterior(x[30:])
    ratios = told.variance / process.scale2, longer.variance / longer.process.scale2
    assert ratios[0] == pytest.approx(ratios[1], abs=1e-6), "as if it had been evaluated"
    z = np.array([-3.0, 0.0, 2.0])
    assert np.exp(log_improvement(z, np.ones(3), 0.0)) == pytest.approx(
        z * stats.norm.cdf(z) + stats.norm.pdf(z)
    )
    assert np.diff(log_improvement(np.array([-40.0, -30, -9, -8, -7]), np.ones(5), 0.0)).min() > 0


def test_pnag_gives_an_architecture_for_any_budget():
    from regnas_core.search.strategies.pnag import BudgetGenerator

    t = rc.load_tabular("demo")
    few = [t.archs[i] for i in np.random.default_rng(0).permutation(len(t))[:200]]
    generator = BudgetGenerator(t.space, seed=1)
    generator.fit(few, t.score("R0")(few), steps=50)
    top1, gains = t.top1("search"), []
    for budget in np.quantile(t.macs, (0.1, 0.3, 0.5, 0.8)):
        arch = generator(float(budget))
        assert t.space.macs(arch) <= budget
        gains.append(top1[t.row(arch)] - top1[t.within(budget)].mean())
    assert np.mean(gains) > 0.005, "better than what is within the budget on average"
    with pytest.raises(RegnasError, match="pairs"):
        generator.fit(few[:1], [0.5])


def test_parts_of_a_score_are_its_sum():
    t = toy()
    ref = t.archs[0]
    parts, whole = (t.score((1.0, 0.5), ref, parts=flag)(t.archs[1:9]) for flag in (True, False))
    assert np.sum(parts, axis=1) == pytest.approx(whole)
    assert np.array(parts)[:, 0] == pytest.approx(t.top1("search")[1:9])


# ── names ────────────────────────────────────────────────────────────────────────────────────────
def largest_first(course: Course) -> None:
    course.evaluate([(course.space.largest, "mine")])


def test_a_strategy_of_ones_own(monkeypatch):
    monkeypatch.setattr(strategies, "_registered", {})
    register_strategy("mine", largest_first)
    space = SPACES["mini"]
    with pytest.warns(UserWarning, match="after 1 evaluations of 5 it found no new architecture"):
        assert search(space, rugged, "mine", 5).best == space.largest
    with pytest.warns(UserWarning):
        assert rc.search(space, rugged, largest_first, 5).log["origin"].tolist() == ["mine"]
    assert "mine" in strategy_names()
    with pytest.raises(RegnasError, match="There is a strategy 'mine' already"):
        register_strategy("mine", largest_first)


def test_installed_packages_bring_strategies(monkeypatch):
    theirs = EntryPoint("theirs", "regnas_core.search.strategies.random:random", strategies.ENTRY_POINTS)

    def found(group: str, **chosen: str) -> EntryPoints:
        return EntryPoints([theirs]).select(group=group, **chosen)

    monkeypatch.setattr(strategies, "entry_points", found)
    assert strategy_names()[-1] == "theirs"
    logs = [search(SPACES["mini"], rugged, name, 20).log for name in ("theirs", "random")]
    pd.testing.assert_frame_equal(*logs)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"strategy": "annealing"}, "Unknown strategy 'annealing'; known: evolution, random"),
        ({"evaluations": 0}, "at least one"),
        ({"strategy": "local", "population": 3}, "local.*population"),
    ],
)
def test_errors_say_what_was_wrong(given, message):
    with pytest.raises(RegnasError, match=message):
        search(SPACES["mini"], rugged, **given)


@pytest.mark.parametrize("name", NAMES)
def test_an_impossible_budget_is_an_error_before_anything_is_scored(name):
    space = SPACES["mini"]
    with pytest.raises(InfeasibleError, match="over the budget"):
        search(space, lambda archs: pytest.fail("scored"), name, max_cost=space.macs(space.smallest) - 1)


def test_a_missing_package_is_named(monkeypatch):
    def missing(name: str, package: str) -> None:
        raise ModuleNotFoundError("No module named 'pymoo'", name="pymoo")

    monkeypatch.setattr(strategies, "import_module", missing)
    monkeypatch.setattr("regnas_core.extras.requires", lambda _: ['pymoo>=0.6; extra == "strategies"'])
    with pytest.raises(MissingExtraError, match=r"The strategy nsga2 needs.*\[strategies\]"):
        get_strategy("nsga2")


def test_the_room_is_the_door():
    """`rc.search` is the room `regnas_core.search`, called; whichever was imported first."""
    import regnas_core.search as room

    assert rc.search is room and callable(room)


def test_an_architecture_near_to_values_is_inside():
    space = SPACES["mini-wide"]
    rng, least = np.random.default_rng(0), space.macs(space.smallest)
    ref = space.sample(rng, max_cost=1.3 * least)
    limits = {"containing": ref, "max_cost": 3 * least}
    anchor = space.sample(rng, **limits)
    for _ in range(30):
        arch = space.near(space.values(space.sample(rng)), rng, anchor, **limits)
        assert space.contains(arch, ref) and space.macs(arch) <= 3 * least
    assert space.near(space.values(anchor), rng, anchor, **limits) == anchor
    assert space.near([None] * len(space.genes), rng, anchor, **limits).space == space.identity
    with pytest.raises((InfeasibleError, GeneError)):
        space.near(space.values(anchor), rng, space.smallest, containing=space.largest)


def test_warnings_are_not_swallowed():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search(SPACES["mini-wide"], rugged, "tpe", 30)
