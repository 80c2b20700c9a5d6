"""ofa: networks, statistics, costs and checkpoints are those of the package ofa; containment by numbers."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise, permutations, product
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from ofa.imagenet_classification.elastic_nn.networks import OFAMobileNetV3, OFAResNets
from ofa.imagenet_classification.elastic_nn.utils import set_running_statistics
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from regnas_core import Evaluator, SuperNet, get_space, load_supernet
from regnas_core.errors import CheckpointError, GeneError
from regnas_core.spaces.space import Arch, Space
from regnas_core.supernets import supernet
from regnas_core.supernets.layers import read

MOBILE, RESNET = ("ofa-mbv3-w1.0", "ofa-mbv3-w1.2"), "ofa-resnet50"
NAMES = (*MOBILE, RESNET)
seeds = st.integers(0, 2**32 - 1)
space = cache(get_space)


# ── ofa's networks ───────────────────────────────────────────────────────────────────────────────
def published(name: str) -> nn.Module:
    """The network that ofa.model_zoo makes (a module that needs one more package), on the meta device."""
    with torch.device("meta"):
        if name == RESNET:
            return OFAResNets(
                dropout_rate=0,
                depth_list=[0, 1, 2],
                expand_ratio_list=[0.2, 0.25, 0.35],
                width_mult_list=[0.65, 0.8, 1.0],
            )
        return OFAMobileNetV3(
            dropout_rate=0,
            width_mult=float(name[-3:]),
            ks_list=[3, 5, 7],
            expand_ratio_list=[3, 4, 6],
            depth_list=[2, 3, 4],
        )


def holding(name: str, tensors: dict[str, Tensor]) -> nn.Module:
    """That network with these tensors, which must be all that it has, beside its counters of batches."""
    net = published(name).to(next(iter(tensors.values())).dtype).to_empty(device="cpu")
    counters = {key: torch.tensor(0) for key in net.state_dict() if key.endswith("num_batches_tracked")}
    nn.Module.load_state_dict(net, {**tensors, **counters})
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0  # running statistics stay as they are, in training mode too
    return net.eval()


@contextmanager
def default(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def alone(net: nn.Module, arch: Arch) -> nn.Module:
    """The sub-network as ofa copies it out of its network, in evaluation mode."""
    net.set_active_subnet(**arch.genes)
    weight = next(net.parameters())
    with default(weight.dtype), torch.device(weight.device):
        return net.get_active_subnet().eval()


@cache
def members(name: str) -> tuple[Arch, ...]:
    """The extremes, random architectures, and random architectures that contain those."""
    rng, own = np.random.default_rng(0), space(name)
    free = [own.sample(rng) for _ in range(1 if name == RESNET else 2)]
    return own.smallest, own.largest, *free, *(own.sample(rng, containing=a) for a in free[:2])


def lively(key: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    w = torch.randn(shape, generator=generator, dtype=torch.float64)
    if key.endswith("_matrix"):  # a kernel transform, the identity before training
        return torch.eye(*shape, dtype=w.dtype) + 0.1 * w
    if len(shape) > 1:
        return w * (2 / np.prod(shape[1:])) ** 0.5
    if key.endswith("running_var"):
        return 0.5 + w.abs()
    return key.endswith("weight") + 0.1 * w


@pytest.fixture(scope="module", params=NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def net(name) -> SuperNet:
    """Random float64 weights; statistics and kernel transforms are not those of untrained networks."""
    own, generator = space(name), torch.Generator().manual_seed(0)
    weights = {key: lively(key, shape, generator) for key, shape in own.tensors.items()}
    return SuperNet(own, weights, *own.normalisation)


@pytest.fixture(scope="module")
def theirs(name, net) -> nn.Module:
    return holding(name, net.weights)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pictures(n: int, size: int, seed: int) -> Tensor:
    """Random bytes, coarse enough to be told apart by a network."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.integers(0, 256, (n, 3, size // 8, size // 8), np.uint8))
    return coarse.repeat_interleave(8, 2).repeat_interleave(8, 3)


