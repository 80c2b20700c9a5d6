"""baselines: torchvision's networks see pictures as they were trained to."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import FrozenInstanceError, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from regnas_core.data.trees import decode_picture
from regnas_core.errors import CheckpointError, DataError, PredictionError, RegnasError
from regnas_core.evaluation import baselines as published
from regnas_core.evaluation.baselines import (
    BASELINES,
    REGNETS,
    Baseline,
    load_baseline,
    predict,
    published_file,
)

SMALL = "mobilenet_v3_small"


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("REGNAS_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@cache
def untrained(name: str) -> Baseline:
    return load_baseline(name, "random:0")


@pytest.fixture(scope="session")
def small(state_file) -> Baseline:
    return load_baseline(SMALL, state_file(SMALL))


@pytest.fixture(scope="session")
def images(lively) -> np.ndarray:
    return lively.pictures(12, (3, 224, 224), 3)


# ── what torchvision tells ───────────────────────────────────────────────────────────────────────
@pytest.mark.slow
@pytest.mark.parametrize("name", BASELINES)
def test_numbers_are_those_that_torchvision_publishes(name):
    baseline, entry = untrained(name), published.check_baseline(name)
    assert entry.name == "IMAGENET1K_V1" and len(entry.meta["categories"]) == 1000
    assert baseline.mmacs == pytest.approx(1000 * entry.meta["_ops"], rel=0.02)
    assert baseline.params == entry.meta["num_params"]
    assert 65 < baseline.top1_published == entry.meta["_metrics"]["ImageNet-1K"]["acc@1"] < 80
    assert (baseline.name, baseline.resize) == (name, 256)
    assert baseline.size == (240 if name == "efficientnet_b1" else 224)
    assert baseline.interpolation == ("bicubic" if name.startswith("efficientnet") else "bilinear")
    assert not baseline.network.training
    with pytest.raises(FrozenInstanceError):
        baseline.size = 160


def test_the_family_of_the_paper_is_sorted_by_size_and_accuracy():
    family = [untrained(name) for name in REGNETS]
    for quantity in ("mmacs", "params", "top1_published"):
        values = [getattr(baseline, quantity) for baseline in family]
        assert len(values) == 3 and values == sorted(values)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["regnet_y_400mf", "efficientnet_b0", "efficientnet_b1"])
@pytest.mark.parametrize("size", [(500, 375), (333, 500), (256, 256), (257, 901), (41, 67), (240, 255)])
def test_pictures_are_prepared_as_torchvision_does(name, size, tmp_path):
    baseline, transforms = untrained(name), published.check_baseline(name).transforms()
    rng = np.random.default_rng(size)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 7, 3), np.uint8)).resize(size)
    noise = rng.integers(-40, 40, (size[1], size[0], 3))  # details, on which interpolations differ
    Image.fromarray((np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8)).save(tmp_path / "a.png")
    pixels = decode_picture(tmp_path / "a.png", baseline.size, baseline.resize, baseline.interpolation)
    with Image.open(tmp_path / "a.png") as picture:  # torchvision antialiases what PIL resizes, always
        expected = transforms(picture.convert("RGB"))
    found = baseline.normalise(torch.from_numpy(pixels.copy())[None])[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


# ── weights ──────────────────────────────────────────────────────────────────────────────────────
def test_random_weights_follow_from_the_seed_alone():
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    first, second, other = (load_baseline(SMALL, f"random:{seed}").digest() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first == second != other and len(bytes.fromhex(first)) == 8


@pytest.mark.slow
@pytest.mark.parametrize("form", ["plain", "training", "parallel", "without counters"])
def test_a_state_dict_is_loaded(form, small, tmp_path):
    state = small.network.state_dict()
    content = {
        "plain": state,
        "training": {"model": state, "epoch": 3, "optimizer": {"param_groups": []}},
        "parallel": OrderedDict((f"module.{key}", w) for key, w in state.items()),
        "without counters": OrderedDict((k, w) for k, w in state.items() if "num_batches" not in k),
    }[form]
    torch.save(content, tmp_path / "small.pth")
    loaded = load_baseline(SMALL, tmp_path / "small.pth")
    assert loaded.digest() == small.digest() != load_baseline(SMALL, "random:0").digest()
    for key, w in published._tensors(loaded.network.state_dict()).items():
        assert torch.equal(w, state[key])


def test_a_digest_depends_on_statistics_and_normalisation_too(small):
    other = replace(small, network=load_baseline(SMALL, "random:0").network)
    other.network.load_state_dict(small.network.state_dict())
    assert other.digest() == small.digest() != replace(small, mean=(0.5, 0.5, 0.5)).digest()
    next(w for key, w in other.network.named_buffers() if key.endswith("running_mean")).add_(1e-3)
    assert other.digest() != small.digest()


@pytest.mark.slow
def test_weights_of_other_networks_are_refused(small, state_file, tmp_path):
    other = state_file("regnet_x_400mf")
    message = r"regnet_x_400mf-0\.pth holds no weights of mobilenet_v3_small: \d+ of 210 tensors differ: .*…"
    with pytest.raises(CheckpointError, match=message):
        load_baseline(SMALL, other)
    state = small.network.state_dict()
    state["classifier.3.weight"] = torch.zeros(10, 1024)
    state["auxiliary"] = state.pop("classifier.3.bias")
    torch.save(state, tmp_path / "ten.pth")
    message = (
        r"3 of 210 tensors differ: classifier\.3\.bias is missing, auxiliary does not belong to it, "
        r"classifier\.3\.weight has shape \(10, 1024\), not \(1000, 1024\)\. Give"
    )
    with pytest.raises(CheckpointError, match=message):
        load_baseline(SMALL, str(tmp_path / "ten.pth"))


def test_files_that_are_no_state_dict_are_refused(state_file, tmp_path):
    whole = state_file(SMALL).read_bytes()
    files = {
        "truncated.pth": whole[: len(whole) // 2],
        "page.pth": b"<!DOCTYPE html><html></html>",
        "empty.pth": b"",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    save_file({"w": torch.zeros(1)}, tmp_path / "other.safetensors")
    for name in (*files, "other.safetensors", "none.pth"):
        with pytest.raises(CheckpointError, match=name):
            load_baseline(SMALL, tmp_path / name)


def test_mistakes_in_names_are_reported():
    with pytest.raises(RegnasError, match=r"Unknown baseline 'resnet18'; known: regnet_y_400mf, .*large\."):
        load_baseline("resnet18")
    with pytest.raises(RegnasError, match="Unknown baseline"):
        published_file("ResNet50")
    for weights in ("random:", "random:x", "random"):
        with pytest.raises(CheckpointError, match="expected random:SEED"):
            load_baseline(SMALL, weights)


# ── torchvision's files ──────────────────────────────────────────────────────────────────────────
@pytest.fixture
def server(state_file, tmp_path, monkeypatch) -> Path:
    """The file that torchvision's address of the small network leads to."""
    content = state_file(SMALL).read_bytes()
    path = tmp_path / "server" / f"small-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    path.parent.mkdir()
    path.write_bytes(content)
    monkeypatch.setattr(published.check_baseline(SMALL).value, "url", path.as_uri())
    return path


