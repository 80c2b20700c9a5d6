"""What a tabular benchmark costs: neighbours of a tied space at once, one by one, and once-for-all's way."""

from __future__ import annotations

import pandas as pd

from ..spaces import get_space
from ..spaces.tied import TiedSpace
from .routes import measured, random_workload


def tabulate(
    space: str = "mini-cifar10-wide",
    *,
    images: int = 2048,
    calibration: int = 1024,
    networks: int = 512,
    baseline: int = 6,
    device: str = "auto",
    progress: bool = True,
) -> tuple[pd.DataFrame, dict]:
    """Time a stretch of the middle of a tied space, as ``regnas tabulate`` evaluates it.

    Args:
        space: super-network, with random weights.
        images, calibration: how many are predicted and recalibrated on.
        networks: neighbours that are evaluated together.
        baseline: networks that run one by one, and once-for-all's way.
        device: where.
        progress: whether to show bars.

    Returns:
        Table and summary of ``regnas bench evaluate`` for the group ``stretch``; and networks_per_second,
        space_networks, and space_hours, which the whole space would take.
    """
    tied = get_space(space, tied=True)
    assert isinstance(tied, TiedSpace)
    batches = {"calibration_batch": 256, "batch_size": 128}  # those of a preset
    work = random_workload(space, 32, calibration, images, **batches)
    archs = [tied.untie(arch) for arch in tied.all()]
    start = len(archs) // networks // 2 * networks
    groups = {"stretch": archs[start : start + networks]}
    table, summary = measured(work, groups, baseline=baseline, device=device, progress=progress)
    seconds = table.set_index("route")["seconds_per_network"]["generation"]
    return table, {
        **summary,
        "networks_per_second": round(1 / seconds, 3),
        "space_networks": len(archs),
        "space_hours": round(len(archs) * seconds / 3600, 3),
    }
