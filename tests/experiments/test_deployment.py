"""deployment: arithmetic by hand, and one sub-network from weights to answers."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("onnxruntime", reason="extra deploy is not installed")

import regnas_core as rc
from regnas_core.data import ImageSet
from regnas_core.deploy.export import can_export
from regnas_core.errors import PredictionError
from regnas_core.experiments import deployment


@pytest.fixture
def frame() -> pd.DataFrame:
    """Ten images of class 0, which is right; 1 is wrong."""
    answers = {
        "small on float32": [0] * 8 + [1] * 2,
        "small on int8": [1] + [0] * 8 + [1],
        "a on float32": [1] * 3 + [0] * 7,
        "a on int8": [1] * 2 + [0] * 8,
        "b on float32": [1] * 1 + [0] * 9,
        "b on int8": [0] * 7 + [1] * 3,
    }
    return pd.DataFrame({"label": [0] * 10, **answers})


def test_what_deployment_alone_flips(frame):
    found = deployment.alone(frame).set_index("network")
    assert list(found["platform"]) == ["int8"] * 3
    small, b = found.loc["small"], found.loc["b"]
    assert (small.nfr_pct, small.pfr_pct, small.churn_pct, small.top1_change_pct) == (10, 10, 20, 0)
    assert (b.nfr_pct, b.pfr_pct, b.churn_pct) == (30, 10, 40) and b.top1_change_pct == pytest.approx(-20)
    assert b.nfr_low_pct < 30 < b.nfr_high_pct


def test_what_is_left_of_a_gain(frame):
    found = deployment.gains(frame, "small", ["a"], ["b"], platforms=("float32", "int8"))
    cells = found.set_index(["reference_on", "target_on"])
    assert cells[["plain_pct", "better_pct", "gain_pct"]].round(6).to_numpy().tolist() == [
        [30, 10, 20],
        [20, 10, 10],  # of b's three errors on int8 the reference has one right
        [20, 0, 20],
        [10, 20, -10],
    ]
    difference = np.array([0, 1, 1] + [0] * 7)
    half = 1.959964 * difference.std(ddof=1) / np.sqrt(10)
    row = cells.loc["float32", "float32"]
    assert row.gain_high_pct - row.gain_pct == pytest.approx(100 * half, rel=1e-5)
    averaged = deployment.gains(frame, "small", ["a", "b"], ["b"], platforms=("float32",))
    assert averaged["plain_pct"].item() == pytest.approx(20)
    with pytest.raises(PredictionError, match=r"no answers of c; there are those of small, a, b"):
        deployment.gains(frame, "small", ["c"], ["b"])


@pytest.mark.skipif(not can_export(), reason="this PyTorch exports no batches of any size")
def test_a_sub_network_answers_on_every_platform(tmp_path):
    net, rng = rc.load_supernet("mini"), np.random.default_rng(0)
    shape = net.space.input_shape(net.space.smallest)
    images = rng.integers(0, 256, (96, *shape), dtype=np.uint8)
    labels = rng.integers(0, 20, 96)
    sets = {
        name: ImageSet(part, labels[: len(part)], ("?",) * 20, name)
        for name, part in (("calibration", images[:64]), ("test", images[64:]))
    }
    arch = net.space.smallest
    found = deployment.answers(net, {"tiny": arch}, SimpleNamespace(**sets), tmp_path, threads=1)
    assert list(found) == ["label", *(f"tiny on {p}" for p in deployment.PLATFORMS)]
    expected = rc.Evaluator(net, images[:64], device="cpu").predict([arch], images[64:])[0]
    for platform, most in (("torch", 1), ("float32", 1), ("float16", 3), ("int8", 16)):
        assert (found[f"tiny on {platform}"] != expected).sum() <= most, platform
    assert {path.name for path in tmp_path.iterdir()} == {
        f"tiny{end}.onnx" for end in ("", "-float16", "-int8", "-int8-by-tensor")
    }
