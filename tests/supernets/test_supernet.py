"""supernet: one interpreter and plain modules agree; checkpoints come back whole or not at all."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from regnas_core import SuperNet, get_space, load_supernet
from regnas_core.errors import CheckpointError, WriteError
from regnas_core.supernets.supernet import PACKAGED, pretrained_checkpoint

TINY = {"image": (2, 16, 16), "classes": 5, "stem": 4, "head": 16, "widths": (6, 8, 8)}


@pytest.fixture
def net() -> SuperNet:
    return load_supernet("mini", "random:0", **TINY)


@pytest.fixture
def saved(net, tmp_path) -> Path:
    return net.save(tmp_path / "net.safetensors")


def load(path: Path, name: str = "mini", **changes) -> SuperNet:
    return load_supernet(name, path, **(TINY | changes))


# ── running ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_forward_is_the_extracted_network_in_training_mode(net, dtype):
    net, rng = net.to(dtype), np.random.default_rng(0)
    x = torch.randn(6, 2, 16, 16, dtype=dtype, generator=torch.Generator().manual_seed(0))
    for arch in (net.space.smallest, net.space.largest, *(net.space.sample(rng) for _ in range(4))):
        logits = net.forward(arch, x)
        assert logits.shape == (6, 5) and logits.dtype == dtype
        torch.testing.assert_close(net.extract(arch).train()(x), logits)


def test_an_extracted_network_has_weights_of_its_own(net):
    module, digest = net.extract(net.space.largest), net.digest()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1)
    assert net.digest() == digest
    assert all(type(m).__module__.startswith("torch.nn") for m in module.modules() if not list(m.children()))


def test_to_makes_a_copy_of_another_dtype(net):
    double = net.to(torch.float64)
    assert {w.dtype for w in double.weights.values()} == {torch.float64}
    assert {w.dtype for w in net.weights.values()} == {torch.float32}
    assert double.device == net.device == torch.device("cpu")
    assert double.space is net.space


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normalise_standardises_bytes_and_takes_floats_as_they_are(net, dtype):
    net = SuperNet(net.space, net.to(dtype).weights, (0.25, 0.5), (0.5, 0.1))
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3).expand(1, 2, 1, 3)
    expected = torch.tensor([[-0.5, -0.1, 1.5], [-5, -3, 5]], dtype=dtype).view(1, 2, 1, 3)
    torch.testing.assert_close(net.normalise(images), expected)
    for given in (torch.float16, torch.float32, torch.float64):
        floats = torch.rand(1, 2, 1, 3).to(given)
        before, taken = floats.clone(), net.normalise(floats)
        assert taken.dtype == dtype and taken.equal(before.to(dtype))
        assert floats.equal(before) and (taken is floats) == (given == dtype)


# ── weights ──────────────────────────────────────────────────────────────────────────────────────
def test_random_weights_depend_on_the_seed_alone(net):
    assert load_supernet("mini", "random:0", **TINY).digest() == net.digest()
    torch.manual_seed(5)
    assert load_supernet("mini", "random:0", **TINY).digest() == net.digest()
    assert load_supernet("mini", "random:1", **TINY).digest() != net.digest()
    assert net.info == {"seed": 0}


@pytest.mark.parametrize("weights", ["random:x", "random:", "random:-1", "random:1.5"])
def test_a_random_seed_is_a_whole_number(weights):
    with pytest.raises(CheckpointError, match=f"{weights}'.*expected random:SEED"):
        load_supernet("mini", weights)


def test_what_was_saved_is_what_is_loaded(net, tmp_path):
    net = SuperNet(net.space, net.weights, (0.1, 0.2), (0.3, 0.4), {"command": "made by hand", "epochs": 3})
    path = net.save(tmp_path / "new" / "folder" / "net.safetensors")
    again = load(path)
    assert (again.mean, again.std, again.info) == (net.mean, net.std, net.info)
    assert again.weights.keys() == net.weights.keys()
    assert all(again.weights[name].equal(w) for name, w in net.weights.items())
    assert again.digest() == net.digest()
    assert [p.name for p in path.parent.iterdir()] == ["net.safetensors"]


def test_a_failed_save_leaves_the_old_checkpoint(net, saved, monkeypatch):
    before = saved.read_bytes()

    def crash(path, data):
        with path.open("wb") as file:
            file.write(data[:100])
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", crash)
        with pytest.raises(WriteError, match="disk full"):
            load_supernet("mini", "random:1", **TINY).save(saved)
    assert saved.read_bytes() == before


def test_the_digest_tells_any_change(net):
    def changed(name: str, entry: int) -> SuperNet:
        weights = {n: w.clone() for n, w in net.weights.items()}
        weights[name].view(-1)[entry] += 1e-6
        return SuperNet(net.space, weights, net.mean, net.std)

    swapped = dict(net.weights)
    swapped["stem.norm.weight"], swapped["stem.norm.bias"] = (
        swapped["stem.norm.bias"],
        swapped["stem.norm.weight"],
    )
    renamed = {"stem.conv.weights" if n == "stem.conv.weight" else n: w for n, w in net.weights.items()}
    nets = [
        net,
        SuperNet(net.space, renamed, net.mean, net.std),
        *(changed(name, entry) for name in ("stem.conv.weight", "head.linear.bias") for entry in (0, -1)),
        SuperNet(net.space, swapped, net.mean, net.std),
        SuperNet(net.space, net.weights, (0.5, 0.4), net.std),
        SuperNet(net.space, net.weights, net.mean, (0.25, 0.2)),
        SuperNet(get_space("mini", **TINY, strides=(2, 1, 1)), net.weights, net.mean, net.std),
    ]
    assert len({n.digest() for n in nets}) == len(nets)
    backwards = dict(reversed(net.weights.items()))
    assert SuperNet(net.space, backwards, net.mean, net.std, {"other": "info"}).digest() == net.digest()


# ── files that are no checkpoint of this super-network ───────────────────────────────────────────
def test_a_missing_checkpoint_is_named_with_what_makes_one(tmp_path):
    with pytest.raises(CheckpointError, match=r"No checkpoint at .*none\.safetensors.*regnas train-supernet"):
        load(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="No checkpoint at"):
        load(tmp_path)
    assert pretrained_checkpoint(get_space("mini")).name == "mini-0.safetensors"


def test_trainings_that_ship_are_chosen_by_number():
    assert load_supernet("mini", "pretrained:0").digest() == load_supernet("mini").digest()
    tied = load_supernet("mini", tied=True)  # the same weights, of which a part of the networks is searched
    assert tied.weights["stem.conv.weight"].equal(load_supernet("mini").weights["stem.conv.weight"])
    assert tied.space.size() == 27**3
    with pytest.raises(CheckpointError, match=r"no training 99 comes with the package; there are: 0"):
        load_supernet("mini", "pretrained:99")


@pytest.mark.parametrize("keep", [0, 4, 200, -1])
def test_a_truncated_checkpoint_is_refused(saved, keep):
    saved.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"net\.safetensors is truncated or no safetensors file"):
        load(saved)


class Trap:
    """Unpickling this creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["text", "pickle", "torch"])
