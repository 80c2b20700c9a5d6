"""Draw the splits of ``data_splits/``: ``python -m regnas_core.data.draw glyphs cifar10 imagenet``."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

from ..resources import data_root, project_path
from .glyphs import CLASSES, POOL, SEED, draw_pool
from .sources import luminance, open_source
from .splits import RULE, SPLITS, draw_order, draw_split, write_split

IMAGENET = {"train": 1_281_167, "test": 50_000}  # pictures in ImageNet's lists (ILSVRC 2012)


def _draw_glyphs(folder: Path) -> None:
    images, _ = draw_pool()
    stops = np.cumsum([50_000, 1_024, 10_000, 20_000])
    indices = dict(zip(SPLITS, np.split(np.arange(POOL), stops[:-1]), strict=True))
    info = {
        "dataset": "glyphs",
        "rule": f"Picture i shows class i mod {len(CLASSES)}; the pool is cut into consecutive stretches.",
        "numbering": "All four files number pictures of one pool.",
        "seed": SEED,
        "pixels_sha256": hashlib.sha256(images).hexdigest(),
        "command": "python -m regnas_core.data.draw glyphs",
    }
    write_split(folder, indices, info)


def _draw_cifar10(folder: Path) -> None:
    seed, source = 0, open_source("cifar10", data_root(), download=True)
    cut = draw_split(source.labels["train"], {"calibration": 1_024, "search": 10_000, "train": None}, seed)
    cut |= draw_split(source.labels["test"], {"test": None}, seed)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "luminance.npy", np.concatenate([luminance(part) for part in source.images.values()]))
    info = {
        "dataset": "cifar10",
        "rule": RULE,
        "numbering": "train, calibration and search number the 50,000 training pictures, test numbers the "
        "10,000 test pictures. Both numberings start at 0 and go by class (alphabetical), then by order of "
        "appearance within the class.",
        "fingerprint": "luminance.npy: mean luminance (0-255) of the training, then of the test pictures. "
        "pixels_sha256 is of the copy of CIFAR-10 that it was taken from; other copies differ a little.",
        "pixels_sha256": {part: hashlib.sha256(images).hexdigest() for part, images in source.images.items()},
        "seed": seed,
        "command": "python -m regnas_core.data.draw cifar10",
    }
    write_split(folder, cut, info)


def _draw_imagenet(folder: Path) -> None:
    seed, train, test = 0, IMAGENET["train"], IMAGENET["test"]
    order = draw_order(train, seed)
    info = {
        "dataset": "imagenet",
        "rule": "The numbers of the training list are sorted by the raw stream of NumPy's PCG64(seed), one "
        "value a number. The first 2,048 in this order are calibration, the next 20,000 search, all others "
        "train. test is the whole validation list, sorted likewise. All stay in this order: the first k of a "
        "split are a random sample for every k. (A sorted order would suit disks better, but the files are "
        "read only once, to be decoded.) train and test follow from this and have no file.",
        "numbering": f"train, calibration and search number the {train:,} training pictures, test numbers "
        f"the {test:,} validation pictures. Both numberings start at 0 and go by class folder (WordNet "
        "numbers, alphabetical), then by file name (alphabetical).",
        "lists": IMAGENET,
        "classes": 1000,
        "seed": seed,
        "command": "python -m regnas_core.data.draw imagenet",
    }
    write_split(folder, {"calibration": order[:2_048], "search": order[2_048:22_048]}, info)


def main(arguments: list[str] | None = None) -> None:
    """Draw the shipped splits again, into ``data_splits/``."""
    draw = {"glyphs": _draw_glyphs, "cifar10": _draw_cifar10, "imagenet": _draw_imagenet}
    parser = argparse.ArgumentParser(prog="python -m regnas_core.data.draw", description=main.__doc__)
    parser.add_argument("datasets", nargs="+", choices=draw)
    parser.add_argument("--out", type=Path, help="write here instead of data_splits/")
    options = parser.parse_args(arguments)
    for name in options.datasets:
        folder = (options.out or project_path("data_splits")) / name
        draw[name](folder)
        print(f"wrote {folder}")


if __name__ == "__main__":
    main()
