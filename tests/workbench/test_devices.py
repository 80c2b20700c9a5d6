"""devices: what other devices predicted is kept apart, and differences are counted."""

from __future__ import annotations

import numpy as np
import pytest

from regnas_core.workbench import devices
from regnas_core.workbench.devices import compare_devices
from regnas_core.workbench.store import PredictionStore


def test_differences_between_devices_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "CHUNK", 2)
    classes = np.random.default_rng(0).integers(0, 9, (4, 30))
    own = PredictionStore(tmp_path / "net-ab-cpu-float32-v1", 30)
    assert compare_devices(own).empty
    own.write(list("abcd"), classes)
    other = classes.copy()
    other[1, 3], other[3, 5:7] = 9, 9
    PredictionStore(tmp_path / "net-ab-cuda-float32-v1", 30).write(list("bcdx"), other[[1, 2, 3, 0]])
    PredictionStore(tmp_path / "net-ab-cuda-float32-v1-0-10", 10).write(["a"], classes[:1, :10])
    PredictionStore(tmp_path / "net-cd-cuda-float32-v1", 30).write(["a"], classes[:1])
    (row,) = compare_devices(own).to_dict("records")
    assert row == {"how": "cuda-float32-v1", "networks": 3, "predictions": 90, "differing": 3}


@pytest.mark.slow
def test_a_workbench_tells_what_bfloat16_changes(make_bench, tmp_path):
    single, half = (
        make_bench(tmp_path, evaluation={"precision": precision}) for precision in ("float32", "bfloat16")
    )
    archs = [single.space.smallest, single.space.largest]
    a, b = (bench.predictions(archs, "search") for bench in (single, half))
    (row,) = compare_devices(single.store("search")).to_dict("records")
    assert row["how"].startswith("cpu-bfloat16") and row["differing"] == (a != b).sum()