def assert_same(found: Tensor, expected: Tensor) -> None:
    assert found.dtype == expected.dtype == torch.float64
    assert (found - expected).abs().max() < 1e-10 * expected.std()


# ── the same networks ────────────────────────────────────────────────────────────────────────────
@torch.no_grad()
def test_an_extracted_network_has_the_logits_of_ofas_own(name, net, theirs):
    x, different = noise(2, 3, 48, 48), []
    for arch in members(name):
        expected = alone(theirs, arch)(x)
        assert_same(net.extract(arch).eval()(x), expected)
        different.append(expected / expected.std())
    for a, b in permutations(different, 2):
        assert (a - b).abs().max() > 0.1


@torch.no_grad()
def test_an_architecture_with_another_resolution_resizes_its_images(name, net, theirs):
    x, arch = noise(1, 3, 144, 160), members(name)[2]  # smoothed, since they shrink
    small = net.space.arch(**arch.genes | {"r": 128})
    resized = F.interpolate(x, (128, 128), mode="bilinear", antialias=True)
    network = alone(theirs, arch)
    assert_same(net.extract(arch).eval()(x), network(x))
    assert_same(net.extract(small).eval()(x), network(resized))


def test_with_batch_statistics_the_super_network_is_ofas_active_one_in_training(name, net, theirs):
    x = noise(3, 3, 48, 48)
    for arch in members(name):
        theirs.set_active_subnet(**arch.genes)
        with torch.no_grad():
            expected = theirs.train()(x)
        assert_same(net.forward(arch, x), expected)
    theirs.eval()


def test_gradients_reach_the_weights_as_they_reach_ofas(name, net, theirs):
    """Kernel transforms too, by which training fits the smaller kernels."""
    weights = {key: w.clone().requires_grad_("running" not in key) for key, w in net.weights.items()}
    x, arch = noise(2, 3, 48, 48), members(name)[2]
    SuperNet(net.space, weights, net.mean, net.std).forward(arch, x).square().sum().backward()
    theirs.set_active_subnet(**arch.genes)
    theirs.train()(x).square().sum().backward()
    theirs.eval()
    for key, parameter in theirs.named_parameters():
        found, expected = weights[key].grad, parameter.grad
        assert (found is None or not found.any()) == (expected is None or not expected.any()), key
        if found is not None and expected.any():  # torch's hard-sigmoid has a sixth in single precision
            assert (found - expected).norm() < 2e-7 * expected.norm() + 1e-8, key
        parameter.grad = None


# ── the same costs ───────────────────────────────────────────────────────────────────────────────
def flops(module: nn.Module, size: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.empty(1, 3, size, size, device="meta"))
    counts = counter.get_flop_counts()["Global"]
    assert {str(op) for op in counts} == {"aten.convolution", "aten.addmm"}
    return sum(counts.values())


@pytest.mark.parametrize("name", NAMES)
def test_macs_and_params_are_those_of_the_extracted_network_and_of_ofas(name):
    own, theirs = space(name), published(name)
    weights = {key: torch.empty(shape, device="meta") for key, shape in own.tensors.items()}
    net, rng = SuperNet(own, weights, *own.normalisation), np.random.default_rng(1)
    for arch in (own.smallest, own.largest, own.sample(rng)):
        small = own.arch(**arch.genes | {"r": int(rng.choice(range(128, 224, 4)))})
        network = alone(theirs, arch)
        with torch.device("meta"):
            plain, resizing = net.extract(arch), net.extract(small)
        assert own.macs(arch) * 2 == flops(network, 224) == flops(plain, 224)  # a MAC is two FLOPs
        assert own.macs(small) * 2 == flops(network, small.r) == flops(resizing, 224) < own.macs(arch) * 2
        for module in (network, plain, resizing):
            assert own.params(arch) == own.params(small) == sum(p.numel() for p in module.parameters())


