"""fbnetv3: the publishers' network by facts recorded from it; which weights are used, by differentiating.

Some facts stand here. All of them are checked where the data folder holds ``fbnetv3``, recorded from the
publishers' code; the slow ones on ``REGNAS_SLOW_TESTS=1`` only.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import types
import zlib
from functools import cache
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from regnas_core import Evaluator, SuperNet, get_space, load_supernet
from regnas_core.errors import CheckpointError, GeneError, InfeasibleError
from regnas_core.resources import data_root
from regnas_core.spaces.space import Arch, Space
from regnas_core.supernets.layers import read

on_demand = pytest.mark.skipif(
    os.environ.get("REGNAS_SLOW_TESTS") != "1", reason="not checked: slow; set REGNAS_SLOW_TESTS=1"
)
slow = (pytest.mark.slow, on_demand)
seeds = st.integers(0, 2**32 - 1)


@cache
def space(*resolutions: int) -> Space:
    """The space, or the same with other resolutions than the published ones."""
    return get_space("fbnetv3", resolutions=resolutions) if resolutions else get_space("fbnetv3")


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


# ── the recorded network ─────────────────────────────────────────────────────────────────────────
def fill(name: str, shape: tuple[int, ...]) -> Tensor:
    """The recorded network's weights: random numbers of a seed that is the name's checksum."""
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    v = rng.standard_normal(int(np.prod(shape))).reshape(shape)
    if len(shape) > 1:
        v = v * np.sqrt(2 / np.prod(shape[1:])) if name.endswith(".weight") else v
    elif name.endswith("running_var"):
        v = 0.5 + np.abs(v)
    else:
        v = name.endswith(".weight") + 0.1 * v
    return torch.from_numpy(v.astype(np.float32))


@cache
def filled() -> dict[str, Tensor]:
    return {name: fill(name, shape) for name, shape in space().tensors.items()}


@pytest.fixture(scope="module")
def net() -> SuperNet:
    return SuperNet(space(), filled(), *space().normalisation).to(torch.float64)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Single-precision numbers, as recorded, in double precision."""
    values = np.random.RandomState(seed).standard_normal(shape)
    return torch.from_numpy(values.astype(np.float32)).double()


def assert_logits(found: Tensor, expected: list, std: float) -> None:
    """Equal to a ten-millionth of the logits' standard deviation, as far as they were recorded."""
    expected = torch.tensor(expected, dtype=torch.float64)
    assert (found[:, : expected.shape[1]] - expected).abs().max() < 1e-7 * std


@torch.no_grad()
def logits(net: SuperNet, arch: Arch, x: Tensor) -> Tensor:
    return net.extract(arch).eval()(x)


def norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]


def recalibrated(net: SuperNet) -> nn.Module:
    """The smallest network with statistics of three batches."""
    batches = torch.cat([noise(4, 3, 192, 192, seed=seed) for seed in (100, 101, 102)])
    return Evaluator(net, batches, device="cpu", calibration_batch=4).extract(net.space.smallest)


def facts(file: str, what: str):
    """What was recorded in a file of the data folder."""
    path = data_root() / "fbnetv3" / file
    if not path.is_file():
        pytest.skip(f"not checked: {what}; {path} is missing")
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


# ── facts that stand here ────────────────────────────────────────────────────────────────────────
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


def test_recorded_logits_of_the_smallest_network(net):
    small = net.space.smallest
    assert_logits(
        logits(net, small, noise(2, 3, 192, 192)),
        [
            [2.203235066, 1.335443405, 2.291688392, 3.829948221],
            [1.87276185, 1.062311366, 1.763267221, 4.094748478],
        ],
        std=5.008952486,
    )
    assert_logits(  # the network resizes its images
        logits(net, small, noise(2, 3, 224, 224)),
        [[0.9847630925, 0.8250626329, 2.335739358], [1.243973551, 0.8920376393, 2.141523444]],
        std=5.0,
    )


def test_recorded_logits_with_batch_statistics(net):
    found = net.forward(net.space.smallest, noise(4, 3, 224, 224, seed=7))
    expected = [
        [0.04898067616, 0.2065360383, 0.1869403861],
        [0.04458859454, 0.06261077816, 0.1672596383],
        [0.147347898, 0.1455520544, 0.217675205],
        [0.01491848809, 0.09768593086, 0.1349898204],
    ]
    assert_logits(found, expected, std=0.2545579701)
    assert found.argmax(1).tolist() == [436, 516, 516, 695]


