"""ofa: costs are those of the package ofa's networks; containment by numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from itertools import pairwise, permutations, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from once_for_all import (
    MOBILE,
    NAMES,
    RESNET,
    alone,
    holding,
    members,
    noise,
    pictures,
    published,
    random_net,
    space,
    state,
)
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from regnas_core import Evaluator, SuperNet, get_space
from regnas_core.errors import GeneError
from regnas_core.spaces.space import Arch, Space
from regnas_core.supernets.layers import read

seeds = st.integers(0, 2**32 - 1)


# ── the same costs ───────────────────────────────────────────────────────────────────────────────
def flops(module: nn.Module, size: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.zeros(1, 3, size, size))
    counts = counter.get_flop_counts()["Global"]
    assert {str(op) for op in counts} == {"aten.convolution", "aten.addmm"}
    return sum(counts.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_macs_and_params_are_those_of_the_extracted_network_and_of_ofas(name):
    own = space(name)
    # on the CPU, which counts faster than the meta device
    weights = {key: torch.zeros(shape) for key, shape in own.tensors.items()}
    theirs, net = holding(name, weights), SuperNet(own, weights, *own.normalisation)
    rng = np.random.default_rng(1)
    for arch in (own.smallest, own.largest, own.sample(rng)):
        small = own.arch(**arch.genes | {"r": int(rng.choice(range(128, 224, 4)))})
        network = alone(theirs, arch)
        plain, resizing = net.extract(arch).eval(), net.extract(small).eval()
        assert own.macs(arch) * 2 == flops(network, 224) == flops(plain, 224)  # a MAC is two FLOPs
        assert own.macs(small) * 2 == flops(network, small.r) == flops(resizing, 224) < own.macs(arch) * 2
        for module in (network, plain, resizing):
            assert own.params(arch) == own.params(small) == sum(p.numel() for p in module.parameters())


# ── which weights: every one has a number, and ofa copies them into the sub-network ──────────────
@pytest.fixture(scope="module", params=NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def numbers(name) -> dict[str, Tensor]:
    """1, 2, 3, … in all weights. Kernel transforms are identities, which leave the numbers of a smaller
    kernel's place: containment is by place, and the transforms count for neither."""
    tensors, start = {}, 1
    for key, shape in space(name).tensors.items():
        size = int(np.prod(shape))
        if key.endswith("_matrix"):
            tensors[key] = torch.eye(*shape, dtype=torch.float64)
        elif "running" in key:
            tensors[key] = torch.zeros(shape, dtype=torch.float64)
        else:
            tensors[key] = torch.arange(start, start + size, dtype=torch.float64).view(shape)
            start += size
    return tensors


@pytest.fixture(scope="module")
def used(name, numbers):
    """``used(arch)``: a boolean mask of the numbers that are in ofa's copy of the sub-network."""
    theirs = holding(name, numbers)
    return cache(lambda arch: mask(numbers, [p.detach() for p in alone(theirs, arch).parameters()]))


def mask(numbers: dict[str, Tensor], found: list[Tensor]) -> np.ndarray:
    """Which numbers were found; none may be there twice."""
    mask = np.zeros(int(max(w.max() for w in numbers.values())) + 1, bool)
    for tensor in found:
        mask[tensor.numpy().ravel().astype(np.int64)] = True
    assert np.count_nonzero(mask) == sum(tensor.numel() for tensor in found) and not mask[0]
    return mask


@pytest.mark.slow
def test_the_weights_in_the_regions_are_those_that_ofa_copies(name, numbers, used):
    for arch in members(name):
        regions = [region for step in space(name).steps(arch) for region in step.regions]
        assert np.array_equal(mask(numbers, [read(numbers, region) for region in regions]), used(arch))


