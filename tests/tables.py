"""A tabular benchmark of few networks with random bits, larger networks right more often."""

from __future__ import annotations

import numpy as np

from regnas_core import get_space
from regnas_core.spaces.tied import TiedSpace
from regnas_core.tabular.benchmark import TabularBenchmark
from regnas_core.tabular.bits import pack
from regnas_core.tabular.format import Contents

SMALL = {
    "mini": {"widths": (16, 24), "strides": (2, 1), "kernels": (3, 5), "depths": (1, 2)},
    "mini-resnet": {
        "widths": (16, 24),
        "strides": (1, 2),
        "multipliers": (0.75, 1.0),
        "expansions": (0.5, 0.625),
        "depths": (1, 3),
    },
}
IMAGES = {"search": 130, "test": 200}


def contents(name: str = "mini", seed: int = 0) -> Contents:
    space = get_space(name, tied=True, **SMALL[name])
    assert isinstance(space, TiedSpace)
    archs, rng = list(space.all()), np.random.default_rng(seed)
    macs = np.array([space.macs(arch) for arch in archs])
    skill = 0.5 + 0.4 * (macs - macs.min()) / np.ptp(macs)
    right = {split: rng.random((len(archs), n)) < skill[:, None] for split, n in IMAGES.items()}
    return Contents(
        space,
        space.grid(archs),
        macs,
        np.array([space.params(arch) for arch in archs]),
        {split: pack(r) for split, r in right.items()},
        {split: rng.integers(0, 20, n) for split, n in IMAGES.items()},
        {"preset": "toy"},
    )


def table(name: str = "mini", seed: int = 0) -> TabularBenchmark:
    return TabularBenchmark.of(contents(name, seed))
