"""Settings that every test shares. Nothing heavy is imported here."""

from __future__ import annotations

import os
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TQDM_DISABLE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:  # several processes share the cores; torch reads this on import
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def lively() -> SimpleNamespace:
    """An untrained super-network whose sub-networks disagree, and pictures for it.

    ``lively.net(name, seed, **options)``; ``lively.pictures(n, shape, seed)``, uint8 (n, *shape).
    """
    import torch

    from regnas_core import load_supernet

    def net(name: str, seed: int = 0, **options):
        net = load_supernet(name, f"random:{seed}", **options)
        generator = torch.Generator().manual_seed(seed)
        for key, w in net.weights.items():
            if not key.startswith("head"):  # BatchNorm's scales and shifts too
                w.add_(0.1 * torch.randn(w.shape, generator=generator))
        classifier = net.weights["head.linear.weight"]
        classifier.normal_(generator=generator)
        classifier.sub_(classifier.mean(1, keepdim=True))  # else one class wins on every picture
        return net

    def pictures(n: int, shape: tuple[int, int, int], seed: int) -> np.ndarray:
        rng, (c, h, w) = np.random.default_rng(seed), shape
        coarse = rng.integers(0, 256, (n, c, 2, 2), np.uint8)  # noise looks all the same to a network
        return np.ascontiguousarray(coarse.repeat(h // 2, axis=2).repeat(w // 2, axis=3))

    return SimpleNamespace(net=net, pictures=pictures)