@pytest.mark.slow
def test_shared_weights_and_containment_are_those_of_the_copied_weights(name, used):
    own, contained = space(name), 0
    for a, b in permutations(members(name), 2):
        shared = np.count_nonzero(used(a) & used(b))
        assert own.shared_weights(a, b) == own.shared_weights(b, a) == shared
        inside = shared == np.count_nonzero(used(b))
        assert own.contains(a, b) == inside
        contained += inside
    pairs = len(members(name)) * (len(members(name)) - 1)
    assert pairs // 4 < contained < 3 * pairs // 4  # both outcomes occur


@pytest.mark.parametrize("name", MOBILE, indirect=True, scope="module")
def test_a_smaller_kernel_is_contained_by_place(name, numbers, used):
    own = space(name)
    genes = {"e": [3] * 20, "d": [2] * 5}
    kernels = [own.arch(ks=[size] * 20, **genes) for size in (3, 5, 7)]
    weight = numbers["blocks.1.conv.depth_conv.conv.conv.weight"]
    for size, arch in zip((3, 5, 7), kernels, strict=True):
        low = (7 - size) // 2
        inner = np.zeros((7, 7), bool)
        inner[low : low + size, low : low + size] = True
        assert np.array_equal(used(arch)[weight[0, 0].long().numpy()], inner)
    for small, large in pairwise(kernels):
        assert own.contains(large, small) and not own.contains(small, large)


# ── genes ────────────────────────────────────────────────────────────────────────────────────────
described = cache(published)


