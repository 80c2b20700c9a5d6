"""Folders of pictures: list them by class, decode them once into a memory-mapped array."""

from __future__ import annotations

import math
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from ..errors import DataError
from ..files import digest, write_atomically

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".tif", ".tiff", ".webp")
INTERPOLATIONS = ("bilinear", "bicubic")
BLOCK = 256  # pictures between two notes of progress


@dataclass(frozen=True, eq=False)
class Tree:
    """Pictures under one folder that has a sub-folder for each class.

    Attributes:
        root: the folder.
        files: paths relative to it, "class/picture.jpg", sorted by class, then by name.
        labels: int64 (N,), the class as its place in ``classes``.
        classes: names of the sub-folders, sorted.
    """

    root: Path
    files: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.files)

    def take(self, indices: np.ndarray) -> Tree:
        """The pictures at ``indices``, in that order."""
        return Tree(self.root, tuple(self.files[i] for i in indices), self.labels[indices], self.classes)


def list_tree(root: str | Path, classes: tuple[str, ...] | None = None) -> Tree:
    """List ``root/<class>/<picture>``.

    Args:
        root: folder with a sub-folder for each class; other files and hidden names are ignored.
        classes: names in label order; by default the sub-folders' names, sorted.

    Raises:
        DataError: no such folder, no class folders, a class that ``classes`` has not, or no pictures.
    """
    root = Path(root)
    entries = os.scandir(root) if root.is_dir() else ()
    found = sorted(entry.name for entry in entries if _visible(entry) and entry.is_dir())
    if not found:
        raise DataError(f"{root} has no class folders; expected {root}/<class>/<picture>.jpg (or .png, …).")
    if unknown := sorted(set(found) - set(classes or found)):
        raise DataError(f"{root} has classes that the training folder has not: {', '.join(unknown[:10])}.")
    classes = classes or tuple(found)
    files, counts = [], []
    for name in found:
        entries = os.scandir(root / name)
        names = sorted(e.name for e in entries if _visible(e) and e.name.lower().endswith(SUFFIXES))
        files += [f"{name}/{picture}" for picture in names]
        counts.append(len(names))
    if not files:
        raise DataError(f"The class folders of {root} hold no pictures (looked for {', '.join(SUFFIXES)}).")
    labels = np.array([classes.index(name) for name in found], np.int64)
    return Tree(root, tuple(files), np.repeat(labels, counts), classes)


def decode(
    tree: Tree,
    size: int,
    cache: Path,
    resize: int | None = None,
    interpolation: str = "bilinear",
    name: str = "pictures",
) -> np.ndarray:
    """Decode every picture of a tree, once: later calls map the cached array into memory.

    A run that was killed goes on where it stopped; of several processes one decodes and the others wait.

    Args:
        tree: what to decode.
        size, resize, interpolation: see :func:`decode_picture`.
        cache: folder for the decoded array.
        name: first part of the cache file's name.

    Returns:
        uint8 (N, 3, size, size), mapped copy-on-write: changes never reach the file.

    Raises:
        DataError: files that cannot be decoded, by name; or too little space for the decoded array.
    """
    listing = "\n".join(f"{file} {_bytes(tree.root / file)}" for file in tree.files)
    key = digest(f"2 {size} {resize} {interpolation}\n{listing}")
    final = cache / f"{name}-{size}px-{key}.npy"
    if (images := _mapped(final)) is None:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(final.with_suffix(".lock")):
            if (images := _mapped(final)) is None:  # no other process has finished it meanwhile
                _decode_into(final, tree, size, resize, interpolation)
                images = np.load(final, mmap_mode="c")
    return images


def decode_picture(
    path: Path, size: int, resize: int | None = None, interpolation: str = "bilinear"
) -> np.ndarray:
    """Decode one picture.

    Args:
        path: of the file.
        size: side of the result in pixels.
        resize: if given (at least ``size``), the shorter side is resized to so many pixels and the centre is
            cut out, pixel for pixel as torchvision's ``Resize(resize)`` and ``CenterCrop(size)`` do;
            otherwise a picture of another size is resized to a square as it is.
        interpolation: one of :data:`INTERPOLATIONS`.

    Returns:
        uint8 (3, size, size).
    """
    from PIL import Image

    method = Image.Resampling[interpolation.upper()]
    with Image.open(path) as picture:
        picture = picture.convert("RGB")
    width, height = picture.size
    if resize is not None:
        shorter = min(width, height)
        width, height = int(resize * width / shorter), int(resize * height / shorter)
        left, top = round((width - size) / 2), round((height - size) / 2)
        picture = picture.resize((width, height), method).crop((left, top, left + size, top + size))
    elif (width, height) != (size, size):
        picture = picture.resize((size, size), method)
    return np.asarray(picture).transpose(2, 0, 1)


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone since it was listed: decoding names it
        return -1


def _mapped(path: Path) -> np.ndarray | None:
    try:
        return np.load(path, mmap_mode="c")
    except (OSError, ValueError, EOFError):  # not there, or truncated
        return None


def _decode_into(final: Path, tree: Tree, size: int, resize: int | None, interpolation: str) -> None:
    part, progress = final.with_suffix(".part"), final.with_suffix(".progress")
    shape = (len(tree), 3, size, size)
    done = int(progress.read_text()) if part.exists() and progress.exists() else 0
    needed, free = math.prod(shape) * (not done), shutil.disk_usage(final.parent).free
    if needed > free:  # a mapped file would crash the process where an ordinary one raises
        raise DataError(
            f"{len(tree):,} decoded pictures take {needed / 1e9:.1f} GB; {final.parent} has "
            f"{free / 1e9:.1f} GB. Make room, set REGNAS_DATA to a larger disk, or use fewer (limit) or "
            "smaller (size) pictures."
        )
    array = np.lib.format.open_memmap(part, "r+" if done else "w+", np.uint8, shape)
    broken: list[str] = []

    def read(file: str) -> np.ndarray | None:
        try:
            return decode_picture(tree.root / file, size, resize, interpolation)
        except (OSError, ValueError, SyntaxError) as error:  # Pillow raises SyntaxError for broken PNGs
            broken.append(f"{file} ({error})")
            return None

    bar = tqdm(total=len(tree), initial=done, desc=f"decoding {tree.root.name}", unit="picture", leave=False)
    with bar, ThreadPoolExecutor() as pool:
        for start in range(done, len(tree), BLOCK):
            files = tree.files[start : start + BLOCK]
            for i, picture in enumerate(pool.map(read, files), start):
                if picture is not None:
                    array[i] = picture
            if not broken:
                array.flush()
                write_atomically(progress, partial(Path.write_text, data=str(start + len(files))))
            bar.update(len(files))
    del array
    progress.unlink(missing_ok=True)
    if broken:
        part.unlink()
        raise DataError(
            f"{len(broken)} of {len(tree)} pictures in {tree.root} cannot be decoded; repair or remove: "
            + ", ".join(sorted(broken)[:10])
            + (", …" if len(broken) > 10 else "")
        )
    os.replace(part, final)


def _visible(entry: os.DirEntry) -> bool:
    return not entry.name.startswith(".")
