"""fbnetv3: costs as published and recorded; which weights are used, by differentiating."""

from __future__ import annotations

from functools import cache
from itertools import permutations, product

import fbnet
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fbnet import SIZE, facts, logits, members, noise, space
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from regnas_core import SuperNet
from regnas_core.errors import GeneError, InfeasibleError
from regnas_core.spaces.space import Arch
from regnas_core.supernets.layers import read

seeds = st.integers(0, 2**32 - 1)
# Resolution, widths, depths, kernels, expansions; MFLOPs as published; MACs and used weights, recorded.
# A5 is AlphaNet's, "small"; the others are AttentiveNAS' too.
FAMILY = {
    "A0": (
        (192, (16, 16, 24, 32, 64, 112, 192, 216, 1792), (1, 3, 3, 3, 3, 3, 1), (3, 3, 3, 3, 3, 3, 3)),
        ((1, 4, 4, 4, 4, 6, 6), 203, 203_389_568, 8_954_184),
    ),
    "A1": (
        (224, (16, 16, 24, 32, 64, 112, 192, 216, 1984), (1, 3, 3, 3, 3, 3, 1), (3, 3, 3, 5, 3, 5, 3)),
        ((1, 4, 4, 4, 4, 6, 6), 279, 279_238_816, 9_452_872),
    ),
    "A2": (
        (224, (16, 16, 24, 32, 64, 112, 200, 224, 1984), (1, 3, 3, 3, 3, 4, 1), (3, 3, 3, 3, 3, 5, 3)),
        ((1, 4, 5, 4, 4, 6, 6), 317, 316_730_080, 11_149_824),
    ),
    "A3": (
        (224, (16, 16, 24, 32, 64, 112, 208, 224, 1984), (2, 3, 3, 4, 3, 5, 1), (3, 3, 3, 5, 3, 3, 3)),
        ((1, 4, 4, 4, 4, 6, 6), 357, 356_518_400, 12_784_928),
    ),
    "A4": (
        (256, (16, 16, 24, 32, 64, 112, 192, 216, 1984), (1, 3, 3, 4, 3, 5, 1), (3, 3, 3, 5, 3, 5, 3)),
        ((1, 4, 4, 5, 4, 6, 6), 444, 443_530_752, 11_809_640),
    ),
    "A5": (
        (256, (16, 16, 24, 32, 64, 112, 208, 216, 1984), (1, 3, 3, 4, 4, 5, 1), (3, 3, 3, 3, 3, 5, 3)),
        ((1, 4, 4, 5, 4, 6, 6), 491, 491_481_088, 12_970_512),
    ),
    "A6": (
        (288, (16, 16, 24, 32, 64, 112, 216, 224, 1984), (1, 3, 3, 4, 4, 6, 1), (3, 3, 3, 3, 3, 5, 3)),
        ((1, 4, 6, 5, 4, 6, 6), 709, 709_007_232, 15_154_792),
    ),
}


# ── costs ────────────────────────────────────────────────────────────────────────────────────────
def test_the_number_of_architectures_is_the_published_one():
    assert space().size() == 440_301_256_704


@pytest.mark.parametrize("name", FAMILY)
def test_the_published_networks_have_their_published_flops(name):
    (resolution, width, depth, kernel), (expand, mflops, macs, params) = FAMILY[name]
    genes = {"width": width, "depth": depth, "kernel_size": kernel, "expand_ratio": expand}
    arch = space().arch(resolution=resolution, **genes)
    assert space().macs(arch) == macs and round(macs / 1e6) == mflops
    assert space().params(arch) == params
    assert (arch == space().smallest) == (name == "A0")


def test_the_largest_network_has_its_recorded_cost():
    assert space().macs(space().largest) == 1_939_335_808
    assert space().params(space().largest) == 23_404_080