@settings(max_examples=25)
@given(st.sampled_from(NAMES), seeds)
def test_what_ofa_draws_is_an_architecture_at_224_pixels(name, seed):
    random.seed(seed)
    setting = described(name).sample_active_subnet()
    assert set(setting) == ({"d", "e", "w"} if name == RESNET else {"ks", "e", "d"})
    arch = space(name).arch(**setting)
    assert arch.r == 224 and arch == space(name).parse(str(arch))
    for kind, values in setting.items():
        genes = [space(name).genes[slot] for slot in space(name).slots[kind]]
        same = [dict(gene.aliases).get(value, value) for gene, value in zip(genes, values, strict=True)]
        assert all(v is None or v == value for v, value in zip(arch.genes[kind], same, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_equal_networks_are_equal_architectures(name):
    """Of each two settings that differ in one gene, some are the same network."""
    net, own, equal = described(name), space(name), 0
    choices = {gene.name: set(gene.choices) for gene in own.genes}
    for seed in range(12):
        random.seed(seed)
        setting = net.sample_active_subnet()
        arch, text = own.arch(**setting), repr(alone(net, own.arch(**setting)))
        gene = random.choice(list(setting))
        slot = random.randrange(gene == "d" and name == RESNET, len(setting[gene]))  # the stem's d: 0 or 2
        setting[gene][slot] = random.choice(sorted(choices[gene] - {setting[gene][slot]}))
        other = own.arch(**setting)
        assert (arch == other) == (repr(alone(net, other)) == text)
        equal += arch == other
    assert 0 < equal < 12


def variants(own: Space, start: Arch) -> Iterator[list[Arch]]:
    """For each active gene but the resolution: architectures with all its choices, and else ``start``."""
    choices: dict[str, list] = {}
    for gene in own.genes:
        choices.setdefault(gene.name, []).append(gene.choices)
    del choices["r"]
    genes = {
        name: [c[0] if v is None else v for v, c in zip(start.genes[name], lists, strict=True)]
        for name, lists in choices.items()
    }
    for name, lists in choices.items():
        for slot, values in enumerate(lists):
            if start.genes[name][slot] is not None:
                before, after = genes[name][:slot], genes[name][slot + 1 :]
                yield [own.arch(**genes | {name: [*before, v, *after]}) for v in values]


@pytest.mark.parametrize("name", NAMES)
def test_all_choices_of_a_gene_are_different_networks(name):
    own = space(name)
    for start in (own.smallest, own.largest):
        for archs in variants(own, start):
            if name == RESNET and len({arch.w[0] for arch in archs}) > 1:
                continue  # see the next test
            assert len({own.steps(arch) for arch in archs}) == len(archs) >= 2
            costs = [own.params(arch) for arch in archs]
            assert costs == sorted(set(costs)) and start in archs


def test_stems_of_equally_many_channels_are_equal_architectures():
    own = space(RESNET)
    archs = [own.arch(d=own.largest.d, e=own.largest.e, w=[w, 2, 2, 2, 2, 2]) for w in (0, 1, 2)]
    networks = [repr(alone(described(RESNET), arch)) for arch in archs]
    assert networks[0] == networks[1] != networks[2]
    assert archs[0] == archs[1] != archs[2]


@pytest.mark.parametrize("name", NAMES)
def test_a_resolution_may_be_given_and_is_owned_by_no_weight(name):
    own, rng = space(name), np.random.default_rng(0)
    arch = own.sample(rng)
    assert arch.r == 224 and own.arch(**{k: v for k, v in arch.items if k != "r"}) == arch
    costs = []
    for r in range(128, 225, 4):
        other = own.arch(**arch.genes | {"r": r})
        assert (other == arch) == (r == 224) and other.r == r and own.input_shape(other) == (3, r, r)
        assert own.contains(arch, other) and own.contains(other, arch)
        assert own.shared_weights(arch, other) == own.params(other) == own.params(arch)
        costs.append(own.macs(other))
    assert costs == sorted(set(costs))
    for r in (130, 124, 228, 224.5, None):
        with pytest.raises(GeneError, match=rf"{name}: gene r is {r}; choose one of \[128, 132"):
            own.arch(**arch.genes | {"r": r})


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_draws_keep_the_resolution_unless_there_are_some_to_search(name):
    own, rng = space(name), np.random.default_rng(0)
    several = get_space(name, resolutions=(192, 160, 224))
    assert {own.sample(rng).r for _ in range(20)} == {224}
    assert {several.sample(rng).r for _ in range(40)} == {160, 192, 224}
    assert several.size() == 3 * own.size() and several.identity != own.identity
    with pytest.raises(GeneError, match=r"gene r is 128; choose one of \[160, 192, 224\]"):
        several.arch(**several.smallest.genes | {"r": 128})

    first, second = (own.arch(**own.sample(rng).genes | {"r": 160}) for _ in range(2))
    reference, budget = own.smallest, own.macs(own.largest)
    for limits in ({}, {"containing": reference}, {"max_cost": max(own.macs(first), own.macs(second))}):
        assert {own.mutate(first, rng, 0.5, **limits).r for _ in range(10)} == {160}
        assert {own.crossover(first, second, rng, **limits).r for _ in range(10)} == {160}
    third = own.arch(**second.genes | {"r": 192})
    assert {own.crossover(first, third, rng, max_cost=budget).r for _ in range(30)} == {160, 192}
    start = several.sample(rng)
    assert {several.mutate(start, rng, 0.5).r for _ in range(40)} == {160, 192, 224}


@pytest.mark.parametrize("name", NAMES)
def test_an_architecture_of_other_resolutions_is_refused(name):
    several = get_space(name, resolutions=(160, 224))
    with pytest.raises(GeneError, match=rf"of {name}\(resolutions=\(160, 224\)\) was given to .* {name}\."):
        space(name).steps(several.smallest)


# ── containment ──────────────────────────────────────────────────────────────────────────────────
def test_the_number_of_architectures():
    for name in MOBILE:
        assert space(name).size() == (9**2 + 9**3 + 9**4) ** 5
    own = space(RESNET)
    ends, middle = 3 * (3**2 + 3**3 + 3**4), 3 * (3**4 + 3**5 + 3**6)
    assert own.size() == own.size(containing=own.smallest) and own.size() % (ends**3 * middle) == 0
    for name in NAMES:
        assert space(name).size(containing=space(name).largest) == 1


def test_the_number_of_resnets_is_that_of_different_networks():
    own = space(RESNET)
    blocks = {layer: [(0.2, 0.25, 0.35)] * n for layer, (_, n) in enumerate(STAGES)}
    stages = [3 * sum(3**depth for depth in range(len(b) - 2, len(b) + 1)) for b in blocks.values()]
    stem = {own.steps(own.arch(**own.largest.genes | {"w": [w, 2, 2, 2, 2, 2]}))[0] for w in (0, 1, 2)}
    assert own.size() == np.prod(stages, dtype=object) * 2 * 3 * len(stem)


@pytest.mark.slow
@settings(max_examples=25)
@given(st.sampled_from(NAMES), seeds)
def test_what_is_drawn_with_a_reference_contains_it_within_the_budget(name, seed):
    own, rng = space(name), np.random.default_rng(seed)
    reference = own.sample(rng)
    floor, top = own.macs(reference), own.macs(own.largest)
    budget = floor + rng.random() ** 3 * (top - floor)
    limits = {"containing": reference, "max_cost": budget}
    a, b = own.sample(rng, **limits), own.sample(rng, **limits)
    for arch in (a, b, own.mutate(a, rng, 0.5, **limits), own.crossover(a, b, rng, **limits)):
        assert own.contains(arch, reference) and own.macs(arch) <= budget
        assert own.shared_weights(arch, reference) == own.params(reference)
    assert own.steps(own.sample(rng, containing=reference, max_cost=floor)) == own.steps(reference)


@settings(max_examples=25)
@given(st.sampled_from(MOBILE), seeds)
def test_of_mobilenet_every_gene_at_least_the_references_is_containing_it(name, seed):
    own, rng = space(name), np.random.default_rng(seed)
    a, b = own.sample(rng), own.sample(rng)
    for target in (a, b, own.sample(rng, containing=a)):
        at_least = all(
            small is None or (large is not None and large >= small)
            for gene in ("ks", "e", "d")
            for large, small in zip(target.genes[gene], a.genes[gene], strict=True)
        )
        assert own.contains(target, a) == at_least


def with_stage(own: Space, start: Arch, stage: int, **genes) -> Arch:
    """``start`` with other genes in one stage of the ResNet: ``d``, ``w``, and ``e`` of all its blocks."""
    d, w, e = list(start.d), list(start.w), list(start.e)
    d[1 + stage], w[2 + stage] = genes["d"], genes["w"]
    first, count = STAGES[stage]
    e[first : first + count] = genes["e"]
    return own.arch(d=d, w=w, e=e)


STAGES = ((0, 4), (4, 4), (8, 6), (14, 4))  # ResNet-50's first block and number of blocks, at most
REFERENCES = [
    (0, {"d": 0, "w": 0, "e": [0.35, 0.25, 0.2, 0.2]}),
    (0, {"d": 2, "w": 1, "e": [0.25, 0.25, 0.35, 0.2]}),
    (1, {"d": 1, "w": 1, "e": [0.35, 0.2, 0.25, 0.2]}),
    (3, {"d": 1, "w": 0, "e": [0.25, 0.35, 0.35, 0.2]}),
    (3, {"d": 0, "w": 2, "e": [0.2, 0.25, 0.2, 0.2]}),
]


@cache
def around(stage: int) -> set[Arch]:
    """All architectures that are the largest but for one stage."""
    own = space(RESNET)
    count = STAGES[stage][1]
    ratios = product((0.2, 0.25, 0.35), repeat=count)
    archs = (
        with_stage(own, own.largest, stage, d=d, w=w, e=e)
        for d, w, e in product((0, 1, 2), (0, 1, 2), ratios)
    )
    return set(archs)


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "genes"), REFERENCES)
def test_the_number_of_resnets_that_contain_a_reference_is_counted_by_hand(stage, genes):
    own = space(RESNET)
    reference = with_stage(own, own.largest, stage, **genes)
    targets = {arch for arch in around(stage) if own.contains(arch, reference)}
    assert len(around(stage)) == 3 * (3**2 + 3**3 + 3**4)
    assert own.size(containing=reference) == len(targets)
    rng = np.random.default_rng(0)
    drawn = {own.sample(rng, containing=reference) for _ in range(300)}
    assert drawn <= targets and len(drawn) > min(len(targets), 40) / 2


