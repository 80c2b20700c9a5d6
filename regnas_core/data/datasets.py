"""Data sets: named pictures in four disjoint splits (train, calibration, search, test).

    >>> import regnas_core as rc
    >>> data = rc.load_dataset("glyphs", limit=100)  # doctest: +SKIP
    >>> data.search.images.shape  # doctest: +SKIP
    (100, 1, 32, 32)

Pictures are looked for, and kept, under ``REGNAS_DATA`` (default: the user's cache folder).
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..files import write_atomically
from ..resources import data_root
from . import glyphs, sources
from .images import ImageSet
from .pictures import INTERPOLATIONS
from .splits import SPLITS, draw_split, read_split
from .trees import decode

# Mean and standard deviation of each channel over the training pictures, in [0, 1].
NORMALISATION = {
    "glyphs": (glyphs.MEAN, glyphs.STD),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "fashion-mnist": ((0.2860,), (0.3530,)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
NORMALISATION["folder"] = NORMALISATION["imagenet"]
DATASETS = tuple(NORMALISATION)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set. A split is decoded when it is first looked at.

    Attributes:
        name: one of :data:`DATASETS`.
        classes: names in label order.
        mean, std: of each channel over the training pictures, in [0, 1].
        size: side of the pictures in pixels.
        source: where the pictures come from, in words, without paths of this machine.
        counts: pictures of each split, known without decoding them (those that turn out broken included).
        train: pictures that weights are trained on.
        calibration: pictures that BatchNorm statistics are measured on.
        search: pictures that the search scores architectures on; never trained on.
        test: pictures that results are reported on.
    """

    name: str
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int
    source: str
    open_split: Callable[[str], ImageSet] = field(repr=False)
    counts: Mapping[str, int] = field(default_factory=dict, repr=False)

    train = cached_property(lambda self: self.open_split("train"))
    calibration = cached_property(lambda self: self.open_split("calibration"))
    search = cached_property(lambda self: self.open_split("search"))
    test = cached_property(lambda self: self.open_split("test"))


def load_dataset(
    name: str,
    *,
    path: str | Path | None = None,
    root: str | Path | None = None,
    size: int | None = None,
    resize: int | None = None,
    interpolation: str = "bilinear",
    limit: int | Mapping[str, int | None] | None = None,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
    download: bool = True,
) -> Dataset:
    """Open a data set.

    "glyphs" (32 px, grey) is computed on first use. "cifar10" (32 px) is read from an image tree, an
    archive of one or torchvision's files, or else downloaded; "cifar100" (32 px) and "fashion-mnist"
    (28 px, grey) from torchvision's files, or downloaded. "imagenet" and "folder" are trees
    ``train/<class>/<picture>`` with ``val/`` or ``test/`` alike; a split is decoded on first use and kept.
    "imagenet" has a recorded split, for the whole of ILSVRC 2012; a subset of it is opened with ``sizes``.
    Warnings count what a tree holds beside pictures, pictures that cannot be decoded, which are left out, and
    classes of which a split has none.

    Args:
        name: one of :data:`DATASETS`.
        path: the tree, for "folder" (and for "imagenet", if it is not in ``<root>/imagenet``).
        root: where data lies and is kept; default :func:`regnas_core.resources.data_root`.
        size: side of the pictures in pixels; for trees (default 224), fixed for the others.
        resize: for trees: resize the shorter side to so many pixels, then cut out the centre, as
            torchvision's ``Resize`` and ``CenterCrop`` do. "imagenet": by default ``size / 0.875``, rounded
            up, as the publishers of OFA do; "folder": by default, other sizes are resized to a square.
        interpolation: of that, for trees: "bilinear" or "bicubic".
        limit: use only the first so many pictures of each split, or of those named, as ``{"test": 500}``.
        sizes: pictures in "calibration" and "search", where no split is shipped, and for "imagenet" instead
            of the shipped one; they are cut out of the training pictures (defaults: 1,024 or a tenth, 10,000
            or a fifth, whichever is less).
        seed: of that cut.
        download: whether what is missing may be downloaded.

    Raises:
        DataError: unknown name, missing or damaged data, or an argument that the data set does not take.
    """
    root = Path(root).expanduser() if root else data_root()
    limits = _limits(limit)
    if name in ("imagenet", "folder"):
        view = _view(name, size, resize, interpolation)
        return _open_tree(name, path, root, view, limits, sizes, seed)
    if name not in DATASETS:
        raise DataError(f"Unknown data set {name!r}; choose one of {', '.join(DATASETS)}.")
    native = _native_size(name)
    if (path, resize, interpolation) != (None, None, "bilinear") or size not in (None, native):
        raise DataError(
            f"{name} has a size of its own ({native} pixels) and takes neither path, resize nor "
            "interpolation; use name='folder' for pictures at another size or place."
        )
    if name in ("glyphs", "cifar10") and sizes is not None:
        raise DataError(f"The splits of {name} are shipped (data_splits/{name}); give limit, not sizes.")
    if name == "glyphs":
        return _open_glyphs(root, limits)
    return _open_benchmark(name, root, limits, sizes, seed, download)


