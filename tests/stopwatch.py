"""A small super-network, and latency tables of it whose clock the tests hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from regnas_core import load_supernet
from regnas_core.costs.timing import LatencyTable

TINY = {"kernels": (3, 5), "expansions": (2,), "depths": (1, 2)}  # 14 different steps
NET = load_supernet("mini", "random:0", **TINY)
SPACE = NET.space
SMALL, LARGE = SPACE.smallest, SPACE.largest


class Clock:
    """A timer that runs nothing. Time is that of ``tell(work)`` plus ``extra`` in turn, by rounds."""

    def __init__(self, tell: Callable | None = None, extra=(0,), stop_after: float = np.inf) -> None:
        self.tell, self.extra, self.stop_after = tell or self.size, extra, stop_after
        self.calls: list = []

    @staticmethod
    def size(work) -> float:
        """A time that tells most steps apart: values that go in, and functions that are applied."""
        layers, x = work.args
        return x.numel() / 1024 + 16 * len(layers)

    def __call__(self, work) -> float:
        if len(self.calls) >= self.stop_after:
            raise KeyboardInterrupt
        self.calls.append(work)
        turn = sum(call is work for call in self.calls) - 1
        return self.tell(work) + self.extra[turn % len(self.extra)]


def no_clock(work):
    raise AssertionError("nothing should be timed")


def table(path=None, timer=no_clock, net=NET, **options) -> LatencyTable:
    return LatencyTable(net, path, device="cpu", timer=timer, **{"warmup": 0, "repeats": 3, **options})
