"""How the cost of evaluation, and of counting flips, grows."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from ..evaluate import pick_device
from ..flips import nfr_matrix
from ..supernet import load_supernet
from .routes import conditions, default_budget, generations, sharing, workload

POINTS = {
    "population": (1, 4, 12, 48),
    "generation": (1, 5, 10, 20),
    "images": (64, 256, 1024),
    "resolution": (128, 160, 192, 224),
}


def growth(
    space: str = "ofa-mbv3-w1.0",
    *,
    networks: int = 12,
    images: int = 256,
    calibration: int = 128,
    resolution: int = 160,
    points: dict[str, tuple[int, ...]] | None = None,
    device: str = "auto",
    progress: bool = True,
) -> tuple[pd.DataFrame, dict]:
    """Seconds a network, and peak memory, as one thing grows and the others stay.

    Args:
        space: super-network, with random weights.
        networks, images, calibration, resolution: what stays; networks are the first of a generation.
        points: values of "population" (networks that are evaluated together), "generation" (of a search),
            "images" and "resolution".
        device: where.
        progress: whether to show a bar.

    Returns:
        A table, one row a point: axis, value, networks, seconds_per_network, distinct_macs (share of the
        networks' MACs that was done), peak_gbytes (of new memory, None where that cannot be told); and the
        conditions.
    """
    points = points or POINTS
    rows, device = [], pick_device(device)
    runs = [(axis, value) for axis, values in points.items() for value in values]
    for axis, value in tqdm(runs, "points", leave=False, disable=not progress):
        size = value if axis == "resolution" else resolution
        net = load_supernet(
            space, "random:0", **({} if space.startswith("mini") else {"resolutions": (size,)})
        )
        number = value if axis == "generation" else 1
        born = generations(net.space, default_budget(net.space), (number,))[number]
        archs = born[: value if axis == "population" else networks]
        channels, size, _ = net.space.input_shape(net.space.smallest)
        work = workload(net, (channels, size), calibration, value if axis == "images" else images)
        evaluator = work.evaluator(device=device)
        evaluator.predict(archs[:1], work.images[:16])  # the first call of a shape is slower
        start = time.perf_counter()
        _, peak = peak_memory(lambda e=evaluator, a=archs, w=work: e.predict(a, w.images), device)
        rows.append(
            {
                "axis": axis,
                "value": value,
                "networks": len(archs),
                "seconds_per_network": (time.perf_counter() - start) / len(archs),
                "distinct_macs": sharing(net.space, archs),
                "peak_gbytes": None if peak is None else peak / 1e9,
            }
        )
    fixed = {"networks": networks, "images": images, "calibration": calibration, "resolution": resolution}
    return pd.DataFrame(rows), {"name": space, **fixed, **conditions(device)}


def flips_at_scale(
    models: int = 1525, images: int = 50_000, classes: int = 1000
) -> tuple[pd.DataFrame, dict]:
    """All pairwise NFRs of a whole search on the validation images: seconds and memory.

    Predictions are random, three out of four right; their values do not matter to speed.
    """
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, images)
    wrong = rng.random((models, images)) < 0.25
    predictions = np.where(wrong, (labels + 1) % classes, labels).astype(np.uint16)
    start = time.perf_counter()
    matrix, peak = peak_memory(lambda: nfr_matrix(predictions, labels), torch.device("cpu"))
    row = {
        "models": models,
        "images": images,
        "pairs": models * (models - 1) // 2,
        "seconds": time.perf_counter() - start,
        "peak_gbytes": None if peak is None else peak / 1e9,
        "mean_nfr_pct": 100 * matrix[np.triu_indices(models, 1)].mean(),
    }
    return pd.DataFrame([row]), conditions(torch.device("cpu"))


def peak_memory(work: Callable[[], Any], device: torch.device) -> tuple[Any, int | None]:
    """What ``work`` returns, and the bytes that it took at its peak, beyond what was there before.

    On a CPU that is the process's resident memory, which Linux tells and other systems do not (None).
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        result = work()
        return result, torch.cuda.max_memory_allocated(device) - before
    try:
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
        before = _resident("VmRSS")
    except (OSError, KeyError):
        return work(), None
    result = work()
    return result, _resident("VmHWM") - before


def _resident(field: str) -> int:
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0]: int(words[1]) * 1024 for words in lines if words[-1] == "kB"}[f"{field}:"]
