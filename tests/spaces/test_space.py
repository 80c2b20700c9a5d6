"""space: canonical forms, counts against enumeration, and what the drawing of architectures guarantees."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections import Counter
from functools import cache
from math import prod

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from regnas_core import get_space
from regnas_core.errors import GeneError, InfeasibleError
from regnas_core.spaces.space import Arch, Gene, Space

MINI = get_space("mini")
CHANGES = [
    {"kernels": (3, 5), "expansions": (2,), "depths": (1, 2)},
    {"kernels": (3,), "expansions": (2, 4), "depths": (1, 2), "widths": (16, 24), "strides": (2, 1)},
    {"kernels": (3, 5, 7), "expansions": (2,), "depths": (2, 3), "widths": (8, 8), "strides": (2, 2)},
]
TINY = get_space("mini", **CHANGES[0])
seeds = st.integers(0, 2**32 - 1)


@cache
def enumerated(space: Space) -> tuple[Arch, ...]:
    """Every architecture of a space, found by trying all values of all genes."""
    names = list(dict.fromkeys(gene.name for gene in space.genes))
    found = {}
    for values in itertools.product(*(gene.choices for gene in space.genes)):
        genes = {n: [v for v, g in zip(values, space.genes, strict=True) if g.name == n] for n in names}
        found[space.arch(**genes)] = None
    return tuple(found)


def genes(arch: Arch) -> list[int | None]:
    return [value for _, values in arch.items for value in values]


class Counted:
    """A cost function that counts its calls and gives up on an endless loop."""

    def __init__(self, space: Space = TINY, limit: int = 100_000) -> None:
        self.space, self.calls, self.limit = space, 0, limit

    def __call__(self, arch: Arch) -> int:
        self.calls += 1
        assert self.calls < self.limit, "the cost was asked for without end"
        return self.space.macs(arch)


# ── canonical architectures ──────────────────────────────────────────────────────────────────────
def test_genes_of_switched_off_layers_are_dropped():
    one = TINY.arch(ks=[3, 5, 3, 3, 3, 3], e=[2] * 6, d=[1, 2, 2])
    other = TINY.arch(ks=np.array([3, 3, 3, 3, 3, 3]), e=(2, None, 2, 2, 2, 2), d=[1, 2, 2])
    assert one == other and hash(one) == hash(other)
    assert one.ks == (3, None, 3, 3, 3, 3) and one.e[1] is None and one.d == (1, 2, 2)
    assert one != TINY.arch(ks=[3, 5, 3, 3, 3, 3], e=[2] * 6, d=[2, 2, 2])
    assert TINY.arch(**one.genes) == one
    assert all(type(value) is int for value in genes(other) if value is not None)


@given(seeds)
def test_text_pickle_and_copy_give_the_architecture_back(seed):
    arch = MINI.sample(np.random.default_rng(seed))
    assert MINI.parse(str(arch)) == arch
    assert pickle.loads(pickle.dumps(arch)) == arch == copy.deepcopy(arch)
    assert hash(pickle.loads(pickle.dumps(arch))) == hash(arch)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 3}, r"unknown \['width'\].*expected exactly \['ks', 'e', 'd'\]"),
        ({"d": None}, r"missing \['d'\]"),
        ({"ks": [3] * 5}, "ks has 5 values; expected 6"),
        ({"ks": [3]}, "ks has 1 values; expected 6"),
        ({"ks": [3, 3, 3, 3, 3, 9]}, r"gene ks is 9; choose one of \[3, 5\]"),
        ({"e": [2, 2, 2, 2, 2, None]}, r"gene e is None; choose one of \[2\]"),
        ({"d": [2, 2, 3]}, r"gene d is 3; choose one of \[1, 2\]"),
    ],
)
def test_a_wrong_gene_is_named_with_what_was_expected(change, message):
    given_genes = {"ks": [3] * 6, "e": [2] * 6, "d": [2, 2, 2]} | change
    with pytest.raises(GeneError, match=message):
        TINY.arch(**{name: value for name, value in given_genes.items() if value is not None})


SPACES_OF_ALL_KINDS = {name: get_space(name) for name in ("mini", "mini-resnet", "ofa-mbv3-w1.0", "fbnetv3")}
REFERENCE_OF_MINI = MINI.sample(np.random.default_rng(3), max_cost=1.3e6)


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(GeneError, match=r"'ofa'; known: mini, mini-cifar10, mini-wide, "):
        get_space("ofa")
    with pytest.raises(GeneError, match=r"mini: unknown option depth; the options are image, classes"):
        get_space("mini", depth=(1, 2))
    with pytest.raises(AttributeError, match=r"^mini architectures have no gene 'w'$"):
        _ = MINI.smallest.w
    tiny = r"mini\(depths=\(1, 2\), expansions=\(2,\), kernels=\(3, 5\)\)"
    with pytest.raises(AttributeError, match=f"^{tiny} architectures have no gene 'w'$"):
        _ = TINY.smallest.w


def test_an_architecture_carries_the_identity_of_its_space():
    assert (MINI.identity, get_space("mini-cifar10").identity) == ("mini", "mini-cifar10")
    space = get_space("mini", head=16, classes=5, kernels=(3, 5, 7))  # these are mini's kernels anyway
    assert space.identity == "mini(classes=5, head=16)"
    for arch in (space.smallest, space.largest, space.sample(np.random.default_rng(0))):
        assert arch.space == space.identity and space.parse(str(arch)).space == space.identity
    again = get_space("mini", classes=5, head=16)
    assert again.smallest == space.smallest != MINI.smallest
    assert get_space("mini", widths=[8, 8, 8]).identity == get_space("mini", widths=(8, 8, 8)).identity


STRANGERS = {
    "mini-cifar10": get_space("mini-cifar10"),
    "mini(strides=(2, 1, 1))": get_space("mini", strides=(2, 1, 1)),  # all genes would fit
    TINY.identity: TINY,  # its lists of genes are shorter
    "mini(depths=(2, 3, 4, 5))": get_space("mini", depths=(2, 3, 4, 5)),  # and longer
}


@pytest.mark.parametrize("name", STRANGERS)
def test_an_architecture_of_another_space_is_refused(name):
    rng, space, own = np.random.default_rng(0), STRANGERS[name], MINI.smallest
    assert space.identity == name
    for stranger in (space.smallest, space.largest):
        for use in (
            lambda arch=stranger: MINI.sample(rng, containing=arch),
            lambda arch=stranger: MINI.size(containing=arch),
            lambda arch=stranger: MINI.mutate(arch, rng),
            lambda arch=stranger: MINI.mutate(own, rng, containing=arch),
            lambda arch=stranger: MINI.mutate(arch, rng, containing=own),
            lambda arch=stranger: MINI.crossover(arch, own, rng),
            lambda arch=stranger: MINI.crossover(own, arch, rng),
            lambda arch=stranger: MINI.crossover(own, own, rng, containing=arch),
            lambda arch=stranger: MINI.steps(arch),
            lambda arch=stranger: MINI.macs(arch),
            lambda arch=stranger: MINI.params(arch),
            lambda arch=stranger: MINI.contains(own, arch),
            lambda arch=stranger: MINI.shared_weights(arch, own),
        ):
            with pytest.raises(GeneError) as caught:
                use()
            assert str(caught.value) == f"An architecture of {name} was given to the space mini."


@pytest.mark.parametrize("text", ["", "{", "ks", "3", "null", "[1, 2]", '"abc"', "{'ks': [3]}", '{"ks": [3]'])
def test_text_that_is_no_architecture_is_answered_with_one(text):
    with pytest.raises(GeneError) as caught:
        MINI.parse(text)
    assert str(caught.value) == f"{text!r} is no architecture; expected genes as JSON: {MINI.smallest}."


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}", r"genes missing \['d', 'e', 'ks'\]"), ('{"w": 3}', r"genes unknown \['w'\]; expected exactly")],
)
def test_json_of_other_genes_is_answered_with_the_known_ones(text, message):
    with pytest.raises(GeneError, match=message):
        MINI.parse(text)


@pytest.mark.parametrize("depths", [(1,), (1, 2)])
def test_a_space_of_one_stage_keeps_its_lists(depths):
    space = get_space("mini", widths=(8,), strides=(2,), kernels=(3, 5), expansions=(2, 3), depths=depths)
    everything, rng = enumerated(space), np.random.default_rng(0)
    assert space.size() == len(everything) == {(1,): 4, (1, 2): 20}[depths]
    for arch in everything:
        assert all(type(value) is tuple for value in arch.genes.values())
        assert (len(arch.ks), len(arch.e), len(arch.d)) == (depths[-1], depths[-1], 1)
        assert space.parse(str(arch)) == arch == space.arch(**arch.genes)
        assert len(space.steps(arch)) == arch.d[0] + 2
        assert space.size(containing=arch) == sum(space.contains(a, arch) for a in everything)
    assert {space.sample(rng) for _ in range(400)} == set(everything)
    reached = {arch := space.smallest}
    for _ in range(1000):
        reached.add(arch := space.mutate(space.crossover(arch, space.largest, rng), rng, 0.5))
    assert reached == set(everything)


def test_genes_of_the_whole_network_are_values_and_not_lists():
    """Also in a space of one stage, where a list of depths is as long."""

    class Resolved(type(TINY)):
        def _genes(self):
            yield from super()._genes()
            yield Gene("r", (32, 40, 48), rule=None)

    arch = Resolved("mini", widths=(8,), strides=(2,)).smallest
    assert (arch.r, arch.d, arch.ks) == (32, (2,), (3, 3, None, None))


# ── size ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.slow
@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_size_is_the_number_of_different_architectures(changes):
    space = get_space("mini", **changes)
    everything = enumerated(space)
    assert space.size() == len(everything) > 20
    for ref in everything[:: len(everything) // 7]:
        assert space.size(containing=ref) == sum(space.contains(a, ref) for a in everything)
    assert space.size(containing=space.largest) == 1
    costs = [space.macs(a) for a in everything]
    assert (space.macs(space.smallest), space.macs(space.largest)) == (min(costs), max(costs))


def test_size_counts_genes_that_neither_grow_nor_belong_to_a_layer():
    """Resolution, as in once-for-all's spaces: any value contains any other."""

    class Resolved(type(TINY)):
        def _genes(self):
            yield from super()._genes()
            yield Gene("r", (32, 40, 48), rule=None)

    space = Resolved("mini", **CHANGES[0])
    ref = space.arch(ks=[5] * 6, e=[2] * 6, d=[2, 2, 2], r=40)
    assert space.size() == 3 * TINY.size()
    assert space.size(containing=ref) == 3
    assert {space.sample(np.random.default_rng(i), containing=ref).r for i in range(40)} == {32, 40, 48}


