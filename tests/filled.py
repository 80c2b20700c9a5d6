"""Work for a process of its own, which imports nothing else from the tests."""

from __future__ import annotations

import numpy as np


def fill(megabytes: int) -> dict:
    return {"sum": int(np.ones(megabytes * 1_000_000, np.uint8).sum())}