def _native_size(name: str) -> int:
    return 28 if name == "fashion-mnist" else 32


def _limits(limit: int | Mapping[str, int | None] | None) -> dict[str, int | None]:
    limits = dict(limit) if isinstance(limit, Mapping) else dict.fromkeys(SPLITS, limit)
    if unknown := set(limits) - set(SPLITS):
        raise DataError(f"limit names {', '.join(sorted(unknown))}; the splits are {', '.join(SPLITS)}.")
    if any(n is not None and n < 1 for n in limits.values()):
        raise DataError(f"limit must be at least 1 picture, not {limit}.")
    return limits


def _counts(indices: Mapping, limits: Mapping) -> dict[str, int]:
    return {split: len(indices[split][: limits.get(split)]) for split in SPLITS}


def _from_arrays(
    split: str, *, name: str, classes, images: Mapping, labels: Mapping, indices: Mapping, limits: Mapping
) -> ImageSet:
    """One split of a data set whose pictures are at hand as "train" and "test" arrays."""
    part = "test" if split == "test" else "train"
    chosen = indices[split][: limits.get(split)]
    if len(chosen) and (np.diff(chosen) == 1).all():
        chosen = slice(int(chosen[0]), int(chosen[-1]) + 1)  # a view, not a copy
    return ImageSet(images[part][chosen], labels[part][chosen], classes, f"{name}/{split}")


def _open_glyphs(root: Path, limits: dict) -> Dataset:
    split = read_split("glyphs")
    images = _glyph_pool(root, split.info["pixels_sha256"])
    labels = np.arange(len(images), dtype=np.int64) % len(glyphs.CLASSES)
    opener = partial(
        _from_arrays,
        name="glyphs",
        classes=glyphs.CLASSES,
        images={"train": images, "test": images},
        labels={"train": labels, "test": labels},
        indices=split.indices,
        limits=limits,
    )
    origin = f"computed, seed {split.info['seed']}"
    view = *NORMALISATION["glyphs"], _native_size("glyphs")
    return Dataset("glyphs", glyphs.CLASSES, *view, origin, opener, _counts(split.indices, limits))


def _glyph_pool(root: Path, expected: str) -> np.ndarray:
    """The pool, from the cache if its checksum is right, or else drawn: uint8 (81,024, 1, 32, 32)."""
    path = sources.cache_root(root) / "glyphs.npy"
    try:
        images = np.load(path, mmap_mode="c")
        if hashlib.sha256(images).hexdigest() == expected:
            return images
    except (OSError, ValueError):  # not there, or not an array
        pass
    images, _ = glyphs.draw_pool()
    if hashlib.sha256(images).hexdigest() != expected:
        raise DataError(
            f"The glyphs drawn here differ from the recorded ones (NumPy {np.__version__}), so that shipped "
            "checkpoints and results do not apply. If glyphs.py or its atlas was changed on purpose, run: "
            "python -m regnas_core.data.draw glyphs"
        )
    write_atomically(path, lambda part: np.save(part, images))
    return images


def _open_benchmark(name: str, root: Path, limits: dict, sizes, seed: int, download: bool) -> Dataset:
    source = sources.open_source(name, root, download)
    if name == "cifar10":
        split = read_split(name)
        sources.check_fingerprint(source, split)
        indices = split.indices
    else:
        indices = _cut(source.labels["train"], source.labels["test"], sizes, seed)
    opener = partial(
        _from_arrays,
        name=name,
        classes=source.classes,
        images=source.images,
        labels=source.labels,
        indices=indices,
        limits=limits,
    )
    origin = source.origin.replace(str(root), "REGNAS_DATA")
    view = *NORMALISATION[name], _native_size(name)
    return Dataset(name, source.classes, *view, origin, opener, _counts(indices, limits))