# ── what every drawn architecture satisfies ──────────────────────────────────────────────────────
@pytest.mark.slow
@settings(max_examples=25)
@example(0, 0.0, True, "mini")
@given(seeds, st.floats(0, 1), st.booleans(), st.sampled_from(["mini", "mini-cifar10"]))
def test_every_product_contains_the_reference_and_respects_the_budget(seed, slack, constrained, name):
    """25 examples of 5 samples, 10 mutants and 10 crossovers; at slack 0 only the reference fits."""
    space, rng = get_space(name), np.random.default_rng(seed)
    ref = space.sample(rng) if constrained else None
    low = space.macs(ref or space.smallest)
    budget = low + slack**2 * (space.macs(space.largest) - low)
    limits = {"containing": ref, "max_cost": budget}
    parents = [space.sample(rng, **limits) for _ in range(5)]
    products = [
        product
        for parent in parents
        for prob in (0.1, 0.7)
        for product in (
            space.mutate(parent, rng, prob, **limits),
            space.crossover(parent, parents[rng.integers(5)], rng, **limits),
        )
    ]
    for arch in [*parents, *products]:
        assert space.macs(arch) <= budget
        assert ref is None or space.contains(arch, ref)
        assert space.parse(str(arch)) == arch  # canonical


@given(seeds)
def test_containing_is_at_least_the_reference_wherever_it_has_the_layer(seed):
    """The three rules of CAS, on genes: the right-hand side of ``contains``."""
    rng = np.random.default_rng(seed)
    ref = TINY.sample(rng)
    for arch in [TINY.sample(rng) for _ in range(10)]:
        rules = [(b or 0) >= a for a, b in zip(genes(ref), genes(arch), strict=True) if a is not None]
        assert TINY.contains(arch, ref) == all(rules)


