"""On a CUDA device no tensor is left on the host, and the host waits once a call, not once a batch.

No GPU is needed, see :mod:`fake_cuda`: what is computed is tested elsewhere, here where and when.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fake_cuda import CUDA, Crossing, FakeCuda, fake_cuda, works
from quarters import kill_in_epoch, quarters

from regnas_core import Evaluator, SuperNet, get_space, load_supernet
from regnas_core.evaluation import evaluator as evaluation
from regnas_core.evaluation.baselines import load_baseline, predict
from regnas_core.supernets import training
from regnas_core.supernets.distillation import Objective, focal_distillation
from regnas_core.supernets.single import Teacher, train_network
from regnas_core.supernets.training import Recipe, train_supernet
from regnas_core.updates import logit_difference_inhibition

pytestmark = pytest.mark.skipif(not works(), reason="this PyTorch has no tensors without numbers on CUDA")

SHAPE, FLOAT = (1, 16, 16), torch.float32
OPTIONS = {
    "image": SHAPE, "classes": 4, "stem": 4, "head": 16, "widths": (4, 6), "strides": (2, 1),
    "kernels": (3, 5), "expansions": (2, 3), "depths": (1,),
}  # fmt: skip
SPACE = get_space("mini", **OPTIONS)
RECIPE = Recipe(epochs=1, batch_size=32)
ANSWER = Crossing("out", (), waits=True)  # one number, such as a loss


def network(name: str = "mini", **options) -> SuperNet:
    return load_supernet(name, "random:0", **(options or OPTIONS))


def pictures(n: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.zeros((n, *shape), np.uint8)


def archs(net: SuperNet) -> list:
    """Three architectures, one of them twice."""
    space = net.space
    return [space.smallest, space.largest, space.sample(np.random.default_rng(0)), space.smallest]


def sent(crossings: list[Crossing], shape: tuple[int, ...] = SHAPE) -> list[tuple[int, bool]]:
    """Of each batch of pictures that went to the device: how many, and whether the host waited."""
    return [(c.shape[0], c.waits) for c in crossings if c.way == "in" and c.shape[1:] == shape]


# ── the device that is none ──────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("work", "crossing"),
    {
        "item": (lambda x: x.sum().item(), ANSWER),
        "float": (lambda x: float(x[0, 0]), ANSWER),
        "bool": (lambda x: bool((x > 0).all()), ANSWER),
        "tolist": (lambda x: x[0, :1].tolist(), ANSWER),
        "cpu": (lambda x: x.cpu(), Crossing("out", (2, 3), True)),
        "numpy": (lambda x: x.cpu().numpy(), Crossing("out", (2, 3), True)),
        "copy": (lambda x: torch.empty(2, 3).copy_(x), Crossing("out", (2, 3), True)),
        "tensor": (lambda x: torch.tensor([1.0], device=x.device), Crossing("in", (1,), True)),
        "new tensor": (lambda x: x.new_tensor([1.0]), Crossing("in", (1,), True)),
        "to": (lambda x: torch.zeros(3).to(x.device), Crossing("in", (3,), True)),
        "list of places": (lambda x: x[[0, 1]], Crossing("in", (2,), True)),
        "list that is written": (lambda x: x.__setitem__([1], x[:1]), Crossing("in", (1,), True)),
        "places on the host": (lambda x: x[torch.arange(2)], Crossing("in", (2,), True)),
        "mask that is written": (lambda x: x.__setitem__(x > 0, x[0]), Crossing("out", (2, 3), True)),
    }.values(),
)  # fmt: skip
def test_what_the_host_waits_for_is_seen(work: Callable, crossing: Crossing):
    with fake_cuda() as cuda:
        x = torch.zeros(2, 3, device=CUDA)
        work(x)
    assert cuda.crossings == [crossing]


@pytest.mark.parametrize(
    "work",
    [
        lambda x: x[1].add_(x[0, 1:2]),
        lambda x: x.__setitem__((1, slice(0, 2)), x[0, :2]),
        lambda x: torch.where(x > 0, x, -1).to(torch.bfloat16).argmax(1),
        lambda x: x.masked_fill(x > 0, 1.0)[torch.arange(2, device=x.device)],
        lambda x: (x.to(CUDA), x.new_zeros(3), x.shape, len(x), x.device),
    ],
)
def test_what_stays_on_the_device_crosses_nothing(work: Callable):
    with fake_cuda() as cuda:
        work(torch.zeros(2, 3, device=CUDA))
        torch.zeros(3).to(CUDA, non_blocking=True)
    assert cuda.crossings == [Crossing("in", (3,), waits=False)]


@pytest.mark.parametrize(
    "work",
    [
        lambda x: x + torch.ones(3),
        lambda x: F.linear(x, torch.ones(4, 3)),
        lambda x: F.cross_entropy(x, torch.tensor([1, 0])),
        lambda x: x[x > 0],
        lambda x: x.numpy(),
    ],
)
def test_what_a_device_cannot_do_is_an_error(work: Callable):
    with fake_cuda(), pytest.raises((RuntimeError, TypeError)):
        work(torch.zeros(2, 3, device=CUDA))


# ── evaluation ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("free", [1 << 40, 0], ids=["room for the pictures", "no room"])
def test_predictions_leave_the_device_once_and_halt_it_never_before(free):
    with fake_cuda() as cuda:
        cuda.free = free
        evaluator = Evaluator(network(), pictures(10), device="cuda:0", batch_size=8)
        generation = archs(evaluator.net)
        calibrated = evaluator.calibrate(generation)
        cuda.crossings.clear()
        predicted = evaluator.predict(generation, pictures(20), calibrated=calibrated)
    assert predicted.shape == (4, 20) and predicted.dtype == np.int64
    assert sent(cuda.crossings) == ([(20, True)] if free else [(8, False), (8, False), (4, False)])
    assert cuda.waits[-2:] == [ANSWER, Crossing("out", (4, 20), waits=True)]
    assert len(cuda.waits) == (3 if free else 2)


@pytest.mark.parametrize("piece", [None, 3])
def test_statistics_never_halt_the_device(monkeypatch, piece):
    if piece:
        monkeypatch.setattr(Evaluator, "_piece", piece)
    with fake_cuda() as cuda:
        evaluator = Evaluator(network(), pictures(10), device="cuda:0", calibration_batch=4)
        cuda.crossings.clear()
        root = evaluator.calibrate(archs(evaluator.net))
        devices = {m.device for node in root.walk() for moments in node.moments for m in moments}
    assert devices == {CUDA} and not cuda.waits
    assert sent(cuda.crossings) == [(4, False), (4, False), (2, False)]


@pytest.mark.parametrize("name", ["mini-resnet", "ofa-mbv3-w1.0", "ofa-resnet50", "fbnetv3"])
def test_every_kind_of_super_network_runs_on_the_device(name):
    options = {"image": SHAPE, "classes": 4} if name == "mini-resnet" else {"resolutions": (64,)}
    with fake_cuda() as cuda:
        net = network(name, **options)
        shape = net.space.input_shape(net.space.smallest)
        evaluator = Evaluator(net, pictures(3, shape), device="cuda:0", batch_size=2)
        cuda.crossings.clear()
        assert evaluator.predict([net.space.smallest], pictures(4, shape)).shape == (1, 4)
    assert cuda.waits == [
        Crossing("in", (4, *shape), True),
        ANSWER,
        Crossing("out", (1, 4), True),
    ]


def test_an_extracted_network_lies_on_the_device():
    with fake_cuda():
        evaluator = Evaluator(network(), pictures(4), device="cuda:0")
        module = evaluator.extract(evaluator.net.space.largest)
        tensors = [*module.parameters(), *module.buffers()]
        logits = module(torch.zeros(2, *SHAPE, device=CUDA))
        assert {x.device for x in (*tensors, logits)} == {CUDA}


@pytest.mark.parametrize(
    ("options", "arithmetic"),
    [
        ({}, {(FLOAT, False, "highest")}),
        ({"tf32": True}, {(FLOAT, True, "high")}),
        ({"dtype": torch.bfloat16}, {(FLOAT, False, "highest"), (torch.bfloat16, False, "highest")}),
    ],
    ids=["float32", "tf32", "bfloat16"],
)
def test_the_device_computes_as_it_is_told(options, arithmetic):
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    with fake_cuda() as cuda:
        evaluator = Evaluator(network(), pictures(4), device="cuda:0", **options)
        evaluator.predict([SPACE.largest], pictures(4))
    assert cuda.arithmetic == arithmetic
    assert (torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()) == before


def test_a_batch_size_is_measured_when_the_device_is_done(monkeypatch):
    monkeypatch.setattr(evaluation, "CANDIDATES", (4,))
    with fake_cuda() as cuda:
        evaluator = Evaluator(network(), pictures(4), device="cuda:0", batch_size="auto")
        cuda.crossings.clear()
        evaluator.predict([SPACE.largest], pictures(8))
    assert cuda.synchronised == 3  # as often as it is timed
    assert len(cuda.waits) == 3


# ── training ─────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def states(monkeypatch) -> list[dict]:
    """States of trainings, as they were to be saved."""
    found: list[dict] = []
    monkeypatch.setattr(torch, "save", lambda state, file: found.append(state))
    return found


def within_epochs(monkeypatch, cuda: FakeCuda) -> list[Crossing]:
    """What the host waits for within epochs of training, filled as they run."""
    waits, epoch = [], training._epoch

    def watched(*args) -> float:
        before = len(cuda.waits)
        loss = epoch(*args)
        waits.extend(cuda.waits[before:])
        return loss

    monkeypatch.setattr(training, "_epoch", watched)
    return waits


EPOCH = [Crossing("in", (64,), waits=True), ANSWER]  # the order of the pictures, and the mean loss


def devices(state: dict) -> set[torch.device]:
    momenta = [kept["momentum_buffer"] for kept in state["optimizer"]["state"].values()]
    return {x.device for x in (*state["weights"].values(), *momenta)}


def test_training_a_super_network_halts_the_device_once_an_epoch(monkeypatch, tmp_path, states):
    options = {"mean": (0.5,), "std": (0.2,), "workdir": tmp_path, "device": "cuda:0"}
    with fake_cuda() as cuda:
        waits = within_epochs(monkeypatch, cuda)
        net = train_supernet(SPACE, quarters("train", 64), RECIPE, **options)
        assert devices(states[-1]) == {CUDA}
        assert {name: tuple(w.shape) for name, w in net.weights.items()} == SPACE.tensors
        assert net.device.type == "cpu"
    assert waits == EPOCH


def test_more_pictures_than_a_device_has_room_for_are_sent_batch_by_batch(monkeypatch, tmp_path, states):
    images = quarters("train", 64)
    with fake_cuda() as cuda:
        cuda.free = 3 * images.images.nbytes
        waits = within_epochs(monkeypatch, cuda)
        train_supernet(SPACE, images, RECIPE, mean=(0.5,), std=(0.2,), workdir=tmp_path, device="cuda:0")
        assert devices(states[-1]) == {CUDA}
        shape = images.images.shape[1:]
        sent = [crossing for crossing in cuda.crossings if crossing.shape[1:] == shape]
    assert sent == [Crossing("in", (32, *shape), waits=False)] * 2
    assert waits == EPOCH


@pytest.mark.parametrize("kind", ["CE", "FD-KL", "FD-LM"])
def test_training_a_network_halts_the_device_once_an_epoch(monkeypatch, tmp_path, states, kind):
    with fake_cuda() as cuda:
        waits = within_epochs(monkeypatch, cuda)
        start = network()
        teacher = Teacher(start, SPACE.smallest, CUDA)
        options = {"reference": teacher, "workdir": tmp_path, "device": "cuda:0"}
        net = train_network(start, SPACE.largest, quarters("train", 64), RECIPE, Objective(kind), **options)
        assert devices(states[-1]) == {CUDA} and net.device.type == "cpu"
    assert waits == EPOCH


def test_a_run_that_began_on_a_cpu_goes_on_on_the_device(monkeypatch, tmp_path, states):
    options = {"mean": (0.5,), "std": (0.2,), "workdir": tmp_path}
    recipe = replace(RECIPE, epochs=2)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        kill_in_epoch(patch, 1)
        train_supernet(SPACE, quarters("train", 64), recipe, **options)
    (begun,) = states
    (tmp_path / "training.pt").touch()
    monkeypatch.setattr(torch, "load", lambda *_, **__: begun)
    with fake_cuda() as cuda:
        waits = within_epochs(monkeypatch, cuda)
        train_supernet(SPACE, quarters("train", 64), recipe, **options, device="cuda:0")
        assert devices(states[-1]) == {CUDA} and len(states[-1]["log"]) == 2
    assert waits == EPOCH


# ── losses ───────────────────────────────────────────────────────────────────────────────────────
LOSSES = {
    kind: partial(focal_distillation, objective=Objective(kind)) for kind in ("CE", "FD-KL", "FD-LM")
} | {"ELODI": logit_difference_inhibition}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_and_its_gradient_stay_on_the_device(name):
    with fake_cuda() as cuda:
        z = torch.zeros(5, 4, device=CUDA, requires_grad=True)
        told, labels = torch.zeros(5, 4, device=CUDA), torch.zeros(5, dtype=torch.int64, device=CUDA)
        loss = LOSSES[name](z, told, labels)
        loss.backward()
        assert loss.device == z.grad.device == CUDA and loss.shape == ()
        assert not cuda.crossings
        with pytest.raises(RuntimeError, match="device"):
            LOSSES[name](z, told, labels.cpu())


# ── published networks ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["mobilenet_v3_small", "regnet_y_400mf"])
def test_a_baselines_predictions_leave_the_device_once(name):
    with fake_cuda() as cuda:
        baseline = load_baseline(name, "random:0")
        cuda.arithmetic.clear()
        tensors = len([*baseline.network.parameters(), *baseline.network.buffers()])
        classes = predict(baseline, pictures(9, (3, 224, 224)), "cuda:0", batch_size=4)
        assert {w.device.type for w in baseline.network.parameters()} == {"cpu"}
    assert classes.shape == (9,) and classes.dtype == np.int64
    assert sent(cuda.crossings, (3, 224, 224)) == [(4, False), (4, False), (1, False)]
    assert len(cuda.waits) == tensors + 1 and cuda.waits[-1] == Crossing("out", (9,), True)
    assert cuda.arithmetic == {(FLOAT, False, "highest")}
