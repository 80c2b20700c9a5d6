"""Data sets in miniature: an image tree, ImageNet's, CIFAR-10's files."""

from __future__ import annotations

import pickle
from functools import partial

import numpy as np
import pytest
from imagery import CIFAR10, WNIDS, picture

from regnas_core.data import datasets as data
from regnas_core.data import sources, splits
from regnas_core.data.splits import read_split


@pytest.fixture
def tree(tmp_path):
    """train/: 20 + 10 pictures, val/: 3 + 2, of several sizes and kinds; each is one grey, its number."""
    home = tmp_path / "pictures"
    for part, counts in (("train", (20, 10)), ("val", (3, 2))):
        for name, n in zip(("cat", "dog"), counts, strict=True):
            for i in range(n):
                suffix = (".png", ".PNG", ".bmp")[i % 3]
                picture(
                    home / part / name / f"{i:03}{suffix}",
                    ((40, 40), (48, 64))[i % 2],
                    100 * (name == "dog") + i,
                )
    (home / "train" / "cat" / ".hidden.png").touch()
    (home / "train" / "list.csv").touch()
    return home


@pytest.fixture
def imagenet(tmp_path, monkeypatch):
    """<root>/imagenet with 36 training and 9 validation pictures, and a recorded split for so many."""
    home, rng = tmp_path / "imagenet", np.random.default_rng(0)
    numbers = {"train": iter(range(36)), "val": iter(range(9))}
    for part, count in (("train", (14, 12, 10)), ("val", (3, 3, 3))):
        for k, (wnid, n) in enumerate(zip(WNIDS, count, strict=True)):
            for i in range(n):
                name = f"{wnid}_{100 + i}" if part == "train" else f"ILSVRC2012_val_{10 * i + k:08}"
                shape = tuple(rng.integers(20, 80, 2))
                picture(home / part / wnid / f"{name}.JPEG", shape, 5 * next(numbers[part]))
    order = splits.draw_order(36, seed=0)
    info = {"lists": {"train": 36, "test": 9}, "classes": 3, "seed": 0, "command": "none"}
    splits.write_split(tmp_path / "split", {"calibration": order[:4], "search": order[4:14]}, info)
    monkeypatch.setattr(data, "read_split", partial(read_split, folder=tmp_path / "split"))
    return home


@pytest.fixture
def canonical(tmp_path, monkeypatch):
    """50 + 20 pictures in torchvision's own format; labels are mixed, each picture is one colour."""
    import torchvision

    base, rng = tmp_path / "cifar10" / "cifar-10-batches-py", np.random.default_rng(0)
    base.mkdir(parents=True)
    labels = {"train": rng.permutation(np.arange(50) % 10), "test": rng.permutation(np.arange(20) % 10)}
    colours = {
        part: rng.integers(20, 236, (len(values), 3), dtype=np.uint8) for part, values in labels.items()
    }
    pixels = {part: np.repeat(values, 1024, 1) for part, values in colours.items()}
    for i in range(5):
        batch = {"data": pixels["train"][i::5], "labels": labels["train"][i::5].tolist()}
        (base / f"data_batch_{i + 1}").write_bytes(pickle.dumps(batch))
    (base / "test_batch").write_bytes(
        pickle.dumps({"data": pixels["test"], "labels": labels["test"].tolist()})
    )
    (base / "batches.meta").write_bytes(pickle.dumps({"label_names": CIFAR10}))
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *args: True)
    monkeypatch.setattr(sources, "PARTS", {"train": 50, "test": 20})
    in_batches = np.concatenate([np.arange(50)[i::5] for i in range(5)])
    return {
        "train": (colours["train"][in_batches], labels["train"][in_batches]),
        "test": (colours["test"], labels["test"]),
    }
