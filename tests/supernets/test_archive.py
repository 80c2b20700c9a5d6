"""archive: the tensors of other people's checkpoints come out, and nothing that lies beside them runs."""

from __future__ import annotations

import argparse
import builtins
import io
import os
import pickle
import sys
import tarfile
import types
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.serialization import add_safe_globals, clear_safe_globals, get_safe_globals

from regnas_core.errors import CheckpointError
from regnas_core.supernets.archive import read_state_dict

TENSORS = {
    "conv.weight": torch.arange(24.0).view(2, 3, 2, 2),
    "bn.num_batches_tracked": torch.tensor(7),
    "fc.weight": torch.arange(6.0).half().view(2, 3).t(),
}
CLASSES = """
class EasyDict(dict):  # as in easydict: entries are attributes too
    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        self[name] = value

class Options:
    pass

class Slots:
    __slots__ = ("value",)

class Reduced:
    def __reduce__(self):
        return rebuild, (1, [2, 3]), {"state": 4}

def rebuild(*args):
    raise AssertionError("code from the checkpoint ran")

class Meters(defaultdict):
    def __reduce__(self):
        return Meters, (), ("any", "state"), None, iter({"loss": 1.5}.items())

class Net(torch.nn.Module):
    pass
"""


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def save(request, tmp_path, monkeypatch):
    """``save(content)``: the path of an archive; ``content(publisher)`` uses classes that go again."""

    def save(content, **options) -> Path:
        path = tmp_path / "checkpoint.pth"
        with monkeypatch.context() as context:
            if isinstance(content, types.FunctionType):
                module = types.ModuleType("publisher_utils")
                module.torch, module.defaultdict = torch, defaultdict
                exec(CLASSES, module.__dict__)
                context.setitem(sys.modules, "publisher_utils", module)
                content = content(module)
            torch.save(content, path, _use_new_zipfile_serialization=request.param, **options)
        assert zipfile.is_zipfile(path) == request.param
        return path

    save.format = "zip" if request.param else "legacy"
    return save


def assert_tensors(found: dict[str, torch.Tensor]) -> None:
    assert type(found) is dict and list(found) == list(TENSORS)
    for name, tensor in TENSORS.items():
        assert type(found[name]) is torch.Tensor and not found[name].requires_grad
        assert found[name].dtype == tensor.dtype and found[name].equal(tensor)


def attentive(publisher) -> dict:
    """A training checkpoint in the manner of AttentiveNAS: options of a class of the project's own."""
    args = publisher.EasyDict(lr=0.1, nested=publisher.EasyDict(depth=[1, 2]), tensor=torch.ones(2))
    args.arch, args.sizes = "attentive", (192, 288)
    parameter = torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.SGD([parameter], 0.1, momentum=0.9)
    return {
        "epoch": 3,
        "state_dict": OrderedDict((f"module.{name}", w) for name, w in TENSORS.items()),
        "optimizer": optimizer.state_dict(),
        "args": args,
    }


# ── contents ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model"])
def test_a_state_dict_is_found_at_the_top_and_under_the_usual_keys(save, key):
    assert_tensors(read_state_dict(save(TENSORS if key is None else {"epoch": 1, key: TENSORS})))


def test_the_prefix_of_data_parallel_goes_when_all_names_have_it(save):
    assert_tensors(read_state_dict(save({f"module.{name}": w for name, w in TENSORS.items()})))
    mixed = {"module.a": torch.ones(1), "b": torch.ones(1)}
    assert read_state_dict(str(save(mixed))).keys() == mixed.keys()


def test_parameters_become_tensors_and_metadata_goes(save):
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    expected = net.state_dict()
    assert hasattr(expected, "_metadata")
    for content in (expected, dict(net.named_parameters()) | dict(net.named_buffers())):
        found = read_state_dict(save(content))
        assert type(found) is dict and found.keys() == expected.keys()
        for name, tensor in found.items():
            assert type(tensor) is torch.Tensor and not tensor.requires_grad
            assert tensor.equal(expected[name])


def test_tensors_of_a_gpu_are_read_on_the_cpu(save, monkeypatch):
    monkeypatch.setattr("torch.serialization.location_tag", lambda storage: "cuda:5")
    path = save(TENSORS)
    assert b"cuda:5" in path.read_bytes()
    assert_tensors(read_state_dict(path))
    assert {w.device.type for w in read_state_dict(path).values()} == {"cpu"}


# ── what lies beside the tensors ─────────────────────────────────────────────────────────────────
def test_options_of_a_class_that_is_not_installed(save):
    path = save(attentive)
    with pytest.raises(Exception, match=r"publisher_utils|EasyDict"):  # the file is what it is meant to be
        torch.load(path, weights_only=True)
    assert "publisher_utils" not in sys.modules
    assert_tensors(read_state_dict(path))