# ── the same predictions ─────────────────────────────────────────────────────────────────────────
@torch.no_grad()
def test_predictions_and_statistics_are_those_of_ofas_own_route(name, net, theirs):
    calibration, images = pictures(14, 40, seed=1), pictures(10, 40, seed=2)
    archs = (members(name)[0], members(name)[2])
    batches = [(net.normalise(calibration[i : i + 6]), None) for i in (0, 6, 12)]  # 6, 6 and 2
    double, single = (
        Evaluator(n, calibration, device="cpu", calibration_batch=6, batch_size=5)
        for n in (net, net.to(torch.float32))
    )
    predicted, sure = double.predict(archs, images), []
    for arch, row in zip(archs, predicted, strict=True):
        network = alone(theirs, arch)
        set_running_statistics(network, batches)
        logits = network(net.normalise(images))
        assert (row == logits.argmax(1).numpy()).all()
        sure.append((-logits.topk(2).values.diff().flatten() > 1e-3 * logits.std()).numpy())

        module = double.extract(arch)
        pairs = zip(norms(module), norms(network), strict=True)
        for found, expected in pairs:
            torch.testing.assert_close(found.running_mean, expected.running_mean, rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(found.running_var, expected.running_var, rtol=1e-10, atol=1e-10)
        assert_same(module(net.normalise(images)), logits)
    assert len(np.unique(predicted)) >= 5 and len(np.unique(predicted, axis=0)) == len(archs)
    assert np.mean(sure) > 0.9
    assert (single.predict(archs, images) == predicted)[sure].all()


def norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]


# ── which weights: every one has a number, and ofa copies them into the sub-network ──────────────
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


def test_the_weights_in_the_regions_are_those_that_ofa_copies(name, numbers, used):
    for arch in members(name):
        regions = [region for step in space(name).steps(arch) for region in step.regions]
        assert np.array_equal(mask(numbers, [read(numbers, region) for region in regions]), used(arch))


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


@settings(max_examples=30)
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


@settings(max_examples=30)
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


@settings(max_examples=30)
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
def state(net: nn.Module) -> list:
    """Everything that ofa's methods set: what is active in which layer, and modes."""
    tops = [dict(module.__dict__) for module in net.modules()]
    hidden = ("_parameters", "_buffers", "_modules")
    return [{k: repr(v) for k, v in top.items() if k not in hidden} for top in tops]


def test_no_use_makes_a_sub_network_of_ofas_network_active(name, net):
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
    mine = SuperNet(own, net.weights, net.mean, net.std)
    mine.forward(own.smallest, noise(2, 3, 32, 32))
    evaluator = Evaluator(mine, pictures(4, 32, 0), device="cpu")
    evaluator.extract(own.smallest)
    evaluator.predict([own.smallest, arch], pictures(3, 32, 1))
    assert state(own.net) == before
    assert {p.device.type for p in own.net.parameters()} == {"meta"}


