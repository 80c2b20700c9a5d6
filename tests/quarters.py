"""Pictures whose class is easy to learn, a workbench of them, and runs that are killed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from regnas_core import SuperNet
from regnas_core.data.datasets import ImageSet
from regnas_core.supernets import training
from regnas_core.supernets.distillation import Objective
from regnas_core.supernets.supernet import random_weights
from regnas_core.supernets.training import Recipe
from regnas_core.workbench.workbench import Workbench

CE, KL, LM = Objective(), Objective("FD-KL", weight=0.2, temperature=1), Objective("FD-LM", weight=0.2)
RECIPE = Recipe(epochs=2, batch_size=32, lr=0.05, shift=1, flip=False)
SIZES = {"train": 128, "calibration": 64, "search": 50, "test": 60}


def quarters(split: str, n: int | None = None) -> ImageSet:
    """The class is the bright quarter of the picture."""
    n = n or SIZES[split]
    rng = np.random.default_rng(list(SIZES).index(split))
    labels = np.arange(n) % 4
    images = rng.integers(0, 100, (n, 1, 16, 16), np.uint8)
    for label in range(4):
        row, col = 8 * (label // 2), 8 * (label % 2)
        images[labels == label, :, row : row + 8, col : col + 8] += 120
    return ImageSet(images, labels, tuple("abcd"), f"toy/{split}")


def kill_in_epoch(monkeypatch, epoch: int):
    """End the run at the beginning of an epoch, counted from 0."""
    run_epoch = training._epoch

    def dies(*args):
        if args[4] == epoch:
            raise KeyboardInterrupt
        return run_epoch(*args)

    monkeypatch.setattr(training, "_epoch", dies)


def scratch(bench, seed: int = 0) -> SuperNet:
    return replace(bench.net, weights=random_weights(bench.space, seed))


def easy_bench(make_bench, out: Path, net=None, open_split=quarters, **changes) -> Workbench:
    """A workbench of these pictures, with ``changes`` of its preset."""
    changes = {"training": {"batch_size": 32, "shift": 1, "flip": False}} | changes
    bench = make_bench(out, **({} if net is None else {"net": net}), **changes)
    return replace(bench, data=replace(bench.data, open_split=open_split))