# ── everything allowed can be drawn, and nothing is preferred ────────────────────────────────────
REF = TINY.arch(ks=[3, 5, 5, 3, 3, 3], e=[2] * 6, d=[2, 1, 1])
BUDGET = np.quantile([TINY.macs(a) for a in enumerated(TINY) if TINY.contains(a, REF)], 0.7)
CONSTRAINTS = {
    "none": {},
    "reference": {"containing": REF},
    "budget": {"max_cost": BUDGET},
    "both": {"containing": REF, "max_cost": BUDGET},
}


def allowed(limits: dict) -> set[Arch]:
    ref, budget = limits.get("containing"), limits.get("max_cost", np.inf)
    return {a for a in enumerated(TINY) if TINY.macs(a) <= budget and (not ref or TINY.contains(a, ref))}


@pytest.mark.slow
@pytest.mark.parametrize("limits", CONSTRAINTS.values(), ids=CONSTRAINTS)
def test_samples_reach_every_allowed_architecture_without_preference(limits):
    rng, members = np.random.default_rng(1), sorted(allowed(limits), key=str)
    drawn = [TINY.sample(rng, **limits) for _ in range(60 * len(members))]
    assert set(drawn) == set(members)
    choices = [len(domain) for domain in TINY.domains(limits.get("containing"))]
    chance = [prod(1 / n for n, v in zip(choices, genes(a), strict=True) if v is not None) for a in members]
    found = Counter(drawn)
    assert chisquare([found[a] for a in members], len(drawn) * np.array(chance) / sum(chance)).pvalue > 1e-3