BESIDE = {
    "namespace": lambda m: argparse.Namespace(lr=0.1, sub=argparse.Namespace(a=[1])),
    "attributes": lambda m: _filled(m.Options(), a=1, b={"c": m.Options()}),
    "slots": lambda m: _filled(m.Slots(), value=3),
    "reduce": lambda m: [m.Reduced(), m.Reduced()],
    "reduce with items and state": lambda m: m.Meters(),
    "class and function": lambda m: (m.EasyDict, m.rebuild, os.path.join, print),
    "numpy scalars": lambda m: [np.float64(76.5), np.int64(3), np.bool_(True)],
    "numpy array and generator state": lambda m: (
        np.arange(6).reshape(2, 3),
        np.random.RandomState(0).get_state(),
    ),
    "defaultdict": lambda m: defaultdict(list, a=[1], b=[2]),
    "keys": lambda m: {np.int64(1): "a", np.int64(2): "b", m.Reduced(): 1, frozenset({1}): 2},
    "path": lambda m: Path("/a/b"),
    "simple namespace": lambda m: types.SimpleNamespace(a=m.Options()),
    "bytes and set": lambda m: [b"abc\xff", bytearray(b"12"), {1, 2}, 1j, range(3), 2**70],
    "dtype and device": lambda m: [torch.float32, torch.device("cpu"), torch.Size([1, 2])],
}


def _filled(thing, **attributes):
    for name, value in attributes.items():
        setattr(thing, name, value)
    return thing


@pytest.mark.parametrize("make", BESIDE.values(), ids=BESIDE)
def test_anything_may_lie_beside_the_state_dict(save, make):
    path = save(
        lambda publisher: {"before": make(publisher), "state_dict": TENSORS, "after": make(publisher)}
    )
    assert_tensors(read_state_dict(path))


def test_a_state_dict_may_be_a_dict_of_their_own(save):
    assert_tensors(read_state_dict(save(lambda m: m.EasyDict(TENSORS))))
    assert_tensors(read_state_dict(save(lambda m: {"model": m.EasyDict(TENSORS)})))


def test_pickles_of_other_protocols(save):
    assert_tensors(read_state_dict(save(attentive, pickle_protocol=3)))
    with pytest.raises(CheckpointError, match="cannot be read without executing code"):
        read_state_dict(save(TENSORS, pickle_protocol=4))  # torch's unpickler does not know it


def test_globals_allowed_elsewhere_are_put_aside_and_kept(save):
    class Mine:
        pass

    before = get_safe_globals()
    try:
        add_safe_globals([Mine])
        read_state_dict(save(attentive))
        assert set(get_safe_globals()) == {*before, Mine}
        with pytest.raises(CheckpointError):
            read_state_dict(save([1]))
        assert set(get_safe_globals()) == {*before, Mine}
    finally:
        clear_safe_globals()
        add_safe_globals(before)


def test_an_allowed_class_of_the_same_name_is_not_used(save, monkeypatch):
    def rebuild(*args):
        raise AssertionError("ran")

    rebuild.__module__, rebuild.__qualname__ = "publisher_utils", "rebuild"
    before = list(get_safe_globals())
    try:
        add_safe_globals([rebuild])
        assert_tensors(read_state_dict(save(lambda m: {"model": TENSORS, "x": m.Reduced()})))
    finally:
        clear_safe_globals()
        add_safe_globals(before)


