"""supernets: files of published weights are read as their publishers read them, or refused with a reason."""

from __future__ import annotations

import shutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import fbnet
import numpy as np
import pytest
import torch
from once_for_all import MOBILE, NAMES, RESNET, holding, hollow, in_old_names, random_net, space
from torch import Tensor, nn

from regnas_core import SuperNet, load_supernet
from regnas_core.errors import CheckpointError
from regnas_core.supernets import supernet


# ── once-for-all ─────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module", params=NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def net(name) -> SuperNet:
    return random_net(name)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Iterator[Path]:
    """The data folder, emptied afterwards: these files are large."""
    monkeypatch.setenv("REGNAS_DATA", str(tmp_path))
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("names", "zipped"), [("today's", True), ("old", False)], ids=["zip", "legacy"])
def test_a_file_for_ofa_is_read_as_ofa_reads_it(name, net, folder, names, zipped, monkeypatch):
    theirs, path = holding(name, net.to(torch.float32).weights), folder / "published"
    content = theirs.state_dict()
    if names == "old":
        today, content = content, in_old_names(content)
        assert len(content) == len(today) and len(content.keys() - today.keys()) > 100
        assert name == RESNET or "blocks.1.mobile_inverted_conv.depth_conv.bn.weight" in content
    torch.save({"state_dict": content, "epoch": 5}, path, _use_new_zipfile_serialization=zipped)

    with torch.no_grad():
        for w in theirs.state_dict().values():
            w.zero_()
    theirs.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
    loaded = load_supernet(name, path)
    expected = theirs.state_dict()
    assert loaded.weights.keys() == {key for key in expected if not key.endswith("num_batches_tracked")}
    for key, w in loaded.weights.items():
        assert w.equal(expected[key]) and w.equal(net.weights[key].float()) and w.dtype == torch.float32
    assert (loaded.mean, loaded.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert loaded.info["file"] == "published"

    (converted,) = (folder / "cache" / "supernets").iterdir()
    assert converted.suffix == ".safetensors"
    monkeypatch.setattr(supernet, "read_state_dict", None)  # the second time nobody asks for it
    again = load_supernet(name, path, resolutions=(160, 224))
    assert again.weights.keys() == loaded.weights.keys()
    assert all(again.weights[key].equal(w) for key, w in loaded.weights.items())


def test_a_file_in_the_data_folder_is_not_downloaded_again(folder, monkeypatch):
    monkeypatch.setattr("regnas_core.download._download", None)
    name = MOBILE[0]
    path = folder / "supernets" / "ofa_mbv3_d234_e346_k357_w1.0"
    path.parent.mkdir()
    torch.save({"state_dict": in_old_names(hollow(name))}, path)
    for weights in ("pretrained", "pretrained:ofa"):
        assert load_supernet(name, weights).info["file"] == path.name
    with pytest.raises(CheckpointError, match=r"no pretrained weights called 'alphanet'; known: ofa\."):
        load_supernet(name, "pretrained:alphanet")


@pytest.mark.slow
def test_a_file_of_another_super_network_is_refused_with_the_name_of_its_own(folder):
    for own, other in zip(NAMES, (*NAMES[1:], NAMES[0]), strict=True):
        path = folder / own
        torch.save({"state_dict": in_old_names(hollow(own))}, path)
        with pytest.raises(CheckpointError) as caught:
            load_supernet(other, path)
        assert str(caught.value).startswith(f"{path} holds no weights of {other}: ")
        assert str(caught.value).endswith(f"It fits {own}.")
    assert not (folder / "cache").exists()


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["missing", "of another shape"])
@pytest.mark.parametrize("key", ["classifier", "7to5_matrix", "running_var"])
def test_a_file_without_one_of_the_tensors_is_refused(folder, key, fault):
    name, path = MOBILE[0], folder / "published"
    tensors = hollow(name)
    key = next(k for k in tensors if key in k)
    if fault == "missing":
        del tensors[key]
    else:
        tensors[key] = torch.ones(3, 3)
    torch.save({"state_dict": in_old_names(tensors)}, path)
    message = rf"no weights of {name}: 1 of \d+ tensors are missing or of another shape, such as {key}\. Give"
    with pytest.raises(CheckpointError, match=message):
        load_supernet(name, path)
    assert not (folder / "cache").exists()