def _cut(train_labels: np.ndarray, test_labels: np.ndarray, sizes: Mapping | None, seed: int) -> dict:
    """Cut calibration and search out of the training pictures; put the test pictures in stratified order."""
    n = len(train_labels)
    defaults = {"calibration": min(1024, n // 10), "search": min(10_000, n // 5)}
    if unknown := set(sizes or {}) - {"calibration", "search"}:
        raise DataError(f"sizes names {', '.join(sorted(unknown))}; it takes calibration and search only.")
    return draw_split(train_labels, {**defaults, **(sizes or {}), "train": None}, seed) | draw_split(
        test_labels, {"test": None}, seed
    )


def _view(name: str, size: int | None, resize: int | None, interpolation: str) -> dict:
    """How pictures of a tree are decoded: arguments of :func:`regnas_core.data.trees.decode`."""
    size = 224 if size is None else size
    if resize is None and name == "imagenet":
        resize = math.ceil(size / 0.875)
    if size < 1 or (resize is not None and resize < size):
        raise DataError(f"size must be at least 1 pixel and resize at least size, not {size} and {resize}.")
    if interpolation not in INTERPOLATIONS:
        raise DataError(f"Unknown interpolation {interpolation!r}; use {' or '.join(INTERPOLATIONS)}.")
    upright = name == "folder"  # publishers evaluate ImageNet's pictures as they lie in their files
    return {"size": size, "resize": resize, "interpolation": interpolation, "upright": upright}


def _open_tree(name, path, root: Path, view: dict, limits: dict, sizes, seed: int) -> Dataset:
    if name == "folder" and path is None:
        raise DataError("name='folder' needs path: a folder with train/<class>/<picture> and test/ alike.")
    home = Path(path).expanduser() if path is not None else root / "imagenet"
    trees = sources.open_trees(name, home)
    origin = f"image tree {home.name}"
    if name == "imagenet" and sizes is None:
        split = read_split(name)
        sources.check_imagenet(trees, split)
        indices = split.indices
        origin += ", recorded split"
    else:
        indices = _cut(trees["train"].labels, trees["test"].labels, sizes, seed)
        if name == "imagenet":
            cut = ", ".join(f"{len(indices[part])} {part}" for part in ("calibration", "search"))
            origin += f", split of its own ({cut}, seed {seed})"
    _warn_of_absent(trees["train"].classes, trees, indices)
    opener = partial(
        _from_trees,
        name=name,
        trees=trees,
        indices=indices,
        limits=limits,
        decode=partial(decode, cache=sources.cache_root(root), **view),
    )
    classes, counts = trees["train"].classes, _counts(indices, limits)
    return Dataset(name, classes, *NORMALISATION[name], view["size"], origin, opener, counts)


def _from_trees(
    split: str, *, name: str, trees: Mapping, indices: Mapping, limits: Mapping, decode: Callable
) -> ImageSet:
    """One split of image trees, decoded on first use."""
    tree = trees["test" if split == "test" else "train"].take(indices[split][: limits.get(split)])
    images, tree = decode(tree, name=f"{name}-{split}")
    return ImageSet(images, tree.labels, tree.classes, f"{name}/{split}")


def _warn_of_absent(classes: tuple[str, ...], trees: Mapping, indices: Mapping) -> None:
    """Say which classes a split has no picture of: an empty folder, or one of a few pictures."""
    absent = {}
    for split in ("train", "search", "test"):
        labels = trees["test" if split == "test" else "train"].labels[indices[split]]
        missing = np.flatnonzero(np.bincount(labels, minlength=len(classes)) == 0)
        if missing.size:
            names = ", ".join(classes[i] for i in missing[:10]) + (", …" if missing.size > 10 else "")
            absent[split] = f"{split} has no picture of {missing.size:,} of {len(classes):,} classes: {names}"
    if absent:
        warnings.warn(f"{trees['train'].root.parent}: {'; '.join(absent.values())}.", stacklevel=2)
