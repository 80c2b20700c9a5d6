"""single: a network learns from labels or from a teacher; a resumed run is the same run."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from quarters import CE, KL, LM, RECIPE, easy_bench, kill_in_epoch, quarters, scratch
from torch import nn

from regnas_core import Evaluator, SuperNet, get_space
from regnas_core.errors import CheckpointError, DataError, GeneError, RegnasError
from regnas_core.supernets.distillation import Objective
from regnas_core.supernets.single import Teacher, train_network
from regnas_core.workbench.workbench import Workbench


@pytest.fixture
def bench(make_bench, tmp_path) -> Workbench:
    return easy_bench(make_bench, tmp_path / "out")


@pytest.fixture
def net(bench) -> SuperNet:
    return bench.net


@pytest.fixture
def arch(bench):
    return bench.space.sample(np.random.default_rng(3))


@pytest.fixture
def reference(bench):
    return bench.space.smallest


class NextQuarter(nn.Module):
    """A reference that takes every picture for the class after its own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 3 * nn.functional.adaptive_avg_pool2d(x, 2).flatten(1).roll(1, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "objective",
    [CE, Objective("FD-KL", weight=5, temperature=1), Objective("FD-LM", weight=2)],
    ids=lambda o: o.kind,
)
def test_the_labels_are_learned_or_under_heavy_distillation_the_reference(bench, tmp_path, objective):
    many, recipe = quarters("train", 512), replace(RECIPE, epochs=5, lr=0.1)
    arch, told = bench.space.smallest, NextQuarter().eval()
    net = train_network(scratch(bench), arch, many, recipe, objective, reference=told, workdir=tmp_path)
    loss = pd.read_csv(tmp_path / "log.csv")["loss"]
    assert len(loss) == 5 and loss.iloc[-1] < 0.5 * loss.iloc[0]
    test = bench.images("test")
    classes = Evaluator(net, many.images[:128], device="cpu").predict([arch], test.images)[0]
    expected = (test.labels + objective.distils) % 4
    assert (classes == expected).mean() > 0.9


def test_only_tensors_of_the_architecture_change(bench, net, tmp_path):
    arch = bench.space.smallest
    before = net.digest()
    found = train_network(net, arch, bench.data.train, RECIPE, CE, workdir=tmp_path / "run")
    assert net.digest() == before and not any(w.requires_grad for w in found.weights.values())
    used = {region.tensor for step in bench.space.steps(arch) for region in step.regions}
    assert 0 < len(used) < len(net.weights)
    assert used == {name for name, w in found.weights.items() if not w.equal(net.weights[name])}


def test_weights_follow_the_loss_of_their_slices(bench, tmp_path):
    """One step, against one of SGD on the extracted network in training mode."""
    arch, net, images = bench.space.smallest, bench.net.to(torch.float64), bench.data.train
    lowest = 1 / 25e4  # a one-cycle schedule of one step has this share of its peak, and momentum 0.95
    recipe = replace(RECIPE, epochs=1, batch_size=128, weight_decay=0.0, shift=0, lr=0.01 / lowest)
    found = train_network(net, arch, images, recipe, CE, workdir=tmp_path / "run").extract(arch)
    module = net.extract(arch).train()
    logits = module(net.normalise(torch.from_numpy(images.images)))
    nn.functional.cross_entropy(logits, torch.from_numpy(images.labels)).backward()
    for before, after in zip(module.parameters(), found.parameters(), strict=True):
        expected = before.detach() - 0.01 * (1 + 0.95) * before.grad  # Nesterov's first step
        torch.testing.assert_close(after.detach(), expected, rtol=1e-9, atol=1e-9)


def test_the_reference_sees_the_same_batches(bench, arch, reference, tmp_path, monkeypatch):
    told, seen, own = bench.evaluator.extract(reference), [], []
    told.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    forward = SuperNet.forward
    monkeypatch.setattr(SuperNet, "forward", lambda self, a, x: [own.append((a, x)), forward(self, a, x)][1])
    train_network(
        scratch(bench), arch, bench.data.train, RECIPE, KL, reference=told, workdir=tmp_path / "run"
    )
    assert len(seen) == len(own) == 2 * 4 and {a for a, _ in own} == {arch}
    assert all(x.equal(y) for x, (_, y) in zip(seen, own, strict=True))
    assert not told.training and not any(
        layer.weight.grad for layer in told.modules() if hasattr(layer, "eps")
    )