# ── malicious files ──────────────────────────────────────────────────────────────────────────────
class Call:
    """Pickled as a call of ``function(*args)``."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call

    def __call__(self):
        """Pickle wants a callable where the function is itself the outcome of a call."""


ATTACKS = {
    "os.system": lambda mark: Call(os.system, f"touch {mark}"),
    "eval": lambda mark: Call(eval, f"open({str(mark)!r}, 'w')"),
    "exec": lambda mark: Call(exec, f"open({str(mark)!r}, 'w')"),
    "open": lambda mark: Call(open, str(mark), "w"),
    "getattr": lambda mark: Call(Call(getattr, Path, "mkdir"), mark),
    "map": lambda mark: Call(list, Call(map, os.mkdir, [str(mark)])),
    "import": lambda mark: Call(builtins.__import__, "antigravity"),
    "pickle.loads": lambda mark: Call(pickle.loads, pickle.dumps(Call(os.mkdir, str(mark)))),
    "torch.load": lambda mark: Call(torch.hub.load, "owner/repo", "model"),
    "rebuild": lambda mark: Call(
        torch._tensor._rebuild_from_type_v2, os.mkdir, torch.Tensor, (str(mark),), {}
    ),
    "rebuild open": lambda mark: Call(
        torch._tensor._rebuild_from_type_v2, open, torch.Tensor, (str(mark), "w"), {}
    ),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_code_in_a_file_never_runs(save, tmp_path, attack):
    """Either the tensors come out or an error does."""
    mark, before = tmp_path / "mark", set(sys.modules)
    for content in ({"state_dict": TENSORS, "x": attack(mark)}, {"state_dict": attack(mark)}, attack(mark)):
        path = save(content)
        try:
            assert_tensors(read_state_dict(path))
        except CheckpointError as error:
            assert "weights_only" not in str(error) and "\n" not in str(error)
        assert not mark.exists() and {p.name for p in tmp_path.iterdir()} == {path.name}
    assert "antigravity" not in sys.modules and set(sys.modules) - before <= {"tarfile"}


def test_the_attacks_would_work_on_a_careless_reader(tmp_path):
    for name in ("os.system", "eval", "open", "getattr", "map", "pickle.loads"):
        mark = tmp_path / name
        thing = pickle.loads(pickle.dumps(ATTACKS[name](mark), 2))
        assert mark.exists(), name
        if hasattr(thing, "close"):
            thing.close()


# ── files that are no checkpoint ─────────────────────────────────────────────────────────────────
def test_a_missing_file(tmp_path):
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(CheckpointError, match=f"No checkpoint at {path}.*Give the path"):
            read_state_dict(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_truncated_file(tmp_path, legacy):
    whole, path = io.BytesIO(), tmp_path / "checkpoint.pth"
    torch.save({"state_dict": TENSORS}, whole, _use_new_zipfile_serialization=not legacy)
    data = whole.getvalue()
    for size in (*range(1, len(data), 37), len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(
            CheckpointError, match=r"checkpoint\.pth (is truncated|is no PyTorch archive).*again"
        ):
            read_state_dict(path)


def _zip(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"abc")
    return file.getvalue()


def _tar(name: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<!DOCTYPE html><title>Quota exceeded</title>", "is a web page"),
        (b"\xef\xbb\xbf\n\n  <html>", "is a web page"),
        (b"", "is empty"),
        (b"\x93NUMPY" + bytes(range(250)), "is no PyTorch archive"),
        (np.random.default_rng(0).bytes(1000), "is no PyTorch archive"),
        (_tar("storages"), "is no PyTorch archive"),
        (pickle.dumps({"a": 1}, 2), "is a pickle, but no PyTorch archive"),
        (b"\x80\x02" + np.random.default_rng(0).bytes(1000), "is truncated or damaged"),
        (_zip("readme.txt"), "is a zip file, but no PyTorch archive"),
        (_zip("a/data.pkl"), "is truncated or damaged"),
    ],
)
def test_a_file_of_another_kind(tmp_path, data, message):
    path = tmp_path / "checkpoint.pth"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=rf"checkpoint\.pth {message}.*(again|another file)"):
        read_state_dict(path)


def test_a_tar_file_is_refused_even_if_it_begins_like_a_pickle(tmp_path, monkeypatch):
    data = bytearray(_tar("xx"))
    data[:2] = b"\x80\x02"
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    path = tmp_path / "checkpoint.pth"
    path.write_bytes(data)
    assert tarfile.is_tarfile(path)
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(CheckpointError, match="is a tar file"):
        read_state_dict(path)


def test_a_safetensors_file_whatever_its_name(tmp_path):
    for name in ("checkpoint.pth", "checkpoint.safetensors"):
        save_file({"w": torch.ones(3)}, tmp_path / name)
        with pytest.raises(CheckpointError, match="is a safetensors file"):
            read_state_dict(tmp_path / name)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:.*torch.jit:FutureWarning")
def test_a_torchscript_program(tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 3), torch.ones(1, 2)), path)
    with pytest.raises(CheckpointError, match="is a TorchScript program"):
        read_state_dict(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "a dict without tensors"),
        ({"state_dict": {}}, "a dict without tensors"),
        ([torch.ones(1)], "a list without tensors"),
        (torch.ones(1), "a Tensor without tensors"),
        ({"epoch": 3, "weights": TENSORS}, "its entry epoch is of type int"),
        ({"state_dict": TENSORS | {"version": "1.0"}}, "its entry version is of type str"),
        ({3: torch.ones(1)}, "its entry 3 is of type Tensor"),
        (lambda m: m.Options(), "a Options without tensors"),
        (lambda m: m.EasyDict(a=1), "its entry a is of type int"),
    ],
)
def test_an_archive_without_a_state_dict(save, content, message):
    with pytest.raises(
        CheckpointError, match=f"holds no state dict: .*{message}.*Expected .*state_dict, .*or model"
    ):
        read_state_dict(save(content))


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_a_whole_model_is_not_executed(save):
    for content in (lambda m: m.Net(), lambda m: {"model": m.Net()}):
        path = save(content)
        message = "a Net without tensors" if save.format == "zip" else "cannot be read without executing code"
        with pytest.raises(CheckpointError, match=message):
            read_state_dict(path)