@pytest.mark.slow
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_truncated_file_is_refused(folder, zipped):
    path = folder / "published"
    torch.save({"state_dict": hollow(MOBILE[0])}, path, _use_new_zipfile_serialization=zipped)
    assert load_supernet(MOBILE[0], path).space is not None
    whole = path.read_bytes()
    for keep in (100, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:keep])
        with pytest.raises(CheckpointError, match=r"published is truncated or damaged"):
            load_supernet(MOBILE[0], path)


@pytest.mark.parametrize("name", NAMES)
def test_no_two_tensors_have_one_name_in_a_publishers_file(name):
    own = space(name)
    assert len({own.publishers_name(key) for key in own.tensors}) == len(own.tensors)
    for old, key in zip(in_old_names(own.tensors), own.tensors, strict=True):
        assert own.publishers_name(old) == own.publishers_name(key)


# ── AttentiveNAS and AlphaNet ────────────────────────────────────────────────────────────────────
@pytest.fixture
def publish(tmp_path, monkeypatch):
    """``publish(tensors)``: path of a file like the publishers': of torch's old format, with the options of
    the training as a dict of their own class, whose module is not installed."""
    monkeypatch.setenv("REGNAS_DATA", str(tmp_path))

    def publish(tensors: dict[str, Tensor]) -> Path:
        path = tmp_path / "attentive_nas_pretrained.pth.tar"
        module = types.ModuleType("publisher_config")
        exec(
            "class Options(dict):\n    def __getattr__(self, name):\n        return self[name]\n"
            "    def __getstate__(self):\n        return {}",  # Python 3.10 asks for it
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


@pytest.mark.slow
def test_a_file_of_the_publishers_is_read(publish, tmp_path, monkeypatch):
    path = publish(fbnet.with_extras(fbnet.filled()))
    with pytest.raises(Exception, match="publisher_config"):  # the file is what it is meant to be
        torch.load(path, weights_only=True)
    loaded = load_supernet("fbnetv3", path)
    assert loaded.weights.keys() == fbnet.filled().keys()
    assert all(w.equal(fbnet.filled()[name]) for name, w in loaded.weights.items())
    assert (loaded.mean, loaded.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert loaded.info["file"] == path.name

    (converted,) = (tmp_path / "cache" / "supernets").iterdir()
    monkeypatch.setattr(
        "regnas_core.supernets.supernet.read_state_dict", None
    )  # the second time nobody asks for it
    again = load_supernet("fbnetv3", path, resolutions=(64,))
    assert converted.suffix == ".safetensors" and again.space.identity == "fbnetv3(resolutions=(64,))"
    assert all(w.equal(loaded.weights[name]) for name, w in again.weights.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    "missing",
    ["classifier.linear.linear.bias", "blocks.0.shortcut.conv.conv.weight", "first_conv.bn.bn.running_var"],
)
def test_a_file_of_attentive_nas_without_one_of_the_tensors_is_refused(publish, tmp_path, missing):
    tensors = fbnet.with_extras(fbnet.hollow())
    del tensors[missing]
    path = publish(tensors)
    with pytest.raises(CheckpointError) as caught:
        load_supernet("fbnetv3", path)
    assert str(caught.value) == (
        f"{path} holds no weights of fbnetv3: 1 of {len(fbnet.hollow())} tensors are missing or of another "
        f"shape, such as {missing}. Give the publishers' file of this super-network."
    )
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_a_file_of_another_super_network_is_refused_and_its_own_is_named(publish):
    path = publish(fbnet.with_extras(fbnet.hollow()))
    with pytest.raises(CheckpointError, match=r"no weights of ofa-resnet50: .* It fits fbnetv3\."):
        load_supernet("ofa-resnet50", path)


def test_a_truncated_file_of_attentive_nas_is_refused(publish):
    path = publish(fbnet.with_extras(fbnet.hollow()))
    whole = path.read_bytes()
    for keep in (100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:keep])
        with pytest.raises(CheckpointError, match="is truncated or damaged"):
            load_supernet("fbnetv3", path)


def test_names_and_shapes_of_the_publishers_tensors():
    recorded = fbnet.facts("state_dict.json", "names and shapes of the publishers' tensors")
    assert {name: tuple(shape) for name, shape, _ in recorded} == {
        name: tuple(w.shape) for name, w in fbnet.with_extras(fbnet.hollow()).items()
    }