def test_the_counts_of_stages_and_stem_multiply():
    own, top = space(RESNET), space(RESNET).largest
    parts = [genes for stage, genes in REFERENCES if stage in (0, 1)][1:]
    both = top
    for stage, genes in enumerate(parts):
        both = with_stage(own, both, stage, **genes)
    single = [own.size(containing=with_stage(own, top, i, **g)) for i, g in enumerate(parts)]
    assert own.size(containing=both) == single[0] * single[1] > max(single)
    genes = {"w": [1, 0, 2, 2, 2, 2], "d": [0, 2, 2, 2, 2], "e": top.e}
    assert own.size(containing=own.arch(**genes)) == 2 * 2 * 3


@pytest.mark.slow
@pytest.mark.parametrize("name", [RESNET], indirect=True, scope="module")
def test_more_width_makes_up_for_less_expansion(name, used):
    own = space(name)
    small = with_stage(own, own.smallest, 0, d=0, w=0, e=[0.35] * 4)
    wide = with_stage(own, own.smallest, 0, d=0, w=2, e=[0.25] * 4)
    assert wide.e[:2] < small.e[:2] and own.contains(wide, small)
    assert (used(small) <= used(wide)).all()
    for width, ratio in ((0, 0.25), (1, 0.25), (2, 0.2)):
        narrow = with_stage(own, own.smallest, 0, d=0, w=width, e=[ratio] * 4)
        assert own.contains(narrow, small) == (used(small) <= used(narrow)).all()
    assert not own.contains(with_stage(own, own.smallest, 0, d=2, w=2, e=[0.2] * 4), small)

    rng = np.random.default_rng(0)
    drawn = [own.sample(rng, containing=small) for _ in range(100)]
    assert {a.e[0] for a in drawn if a.w[2] == 2} == {0.25, 0.35}
    mutants = [own.mutate(wide, rng, 0.5, containing=small) for _ in range(100)]
    children = [own.crossover(wide, own.largest, rng, containing=small) for _ in range(100)]
    for archs in (drawn, mutants, children):
        assert all(own.contains(a, small) for a in archs) and any(a.e[0] < small.e[0] for a in archs)


