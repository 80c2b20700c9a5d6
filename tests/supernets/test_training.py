"""training: a resumed run is the same run, a seed is a run, and something is learned."""

from __future__ import annotations

import io
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from regnas_core import Evaluator, SuperNet, get_space, load_supernet
from regnas_core.data.datasets import ImageSet
from regnas_core.errors import CheckpointError, DataError
from regnas_core.supernets import training
from regnas_core.supernets.supernet import random_weights
from regnas_core.supernets.training import Recipe, augment, sandwich_step, train_supernet

OPTIONS = {
    "image": (1, 16, 16), "classes": 4, "stem": 4, "head": 16, "widths": (4, 6, 6), "kernels": (3, 5),
    "expansions": (2, 3), "depths": (1, 2),
}  # fmt: skip
SPACE = get_space("mini", **OPTIONS)
RECIPE = Recipe(epochs=3, batch_size=64, lr=0.05, shift=2)


def image_set(images: np.ndarray, labels: np.ndarray) -> ImageSet:
    return ImageSet(images, labels.astype(np.int64), tuple("abcd"), "toy/train")


@pytest.fixture(scope="module")
def noise() -> ImageSet:
    rng = np.random.default_rng(0)
    return image_set(rng.integers(0, 256, (128, 1, 16, 16), np.uint8), rng.integers(0, 4, 128))


def train(images: ImageSet, workdir: Path, space=SPACE, recipe: Recipe = RECIPE, **kwargs) -> SuperNet:
    return train_supernet(space, images, recipe, mean=(0.5,), std=(0.25,), workdir=workdir, **kwargs)


@pytest.fixture(scope="module")
def uninterrupted(noise, tmp_path_factory) -> tuple[SuperNet, Path]:
    workdir = tmp_path_factory.mktemp("uninterrupted")
    return train(noise, workdir), workdir


# ── a run and its continuation ───────────────────────────────────────────────────────────────────
@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize("killed", ["before saving", "before the state", "before the log", "after saving"])
def test_a_resumed_run_is_the_same_run(uninterrupted, noise, tmp_path, monkeypatch, killed, epoch):
    net, whole = uninterrupted
    save, write = training._save, training.write_atomically

    def save_and_die(workdir, run, log, *args):
        if len(log) < epoch:
            return save(workdir, run, log, *args)
        if killed == "before the state":
            patch.setattr(training, "write_atomically", lambda path, write: die())
        elif killed == "before the log":
            patch.setattr(
                training, "write_atomically", lambda p, w: die() if p.name == "log.csv" else write(p, w)
            )
        elif killed == "before saving":
            die()
        save(workdir, run, log, *args)
        die()

    def die():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "_save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            train(noise, tmp_path)
    kept = log_lines(tmp_path)
    done = epoch if killed in ("before the log", "after saving") else epoch - 1
    assert len(kept[1:]) == (done - 1 if killed == "before the log" else done)
    assert (tmp_path / "training.pt").exists() == (done > 0)
    torch.manual_seed(99)  # the global state must not matter
    epochs_run, run_epoch = [], training._epoch
    monkeypatch.setattr(training, "_epoch", lambda *args: [epochs_run.append(args[4]), run_epoch(*args)][1])
    resumed = train(noise, tmp_path)
    assert epochs_run == list(range(done, 3))
    assert resumed.digest() == net.digest()
    logs = [pd.read_csv(folder / "log.csv") for folder in (tmp_path, whole)]
    pd.testing.assert_frame_equal(logs[0].drop(columns="seconds"), logs[1].drop(columns="seconds"))
    assert logs[0]["epoch"].tolist() == [1, 2, 3]
    assert log_lines(tmp_path)[: len(kept)] == kept  # the seconds of before, too
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.csv", "training.pt"]


def log_lines(workdir: Path) -> list[str]:
    path = workdir / "log.csv"
    return path.read_text().splitlines() if path.exists() else []


def test_the_log_is_written_again_from_the_state(uninterrupted, noise, tmp_path):
    """Whatever became of the file; the state is what counts."""
    _, whole = uninterrupted
    shutil.copy(whole / "training.pt", tmp_path)
    (tmp_path / "log.csv").write_text("epoch,loss_largest,seconds\n7,0.5")
    train(noise, tmp_path)
    assert log_lines(tmp_path) == log_lines(whole)
    assert log_lines(whole)[0] == "epoch,loss_largest,seconds" and len(log_lines(whole)) == 4


def test_a_finished_run_is_not_run_again(uninterrupted, noise, monkeypatch):
    net, workdir = uninterrupted
    monkeypatch.setattr(training, "_epoch", lambda *_: pytest.fail("an epoch was run"))
    assert train(noise, workdir).digest() == net.digest()