def test_sampled_genes_are_uniform():
    rng = np.random.default_rng(0)
    drawn = np.array([genes(MINI.sample(rng)) for _ in range(3000)], float)  # nan where switched off
    for gene, column in zip(MINI.genes, drawn.T, strict=True):
        values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        assert values.tolist() == list(gene.choices)
        assert chisquare(counts).pvalue > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("limits", CONSTRAINTS.values(), ids=CONSTRAINTS)
def test_mutation_reaches_every_allowed_architecture_from_any_start(limits):
    members = sorted(allowed(limits), key=str)
    for start in (members[0], members[len(members) // 2], max(members, key=TINY.macs)):
        rng, arch, reached = np.random.default_rng(2), start, {start}
        for _ in range(100 * len(members)):
            reached.add(arch := TINY.mutate(arch, rng, 0.5, **limits))
            if len(reached) == len(members):
                break
        assert reached == set(members)


def test_mutation_redraws_each_gene_with_its_probability():
    rng, parent, n = np.random.default_rng(3), MINI.largest, 2000
    for prob in (0.1, 0.5):
        mutants = np.array([genes(MINI.mutate(parent, rng, prob)) for _ in range(n)], float)
        changed = np.mean((mutants != genes(parent)) & ~np.isnan(mutants), 0) / np.mean(~np.isnan(mutants), 0)
        assert np.abs(changed - prob * 2 / 3).max() < 0.06  # one redraw in three gives the same value
    assert MINI.mutate(parent, rng, 0.0) == parent


def test_mutation_draws_all_genes_of_new_layers():
    rng, parent = np.random.default_rng(4), MINI.smallest
    deeper = [a for _ in range(2000) if (a := MINI.mutate(parent, rng, 0.2)).d[0] == 4]
    assert {a.ks[3] for a in deeper} == {3, 5, 7} and {a.e[2] for a in deeper} == {2, 3, 4}


@pytest.mark.slow
@pytest.mark.parametrize("limits", CONSTRAINTS.values(), ids=CONSTRAINTS)
def test_crossover_reaches_all_combinations_of_its_parents_and_no_others(limits):
    rng, members = np.random.default_rng(5), sorted(allowed(limits), key=str)
    for _ in range(6):
        a, b = (members[i] for i in rng.integers(len(members), size=2))
        pools = [
            {x, y} - {None} or gene.choices[:1]
            for gene, x, y in zip(TINY.genes, genes(a), genes(b), strict=True)
        ]
        mixed = {TINY.canonical(list(values)) for values in itertools.product(*pools)}
        born = {TINY.crossover(a, b, rng, **limits) for _ in range(60 * len(mixed))}
        assert mixed & set(members) <= born <= set(members)
        assert born <= mixed


def test_crossover_takes_from_both_parents_equally():
    rng = np.random.default_rng(6)
    a = MINI.arch(ks=[3] * 12, e=[2] * 12, d=[4, 4, 4])
    b = MINI.largest
    children = np.array([genes(MINI.crossover(a, b, rng)) for _ in range(2000)])
    from_b = np.mean(children[:, :24] == genes(b)[:24], 0)
    assert np.abs(from_b - 0.5).max() < 0.05
    assert abs(np.corrcoef(children[:, :24].T) - np.eye(24)).max() < 0.12  # gene by gene


# ── budgets that cannot be met ───────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("ref", [None, REF], ids=["space", "reference"])
def test_an_infeasible_budget_names_the_cheapest_cost_and_ends_at_once(ref):
    cost, rng = Counted(limit=20), np.random.default_rng(0)
    cheapest = TINY.macs(ref or TINY.smallest)
    with pytest.raises(InfeasibleError, match=f"{cheapest:,}.*Raise max_cost to at least {cheapest:,}"):
        TINY.sample(rng, containing=ref, max_cost=cheapest - 1, cost=cost)
    assert TINY.sample(rng, containing=ref, max_cost=cheapest, cost=cost.space.macs) == (ref or TINY.smallest)


@pytest.mark.parametrize("window", [(0.3, 0.3), (1.1, None), (1.1, 1.2), (0.9, 0.1)])
def test_an_empty_window_of_costs_is_reported_after_a_bounded_number_of_draws(window):
    low, high = TINY.macs(TINY.smallest), TINY.macs(TINY.largest)
    least, most = (x if x is None else low + x * (high - low) + 0.5 for x in window)
    cost = Counted(limit=20 * 40)
    with pytest.raises(
        InfeasibleError, match=rf"in 40 draws; widen the window \(the cheapest costs {low:,}\)"
    ):
        TINY.sample(np.random.default_rng(0), min_cost=least, max_cost=most, cost=cost, tries=20)


@pytest.mark.parametrize("name", ["mini", "mini-resnet", "ofa-mbv3-w1.0", "fbnetv3"])
@given(seeds, st.floats(0, 0.93))
@settings(max_examples=15)
def test_samples_and_their_children_lie_within_a_window_of_costs(name, seed, start):
    """At any size, the rarest included: from below and above they are brought there, not only waited for."""
    space, rng = SPACES_OF_ALL_KINDS[name], np.random.default_rng(seed)
    low, high = space.macs(space.smallest), space.macs(space.largest)
    window = {"min_cost": low + start * (high - low), "max_cost": low + (start + 0.07) * (high - low)}
    a, b = (space.sample(rng, **window, tries=20) for _ in range(2))
    for arch in (a, b, space.mutate(a, rng, 0.3, **window), space.crossover(a, b, rng, **window)):
        assert window["min_cost"] <= space.macs(arch) <= window["max_cost"]


def test_windows_and_references_go_together():
    rng, low, high = np.random.default_rng(0), MINI.macs(REFERENCE_OF_MINI), MINI.macs(MINI.largest)
    window = {"min_cost": 0.9 * high, "max_cost": 0.97 * high, "containing": REFERENCE_OF_MINI}
    assert low < 0.5 * high
    for _ in range(20):
        arch = MINI.sample(rng, **window)
        child = MINI.mutate(arch, rng, 0.2, **window)
        assert all(
            0.9 * high <= MINI.macs(a) <= 0.97 * high and MINI.contains(a, REFERENCE_OF_MINI)
            for a in (arch, child)
        )


def test_parents_under_the_window_are_refused():
    with pytest.raises(InfeasibleError, match=r"under the least of .*sample\(rng, min_cost"):
        MINI.mutate(MINI.smallest, np.random.default_rng(0), min_cost=2e6)


def test_any_cost_can_be_the_budget():
    rng = np.random.default_rng(0)

    def layers(arch: Arch) -> int:
        return sum(arch.d)

    arch = MINI.sample(rng, max_cost=7, min_cost=7, cost=layers)
    assert layers(arch) == 7
    assert all(layers(MINI.mutate(arch, rng, 0.5, max_cost=7, cost=layers)) <= 7 for _ in range(50))
    assert all(layers(MINI.crossover(arch, arch, rng, max_cost=7, cost=layers)) == 7 for _ in range(5))


def test_parents_without_the_reference_are_refused():
    rng, ref = np.random.default_rng(0), TINY.largest
    with pytest.raises(InfeasibleError, match=r"parent does not contain the reference.*containing=reference"):
        TINY.mutate(TINY.smallest, rng, containing=ref)
    for pair in ((ref, TINY.smallest), (TINY.smallest, ref)):
        with pytest.raises(InfeasibleError, match="parent does not contain the reference"):
            TINY.crossover(*pair, rng, containing=ref)


@pytest.mark.parametrize("containing", [None, REF], ids=["free", "reference"])
def test_parents_over_the_budget_are_refused(containing):
    rng, parent = np.random.default_rng(0), TINY.largest
    cost, small = TINY.macs(parent), REF
    limits = {"containing": containing, "max_cost": cost - 1}
    message = (
        rf"a parent costs {cost:,}, over the budget of {cost - 1:,}\. Draw parents with sample\(rng, max_cost"
    )
    for use in (
        lambda: TINY.mutate(parent, rng, 0.0, **limits),
        lambda: TINY.crossover(parent, parent, rng, **limits),
    ):
        with pytest.raises(InfeasibleError, match=message):
            use()
    # Never a product over budget, whatever the parents: a child that fits, or the error.
    refused = 0
    for make in (
        lambda: TINY.mutate(parent, rng, 0.3, **limits),
        lambda: TINY.crossover(parent, small, rng, **limits),
    ):
        for _ in range(200):
            try:
                assert TINY.macs(make()) < cost
            except InfeasibleError as error:
                assert "a parent costs" in str(error)
                refused += 1
    assert 0 < refused < 400
    children = [TINY.crossover(small, parent, rng, **limits) for _ in range(200)]  # towards the first parent
    assert max(map(TINY.macs, children)) < cost


# ── randomness ───────────────────────────────────────────────────────────────────────────────────
def test_the_generator_alone_decides():
    def draws(seed: int) -> list[Arch]:
        rng = np.random.default_rng(seed)
        a, b = MINI.sample(rng, max_cost=1.5e6), MINI.sample(rng, max_cost=1.5e6)
        return [a, b, MINI.mutate(a, rng, 0.5, max_cost=1.5e6), MINI.crossover(a, b, rng, max_cost=1.5e6)]

    first = draws(0)
    np.random.seed(1)  # noqa: NPY002  (the global state must not matter)
    assert draws(0) == first != draws(1)
