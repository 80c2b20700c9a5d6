"""Predictions to teach with: a few networks of different size on one test set.

The demo's lesson ships with the package, so that the first notebook needs NumPy and matplotlib only,
no training, no download and no torch. Other presets compute theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PACKAGED = Path(__file__).with_name("lesson.npz")
PICTURES = 48  # flipped images that are kept to look at
LESSON = {  # of the demo's preset: a narrower super-network, whose large network breaks more of what worked
    "supernet.space": "mini",
    "supernet.options.tied": False,
    "search.reference_mmacs": 1.3,
    "search.target_mmacs": 2.6,
    "search.sweep": [],
    "data.search_images": 6000,
}


@dataclass(frozen=True, eq=False)
class Lesson:
    """Networks ordered by size, and some of the images that the largest flips.

    Attributes:
        names: of M networks, such as ``"1.3M"`` for 1.3 mega multiply-accumulates.
        predictions: uint8 or uint16 (M, N).
        labels: int64 (N,).
        classes: class names.
        pictures: uint8 (P, C, H, W), images that the smallest network gets right and the largest wrong.
        picture_index: int64 (P,), which of the N images they are.
    """

    names: tuple[str, ...]
    predictions: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    pictures: np.ndarray
    picture_index: np.ndarray


def load_lesson(
    preset: str = "demo", overrides: dict[str, Any] | None = None, *, seed: int | None = None
) -> Lesson:
    """For the plain demo preset the packaged lesson, of the super-network ``mini``; else the preset's own."""
    if preset == "demo" and not overrides and seed is None and PACKAGED.exists():
        with np.load(PACKAGED) as saved:
            return Lesson(
                **{
                    k: tuple(saved[k].tolist()) if k in ("names", "classes") else saved[k]
                    for k in saved.files
                }
            )
    from ..workbench.workbench import open_workbench

    return make_lesson(open_workbench(preset, overrides, seed=seed))


def make_lesson(bench) -> Lesson:
    """Run four sub-networks, from the smallest to the largest, on a workbench's test images."""
    space, rng = bench.space, np.random.default_rng(bench.preset.seed)
    search = bench.preset.search
    archs = [
        space.smallest,
        space.sample(
            rng, min_cost=0.9e6 * search.reference_mmacs, max_cost=1e6 * search.reference_mmacs, tries=10_000
        ),
        space.sample(rng, min_cost=0.95e6 * search.target_mmacs, max_cost=1e6 * search.target_mmacs),
        space.largest,
    ]
    predictions, test = bench.predictions(archs, "test"), bench.images("test")
    flipped = np.flatnonzero((predictions[0] == test.labels) & (predictions[-1] != test.labels))[:PICTURES]
    return Lesson(
        names=tuple(f"{space.macs(a) / 1e6:.2g}M" for a in archs),
        predictions=predictions,
        labels=test.labels,
        classes=tuple(bench.data.classes),
        pictures=np.asarray(test.images[flipped]),
        picture_index=flipped,
    )


def main() -> None:
    """Write the packaged lesson again: ``python -m regnas_core.reproduction.lesson``."""
    from ..files import write_atomically
    from ..workbench.workbench import open_workbench

    lesson = make_lesson(open_workbench("demo", LESSON))
    write_atomically(PACKAGED, lambda part: np.savez_compressed(part, **vars(lesson)))


if __name__ == "__main__":
    main()
