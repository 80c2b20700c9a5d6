"""Work for a process of its own, which imports nothing else from the tests."""

from __future__ import annotations

import os

import numpy as np

from regnas_core.bench.scaling import _with_peak


def fill(megabytes: int) -> dict:
    """Memory is filled; before and after, the peak is looked at."""
    before = _with_peak(dict)["peak_gbytes"]
    total = int(np.ones(megabytes * 1_000_000, np.uint8).sum())
    return {"sum": total, "before_gbytes": before, "process": os.getpid()}
