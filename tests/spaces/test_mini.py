"""mini: which weights a sub-network uses, found by differentiating and by poisoning, not by its regions."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
import torch.nn.functional as F
from oracle import inputs, members, supernet, used
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from regnas_core import SuperNet, get_space
from regnas_core.spaces.space import Arch, Space
from regnas_core.supernets.layers import read
from regnas_core.supernets.supernet import random_weights

SPACES = {
    "mini": get_space("mini"),
    "mini-cifar10": get_space("mini-cifar10"),
    "mini-wide": get_space("mini-wide"),
    "small": get_space("mini", image=(2, 24, 20), classes=3, widths=(6, 6), strides=(1, 2), depths=(1, 2, 3)),
    "one stage": get_space("mini", image=(1, 16, 16), classes=3, widths=(8,), strides=(2,)),
}


def in_regions(space: Space, arch: Arch) -> dict[str, Tensor]:
    """The same masks from the regions of the architecture's steps."""
    masks = {n: torch.zeros(w.shape, dtype=bool) for n, w in random_weights(space, 0).items()}
    for step in space.steps(arch):
        for region in step.regions:
            read(masks, region).fill_(True)
    return masks


def described(net: SuperNet, arch: Arch, x: Tensor) -> Tensor:
    """The network written down from the text of mini.py, without steps and regions."""
    c, w = net.space.config, net.weights

    def norm(x: Tensor, name: str) -> Tensor:
        channels = x.shape[1]
        scale, shift = w[f"{name}.weight"][:channels], w[f"{name}.bias"][:channels]
        return F.batch_norm(x, None, None, scale, shift, training=True)

    x = F.relu(
        norm(F.conv2d(F.pixel_unshuffle(x, c.unshuffle), w["stem.conv.weight"], padding=1), "stem.norm")
    )
    for stage, depth in enumerate(arch.d):
        for i in range(depth):
            slot, name = stage * c.depths[-1] + i, f"stages.{stage}.{i}"
            k, mid, stride = arch.ks[slot], x.shape[1] * arch.e[slot], 1 if i else c.strides[stage]
            y = F.conv2d(x, w[f"{name}.expand.weight"][:mid])
            y = F.relu(norm(y, f"{name}.expand_norm"))
            cut = (c.kernels[-1] - k) // 2
            kernel = w[f"{name}.depthwise.weight"][:mid, :, cut:, cut:][:, :, :k, :k]
            y = F.conv2d(y, kernel, stride=stride, padding=k // 2, groups=mid)
            y = F.relu(norm(y, f"{name}.depthwise_norm"))
            y = norm(F.conv2d(y, w[f"{name}.project.weight"][:, :mid]), f"{name}.project_norm")
            x = x + y if x.shape == y.shape else y
    x = F.relu(norm(F.conv2d(x, w["head.conv.weight"]), "head.norm"))
    return F.linear(x.mean((2, 3)), w["head.linear.weight"], w["head.linear.bias"])


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_logits_are_those_of_the_network_as_it_is_described(name):
    net = supernet(SPACES[name])
    x = inputs(net.space)
    for arch in members(SPACES[name]):
        torch.testing.assert_close(net.forward(arch, x), described(net, arch, x), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_the_logits_depend_on_exactly_the_weights_in_the_regions(name):
    space = SPACES[name]
    for arch in members(SPACES[name]):
        found, expected = used(SPACES[name], arch), in_regions(space, arch)
        assert [n for n in expected if not found[n].equal(expected[n])] == []
        assert sum(int(mask.sum()) for mask in found.values()) == space.params(arch)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_weights_outside_the_regions_may_be_anything(name):
    net = supernet(SPACES[name])
    x = inputs(net.space)
    for arch in members(SPACES[name]):
        masks = in_regions(net.space, arch)
        poisoned = {n: w.where(masks[n], torch.nan) for n, w in net.weights.items()}
        assert SuperNet(net.space, poisoned, net.mean, net.std).forward(arch, x).equal(net.forward(arch, x))


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_shared_weights_and_containment_are_those_of_the_differentiated_weights(name):
    space, contained = SPACES[name], 0
    for a, b in combinations(members(SPACES[name]), 2):
        first, second = used(SPACES[name], a), used(SPACES[name], b)
        shared = sum(int((first[n] & second[n]).sum()) for n in first)
        assert space.shared_weights(a, b) == space.shared_weights(b, a) == shared
        for big, small in ((first, second), (second, first)):
            inside = all(big[n][small[n]].all() for n in small)
            assert space.contains(*((a, b) if big is first else (b, a))) == inside
            contained += inside
    assert contained >= 20  # of 90 ordered pairs: both outcomes occur


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


def test_smaller_choices_are_the_inner_and_leading_parts_of_larger_ones():
    space = SPACES["mini"]
    small = space.smallest
    genes = {name: [v if v is not None else 0 for v in values] for name, values in small.genes.items()}
    wide = space.arch(**(genes | {"e": [3] * 12}))
    tall = space.arch(**(genes | {"ks": [5] * 12}))
    a, b, c = (used(SPACES["mini"], arch) for arch in (small, wide, tall))
    kernel, project = "stages.0.1.depthwise.weight", "stages.0.1.project.weight"
    assert torch.nonzero(a[kernel][0, 0]).unique().tolist() == [2, 3, 4]
    assert torch.nonzero(c[kernel][0, 0]).unique().tolist() == [1, 2, 3, 4, 5]
    assert torch.nonzero(a[project][0, :, 0, 0]).flatten().tolist() == list(range(2 * 16))
    assert torch.nonzero(b[project][0, :, 0, 0]).flatten().tolist() == list(range(3 * 16))
    assert not any(a[f"stages.0.{layer}.expand.weight"].any() for layer in (2, 3))


def test_options_become_the_configuration_and_are_kept():
    space = get_space("mini", image=[3, 64, 64], classes=37)
    assert space.input_shape() == (3, 64, 64) and space.options == {"image": (3, 64, 64), "classes": 37}
    assert space.macs(space.smallest) > 4 * SPACES["mini"].macs(SPACES["mini"].smallest)
    assert space.steps(space.smallest)[-1].regions[-1].shape == (37,)