def test_other_files_are_refused_and_never_unpickled(tmp_path, kind):
    path, sprung = tmp_path / "net.safetensors", tmp_path / "sprung"
    if kind == "text":
        path.write_text("weights: none\n" * 100)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Trap(sprung)))
    else:
        torch.save({"stem.conv.weight": torch.ones(3), "trap": Trap(sprung)}, path)
    with pytest.raises(CheckpointError, match=r"net\.safetensors is truncated or no safetensors file"):
        load(path)
    assert not sprung.exists()
    if kind == "pickle":  # the trap does work
        pickle.loads(path.read_bytes())
        assert sprung.exists()


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_strangers_safetensors_file_is_refused(tmp_path, metadata):
    path = tmp_path / "stranger.safetensors"
    save_file({"weight": torch.ones(3)}, path, metadata)
    with pytest.raises(CheckpointError, match=r"stranger\.safetensors.*no super-network of this package"):
        load(path)


@pytest.mark.parametrize(
    ("name", "changes", "given", "differ"),
    [
        (
            "mini",
            {"classes": 7},
            "mini(classes=7, head=16, image=(2, 16, 16), stem=4, widths=(6, 8, 8))",
            "2 tensors differ: head.linear.bias, head.linear.weight",
        ),
        (
            "mini",
            {"kernels": (3, 5)},
            "mini(classes=5, head=16, image=(2, 16, 16), kernels=(3, 5), stem=4, widths=(6, 8, 8))",
            "12 tensors differ: stages.0.0.depthwise.weight, stages.0.1.depthwise.weight",
        ),
        (
            "mini",
            {"depths": (1, 2)},
            "mini(classes=5, depths=(1, 2), head=16, image=(2, 16, 16), stem=4, widths=(6, 8, 8))",
            "54 tensors differ: stages.0.2.depthwise.weight, stages.0.2.depthwise_norm.bias",
        ),
        (
            "mini",
            {"strides": (2, 1, 1)},
            "mini(classes=5, head=16, image=(2, 16, 16), stem=4, strides=(2, 1, 1), widths=(6, 8, 8))",
            "0 tensors differ",
        ),
        (
            "mini",
            {"kernels": (5, 7)},
            "mini(classes=5, head=16, image=(2, 16, 16), kernels=(5, 7), stem=4, widths=(6, 8, 8))",
            "0 tensors differ",
        ),
        (
            "mini-cifar10",
            {"expansions": (2, 3, 4)},
            "mini-cifar10(classes=5, expansions=(2, 3, 4), head=16, image=(2, 16, 16), stem=4, "
            "widths=(6, 8, 8))",
            "0 tensors differ",
        ),
    ],
)
def test_a_checkpoint_of_another_space_is_refused_and_both_are_named(saved, name, changes, given, differ):
    """Also where all shapes are the same: strides, or the choices that are left out."""
    with pytest.raises(CheckpointError) as caught:
        load(saved, name, **changes)
    assert str(caught.value) == (
        f"{saved} holds a super-network of mini(classes=5, head=16, image=(2, 16, 16), stem=4, "
        f"widths=(6, 8, 8)), not of {given} ({differ}). Give the checkpoint of this super-network, or the "
        "options that it was trained with."
    )


