"""layers: published super-networks compute what the publishers' own code computes."""

from __future__ import annotations

from itertools import permutations

import fbnet
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from once_for_all import NAMES, alone, assert_same, holding, members, noise, random_net
from torch import nn

from regnas_core import Evaluator, SuperNet

pytestmark = pytest.mark.slow


# ── once-for-all ─────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module", params=NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def net(name) -> SuperNet:
    return random_net(name)


@pytest.fixture(scope="module")
def theirs(name, net) -> nn.Module:
    return holding(name, net.weights)


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


# ── AttentiveNAS and AlphaNet ────────────────────────────────────────────────────────────────────
def test_recorded_logits_of_the_smallest_network():
    net = fbnet.net()
    small = net.space.smallest
    fbnet.assert_logits(
        fbnet.logits(net, small, fbnet.noise(2, 3, 192, 192)),
        [
            [2.203235066, 1.335443405, 2.291688392, 3.829948221],
            [1.87276185, 1.062311366, 1.763267221, 4.094748478],
        ],
        std=5.008952486,
    )
    fbnet.assert_logits(  # the network resizes its images
        fbnet.logits(net, small, fbnet.noise(2, 3, 224, 224)),
        [[0.9847630925, 0.8250626329, 2.335739358], [1.243973551, 0.8920376393, 2.141523444]],
        std=5.0,
    )


def test_recorded_logits_with_batch_statistics():
    net = fbnet.net()
    found = net.forward(net.space.smallest, fbnet.noise(4, 3, 224, 224, seed=7))
    expected = [
        [0.04898067616, 0.2065360383, 0.1869403861],
        [0.04458859454, 0.06261077816, 0.1672596383],
        [0.147347898, 0.1455520544, 0.217675205],
        [0.01491848809, 0.09768593086, 0.1349898204],
    ]
    fbnet.assert_logits(found, expected, std=0.2545579701)
    assert found.argmax(1).tolist() == [436, 516, 516, 695]


@pytest.mark.parametrize(
    "name", [*fbnet.NETS, *(pytest.param(name, marks=fbnet.slow) for name in fbnet.OTHERS)]
)
def test_all_recorded_logits(name):
    net = fbnet.net()
    recorded = fbnet.facts("golden.json.gz", f"logits of {name}")["archs"]
    assert {entry["name"] for entry in recorded} == {*fbnet.NETS, *fbnet.OTHERS}
    recorded = fbnet.named(recorded, name)
    arch = net.space.arch(**recorded["config"])
    found = fbnet.logits(net, arch, fbnet.noise(2, 3, arch.resolution, arch.resolution))
    assert found.shape == (2, 1000)
    fbnet.assert_logits(found, recorded["logits_fp64"], recorded["logits_std"])
    assert found.argmax(1).tolist() == recorded["argmax"]
    assert net.space.macs(arch) == recorded["macs_exact_int"]
    assert net.space.params(arch) == recorded["params_used_int"]


@pytest.mark.parametrize("case", [0, pytest.param(1, marks=fbnet.slow)])
def test_all_recorded_logits_of_resized_images(case):
    net = fbnet.net()
    golden = fbnet.facts("golden.json.gz", "logits of resized images")
    recorded = golden["resize_cases"][case]
    entry = fbnet.named(golden["archs"], recorded["name"])
    arch, size = net.space.arch(**entry["config"]), recorded["input_resolution"]
    assert arch.resolution == recorded["network_resolution"] != size
    found = fbnet.logits(net, arch, fbnet.noise(2, 3, size, size))
    fbnet.assert_logits(found, recorded["logits_fp64"], entry["logits_std"])
    assert found.argmax(1).tolist() == recorded["argmax"]


@pytest.mark.parametrize(
    "name",
    [
        "min",
        "edge_equal_channels",
        *(pytest.param(n, marks=fbnet.slow) for n in ("max", "rand0", "rand1", "a3")),
    ],
)
@torch.no_grad()
def test_all_recorded_logits_with_batch_statistics(name):
    net = fbnet.net()
    recorded = fbnet.named(fbnet.facts("train_mode.json", f"logits of {name} in training")["forward"], name)
    found = net.forward(net.space.arch(**recorded["config"]), fbnet.noise(4, 3, 224, 224, seed=7))
    fbnet.assert_logits(found, recorded["logits_fp64"], recorded["std"])
    assert found.argmax(1).tolist() == recorded["argmax"]


@pytest.mark.slow
@fbnet.on_demand
def test_recorded_losses_and_gradients_of_a_step_of_training():
    net = fbnet.net()
    content = fbnet.facts("train_mode.json", "losses and gradients of a step of training")
    recorded = content["sandwich_step"]
    weights = {n: w.clone().requires_grad_("running" not in n) for n, w in net.weights.items()}
    student, x = SuperNet(net.space, weights, net.mean, net.std), fbnet.noise(4, 3, 224, 224, seed=7)
    targets, teacher = torch.tensor(recorded["targets"]), None
    for (name, expected), other in zip(recorded["losses"], recorded["order"], strict=True):
        assert name == other
        y = student.forward(net.space.arch(**fbnet.named(content["forward"], name)["config"]), x)
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


def test_with_batch_statistics_the_super_network_is_the_extracted_one_in_training():
    small = fbnet.small()
    x = fbnet.noise(3, 3, fbnet.SIZE, fbnet.SIZE)
    for arch in fbnet.members()[:4]:
        with torch.no_grad():
            torch.testing.assert_close(
                small.forward(arch, x), small.extract(arch).train()(x), rtol=1e-9, atol=1e-9
            )


@torch.no_grad()
def test_the_network_resizes_its_images_itself():
    net = fbnet.net()
    arch, x = net.space.arch(**net.space.smallest.genes | {"resolution": 192}), fbnet.noise(2, 3, 64, 80)
    resized = F.interpolate(x, (192, 192), mode="bicubic")
    network = net.extract(arch).eval()
    assert network(x).equal(network(resized)) and not network(x).equal(network(x.flip(3)))


def test_networks_of_different_resolutions_are_predicted_together():
    net = fbnet.net()
    own = fbnet.space(64, 96)
    both, rng = SuperNet(own, net.to(torch.float32).weights, net.mean, net.std), np.random.default_rng(0)
    evaluator = Evaluator(both, fbnet.pictures(8, 64, seed=1), device="cpu", calibration_batch=4)
    genes = own.sample(rng).genes
    archs = [own.arch(**genes | {"resolution": r}) for r in (64, 96)]
    images = fbnet.pictures(12, 64, seed=2)
    together = evaluator.predict(archs, images)
    assert (together[0] != together[1]).any()
    for arch, row in zip(archs, together, strict=True):
        assert (evaluator.predict([arch], images)[0] == row).all()