# ── ofa's own objects ────────────────────────────────────────────────────────────────────────────
@pytest.mark.slow
def test_no_use_makes_a_sub_network_of_ofas_network_active(name):
    own, rng = get_space(name), np.random.default_rng(3)
    before, numbers = state(own.net), torch.get_rng_state()
    active = [layer for layer in before if any("active" in key for key in layer)]
    assert len(active) > 18 and "runtime_depth" in before[0]
    reference = own.sample(rng)
    arch = own.mutate(own.sample(rng, containing=reference), rng, 0.5, containing=reference)
    child = own.crossover(arch, own.largest, rng, max_cost=2 * own.macs(own.largest))
    assert own.size(containing=arch) > 0 and own.shared_weights(arch, child) > 0
    assert own.params(own.smallest) > 0 and own.tensors
    assert torch.get_rng_state().equal(numbers)
    mine = SuperNet(own, random_net(name).weights, *own.normalisation)
    mine.forward(own.smallest, noise(2, 3, 32, 32))
    evaluator = Evaluator(mine, pictures(4, 32, 0), device="cpu")
    evaluator.extract(own.smallest)
    evaluator.predict([own.smallest, arch], pictures(3, 32, 1))
    assert state(own.net) == before
    assert {p.device.type for p in own.net.parameters()} == {"meta"}