def test_a_space_without_options_is_named_by_its_name_alone(saved, tmp_path):
    with pytest.raises(
        CheckpointError, match=r"super-network of mini\(.*\), not of mini \(\d+ tensors differ: "
    ):
        load_supernet("mini", saved)
    plain = load_supernet("mini", "random:0").save(tmp_path / "plain.safetensors")
    with pytest.raises(CheckpointError, match=r"super-network of mini, not of mini\(classes=5, head=16\) \("):
        load_supernet("mini", plain, head=16, classes=5)
    assert load_supernet("mini", plain, classes=20).space.identity == "mini"  # what it is anyway


def test_a_checkpoint_with_renamed_tensors_is_refused(saved):
    content = saved.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    head = json.loads(content[8 : 8 + size])
    head["stem.conv.WEIGHT"] = head.pop("stem.conv.weight")
    text = json.dumps(head).encode()
    saved.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])
    with pytest.raises(CheckpointError, match=r"2 tensors differ.*stem\.conv\.WEIGHT"):
        load(saved)


@pytest.mark.parametrize("path", sorted(PACKAGED.glob("*.safetensors")), ids=lambda path: path.stem)
def test_every_training_that_ships_says_how_it_was_made(path):
    name, _, number = path.stem.rpartition("-")
    info = load_supernet(name, f"pretrained:{number}").info
    assert info["recipe"]["seed"] == int(number) and path.stat().st_size < 2_000_000
    assert info["command"].startswith("regnas train-supernet --preset ") and "/" not in info["command"]
    log = path.with_name(f"{path.stem}.log.csv").read_text().splitlines()
    assert log[0].startswith("epoch,loss_largest") and len(log) == 1 + info["recipe"]["epochs"]
