"""Pictures of one grey each, written and told apart again; for the tests of data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from regnas_core.data.datasets import ImageSet

# ImageNet in miniature has its names for 3 classes
WNIDS = ("n01440764", "n01443537", "n15075141")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def picture(path: Path, shape: tuple[int, int] = (40, 40), value: int = 100, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*shape, 3), value, np.uint8)).save(path, **options)


def keys(images: ImageSet) -> list[int]:
    return images.images[:, 0, 0, 0].tolist()


def numbers(images: ImageSet) -> list[int]:
    assert np.ptp(images.images.astype(int), axis=(1, 2, 3)).max() == 0  # one grey, as it was made
    return np.rint(images.images[:, 0, 0, 0] / 5).astype(int).tolist()


def as_tree(home: Path, canonical: dict) -> None:
    """The pictures of CIFAR-10 in miniature as train/<class>/<number>.jpg and test/…"""
    for part, (colours, labels) in canonical.items():
        seen = dict.fromkeys(CIFAR10, 0)
        for colour, label in zip(colours, labels, strict=True):
            path = home / part / CIFAR10[label] / f"{seen[CIFAR10[label]]:04}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.tile(colour, (32, 32, 1))).save(path, quality=75)
            seen[CIFAR10[label]] += 1