def test_the_seed_decides(uninterrupted, noise, tmp_path):
    net, _ = uninterrupted
    assert train(noise, tmp_path / "same").digest() == net.digest()
    assert train(noise, tmp_path / "other", recipe=replace(RECIPE, seed=1)).digest() != net.digest()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"recipe": replace(RECIPE, lr=0.1)}, "lr"),
        ({"recipe": replace(RECIPE, epochs=4, seed=2)}, "epochs, seed"),
        ({"space": get_space("mini", **(OPTIONS | {"head": 12}))}, "options"),
        ({"images": 100}, "images"),
    ],
)
def test_the_folder_of_another_run_is_refused(uninterrupted, noise, change, named):
    _, workdir = uninterrupted
    before = (workdir / "training.pt").read_bytes()
    images = noise.take(change.pop("images", 128))
    with pytest.raises(CheckpointError, match=rf"training\.pt belongs to another run \({named} differ"):
        train(images, workdir, **change)
    assert (workdir / "training.pt").read_bytes() == before


def test_a_state_that_holds_code_is_not_executed(noise, tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"run": Trap()}, tmp_path / "training.pt")
    with pytest.raises(CheckpointError, match=r"training\.pt is not the state of a training"):
        train(noise, tmp_path)
    assert not (tmp_path / "sprung").exists()
    torch.load(tmp_path / "training.pt", weights_only=False)  # the trap does work
    assert (tmp_path / "sprung").exists()


def saved(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    {
        "empty": b"",
        "text": b"epoch,loss\n1,2.3\n" * 50,
        "truncated": saved({"run": {}, "log": [], "weights": torch.ones(999)})[:-600],
        "a list": saved([1, 2, 3]),
        "a tensor": saved(torch.ones(3)),
        "weights alone": saved({"stem.conv.weight": torch.ones(3)}),
    }.items(),
    ids=lambda item: item[0],
)
def test_junk_in_place_of_the_state_is_named_with_what_to_do(noise, tmp_path, content):
    path = tmp_path / "training.pt"
    path.write_bytes(content[1])
    with pytest.raises(
        CheckpointError, match=r"training\.pt is not the state of a training \(\w+\)\. Remove it"
    ):
        train(noise, tmp_path)
    assert path.read_bytes() == content[1] and not (tmp_path / "log.csv").exists()


def test_a_state_without_the_log_is_not_the_state_of_a_training(uninterrupted, noise, tmp_path):
    state = torch.load(uninterrupted[1] / "training.pt", weights_only=True)
    assert [row[0] for row in state.pop("log")] == [1, 2, 3]
    torch.save(state, tmp_path / "training.pt")
    with pytest.raises(CheckpointError, match=r"training\.pt is not the state of a training \(KeyError\)"):
        train(noise, tmp_path)


def test_fewer_images_than_a_batch_are_refused(noise, tmp_path):
    with pytest.raises(DataError, match=r"63 training images do not fill one batch of 64; lower batch_size"):
        train(noise.take(63), tmp_path)
    assert list(tmp_path.iterdir()) == []
    train(noise.take(64), tmp_path, recipe=replace(RECIPE, epochs=1))
    assert len(log_lines(tmp_path)) == 2


def test_the_result_says_where_it_comes_from(uninterrupted, noise, tmp_path):
    net, workdir = uninterrupted
    about = {"images": noise.digest, "classes": ["a", "b", "c", "d"], "shape": [1, 16, 16]}
    assert net.info == {**about, "recipe": asdict(RECIPE)}
    np.testing.assert_array_equal(net.trained_on, np.sort(noise.fingerprints))
    assert (net.mean, net.std) == ((0.5,), (0.25,))
    assert not any(w.requires_grad for w in net.weights.values())
    assert train(noise, workdir, info={"command": "by hand"}).info == {"command": "by hand", **net.info}
    assert load_supernet("mini", net.save(tmp_path / "net.safetensors"), **OPTIONS).info == net.info


