"""A batch in pieces has the statistics of the batch in one piece."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from regnas_core import Evaluator, get_space
from regnas_core.evaluation import evaluator as evaluate
from regnas_core.evaluation.recalibration import run_together
from regnas_core.spaces import steps
from regnas_core.supernets.layers import bind
from regnas_core.supernets.supernet import SuperNet, random_weights


def net_of(name: str, dtype=torch.float64, **options) -> SuperNet:
    space = get_space(name, **options)
    return SuperNet(space, random_weights(space, 0), *space.normalisation).to(dtype)


@pytest.mark.parametrize("name", ["mini", "ofa-mbv3-w1.0", "ofa-resnet50", "fbnetv3"])
@torch.no_grad()
def test_pieces_give_the_batchs_result_and_spread(name):
    options = {} if name == "mini" else {"resolutions": (64,)}
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
    assert steps.widest(space.steps(space.largest), space.input_shape()) == 12 * 4 * 16 * 16