def test_all_recorded_macs_and_params():
    table = facts("flops_table.json", "MACs and parameters of 251 networks")
    assert len(table["random"]) == 200 and len(table["one_gene_sweep_from_min"]) == 51
    for genes, macs, _, params in (*table["random"], *table["one_gene_sweep_from_min"]):
        parts = np.split(np.array(genes), [1, 10, 17, 24])
        resolution, width, depth, kernel, expand = (part.tolist() for part in parts)
        arch = space().arch(
            resolution=resolution[0], width=width, depth=depth, kernel_size=kernel, expand_ratio=expand
        )
        assert (space().macs(arch), space().params(arch)) == (macs, params)


@pytest.mark.slow
def test_macs_and_params_are_those_of_the_extracted_network():
    own = space()
    # on the CPU, which counts faster than the meta device
    weights = {name: torch.zeros(shape) for name, shape in own.tensors.items()}
    net, rng = SuperNet(own, weights, *own.normalisation), np.random.default_rng(0)
    for arch in (own.smallest, own.largest, own.sample(rng)):
        module = net.extract(arch).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(torch.zeros(1, 3, 224, 224))
        assert counter.get_total_flops() == 2 * own.macs(arch)  # a MAC is two FLOPs
        assert sum(p.numel() for p in module.parameters()) == own.params(arch)


# ── which weights: those that the logits change with ─────────────────────────────────────────────
@pytest.fixture(scope="module")
def small() -> SuperNet:
    return fbnet.small()


def affine(norm, x: Tensor) -> Tensor:
    """BatchNorm whose statistics do not hide the shifts of earlier layers, and that lets nothing grow."""
    return 0.4 * x * norm.scale.view(1, -1, 1, 1) + norm.shift.view(1, -1, 1, 1)


@pytest.fixture(scope="module")
def used(small):
    """``used(arch)``: masks of the entries whose gradient is not zero."""
    x = noise(1, 3, SIZE, SIZE)

    @cache
    def used(arch: Arch) -> dict[str, Tensor]:
        weights = {n: w.detach().requires_grad_("running" not in n) for n, w in small.weights.items()}
        with pytest.MonkeyPatch.context() as patch:  # never flat
            patch.setattr(F, "relu", lambda x: x + x.sin() / 2)
            patch.setattr(F, "hardsigmoid", torch.sigmoid)
            y = SuperNet(small.space, weights, small.mean, small.std).forward(arch, x, affine)
        (y * torch.arange(1.0, 1 + y.numel()).view_as(y)).sum().backward()
        masks = {
            n: torch.zeros_like(w, dtype=bool) if w.grad is None else w.grad != 0 for n, w in weights.items()
        }
        return masks

    return used


@pytest.mark.slow
def test_the_logits_depend_on_exactly_the_weights_in_the_regions(small, used):
    for arch in members():
        masks = {n: torch.zeros_like(w, dtype=bool) for n, w in small.weights.items()}
        for step in small.space.steps(arch):
            for region in step.regions:
                read(masks, region).fill_(True)
        assert [n for n, mask in masks.items() if not mask.equal(used(arch)[n])] == []
        assert sum(int(mask.sum()) for mask in used(arch).values()) == small.space.params(arch)


@pytest.mark.slow
@torch.no_grad()
def test_weights_that_are_not_used_may_be_anything(small, used):
    small, x = small.to(torch.float32), noise(1, 3, SIZE, SIZE).float()
    for arch in members():
        poisoned = {}
        for n, w in small.weights.items():
            stem, _, kind = n.rpartition(".")
            mask = used(arch)[f"{stem}.weight" if kind.startswith("running") else n]
            poisoned[n] = w.where(mask, torch.nan)
        other = SuperNet(small.space, poisoned, small.mean, small.std)
        assert logits(other, arch, x).equal(logits(small, arch, x))