@torch.no_grad()
def test_recorded_statistics_after_recalibration(net):
    module = recalibrated(net)
    first, *_, last = norms(module)
    for found, expected in (
        (first.running_mean, [-0.004904021794, 0.0005860306, 0.001807216247]),
        (first.running_var, [1.692350279, 1.907745707, 2.32339263]),
        (last.running_mean, [-2.746122125, 1.313683037]),
        (last.running_var, [28.00655139, 28.52998373]),
    ):
        assert found[: len(expected)].tolist() == pytest.approx(expected, rel=1e-8, abs=1e-11)
    expected = [[0.1088928325, 0.05914373975, 0.1649797525], [0.04812291843, 0.2194027004, 0.2696932882]]
    assert_logits(module(noise(2, 3, 192, 192)), expected, std=0.2639319489)


# ── facts in the data folder ─────────────────────────────────────────────────────────────────────
NETS = ("min", "a1", "edge_equal_channels")
OTHERS = (
    *("max", "a0", "a2", "a4", "a6", "alphanet_a5_small", "alphanet_a5_base"),
    *("rand0", "rand1", "rand2", "rand3"),
)


def named(entries: list[dict], name: str) -> dict:
    return next(entry for entry in entries if entry["name"] == name)


@pytest.mark.parametrize("name", [*NETS, *(pytest.param(name, marks=slow) for name in OTHERS)])
def test_all_recorded_logits(net, name):
    recorded = facts("golden.json.gz", f"logits of {name}")["archs"]
    assert {entry["name"] for entry in recorded} == {*NETS, *OTHERS}
    recorded = named(recorded, name)
    arch = net.space.arch(**recorded["config"])
    found = logits(net, arch, noise(2, 3, arch.resolution, arch.resolution))
    assert found.shape == (2, 1000)
    assert_logits(found, recorded["logits_fp64"], recorded["logits_std"])
    assert found.argmax(1).tolist() == recorded["argmax"]
    assert net.space.macs(arch) == recorded["macs_exact_int"]
    assert net.space.params(arch) == recorded["params_used_int"]


@pytest.mark.parametrize("case", [0, pytest.param(1, marks=slow)])
def test_all_recorded_logits_of_resized_images(net, case):
    golden = facts("golden.json.gz", "logits of resized images")
    recorded = golden["resize_cases"][case]
    entry = named(golden["archs"], recorded["name"])
    arch, size = net.space.arch(**entry["config"]), recorded["input_resolution"]
    assert arch.resolution == recorded["network_resolution"] != size
    found = logits(net, arch, noise(2, 3, size, size))
    assert_logits(found, recorded["logits_fp64"], entry["logits_std"])
    assert found.argmax(1).tolist() == recorded["argmax"]


@torch.no_grad()
def test_all_recorded_statistics_after_recalibration(net):
    recorded = facts("golden.json.gz", "statistics after recalibration")["bn_calibration"]
    module = recalibrated(net)
    first, *_, last = norms(module)
    for found, key in (
        (first.running_mean, "first_bn_running_mean"),
        (first.running_var, "first_bn_running_var"),
        (last.running_mean[:8], "last_bn_running_mean_first8"),
        (last.running_var[:8], "last_bn_running_var_first8"),
    ):
        assert found.tolist() == pytest.approx(recorded[key], rel=1e-8, abs=1e-11)
    found = module(noise(2, 3, 192, 192))
    assert_logits(found, recorded["logits_fp64"], float(np.std(recorded["logits_fp64"])))
    assert found.argmax(1).tolist() == recorded["argmax"]


@pytest.mark.parametrize(
    "name",
    ["min", "edge_equal_channels", *(pytest.param(n, marks=slow) for n in ("max", "rand0", "rand1", "a3"))],
)
@torch.no_grad()
def test_all_recorded_logits_with_batch_statistics(net, name):
    recorded = named(facts("train_mode.json", f"logits of {name} in training")["forward"], name)
    found = net.forward(net.space.arch(**recorded["config"]), noise(4, 3, 224, 224, seed=7))
    assert_logits(found, recorded["logits_fp64"], recorded["std"])
    assert found.argmax(1).tolist() == recorded["argmax"]


