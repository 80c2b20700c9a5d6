"""How the cost of evaluation, and of counting flips, grows."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from ..evaluation.evaluator import pick_device
from ..flips.right import nfr_matrix
from .routes import conditions, default_budget, generations, random_workload, sharing

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
        networks' MACs that was done), peak_gbytes (of a process of its own, libraries included) and, on a
        GPU, peak_gpu_gbytes; and the conditions.
    """
    fixed = {"networks": networks, "images": images, "calibration": calibration, "resolution": resolution}
    runs = [(axis, value) for axis, values in (points or POINTS).items() for value in values]
    rows = []
    for axis, value in tqdm(runs, "points", leave=False, disable=not progress):
        row = in_a_process_of_its_own(_point, space, axis, value, fixed, device)
        rows.append({"axis": axis, "value": value, **row})
    return pd.DataFrame(rows), {"name": space, **fixed, **conditions(pick_device(device))}


def _point(space: str, axis: str, value: int, fixed: dict[str, int], device: str) -> dict:
    """One point of :func:`growth`: seconds, sharing, and the GPU's memory if there is one."""
    given = {"population": fixed["networks"], "generation": 1, **fixed, axis: value}
    work = random_workload(space, given["resolution"], given["calibration"], given["images"])
    net, number = work.net, given["generation"]
    archs = generations(net.space, default_budget(net.space), (number,))[number][: given["population"]]
    evaluator = work.evaluator(device=device)
    evaluator.predict(archs[:1], work.images[:16])  # the first call of a shape is slower
    start = time.perf_counter()
    evaluator.predict(archs, work.images)
    row = {
        "networks": len(archs),
        "seconds_per_network": (time.perf_counter() - start) / len(archs),
        "distinct_macs": sharing(net.space, archs),
    }
    if evaluator.device.type == "cuda":
        row["peak_gpu_gbytes"] = torch.cuda.max_memory_allocated(evaluator.device) / 1e9
    return row


def flips_at_scale(
    models: int = 1525, images: int = 50_000, classes: int = 1000
) -> tuple[pd.DataFrame, dict]:
    """All pairwise NFRs of a whole search on the validation images: seconds and memory.

    Predictions are random, three out of four right; their values do not matter to speed.
    """
    row = in_a_process_of_its_own(_pairs, models, images, classes)
    return pd.DataFrame([row]), conditions(torch.device("cpu"))


def _pairs(models: int, images: int, classes: int) -> dict:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, images)
    predictions = np.empty((models, images), np.uint16)
    for row in predictions:
        row[:] = np.where(rng.random(images) < 0.25, (labels + 1) % classes, labels)
    start = time.perf_counter()
    matrix = nfr_matrix(predictions, labels)
    return {
        "models": models,
        "images": images,
        "pairs": models * (models - 1) // 2,
        "seconds": time.perf_counter() - start,
        "mean_nfr_pct": 100 * matrix[np.triu_indices(models, 1)].mean(),
    }


def in_a_process_of_its_own(work: Callable[..., dict], *args) -> dict:
    """What ``work`` returns, with ``peak_gbytes``: the most that its process held, libraries included.

    Only Linux tells; elsewhere it is None.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_with_peak, work, *args).result()


def _with_peak(work: Callable[..., dict], *args) -> dict:
    found = work(*args)
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peaks = [int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith("VmHWM")]
    return {**found, "peak_gbytes": peaks[0] if peaks else None}