@pytest.mark.slow
def test_shared_weights_and_containment_are_those_of_the_differentiated_weights(small, used):
    contained = 0
    flat = {
        arch: np.concatenate([mask.numpy().ravel() for mask in used(arch).values()]) for arch in members()
    }
    for a, b in permutations(members(), 2):
        shared = np.count_nonzero(flat[a] & flat[b])
        assert small.space.shared_weights(a, b) == small.space.shared_weights(b, a) == shared
        inside = shared == np.count_nonzero(flat[b])
        assert small.space.contains(a, b) == inside
        contained += inside
    assert 6 <= contained <= 30  # of 42: both outcomes occur


def with_width(**places: int) -> Arch:
    """The smallest architecture with other widths: ``w0`` is the stem's, ``w1`` the first stage's, …"""
    own = space(SIZE)
    width = [places.get(f"w{i}", value) for i, value in enumerate(own.smallest.width)]
    return own.arch(**own.smallest.genes | {"width": width})


@pytest.mark.slow
def test_a_network_larger_in_every_gene_may_lack_the_convolution_of_a_shortcut(used):
    own = space(SIZE)
    reference, wider = with_width(w1=24), with_width(w0=24, w1=24)
    assert all(large >= small for large, small in zip(wider.width, reference.width, strict=True))
    assert not own.contains(wider, reference)  # 16 → 24 channels need a convolution, 24 → 24 do not
    name = "blocks.0.shortcut.conv.conv.weight"
    assert used(reference)[name].any() and not used(wider)[name].any()
    lacking = [n for n, mask in used(reference).items() if not used(wider)[n][mask].all()]
    assert lacking == [name]
    assert own.contains(with_width(w0=24, w1=24, w2=32, w3=40), wider)
    assert not own.contains(with_width(w0=24, w1=24, w2=32), wider)
    assert not own.contains(with_width(w0=24, w1=24, w2=24), with_width(w2=24))

    rng = np.random.default_rng(0)
    drawn = [own.sample(rng, containing=reference) for _ in range(60)]
    assert {a.width[:2] for a in drawn} == {(16, 24)}
    assert {a.width[2:4] for a in drawn} == {(24, 32), (24, 40), (32, 40)}


@pytest.mark.slow
@settings(max_examples=25)
@given(seeds)
def test_what_is_drawn_with_a_reference_contains_it_within_the_budget(seed):
    own, rng = space(), np.random.default_rng(seed)
    reference = own.sample(rng)
    cheapest = own.arch(**reference.genes | {"resolution": 192})
    floor, top = own.macs(cheapest), own.macs(own.largest)
    limits = {"containing": reference, "max_cost": floor + rng.random() ** 3 * (top - floor)}
    a, b = own.sample(rng, **limits), own.sample(rng, **limits)
    for arch in (a, b, own.mutate(a, rng, 0.5, **limits), own.crossover(a, b, rng, **limits)):
        assert own.contains(arch, reference) and own.macs(arch) <= limits["max_cost"]
        assert own.shared_weights(arch, reference) == own.params(reference)
    assert own.sample(rng, containing=reference, max_cost=floor) == cheapest
    with pytest.raises(InfeasibleError, match=f"contain the reference costs {floor:,}, over"):
        own.sample(rng, containing=reference, max_cost=floor - 1)


@settings(max_examples=25)
@given(seeds)
def test_parents_without_the_reference_are_refused_and_no_others(seed):
    own, rng = space(), np.random.default_rng(seed)
    reference = with_resolution(own.sample(rng), 192)
    parent = own.sample(rng, containing=reference)
    width = list(parent.width)
    place = int(rng.integers(8))
    width[place] = width[place + 1] if width[place + 1] in own.genes[1 + place].choices else width[place]
    parent = own.arch(**parent.genes | {"width": width})
    if own.contains(parent, reference):
        assert own.contains(own.mutate(parent, rng, 0.5, containing=reference), reference)
    else:
        with pytest.raises(InfeasibleError, match="parent does not contain the reference"):
            own.mutate(parent, rng, 0.5, containing=reference)


def with_resolution(arch: Arch, resolution: int) -> Arch:
    return space().arch(**arch.genes | {"resolution": resolution})