# ── checkpoints ──────────────────────────────────────────────────────────────────────────────────
def in_old_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As in the files that were published before ofa's layers were renamed."""
    named = {}
    for key, tensor in state.items():
        key = re.sub(r"^(blocks\.\d+)\.conv\.(?!conv)", r"\1.mobile_inverted_conv.", key)
        for word in ("bn", "conv", "linear"):
            key = re.sub(rf"\.{word}\.{word}\.(?!{word})", f".{word}.", key)
        named[key] = tensor
    return named


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Iterator[Path]:
    """The data folder, emptied afterwards: these files are large."""
    monkeypatch.setenv("REGNAS_DATA", str(tmp_path))
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize(("names", "zipped"), [("today's", True), ("old", False)], ids=["zip", "legacy"])
def test_a_file_for_ofa_is_read_as_ofa_reads_it(name, net, folder, names, zipped, monkeypatch):
    theirs, path = holding(name, net.to(torch.float32).weights), folder / "published"
    content = theirs.state_dict()
    if names == "old":
        today, content = content, in_old_names(content)
        assert len(content) == len(today) and len(content.keys() - today.keys()) > 100
        assert name == RESNET or "blocks.1.mobile_inverted_conv.depth_conv.bn.weight" in content
    torch.save({"state_dict": content, "epoch": 5}, path, _use_new_zipfile_serialization=zipped)

    with torch.no_grad():
        for w in theirs.state_dict().values():
            w.zero_()
    theirs.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
    loaded = load_supernet(name, path)
    expected = theirs.state_dict()
    assert loaded.weights.keys() == {key for key in expected if not key.endswith("num_batches_tracked")}
    for key, w in loaded.weights.items():
        assert w.equal(expected[key]) and w.equal(net.weights[key].float()) and w.dtype == torch.float32
    assert (loaded.mean, loaded.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert loaded.info["file"] == "published"

    (converted,) = (folder / "cache" / "supernets").iterdir()
    assert converted.suffix == ".safetensors"
    monkeypatch.setattr(supernet, "read_state_dict", None)  # the second time nobody asks for it
    again = load_supernet(name, path, resolutions=(160, 224))
    assert again.weights.keys() == loaded.weights.keys()
    assert all(again.weights[key].equal(w) for key, w in loaded.weights.items())


def hollow(name: str) -> dict[str, Tensor]:
    """Tensors of the right names and shapes that take no room: one number each."""
    return {key: torch.ones(1).expand(shape) for key, shape in space(name).tensors.items()}


def test_a_file_in_the_data_folder_is_not_downloaded_again(folder, monkeypatch):
    monkeypatch.setattr("regnas_core.download._download", None)
    name = MOBILE[0]
    path = folder / "supernets" / "ofa_mbv3_d234_e346_k357_w1.0"
    path.parent.mkdir()
    torch.save({"state_dict": in_old_names(hollow(name))}, path)
    for weights in ("pretrained", "pretrained:ofa"):
        assert load_supernet(name, weights).info["file"] == path.name
    with pytest.raises(CheckpointError, match=r"no pretrained weights called 'alphanet'; known: ofa\."):
        load_supernet(name, "pretrained:alphanet")


def test_a_file_of_another_super_network_is_refused_with_the_name_of_its_own(folder):
    for own, other in zip(NAMES, (*NAMES[1:], NAMES[0]), strict=True):
        path = folder / own
        torch.save({"state_dict": in_old_names(hollow(own))}, path)
        with pytest.raises(CheckpointError) as caught:
            load_supernet(other, path)
        assert str(caught.value).startswith(f"{path} holds no weights of {other}: ")
        assert str(caught.value).endswith(f"It fits {own}.")
    assert not (folder / "cache").exists()


@pytest.mark.parametrize("fault", ["missing", "of another shape"])
@pytest.mark.parametrize("key", ["classifier", "7to5_matrix", "running_var"])
def test_a_file_without_one_of_the_tensors_is_refused(folder, key, fault):
    name, path = MOBILE[0], folder / "published"
    tensors = hollow(name)
    key = next(k for k in tensors if key in k)
    if fault == "missing":
        del tensors[key]
    else:
        tensors[key] = torch.ones(3, 3)
    torch.save({"state_dict": in_old_names(tensors)}, path)
    message = rf"no weights of {name}: 1 of \d+ tensors are missing or of another shape, such as {key}\. Give"
    with pytest.raises(CheckpointError, match=message):
        load_supernet(name, path)
    assert not (folder / "cache").exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_truncated_file_is_refused(folder, zipped):
    path = folder / "published"
    torch.save({"state_dict": hollow(MOBILE[0])}, path, _use_new_zipfile_serialization=zipped)
    assert load_supernet(MOBILE[0], path).space is not None
    whole = path.read_bytes()
    for keep in (100, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:keep])
        with pytest.raises(CheckpointError, match=r"published is truncated or damaged"):
            load_supernet(MOBILE[0], path)


@pytest.mark.parametrize("name", NAMES)
def test_no_two_tensors_have_one_name_in_a_publishers_file(name):
    own = space(name)
    assert len({own.publishers_name(key) for key in own.tensors}) == len(own.tensors)
    for old, key in zip(in_old_names(own.tensors), own.tensors, strict=True):
        assert own.publishers_name(old) == own.publishers_name(key)