def test_published_weights_are_downloaded_once_and_repaired(server, data_folder, small):
    kept = data_folder / "baselines" / server.name
    assert load_baseline(SMALL).digest() == small.digest()
    assert published_file(SMALL) == kept and [p.name for p in kept.parent.iterdir()] == [kept.name]
    kept.write_bytes(kept.read_bytes()[:1000])
    assert load_baseline(SMALL).digest() == small.digest()  # downloaded again
    server.unlink()
    assert load_baseline(SMALL).digest() == small.digest()
    kept.write_bytes(b"something else")
    with pytest.raises(
        CheckpointError, match=rf"{kept.name} has another SHA-256 than \w{{8}}…, and download"
    ):
        load_baseline(SMALL)


def test_offline_the_error_tells_what_to_put_where(server, data_folder):
    server.unlink()
    with pytest.raises(CheckpointError, match="is missing, and downloading it from") as caught:
        load_baseline(SMALL)
    assert server.as_uri() in str(caught.value)
    assert f"save it as {data_folder / 'baselines' / server.name}" in str(caught.value)


def test_a_download_with_another_checksum_is_not_kept(server, data_folder):
    server.write_bytes(b"<html>log in to the hotel's network</html>")
    with pytest.raises(CheckpointError, match=r"is missing, and .* failed: invalid hash value"):
        load_baseline(SMALL)
    assert not any((data_folder / "baselines").iterdir())


def test_torchvision_names_its_files_by_their_checksum():
    for name in BASELINES:
        stem = Path(published.check_baseline(name).url).stem
        assert len(bytes.fromhex(stem.rpartition("-")[2])) == 4


# ── predictions ──────────────────────────────────────────────────────────────────────────────────
def test_predictions_are_those_of_the_plain_network(small, images):
    with torch.no_grad():
        logits = small.network(small.normalise(torch.from_numpy(images)))
    expected = logits.argmax(1).numpy()
    assert len(set(expected)) > 3
    for batch_size in (5, 12, 64):
        found = predict(small, images, "cpu", batch_size)
        assert found.dtype == np.int64 and (found == expected).all()


def test_predicting_leaves_network_and_pictures_alone(small, images):
    fixed = images.copy()
    fixed.flags.writeable = False
    before, plain = small.digest(), predict(small, images, "cpu")
    small.network.train()
    try:
        assert (predict(small, fixed, "cpu") == plain).all()
        assert small.network.training
    finally:
        small.network.eval()
    assert small.digest() == before and (fixed == images).all()
    assert all(w.is_contiguous() for w in small.network.parameters())


def test_broken_weights_are_reported(small, images):
    broken = replace(small, network=load_baseline(SMALL, "random:0").network)
    with torch.no_grad():
        next(iter(broken.network.parameters()))[0] = torch.nan
    with pytest.raises(PredictionError, match="logits of mobilenet_v3_small are not finite"):
        predict(broken, images, "cpu")


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 3, 240, 240), np.uint8),
        np.zeros((2, 1, 224, 224), np.uint8),
        np.zeros((3, 224, 224), np.uint8),
        np.zeros((0, 3, 224, 224), np.uint8),
        np.zeros((2, 3, 224, 224), np.float32),
    ],
    ids=lambda wrong: f"{wrong.dtype}{wrong.shape}",
)
def test_pictures_that_do_not_fit_are_refused(small, wrong):
    with pytest.raises(DataError, match=r"takes uint8 \(N, 3, 224, 224\)"):
        predict(small, wrong, "cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_predictions_on_cuda_are_those_on_the_cpu(small, images):
    assert (predict(small, images, "cuda") == predict(small, images, "cpu")).mean() > 0.9
    assert not next(small.network.parameters()).is_cuda