@cache
def all_widths() -> tuple[Arch, ...]:
    """All architectures that are the largest but for their widths."""
    own = space()
    choices = [gene.choices for gene in own.genes if gene.name == "width"]
    return tuple(own.arch(**own.largest.genes | {"width": width}) for width in product(*choices))


@pytest.mark.slow
@pytest.mark.parametrize(
    "width",
    [
        (16, 24, 24, 40, 64, 112, 192, 216, 1792),  # none of these widths makes up for expansion
        (16, 16, 32, 32, 64, 120, 208, 216, 1792),
        (24, 24, 24, 40, 64, 112, 216, 216, 1984),
        (24, 16, 32, 32, 72, 112, 192, 224, 1792),
    ],
)
def test_the_number_of_networks_that_contain_a_reference_is_counted_by_hand(width):
    own = space()
    reference = own.arch(**own.largest.genes | {"width": width})
    targets = {arch.width for arch in all_widths() if own.contains(arch, reference)}
    assert len(all_widths()) == 1536 and 0 < len(targets) < 1536
    assert own.size(containing=reference) == 4 * len(targets)  # at each resolution
    rng = np.random.default_rng(0)
    drawn = [own.sample(rng, containing=reference) for _ in range(60)]
    assert {arch.width for arch in drawn} <= targets
    assert {arch.resolution for arch in drawn} == {192, 224, 256, 288}


# In the second and third stage a wider network of a smaller expansion may have all middle channels.
NARROW = {"width": (24, 16, 24, 32, 72, 128, 216, 224, 1984), "expand_ratio": (1, 5, 6, 6, 6, 6, 6)}
WIDE = {"width": (24, 16, 32, 40, 72, 128, 216, 224, 1984), "expand_ratio": (1, 5, 5, 6, 6, 6, 6)}


@pytest.mark.slow
def test_a_wider_network_of_a_smaller_expansion_may_contain_another(used):
    own = space(SIZE)
    narrow, wide = (own.arch(**own.largest.genes | genes) for genes in (NARROW, WIDE))
    assert wide.expand_ratio[2] < narrow.expand_ratio[2]
    assert all(used(wide)[n][mask].all() for n, mask in used(narrow).items())
    assert own.contains(wide, narrow)


def test_more_width_makes_up_for_less_expansion():
    own = space()
    narrow = own.arch(**own.largest.genes | NARROW)
    width, expand = own.largest.width, own.largest.expand_ratio
    targets = {
        arch
        for a, b, c, d, e in product((16, 24), (24, 32), (32, 40), (4, 5, 6), (4, 5, 6))
        for genes in [{"width": (24, a, b, c, *width[4:]), "expand_ratio": (1, d, e, *expand[3:])}]
        if own.contains(arch := own.arch(**own.largest.genes | genes), narrow)
    }
    rng = np.random.default_rng(0)
    drawn = {with_resolution(own.sample(rng, containing=narrow), 288) for _ in range(300)}
    assert own.size(containing=narrow) == 4 * len(targets)
    assert drawn == targets


def test_the_resolution_is_owned_by_no_weight():
    own = space()
    a, b = (with_resolution(own.smallest, r) for r in (192, 288))
    assert a != b and own.contains(a, b) and own.contains(b, a) and own.macs(a) < own.macs(b)
    assert own.input_shape(b) == (3, 288, 288)
    with pytest.raises(GeneError, match=r"gene resolution is 200; choose one of \[192, 224, 256, 288\]"):
        with_resolution(own.smallest, 200)
    rng = np.random.default_rng(0)
    assert {own.sample(rng).resolution for _ in range(40)} == {192, 224, 256, 288}
    assert {space(SIZE).sample(rng).resolution for _ in range(5)} == {SIZE}
    genes = {name: value for name, value in own.smallest.items if name != "resolution"}
    assert space(SIZE).arch(**genes) == space(SIZE).smallest
