"""mini-resnet: weights found by differentiating, counts by enumerating; width makes up for expansion."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import inputs, members, supernet, used
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from regnas_core import SuperNet, get_space
from regnas_core.errors import GeneError
from regnas_core.spaces.space import Arch
from regnas_core.supernets.layers import read

FEW = {"multipliers": (0.75, 1.0), "expansions": (0.5, 0.625), "depths": (1, 2)}
SPACES = {
    "mini-resnet": get_space("mini-resnet"),
    "mini-resnet-cifar10": get_space("mini-resnet-cifar10"),
    "small": get_space(
        "mini-resnet", image=(2, 24, 20), classes=3, stem=8, widths=(16, 24), strides=(1, 2), depths=(1, 3)
    ),
    "one stage": get_space("mini-resnet", image=(1, 20, 20), classes=3, widths=(16,), strides=(2,)),
}
TINY = get_space("mini-resnet", image=(1, 8, 8), stem=4, widths=(16, 24), strides=(1, 2), **FEW)
seeds = st.integers(0, 2**32 - 1)


def described(net: SuperNet, arch: Arch, x: Tensor) -> Tensor:
    """The network written down from the text of mini_resnet.py, without steps and regions."""
    c, w = net.space.config, net.weights

    def conv(x: Tensor, name: str, out: int, stride: int = 1) -> Tensor:
        weight = w[f"{name}.weight"][:out, : x.shape[1]]
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        scale, shift = w[f"{name}_norm.weight"][:out], w[f"{name}_norm.bias"][:out]
        return F.batch_norm(x, None, None, scale, shift, training=True)

    x = F.relu(conv(F.pixel_unshuffle(x, c.unshuffle), "stem", round(c.stem * arch.w[0])))
    for stage, depth in enumerate(arch.d):
        out = round(c.widths[stage] * arch.w[1 + stage])
        for i in range(depth):
            name, stride = f"stages.{stage}.{i}", 1 if i else c.strides[stage]
            mid = round(out * arch.e[stage * c.depths[-1] + i])
            y = F.relu(conv(x, f"{name}.reduce", mid))
            y = F.relu(conv(y, f"{name}.conv", mid, stride))
            y = conv(y, f"{name}.expand", out)
            if i == 0:
                x = F.avg_pool2d(x, stride, ceil_mode=True)
                x = conv(x, f"{name}.shortcut", out)
            x = F.relu(x + y)
    return F.linear(x.mean((2, 3)), w["head.linear.weight"][:, : x.shape[1]], w["head.linear.bias"])


# ── the network ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", SPACES)
def test_logits_are_those_of_the_network_as_it_is_described(name):
    net = supernet(SPACES[name])
    x = inputs(net.space)
    for arch in members(SPACES[name]):
        torch.testing.assert_close(net.forward(arch, x), described(net, arch, x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", SPACES)
def test_an_extracted_network_has_the_logits_of_the_super_network(name):
    net = supernet(SPACES[name])
    x = inputs(net.space)
    for arch in members(SPACES[name]):
        torch.testing.assert_close(net.extract(arch).train()(x), net.forward(arch, x), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_macs_and_params_are_those_of_the_extracted_module(name):
    net = supernet(SPACES[name])
    for arch in members(SPACES[name]):
        module = net.extract(arch)
        with FlopCounterMode(display=False) as counter:
            module(inputs(net.space, 2))
        flops = counter.get_flop_counts()["Global"]
        assert {str(op) for op in flops} == {"aten.convolution", "aten.addmm"}
        assert net.space.macs(arch) == sum(flops.values()) / 2 / 2  # two images; a MAC is two FLOPs
        assert net.space.params(arch) == sum(p.numel() for p in module.parameters())


# ── its weights ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", SPACES)
def test_the_logits_depend_on_exactly_the_weights_in_the_regions(name):
    space = SPACES[name]
    for arch in members(SPACES[name]):
        expected = {n: torch.zeros(shape, dtype=bool) for n, shape in space.tensors.items()}
        for step in space.steps(arch):
            for region in step.regions:
                read(expected, region).fill_(True)
        found = used(SPACES[name], arch, 2)
        assert [n for n in expected if not found[n].equal(expected[n])] == []
        assert sum(int(mask.sum()) for mask in found.values()) == space.params(arch)


@pytest.mark.parametrize("name", SPACES)
def test_shared_weights_and_containment_are_those_of_the_differentiated_weights(name):
    space, contained = SPACES[name], 0
    for a, b in itertools.permutations(members(SPACES[name]), 2):
        first, second = used(SPACES[name], a, 2), used(SPACES[name], b, 2)
        assert space.shared_weights(a, b) == sum(int((first[n] & second[n]).sum()) for n in first)
        inside = all(first[n][second[n]].all() for n in first)
        assert space.contains(a, b) == inside
        contained += inside
    assert contained >= 20  # of 90 ordered pairs: both outcomes occur


def test_more_width_makes_up_for_less_expansion():
    space, rng = get_space("mini-resnet", **FEW), np.random.default_rng(0)
    small = space.arch(d=1, w=0.75, e=0.625)
    for width, ratio in itertools.product(FEW["multipliers"], FEW["expansions"]):
        assert space.contains(space.arch(d=1, w=width, e=ratio), small) == (width * ratio >= 0.75 * 0.625)
    wide = space.arch(d=1, w=1.0, e=0.5)
    assert space.contains(wide, small) and not space.contains(space.arch(d=2, w=0.75, e=0.5), small)
    drawn = [space.sample(rng, containing=small) for _ in range(100)]
    mutants = [space.mutate(wide, rng, 0.5, containing=small) for _ in range(100)]
    children = [space.crossover(wide, space.largest, rng, containing=small) for _ in range(100)]
    for archs in (drawn, mutants, children):
        assert any(arch.e[0] == 0.5 for arch in archs)
        assert all(arch.w[1] == 1.0 for arch in archs if arch.e[0] == 0.5)


# ── its genes ────────────────────────────────────────────────────────────────────────────────────
@cache
def enumerated() -> tuple[Arch, ...]:
    """Every architecture of the tiny space, found by trying all values of all genes."""
    found = {}
    for values in itertools.product(*(gene.choices for gene in TINY.genes)):
        genes = {name: [values[slot] for slot in slots] for name, slots in TINY.slots.items()}
        found[TINY.arch(**genes)] = None
    return tuple(found)


def test_equal_networks_and_no_others_are_equal_architectures():
    everything = enumerated()
    assert len({TINY.steps(arch) for arch in everything}) == len(everything) == TINY.size()
    assert len(everything) == 2 * (2 * (2 + 4)) ** 2
    for arch in everything[::40]:
        assert TINY.parse(str(arch)) == arch == TINY.arch(**arch.genes)
    layers = (TINY.arch(d=[1, 2], w=1.0, e=[0.5, e, 0.625, 0.5]) for e in (*FEW["expansions"], None))
    assert len({*layers}) == 1  # the second layer is switched off
    costs = [TINY.macs(arch) for arch in everything]
    assert (TINY.macs(TINY.smallest), TINY.macs(TINY.largest)) == (min(costs), max(costs))


def test_the_architectures_that_contain_a_reference_are_counted_and_drawn():
    everything, rng = enumerated(), np.random.default_rng(0)
    for ref in (TINY.smallest, *everything[50::211], TINY.largest):
        inside = {arch for arch in everything if TINY.contains(arch, ref)}
        assert TINY.size(containing=ref) == len(inside)
        drawn = {TINY.sample(rng, containing=ref) for _ in range(200)}
        assert drawn <= inside and len(drawn) >= min(len(inside), 100) / 2


@pytest.mark.slow
@settings(max_examples=25)
@given(st.sampled_from(("mini-resnet", "mini-resnet-cifar10")), seeds)
def test_what_is_drawn_with_a_reference_contains_it_within_the_budget(name, seed):
    space, rng = SPACES[name], np.random.default_rng(seed)
    ref = space.sample(rng)
    floor, top = space.macs(ref), space.macs(space.largest)
    limits = {"containing": ref, "max_cost": floor + rng.random() ** 3 * (top - floor)}
    a, b = space.sample(rng, **limits), space.sample(rng, **limits)
    for arch in (a, b, space.mutate(a, rng, 0.5, **limits), space.crossover(a, b, rng, **limits)):
        assert space.contains(arch, ref) and space.macs(arch) <= limits["max_cost"]
        assert space.parse(str(arch)) == arch
    assert space.sample(rng, containing=ref, max_cost=floor) == ref


def test_options_become_the_configuration_and_are_kept():
    space = get_space("mini-resnet", image=[3, 64, 64], classes=37)
    assert space.input_shape() == (3, 64, 64) and space.options == {"image": (3, 64, 64), "classes": 37}
    assert space.identity == "mini-resnet(classes=37, image=(3, 64, 64))"
    assert space.steps(space.smallest)[-1].regions[-1].shape == (37,)


@pytest.mark.parametrize("change", [{"widths": (2, 8, 8)}, {"stem": 1}, {"multipliers": (0.99, 0.991, 1.0)}])
def test_choices_that_would_be_one_network_are_refused(change):
    with pytest.raises(GeneError, match=r"mini-resnet: stem=\d+, widths=\(.*\): too few channels for all"):
        get_space("mini-resnet", **change)
