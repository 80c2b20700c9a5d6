"""Sets of pictures with labels, and what identifies them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..files import digest, write_atomically
from .copies import fingerprints

LARGE = 1 << 30  # bytes of decoded pictures beside whose file it is kept what takes minutes to compute


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Pictures with their labels.

    Attributes:
        images: uint8 (N, C, H, W), C-contiguous; may be mapped from a file.
        labels: int64 (N,).
        classes: names in label order.
        name: data set and split, as "glyphs/search".
        altered: what tells the pictures from those of the file that they are mapped from.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    name: str
    altered: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that identify pixels, labels and their order."""

        def computed() -> np.ndarray:
            starts = range(0, len(self), 1024)  # in blocks: views, so a mapped file need not fit into memory
            blocks = (np.ascontiguousarray(self.images[start : start + 1024]) for start in starts)
            return np.array(digest(repr(self.images.shape), *blocks, self.labels.astype("<i8")))

        labels = digest(self.labels.astype("<i8"))
        return str(_kept(self.images, f"digest {labels} {self.altered}", computed))

    @cached_property
    def fingerprints(self) -> np.ndarray:
        """A number for each picture, by its pixels alone (:mod:`regnas_core.data.copies`): uint64 (N,)."""
        return _kept(self.images, f"fingerprints {self.altered}", lambda: fingerprints(self.images))

    def take(self, indices: int | np.ndarray) -> ImageSet:
        """The first so many pictures (no copy), or those at ``indices``.

        Raises:
            DataError: there are not so many.
        """
        if isinstance(indices, (int, np.integer)):
            if not 0 <= indices <= len(self):
                raise DataError(f"{self.name} has {len(self)} pictures, not {indices}.")
            indices = slice(int(indices))
        else:
            indices = np.asarray(indices, np.int64)
            if indices.size and not 0 <= indices.min() <= indices.max() < len(self):
                raise DataError(
                    f"{self.name} has indices 0 to {len(self) - 1}, not {indices.min()} to {indices.max()}."
                )
        return ImageSet(self.images[indices], self.labels[indices], self.classes, self.name, self.altered)

    def without(self, unwanted: np.ndarray) -> ImageSet:
        """The pictures but those that are marked, bool (N,).

        Many that are mapped from a file are not copied: the last ones take the places of the unwanted ones,
        in this process' view of the file.
        """
        kept = np.flatnonzero(~unwanted)
        if _large_file(self.images) is None:
            return self.take(kept)
        gaps = np.flatnonzero(unwanted[: len(kept)])
        fillers, labels = kept[kept >= len(kept)], self.labels.copy()
        self.images[gaps], labels[gaps] = self.images[fillers], labels[fillers]
        altered = digest(self.altered, np.packbits(unwanted))
        return ImageSet(self.images[: len(kept)], labels[: len(kept)], self.classes, self.name, altered)


def _large_file(images: np.ndarray) -> str | None:
    """The file that many pictures are mapped from; a part of a mapped array knows it, too."""
    return getattr(images, "filename", None) if images.nbytes >= LARGE else None


def _kept(images: np.ndarray, what: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """What is computed of pictures; of many that are mapped from a file it is kept beside the file.

    A file that was written anew since, by its size and time, is computed anew.
    """
    if (file := _large_file(images)) is None:
        return compute()
    whole = images
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    about, part = os.stat(file), (images.ctypes.data - whole.ctypes.data, images.shape, images.strides)
    name = digest(f"{what} {about.st_size} {about.st_mtime_ns} {part}")
    path = Path(file).with_suffix(f".{name}.npy")
    if not path.is_file():
        write_atomically(path, lambda part: np.save(part, compute()))
    return np.load(path, allow_pickle=False)