# ── learning ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.slow
def test_an_easy_set_is_learned_by_the_largest_and_the_smallest(tmp_path):
    """The class is the bright quarter of the picture."""
    rng = np.random.default_rng(0)
    labels = np.arange(512) % 4
    images = rng.integers(0, 100, (512, 1, 16, 16), np.uint8)
    for label in range(4):
        row, col = 8 * (label // 2), 8 * (label % 2)
        images[labels == label, :, row : row + 8, col : col + 8] += 120
    recipe = Recipe(epochs=6, batch_size=32, lr=0.1, shift=1, flip=False)
    net = train(image_set(images, labels), tmp_path, recipe=recipe)
    loss = pd.read_csv(tmp_path / "log.csv")["loss_largest"]
    assert loss.iloc[0] < 2 and loss.iloc[-1] < 0.3 * loss.iloc[0]
    archs = [SPACE.smallest, SPACE.largest, SPACE.sample(rng)]
    right = Evaluator(net, images[:128], device="cpu").predict(archs, images) == labels
    assert right.mean(1).min() > 0.95


def test_a_loss_that_is_no_number_ends_the_run(noise, tmp_path, monkeypatch):
    broken = {name: w * torch.nan for name, w in random_weights(SPACE, 0).items()}
    monkeypatch.setattr(training, "random_weights", lambda *_: broken)
    with pytest.raises(
        CheckpointError, match=r"loss became nan in epoch 1; lower training\.lr \(now 0\.05\)"
    ):
        train(noise, tmp_path)
    assert not (tmp_path / "training.pt").exists()


def test_a_sandwich_step_adds_up_the_gradients_of_all_networks():
    weights = {n: w.double().requires_grad_() for n, w in random_weights(SPACE, 0).items()}
    net = SuperNet(SPACE, weights, (0.5,), (0.25,))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, 1, 16, 16, generator=generator, dtype=torch.float64)
    y = torch.arange(8) % 4
    loss = sandwich_step(net, x, y, 2, np.random.default_rng(5))
    found = {n: w.grad.clone() for n, w in weights.items()}
    teacher = net.forward(SPACE.largest, x)
    expected = F.cross_entropy(teacher, y)
    assert float(loss) == pytest.approx(expected.item())
    rng = np.random.default_rng(5)
    for arch in (SPACE.smallest, SPACE.sample(rng), SPACE.sample(rng)):
        student = net.forward(arch, x).log_softmax(1)
        expected = expected - (teacher.softmax(1).detach() * student).sum(1).mean()
    for name, gradient in zip(weights, torch.autograd.grad(expected, weights.values()), strict=True):
        torch.testing.assert_close(found[name], gradient)


def test_every_epoch_has_an_order_and_an_augmentation_of_its_own(noise, tmp_path, monkeypatch):
    seen, step = [], training.sandwich_step
    monkeypatch.setattr(
        training, "sandwich_step", lambda net, x, *args: [seen.append(x), step(net, x, *args)][1]
    )
    bright = image_set(np.full_like(noise.images, 200), noise.labels)  # only the zeros of shifts differ
    for images, workdir in ((noise, "noise"), (bright, "bright")):
        seen.clear()
        train(images, tmp_path / workdir, recipe=replace(RECIPE, epochs=2))
        assert [len(x) for x in seen] == 4 * [64]
        assert not torch.cat(seen[:2]).equal(torch.cat(seen[2:]))


def test_batchnorm_and_biases_do_not_decay():
    net = SuperNet(
        SPACE, {n: w.requires_grad_() for n, w in random_weights(SPACE, 0).items()}, (0.5,), (0.25,)
    )
    decayed, plain = training._optimizer(net, RECIPE).param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (RECIPE.weight_decay, 0)
    names = {id(w): name for name, w in net.weights.items()}
    assert {names[id(w)] for w in plain["params"]} == {n for n in net.weights if "norm" in n or "bias" in n}
    assert len(decayed["params"]) + len(plain["params"]) == len(net.weights)


# ── augmentation ─────────────────────────────────────────────────────────────────────────────────
def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_batch(n: int = 64, channels: int = 3) -> torch.Tensor:
    return torch.randint(256, (n, channels, 9, 12), dtype=torch.uint8, generator=seeded())


def test_without_shift_and_flip_nothing_changes():
    images = random_batch()
    assert augment(images, 0, False, seeded(1)).equal(images)


def test_flips_mirror_about_half_of_the_pictures():
    images = random_batch(400)
    flipped = augment(images, 0, True, seeded(1))
    mirrored = (flipped == images.flip(3)).flatten(1).all(1)
    assert ((flipped == images).flatten(1).all(1) ^ mirrored).all()
    assert 0.4 < mirrored.float().mean() < 0.6


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("shift", [1, 3])
def test_shifts_move_by_all_offsets_up_to_the_limit_and_fill_with_zeros(shift, flip):
    images, original = random_batch(1500), random_batch(1500)
    moved = augment(images, shift, flip, seeded(1))
    assert moved.dtype == torch.uint8 and moved.shape == images.shape and images.equal(original)
    candidates = {}
    for mirrored in {False, flip}:
        padded = F.pad(images.flip(3) if mirrored else images, [shift] * 4)
        for row in range(2 * shift + 1):
            for col in range(2 * shift + 1):
                crop = padded[:, :, row : row + 9, col : col + 12]
                candidates[row, col, mirrored] = (crop == moved).flatten(1).all(1)
    assert torch.stack(list(candidates.values())).sum(0).eq(1).all()  # each picture is exactly one of them
    offsets = {key for key, hits in candidates.items() if hits.any()}
    assert offsets == set(candidates)


def test_augmentation_depends_on_its_generator_alone():
    images = random_batch()
    first = augment(images, 2, True, seeded(1))
    torch.manual_seed(7)
    assert augment(images, 2, True, seeded(1)).equal(first)
    assert not augment(images, 2, True, seeded(2)).equal(first)
