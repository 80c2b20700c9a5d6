"""Settings that every test shares. Nothing heavy is imported here."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
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


@pytest.fixture(scope="session")
def make_bench(lively) -> Callable:
    """``make_bench(out, **changes)``: a workbench on 16 px pictures with searches of 8 + 6 networks.

    ``changes`` set keys of the preset. Its data set opens the splits that ``splits`` names, no others.
    """
    from regnas_core.data.datasets import Dataset, ImageSet
    from regnas_core.workbench.presets import Preset
    from regnas_core.workbench.workbench import Workbench

    shape, classes = (1, 16, 16), tuple("abcd")
    options = {"image": shape, "classes": 4, "stem": 4, "head": 16, "widths": (6, 8, 8)}
    sizes = {"calibration": 40, "search": 60, "test": 70, "train": 130}
    net = lively.net("mini", **options)

    def opened(split: str) -> ImageSet:
        seed = list(sizes).index(split)
        labels = np.random.default_rng(seed).integers(0, 4, sizes[split])
        return ImageSet(lively.pictures(sizes[split], shape, seed), labels, classes, f"toy/{split}")

    def make(out, splits=("calibration", "search", "test"), net=net, **changes) -> Workbench:
        def open_split(split: str) -> ImageSet:
            assert split in splits, f"the {split} split was opened"
            return opened(split)

        tree = {
            "name": "toy",
            "title": "Toy",
            "data": {"name": "folder"},
            "supernet": {"options": options},
            "search": {"reference_mmacs": 0.07, "target_mmacs": 0.14, "generations": 2, "population": 8},
            "samples": 4,
            "seeds": 2,
            "device": "cpu",
        }
        data = Dataset("folder", classes, net.mean, net.std, shape[1], "made here", open_split)
        return Workbench(
            Preset(**(tree | changes)), "toy", data, net, out / "runs" / "toy", out / "figures" / "toy"
        )

    return make


@pytest.fixture(scope="session")
def state_file(lively, tmp_path_factory) -> Callable[..., Path]:
    """``state_file(name, seed)``: untrained weights of a baseline that does not see one class everywhere."""
    import torch
    from torch import nn

    from regnas_core.evaluation.baselines import load_baseline

    home, pictures = tmp_path_factory.mktemp("weights"), lively.pictures(24, (3, 112, 112), 0)

    def make(name: str, seed: int = 0) -> Path:
        path = home / f"{name}-{seed}.pth"
        if not path.exists():
            baseline = load_baseline(name, f"random:{seed}")
            layers = list(baseline.network.modules())
            for layer in layers:
                if isinstance(layer, nn.BatchNorm2d):
                    layer.train().momentum = 1.0  # statistics of the pictures below
            classifier = [layer for layer in layers if isinstance(layer, nn.Linear)][-1]
            x = baseline.normalise(torch.from_numpy(pictures))
            with torch.no_grad():
                classifier.weight.normal_(generator=torch.Generator().manual_seed(seed))
                baseline.network(x)
                classifier.bias.sub_(baseline.network.eval()(x).mean(0))  # no class wins by itself
            torch.save(baseline.network.state_dict(), path)
        return path

    return make


@pytest.fixture
def bench(make_bench, tmp_path):
    """A workbench of its own for each test."""
    return make_bench(tmp_path)


@pytest.fixture
def archs(bench) -> list:
    """Five of its architectures, drawn at random."""
    rng = np.random.default_rng(0)
    return [bench.space.sample(rng) for _ in range(5)]


@pytest.fixture
def predicted(monkeypatch) -> Counter:
    """How often each architecture has been run."""
    from regnas_core import Evaluator

    counts, predict = Counter(), Evaluator.predict

    def counted(self, archs, images, **kwargs):
        counts.update(archs)
        return predict(self, archs, images, **kwargs)

    monkeypatch.setattr(Evaluator, "predict", counted)
    return counts