@pytest.mark.slow
@pytest.mark.parametrize("objective", [CE, KL], ids=lambda o: o.kind)
def test_a_resumed_run_is_the_same_run(bench, arch, reference, tmp_path, monkeypatch, objective):
    def run(folder: str) -> SuperNet:
        told = bench.evaluator.extract(reference)
        return train_network(
            scratch(bench),
            arch,
            bench.data.train,
            RECIPE,
            objective,
            reference=told,
            workdir=tmp_path / folder,
        )

    whole = run("whole")
    with monkeypatch.context() as patch:
        kill_in_epoch(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            run("killed")
    torch.manual_seed(99)  # the global state must not matter
    assert run("killed").digest() == whole.digest()
    logs = [pd.read_csv(tmp_path / f / "log.csv").drop(columns="seconds") for f in ("whole", "killed")]
    pd.testing.assert_frame_equal(*logs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"objective": LM}, "objective"),
        ({"objective": replace(KL, beta=4.0)}, "objective"),
        ({"recipe": replace(RECIPE, seed=1, lr=0.1)}, "lr, seed"),
        ({"arch": "largest"}, "arch"),
        ({"net": 1}, "start"),
        ({"reference": "largest"}, "reference"),
        ({"images": 100}, "images"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_the_folder_of_another_run_is_refused(bench, arch, reference, tmp_path, change, named):
    def run(**change):
        given = {"net": 0, "arch": arch, "recipe": RECIPE, "objective": KL, "reference": reference} | change
        archs = {k: bench.space.largest if given[k] == "largest" else given[k] for k in ("arch", "reference")}
        return train_network(
            scratch(bench, given["net"]),
            archs["arch"],
            bench.data.train.take(given.get("images", 128)),
            given["recipe"],
            given["objective"],
            reference=bench.evaluator.extract(archs["reference"]),
            workdir=tmp_path / "run",
        )

    run()
    with pytest.raises(CheckpointError, match=rf"belongs to another run \({named} differ"):
        run(**change)
    assert run(recipe=replace(RECIPE, random_nets=5)) is not None  # of no meaning here


def test_the_result_says_where_it_comes_from(bench, net, arch, tmp_path):
    found = train_network(
        net, arch, bench.data.train, RECIPE, CE, workdir=tmp_path / "run", info={"command": "by hand"}
    )
    recipe = asdict(RECIPE)
    del recipe["random_nets"]
    assert found.info == {
        "command": "by hand",
        "arch": str(arch),
        "start": net.digest(),
        "images": bench.data.train.digest,
        "objective": {"kind": "CE"},
        "recipe": recipe,
    }


def test_bad_input_is_refused_before_anything_is_trained(bench, net, arch, reference, tmp_path):
    images, folder = bench.data.train, tmp_path / "run"
    told = bench.evaluator.extract(reference)
    for wrong in (None, told.train()):
        with pytest.raises(RegnasError, match=r"FD-KL needs a reference network, in evaluation mode"):
            train_network(net, arch, images, RECIPE, KL, reference=wrong, workdir=folder)
    with pytest.raises(GeneError, match="was given to the space"):
        train_network(net, get_space("mini").smallest, images, RECIPE, CE, workdir=folder)
    assert not folder.exists()
    with pytest.raises(DataError, match="20 training images do not fill one batch of 32"):
        train_network(net, arch, images.take(20), RECIPE, CE, workdir=folder)
    broken = replace(net, weights={n: w * torch.nan for n, w in net.weights.items()})
    with pytest.raises(CheckpointError, match=r"loss became nan in epoch 1; lower lr \(now 0\.05\)"):
        train_network(broken, arch, images, RECIPE, CE, workdir=folder)


def test_the_teacher_is_the_super_networks_own_forward_pass(bench, arch, net):
    x = torch.randn(5, *bench.images("test").images.shape[1:])
    teacher = Teacher(bench.net, arch)
    assert not teacher.training
    torch.testing.assert_close(teacher(x), bench.net.forward(arch, x))
    assert repr(Teacher(bench.net, bench.space.smallest)) != repr(teacher)