@pytest.mark.slow
@on_demand
def test_recorded_losses_and_gradients_of_a_step_of_training(net):
    content = facts("train_mode.json", "losses and gradients of a step of training")
    recorded = content["sandwich_step"]
    weights = {n: w.clone().requires_grad_("running" not in n) for n, w in net.weights.items()}
    student, x = SuperNet(net.space, weights, net.mean, net.std), noise(4, 3, 224, 224, seed=7)
    targets, teacher = torch.tensor(recorded["targets"]), None
    for (name, expected), other in zip(recorded["losses"], recorded["order"], strict=True):
        assert name == other
        y = student.forward(net.space.arch(**named(content["forward"], name)["config"]), x)
        if teacher is None:
            loss, teacher = F.cross_entropy(y, targets, label_smoothing=0.1), y.detach().softmax(1)
        else:
            loss = F.cross_entropy(y, teacher)
        loss.backward()
        assert loss.item() == pytest.approx(expected, rel=1e-9)
    gradients = {n: w.grad for n, w in weights.items() if w.requires_grad}
    unused = {n for n, grad in gradients.items() if grad is None or not grad.any()}
    assert unused == set(recorded["params_without_gradient_or_all_zero"])
    total = sum(grad.square().sum() for grad in gradients.values() if grad is not None) ** 0.5
    assert total.item() == pytest.approx(recorded["total_grad_l2"], rel=1e-7)
    for n, expected in recorded["grads"].items():
        if expected["l2"] is None:
            assert n in unused
            continue
        assert gradients[n].norm().item() == pytest.approx(expected["l2"], rel=1e-7)
        assert gradients[n].flatten()[:4].tolist() == pytest.approx(expected["first4"], rel=1e-6, abs=1e-12)


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


def test_names_and_shapes_of_the_publishers_tensors():
    recorded = facts("state_dict.json", "names and shapes of the publishers' tensors")
    assert {name: tuple(shape) for name, shape, _ in recorded} == {
        name: tuple(w.shape) for name, w in with_extras(hollow()).items()
    }


# ── the same network in other ways ───────────────────────────────────────────────────────────────
SIZE = 96  # so that a 5 × 5 kernel touches all of the last feature map of 3 × 3


@cache
def members() -> tuple[Arch, ...]:
    """The extremes, equal neighbouring widths, random architectures, and some that contain others."""
    own, rng = space(SIZE), np.random.default_rng(0)
    free = [own.sample(rng) for _ in range(2)]
    equal = own.arch(**own.smallest.genes | {"width": (24, 24, 24, 32, 64, 112, 216, 216, 1792)})
    others = (own.sample(rng, containing=free[0]), own.sample(rng, containing=equal))
    return own.smallest, own.largest, equal, *free, *others


@pytest.fixture(scope="module")
def small(net) -> SuperNet:
    """The same weights at a resolution that costs little."""
    return SuperNet(space(SIZE), net.weights, net.mean, net.std)


def test_with_batch_statistics_the_super_network_is_the_extracted_one_in_training(small):
    x = noise(3, 3, SIZE, SIZE)
    for arch in members()[:4]:
        with torch.no_grad():
            torch.testing.assert_close(
                small.forward(arch, x), small.extract(arch).train()(x), rtol=1e-9, atol=1e-9
            )


def test_macs_and_params_are_those_of_the_extracted_network():
    own = space()
    weights = {name: torch.empty(shape, device="meta") for name, shape in own.tensors.items()}
    net, rng = SuperNet(own, weights, *own.normalisation), np.random.default_rng(0)
    for arch in (own.smallest, own.largest, own.sample(rng)):
        with torch.device("meta"):
            module = net.extract(arch)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(torch.empty(1, 3, 224, 224, device="meta"))
        assert counter.get_total_flops() == 2 * own.macs(arch)  # a MAC is two FLOPs
        assert sum(p.numel() for p in module.parameters()) == own.params(arch)


@torch.no_grad()
def test_the_network_resizes_its_images_itself(net):
    arch, x = net.space.arch(**net.space.smallest.genes | {"resolution": 192}), noise(2, 3, 64, 80)
    resized = F.interpolate(x, (192, 192), mode="bicubic")
    network = net.extract(arch).eval()
    assert network(x).equal(network(resized)) and not network(x).equal(network(x.flip(3)))


