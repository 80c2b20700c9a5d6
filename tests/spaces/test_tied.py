"""tied: the networks are the whole space's, and containment is theirs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regnas_core import get_space
from regnas_core.errors import GeneError, InfeasibleError
from regnas_core.spaces import tied

NAMES = ("mini", "mini-wide", "mini-cifar10", "mini-cifar10-wide", "mini-resnet", "mini-resnet-cifar10")
SPACES = {name: get_space(name, tied=True) for name in NAMES}
SMALL = {
    "mini": get_space("mini", widths=(16, 24), strides=(2, 1), kernels=(3, 5), depths=(1, 2), tied=True),
    "mini-resnet": get_space(
        "mini-resnet",
        widths=(16, 24),
        strides=(1, 2),
        multipliers=(0.75, 1.0),
        expansions=(0.5, 0.625),
        tied=True,
    ),
}


def drawn(name: str, seed: int, count: int):
    rng = np.random.default_rng(seed)
    return [SPACES[name].sample(rng) for _ in range(count)]


@pytest.mark.parametrize("name", NAMES)
def test_there_are_as_many_as_choices_multiply_to(name):
    space = SPACES[name]
    archs = list(space.all())
    assert len(set(archs)) == len(archs) == space.size() >= 10_000
    assert archs[0] == space.smallest and archs[-1] == space.largest
    assert space.identity != space.whole.identity and space.tensors == space.whole.tensors
    grid = space.grid(archs[:50])
    assert len({*map(tuple, grid.tolist())}) == 50 and grid.min() == 0


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_a_network_is_the_whole_spaces(name, seed):
    space = SPACES[name]
    a, b = drawn(name, seed, 2)
    for arch in (a, b):
        whole = space.untie(arch)
        assert whole.space == space.whole.identity and space.tie(whole) == arch
        assert space.steps(arch) == space.whole.steps(whole)
        assert (space.macs(arch), space.params(arch)) == (space.whole.macs(whole), space.whole.params(whole))
        assert space.parse(str(arch)) == arch
    assert space.contains(a, b) == space.whole.contains(space.untie(a), space.untie(b))
    assert space.shared_weights(a, b) == space.whole.shared_weights(space.untie(a), space.untie(b))


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_what_is_drawn_under_a_constraint_keeps_it(name, seed):
    space, rng = SPACES[name], np.random.default_rng(seed)
    low, high = space.macs(space.smallest), space.macs(space.largest)
    reference = space.sample(rng, max_cost=(2 * low + high) / 3)
    limits = {"containing": reference, "max_cost": high * 0.9}
    try:
        parents = [space.sample(rng, **limits) for _ in range(2)]
    except InfeasibleError:
        return
    for arch in (
        *parents,
        space.mutate(parents[0], rng, 0.5, **limits),
        space.crossover(*parents, rng, **limits),
    ):
        assert space.contains(arch, reference) and space.macs(arch) <= limits["max_cost"]


@pytest.mark.parametrize("name", SMALL)
def test_sizes_under_a_constraint_are_counted(name):
    space = SMALL[name]
    archs = list(space.all())
    for reference in archs[:: len(archs) // 7]:
        inside = [arch for arch in archs if space.contains(arch, reference)]
        assert space.size(reference) == len(inside) and space.listed(containing=reference) == inside


def test_one_value_a_stage_is_all_that_a_tied_space_has():
    space = SPACES["mini"]
    torn = space.whole.arch(ks=[3, 5] + [3] * 10, e=2, d=2)
    with pytest.raises(GeneError, match="several values of ks in one stage"):
        space.tie(torn)
    hidden = space.whole.arch(ks=[3, 3, 5, 5] + [3] * 8, e=2, d=2)  # layers that are off do not count
    assert space.tie(hidden) == space.arch(ks=3, e=2, d=2)
    with pytest.raises(GeneError, match="was given to the space"):
        space.whole.steps(space.smallest)


def test_small_spaces_are_enumerated_by_their_choices():
    space = SMALL["mini"]
    expected = set(product((3, 5), (3, 5), (2, 3, 4), (2, 3, 4), (1, 2), (1, 2)))
    assert {(*a.ks, *a.e, *a.d) for a in space.all()} == expected


@pytest.mark.parametrize("name", ["mini", "mini-resnet"])
def test_mutants_and_children_are_new_where_they_can_be(name):
    space, rng = SPACES[name], np.random.default_rng(0)
    a, b = space.sample(rng), space.sample(rng)
    if space.by_genes:
        assert all(space.mutate(a, rng) != a for _ in range(200))
        assert not {space.crossover(a, b, rng) for _ in range(200)} & {a, b}
    else:
        assert len({space.mutate(a, rng) for _ in range(50)}) > 1
    for child in (space.crossover(a, b, rng) for _ in range(50)):
        pairs = zip(space.values(a), space.values(b), space.values(child), strict=True)
        assert all(v in (x, y) for x, y, v in pairs)
    assert space.crossover(a, a, rng) == a


def test_genes_are_redrawn_as_often_as_asked():
    """Given that one changes: 1 − (1 − p (1 − 1/n))^genes of all mutants do; a gene alone, p (1 − 1/n)."""
    space, rng = SPACES["mini"], np.random.default_rng(0)
    a, count = space.arch(ks=5, e=3, d=3), 4000  # the middle of three choices, nine times
    changed = np.array(
        [np.not_equal(space.values(space.mutate(a, rng, 0.1)), space.values(a)) for _ in range(count)]
    )
    alone = 0.1 * (1 - 1 / 3)
    expected = alone / (1 - (1 - alone) ** 9)
    assert np.abs(changed.mean(0) - expected).max() < 5 * np.sqrt(expected / count)
    fixed = get_space("mini", kernels=(3,), expansions=(2,), depths=(2,), tied=True)
    assert fixed.mutate(fixed.smallest, rng) == fixed.smallest  # there is no other


@pytest.mark.parametrize("listed", [50_000, 0])  # all, and none
@pytest.mark.parametrize("name", ["mini", "mini-resnet"])
def test_many_relatives_at_a_time_are_new_and_within_the_limits(name, listed, monkeypatch):
    monkeypatch.setattr(tied, "LISTED", listed)
    space, rng = SPACES[name], np.random.default_rng(0)
    low, high = space.macs(space.smallest), space.macs(space.largest)
    reference = space.sample(rng, max_cost=low + 0.2 * (high - low))
    limits = {"containing": reference, "max_cost": low + 0.6 * (high - low)}
    parents = [*islice(space.samples(rng, **limits), 5)]
    for drawn in (space.mutants(parents, rng, 0.2, **limits), space.crossings(parents, rng, **limits)):
        found = set(islice(drawn, 300))
        assert len(found) > 5
        assert all(space.contains(a, reference) and space.macs(a) <= limits["max_cost"] for a in found)


def test_listed_networks_are_drawn_once_each():
    space, limits = SPACES["mini"], {"max_cost": 1.2e6, "min_cost": 1.1e6}
    found = list(space.samples(np.random.default_rng(0), **limits))
    inside = [arch for arch in space.all() if 1.1e6 <= space.macs(arch) <= 1.2e6]
    assert len(found) == len(inside) and set(found) == set(inside)


def test_networks_within_other_costs_are_listed_too():
    space, rng = SPACES["mini"], np.random.default_rng(0)
    budget = (space.params(space.smallest) + space.params(space.largest)) / 2
    found = space.listed(cost=space.params, max_cost=budget)
    assert set(found) == {arch for arch in space.all() if space.params(arch) <= budget}
    reference = space.sample(rng, cost=space.params, max_cost=budget / 2)
    limits = {"containing": reference, "cost": space.params, "max_cost": budget}
    drawn = islice(space.mutants([reference], rng, 0.2, **limits), 200)
    assert all(space.contains(a, reference) and space.params(a) <= budget for a in drawn)


def test_costs_are_asked_once_for_all_that_are_equal():
    asked, space = [], SPACES["mini"]

    @dataclass(frozen=True)
    class Counted:
        name: str

        def __call__(self, arch):
            asked.append(arch)
            return space.macs(arch)

    for _ in range(2):  # as a preset's searches do, each with its own
        assert space.listed(cost=Counted("a"), max_cost=1e6) == space.listed(max_cost=1e6)
        assert len(asked) == len(set(asked)) == len(space.listed())
    unequal = type("Unequal", (), {"__call__": lambda self, arch: space.macs(arch), "__hash__": None})()
    assert space.listed(cost=unequal, max_cost=1e6) is None
    assert space.macs(space.sample(np.random.default_rng(0), cost=unequal, max_cost=1e6)) <= 1e6


def test_many_mutants_at_a_time_change_genes_as_often_as_one_by_one():
    space, rng = SPACES["mini"], np.random.default_rng(0)
    a, count = space.arch(ks=5, e=3, d=3), 4000
    mutants = islice(space.mutants([a], rng, 0.1), count)
    changed = np.array([np.not_equal(space.values(m), space.values(a)) for m in mutants])
    alone = 0.1 * (1 - 1 / 3)
    expected = alone / (1 - (1 - alone) ** 9)
    assert np.abs(changed.mean(0) - expected).max() < 5 * np.sqrt(expected / count)
    b = space.arch(ks=3, e=2, d=2)
    children = islice(space.crossings([a, b], rng), count)
    taken = np.array([np.equal(space.values(child), space.values(a)) for child in children])
    assert not taken.all(1).any() and taken.any(1).all()  # neither parent
    assert np.abs(taken.mean(0) - 0.5).max() < 5 * np.sqrt(0.25 / count)
