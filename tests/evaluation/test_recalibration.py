"""A batch in pieces has the statistics of the batch in one piece."""

from __future__ import annotations

import fbnet
import numpy as np
import pytest
import torch
from ofa.imagenet_classification.elastic_nn.utils import set_running_statistics
from once_for_all import NAMES, alone, assert_same, holding, members, norms, pictures, random_net
from torch import nn

from regnas_core import Evaluator, get_space
from regnas_core.evaluation import evaluator as evaluate
from regnas_core.evaluation.recalibration import run_together
from regnas_core.spaces import counting, steps
from regnas_core.supernets.layers import bind
from regnas_core.supernets.supernet import SuperNet, random_weights


def net_of(name: str, dtype=torch.float64, **options) -> SuperNet:
    space = get_space(name, **options)
    return SuperNet(space, random_weights(space, 0), *space.normalisation).to(dtype)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mini", "ofa-mbv3-w1.0", "ofa-resnet50", "fbnetv3"])
@torch.no_grad()
def test_pieces_give_the_batchs_result_and_spread(name):
    options = {} if name == "mini" else {"resolutions": (32,)}
    net, rng = net_of(name, **options), np.random.default_rng(0)
    arch = net.space.sample(rng)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(7, *net.space.input_shape(arch), generator=generator, dtype=torch.float64)
    x = x.contiguous(memory_format=torch.channels_last)
    before = x.clone()
    whole, pieces = [x], x.split(3)  # 3, 3 and 1
    for step in net.space.steps(arch):
        whole, expected = run_together(bind(step.ops, net.weights), whole)
        pieces, found = run_together(bind(step.ops, net.weights), pieces)
        torch.testing.assert_close(torch.cat(pieces), whole[0], rtol=1e-9, atol=1e-9)
        for (n, mean, squares), (count, m, s) in zip(found, expected, strict=True):
            assert n == count
            torch.testing.assert_close(mean, m, rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(squares, s, rtol=1e-10, atol=1e-8)
    assert torch.equal(x, before)  # others may need the images


@pytest.mark.parametrize("offset", [0, 100])
@torch.no_grad()
def test_single_precision_loses_nothing_to_large_means(offset):
    ops = (steps.BatchNorm("n", 3),)
    weights = {"n.weight": torch.ones(3), "n.bias": torch.zeros(3)}
    x = torch.randn(64, 3, 16, 16, generator=torch.Generator().manual_seed(0)) + offset
    results, ((count, mean, squares),) = run_together(bind(ops, weights), x.split(9))
    var, expected = torch.var_mean(x.double(), (0, 2, 3), correction=0)
    torch.testing.assert_close(mean.double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close((squares / count).double(), var, rtol=1e-4, atol=1e-5)
    assert torch.cat(results).mean().abs() < 1e-3 and abs(float(torch.cat(results).std()) - 1) < 1e-3


@pytest.mark.slow
def test_an_evaluator_in_pieces_predicts_the_same(monkeypatch, lively):
    net = lively.net("mini", image=(2, 16, 16), classes=5).to(torch.float64)
    archs = [net.space.sample(np.random.default_rng(seed)) for seed in range(4)]
    calibration, images = (lively.pictures(n, (2, 16, 16), seed=n) for n in (50, 30))
    whole = Evaluator(net, calibration, calibration_batch=20, device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "_piece", 20)
        expected = whole.predict(archs, images)
    halves = Evaluator(net, calibration, calibration_batch=20, device="cpu")
    assert halves._piece == 10 and halves._fitting >= 20  # a core a batch
    np.testing.assert_array_equal(halves.predict(archs, images), expected)
    monkeypatch.setattr(evaluate, "PIECE", 200_000)
    pieces = Evaluator(net, calibration, calibration_batch=20, device="cpu")
    assert 1 < pieces._piece == pieces._fitting < 10  # the cores share a batch's pieces
    np.testing.assert_array_equal(pieces.predict(archs, images), expected)


@pytest.mark.parametrize("batch", [20, 50])
def test_statistics_do_not_depend_on_the_number_of_threads(lively, batch):
    net = lively.net("mini", image=(2, 16, 16), classes=5)
    archs = [net.space.sample(np.random.default_rng(seed)) for seed in range(3)]
    calibration = lively.pictures(50, (2, 16, 16), seed=0)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            root = Evaluator(net, calibration, calibration_batch=batch, device="cpu").calibrate(archs)
            found.append([m for node in root.walk() for moments in node.moments for m in moments])
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(map(torch.equal, found[0], other))


def test_the_widest_activation_is_found_inside_blocks():
    space = get_space("mini")
    assert counting.widest(space.steps(space.largest), space.input_shape()) == 12 * 4 * 16 * 16


# ── statistics of published networks ─────────────────────────────────────────────────────────────
@pytest.fixture(scope="module", params=NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def net(name) -> SuperNet:
    return random_net(name)


@pytest.fixture(scope="module")
def theirs(name, net) -> nn.Module:
    return holding(name, net.weights)


@pytest.mark.slow
@torch.no_grad()
def test_predictions_and_statistics_are_those_of_ofas_own_route(name, net, theirs):
    calibration, images = pictures(10, 40, seed=1), pictures(10, 40, seed=2)
    archs = (members(name)[0], members(name)[2])
    batches = [(net.normalise(calibration[i : i + 4]), None) for i in (0, 4, 8)]  # 4, 4 and 2
    double, single = (
        Evaluator(n, calibration, device="cpu", calibration_batch=4, batch_size=5)
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


@pytest.mark.slow
@torch.no_grad()
def test_recorded_statistics_after_recalibration():
    net = fbnet.net()
    module = fbnet.recalibrated(net)
    first, *_, last = fbnet.norms(module)
    for found, expected in (
        (first.running_mean, [-0.004904021794, 0.0005860306, 0.001807216247]),
        (first.running_var, [1.692350279, 1.907745707, 2.32339263]),
        (last.running_mean, [-2.746122125, 1.313683037]),
        (last.running_var, [28.00655139, 28.52998373]),
    ):
        assert found[: len(expected)].tolist() == pytest.approx(expected, rel=1e-8, abs=1e-11)
    expected = [[0.1088928325, 0.05914373975, 0.1649797525], [0.04812291843, 0.2194027004, 0.2696932882]]
    fbnet.assert_logits(module(fbnet.noise(2, 3, 192, 192)), expected, std=0.2639319489)


@torch.no_grad()
def test_all_recorded_statistics_after_recalibration():
    net = fbnet.net()
    recorded = fbnet.facts("golden.json.gz", "statistics after recalibration")["bn_calibration"]
    module = fbnet.recalibrated(net)
    first, *_, last = fbnet.norms(module)
    for found, key in (
        (first.running_mean, "first_bn_running_mean"),
        (first.running_var, "first_bn_running_var"),
        (last.running_mean[:8], "last_bn_running_mean_first8"),
        (last.running_var[:8], "last_bn_running_var_first8"),
    ):
        assert found.tolist() == pytest.approx(recorded[key], rel=1e-8, abs=1e-11)
    found = module(fbnet.noise(2, 3, 192, 192))
    fbnet.assert_logits(found, recorded["logits_fp64"], float(np.std(recorded["logits_fp64"])))
    assert found.argmax(1).tolist() == recorded["argmax"]


@pytest.mark.slow
@torch.no_grad()
def test_statistics_are_plain_averages_over_the_batches():
    """PyTorch's own cumulative average, whose last and smaller batch counts as much as the others."""
    small = fbnet.small(32)
    calibration, images = fbnet.pictures(11, 64, seed=1), fbnet.pictures(10, 64, seed=2)
    evaluator = Evaluator(small, calibration, device="cpu", calibration_batch=4, batch_size=4)
    archs = (fbnet.members(32)[0], fbnet.members(32)[2])
    predicted = evaluator.predict(archs, images)
    for arch, row in zip(archs, predicted, strict=True):
        network = small.extract(arch).train()
        for layer in fbnet.norms(network):
            layer.reset_running_stats()
            layer.momentum = None
        for start in (0, 4, 8):
            network(small.normalise(torch.from_numpy(calibration[start : start + 4])))
        module = evaluator.extract(arch)
        for found, expected in zip(fbnet.norms(module), fbnet.norms(network), strict=True):
            torch.testing.assert_close(found.running_mean, expected.running_mean, rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(found.running_var, expected.running_var, rtol=1e-9, atol=1e-9)
        y = network.eval()(small.normalise(torch.from_numpy(images)))
        assert (row == y.argmax(1).numpy()).all()
    assert len(np.unique(predicted)) >= 5