def pictures(n: int, size: int, seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 3, size // 8, size // 8), np.uint8)
    return coarse.repeat(8, axis=2).repeat(8, axis=3)


@torch.no_grad()
def test_statistics_are_plain_averages_over_the_batches(small):
    """PyTorch's own cumulative average, whose last and smaller batch counts as much as the others."""
    calibration, images = pictures(11, 64, seed=1), pictures(10, 64, seed=2)
    evaluator = Evaluator(small, calibration, device="cpu", calibration_batch=4, batch_size=4)
    archs = (members()[0], members()[2])
    predicted = evaluator.predict(archs, images)
    for arch, row in zip(archs, predicted, strict=True):
        network = small.extract(arch).train()
        for layer in norms(network):
            layer.reset_running_stats()
            layer.momentum = None
        for start in (0, 4, 8):
            network(small.normalise(torch.from_numpy(calibration[start : start + 4])))
        module = evaluator.extract(arch)
        for found, expected in zip(norms(module), norms(network), strict=True):
            torch.testing.assert_close(found.running_mean, expected.running_mean, rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(found.running_var, expected.running_var, rtol=1e-9, atol=1e-9)
        y = network.eval()(small.normalise(torch.from_numpy(images)))
        assert (row == y.argmax(1).numpy()).all()
    assert len(np.unique(predicted)) >= 5


def test_networks_of_different_resolutions_are_predicted_together(net):
    own = space(64, 96)
    both, rng = SuperNet(own, net.to(torch.float32).weights, net.mean, net.std), np.random.default_rng(0)
    evaluator = Evaluator(both, pictures(8, 64, seed=1), device="cpu", calibration_batch=4)
    genes = own.sample(rng).genes
    archs = [own.arch(**genes | {"resolution": r}) for r in (64, 96)]
    images = pictures(12, 64, seed=2)
    together = evaluator.predict(archs, images)
    assert (together[0] != together[1]).any()
    for arch, row in zip(archs, together, strict=True):
        assert (evaluator.predict([arch], images)[0] == row).all()


# ── which weights: those that the logits change with ─────────────────────────────────────────────
def affine(norm, x: Tensor) -> Tensor:
    """BatchNorm whose statistics do not hide the shifts of earlier layers, and that lets nothing grow."""
    return 0.4 * x * norm.scale.view(1, -1, 1, 1) + norm.shift.view(1, -1, 1, 1)


@pytest.fixture(scope="module")
def used(small):
    """``used(arch)``: masks of the entries whose gradient is not zero."""
    x = noise(2, 3, SIZE, SIZE)

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


def test_the_logits_depend_on_exactly_the_weights_in_the_regions(small, used):
    for arch in members():
        masks = {n: torch.zeros_like(w, dtype=bool) for n, w in small.weights.items()}
        for step in small.space.steps(arch):
            for region in step.regions:
                read(masks, region).fill_(True)
        assert [n for n, mask in masks.items() if not mask.equal(used(arch)[n])] == []
        assert sum(int(mask.sum()) for mask in used(arch).values()) == small.space.params(arch)


@torch.no_grad()
def test_weights_that_are_not_used_may_be_anything(small, used):
    x = noise(1, 3, SIZE, SIZE)
    for arch in members():
        poisoned = {}
        for n, w in small.weights.items():
            stem, _, kind = n.rpartition(".")
            mask = used(arch)[f"{stem}.weight" if kind.startswith("running") else n]
            poisoned[n] = w.where(mask, torch.nan)
        other = SuperNet(small.space, poisoned, small.mean, small.std)
        assert logits(other, arch, x).equal(logits(small, arch, x))


def test_shared_weights_and_containment_are_those_of_the_differentiated_weights(small, used):
    contained = 0
    for a, b in permutations(members(), 2):
        first, second = used(a), used(b)
        shared = sum(int((first[n] & mask).sum()) for n, mask in second.items())
        assert small.space.shared_weights(a, b) == small.space.shared_weights(b, a) == shared
        inside = all(bool(first[n][mask].all()) for n, mask in second.items())
        assert small.space.contains(a, b) == inside
        contained += inside
    assert 6 <= contained <= 30  # of 42: both outcomes occur


def with_width(**places: int) -> Arch:
    """The smallest architecture with other widths: ``w0`` is the stem's, ``w1`` the first stage's, …"""
    own = space(SIZE)
    width = [places.get(f"w{i}", value) for i, value in enumerate(own.smallest.width)]
    return own.arch(**own.smallest.genes | {"width": width})


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


@settings(max_examples=40)
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


@settings(max_examples=40)
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


# ── checkpoints ──────────────────────────────────────────────────────────────────────────────────
def hollow() -> dict[str, Tensor]:
    """Tensors of the right names and shapes that take no room: one number each."""
    return {name: torch.ones(1).expand(shape) for name, shape in space().tensors.items()}


def with_extras(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """And what the publishers' BatchNorm keeps beside its statistics."""
    extras = {}
    for name in tensors:
        if name.endswith(".bn.bn.running_mean"):
            top = name.removesuffix(".bn.running_mean")
            extras[f"{top}.bn.num_batches_tracked"] = torch.tensor(0)
            for i in (0, 1):
                extras[f"{top}.bn_tracking.{i}.num_batches_tracked"] = torch.tensor(0)
                for statistic in ("running_mean", "running_var"):
                    extras[f"{top}.bn_tracking.{i}.{statistic}"] = torch.zeros_like(tensors[name])
    return {**tensors, **extras}


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """``publish(tensors)``: path of a file like the publishers': of torch's old format, with the options of
    the training as a dict of their own class, whose module is not installed."""
    monkeypatch.setenv("REGNAS_DATA", str(tmp_path))

    def publish(tensors: dict[str, Tensor]) -> Path:
        path = tmp_path / "attentive_nas_pretrained.pth.tar"
        module = types.ModuleType("publisher_config")
        exec(
            "class Options(dict):\n    def __getattr__(self, name):\n        return self[name]",
            module.__dict__,
        )
        args = module.Options(arch="attentive_nas", nested=module.Options(widths=[16, 24]), seed=2)
        parameter = nn.Parameter(torch.zeros(3))
        content = {
            "epoch": 360,
            "args": args,
            "state_dict": {f"module.{name}": w for name, w in tensors.items()},
            "optimizer": torch.optim.SGD([parameter], 0.8, momentum=0.9).state_dict(),
            "lr_scheduler": {"clock": np.float64(1.5), "options": args},
        }
        with monkeypatch.context() as context:
            context.setitem(sys.modules, module.__name__, module)
            torch.save(content, path, _use_new_zipfile_serialization=False)
        assert module.__name__ not in sys.modules
        return path

    yield publish
    for path in tmp_path.rglob("*.*"):
        if path.is_file():
            path.unlink()  # these files are large


def test_a_file_of_the_publishers_is_read(publish, tmp_path, monkeypatch):
    path = publish(with_extras(filled()))
    with pytest.raises(Exception, match="publisher_config"):  # the file is what it is meant to be
        torch.load(path, weights_only=True)
    loaded = load_supernet("fbnetv3", path)
    assert loaded.weights.keys() == filled().keys()
    assert all(w.equal(filled()[name]) for name, w in loaded.weights.items())
    assert (loaded.mean, loaded.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert loaded.info["file"] == path.name

    (converted,) = (tmp_path / "cache" / "supernets").iterdir()
    monkeypatch.setattr(
        "regnas_core.supernets.supernet.read_state_dict", None
    )  # the second time nobody asks for it
    again = load_supernet("fbnetv3", path, resolutions=(64,))
    assert converted.suffix == ".safetensors" and again.space.identity == "fbnetv3(resolutions=(64,))"
    assert all(w.equal(loaded.weights[name]) for name, w in again.weights.items())


@pytest.mark.parametrize(
    "missing",
    ["classifier.linear.linear.bias", "blocks.0.shortcut.conv.conv.weight", "first_conv.bn.bn.running_var"],
)
def test_a_file_without_one_of_the_tensors_is_refused(publish, tmp_path, missing):
    tensors = with_extras(hollow())
    del tensors[missing]
    path = publish(tensors)
    with pytest.raises(CheckpointError) as caught:
        load_supernet("fbnetv3", path)
    assert str(caught.value) == (
        f"{path} holds no weights of fbnetv3: 1 of {len(hollow())} tensors are missing or of another shape, "
        f"such as {missing}. Give the publishers' file of this super-network."
    )
    assert not (tmp_path / "cache").exists()


def test_a_file_of_another_super_network_is_refused_and_its_own_is_named(publish):
    path = publish(with_extras(hollow()))
    with pytest.raises(CheckpointError, match=r"no weights of ofa-resnet50: .* It fits fbnetv3\."):
        load_supernet("ofa-resnet50", path)


def test_a_truncated_file_is_refused(publish):
    path = publish(with_extras(hollow()))
    whole = path.read_bytes()
    for keep in (100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:keep])
        with pytest.raises(CheckpointError, match="is truncated or damaged"):
            load_supernet("fbnetv3", path)
