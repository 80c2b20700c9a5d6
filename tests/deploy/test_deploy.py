"""deploy: ONNX answers as torch does; fewer bits change little; what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("onnxruntime", reason="extra deploy is not installed")

from regnas_core.deploy import OnnxNetwork, export, for_pictures, to_float16, to_int8, to_onnx
from regnas_core.errors import CheckpointError, DataError, MissingExtraError, PredictionError


def test_an_older_pytorch_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(export, "can_export", lambda: False)
    with pytest.raises(MissingExtraError, match=r"PyTorch 2\.6 or newer; here is \d"):
        to_onnx(nn.Identity().eval(), np.zeros((2, 3)), tmp_path / "a.onnx")


@pytest.fixture(scope="module")
def network(pictures) -> nn.Module:
    """Untrained, but no channel is like another, and logits are scattered around 0."""
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.BatchNorm2d(8),
        nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.3, 0.3)
            nn.init.uniform_(layer.running_var, 0.2, 2)
            nn.init.uniform_(layer.weight, 0.5, 2)
    whole = for_pictures(layers, (0.5, 0.4, 0.6), (0.2, 0.3, 0.25)).eval()
    with torch.no_grad():
        logits = whole(torch.from_numpy(pictures))
        layers[-1].bias -= logits.mean(0)
        for values in (layers[-1].weight, layers[-1].bias):
            values /= logits.std(0)[:, None] if values.ndim > 1 else logits.std(0)
    return whole


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (600, 3, 12, 12), dtype=np.uint8)


@pytest.fixture(scope="module")
def plain(network, pictures, tmp_path_factory):
    if not export.can_export():
        pytest.skip("this PyTorch exports no batches of any size")
    return to_onnx(network, pictures, tmp_path_factory.mktemp("onnx") / "network.onnx")


def by_torch(network: nn.Module, pictures: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(pictures)).numpy()


def test_float32_agrees_with_torch_but_for_ties(network, pictures, plain):
    expected, run = by_torch(network, pictures), OnnxNetwork(plain, threads=1)
    np.testing.assert_allclose(run.logits(pictures), expected, rtol=1e-4, atol=1e-4)
    two = np.sort(expected, 1)[:, -2:]
    clear = two[:, 1] - two[:, 0] > 1e-3
    assert clear.mean() > 0.9 and len(np.unique(expected.argmax(1))) == 5
    np.testing.assert_array_equal(run.predict(pictures)[clear], expected.argmax(1)[clear])


def test_normalisation_is_part_of_the_file(network, pictures):
    mean, std = (np.reshape(v, (3, 1, 1)) for v in ((0.5, 0.4, 0.6), (0.2, 0.3, 0.25)))
    x = torch.from_numpy(((pictures / 255 - mean) / std).astype(np.float32))
    with torch.no_grad():
        np.testing.assert_allclose(by_torch(network, pictures), network[1](x).numpy(), atol=1e-4)


def test_batches_of_any_size_say_the_same(pictures, plain):
    run = OnnxNetwork(plain, threads=1)
    np.testing.assert_allclose(run.logits(pictures[:7]), run.logits(pictures[:7], batch_size=1), atol=1e-5)
    assert run.logits(pictures[:0]).shape == (0, 0)


def test_sixteen_bits_are_close(pictures, plain):
    half = to_float16(plain, plain.with_name("half.onnx"))
    exact, found = (OnnxNetwork(path, threads=1).logits(pictures) for path in (plain, half))
    assert 0 < np.abs(exact - found).max() < 0.02 * np.abs(exact).max()
    assert half.stat().st_size < plain.stat().st_size


@pytest.mark.parametrize("per_channel", [True, False])
def test_eight_bits_are_near_and_the_kernels_do_what_is_written(pictures, plain, per_channel):
    path = to_int8(plain, plain.with_name("int8.onnx"), pictures[:200], per_channel=per_channel)
    exact = OnnxNetwork(plain, threads=1).logits(pictures)
    kernels, written = (
        OnnxNetwork(path, threads=1, simulated=simulated).logits(pictures) for simulated in (False, True)
    )
    spread = exact.std()
    assert 0 < np.abs(exact - written).mean() < 0.2 * spread
    # a processor without VNNI may saturate sums of two products (onnxruntime's documentation)
    assert np.abs(kernels - written).mean() < 0.1 * spread


def test_what_calibrates_matters(pictures, plain):
    dark, light = (
        to_int8(plain, plain.with_name(f"{name}.onnx"), part, calibration="MinMax")
        for name, part in (("dark", pictures[:50] // 8), ("light", pictures[:50]))
    )
    exact = OnnxNetwork(plain, threads=1).logits(pictures)
    off = [np.abs(OnnxNetwork(p, threads=1).logits(pictures) - exact).mean() for p in (dark, light)]
    assert off[0] > 2 * off[1]  # scales of dark pictures cut light ones off


def test_what_is_refused(network, pictures, plain, tmp_path):
    with pytest.raises(DataError, match=r"training mode; call \.eval"):
        to_onnx(nn.Linear(2, 2).train(), pictures, tmp_path / "x.onnx")
    with pytest.raises(DataError, match="two or more"):
        to_onnx(network, pictures[:1], tmp_path / "x.onnx")
    with pytest.raises(DataError, match="No calibration pictures"):
        to_int8(plain, tmp_path / "x.onnx", pictures[:0])
    with pytest.raises(DataError, match="choose one of MinMax"):
        to_int8(plain, tmp_path / "x.onnx", pictures, calibration="best")
    with pytest.raises(PredictionError, match=r"float32 \(2, 3, 12, 12\) do not fit .* tensor\(uint8\)"):
        OnnxNetwork(plain).logits(pictures[:2].astype(np.float32))
    (tmp_path / "broken.onnx").write_bytes(plain.read_bytes()[:500])
    for name in ("broken", "missing"):
        with pytest.raises(CheckpointError, match=f"{name}.onnx cannot be run"):
            OnnxNetwork(tmp_path / f"{name}.onnx")
    assert not list(tmp_path.glob("*x.onnx"))  # nothing half written


def test_logits_that_are_not_finite_are_refused(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Log", ["x"], ["y"])], "logarithm", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "log.onnx")
    run = OnnxNetwork(tmp_path / "log.onnx", threads=1)
    assert run.predict(np.array([[1, 2]], np.float32)).tolist() == [1]
    with pytest.raises(PredictionError, match="not finite"):
        run.predict(np.array([[1, -2]], np.float32))
