"""Folders of pictures: list them by class, decode them once into a memory-mapped array."""

from __future__ import annotations

import json
import math
import os
import shutil
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from ..errors import DataError
from ..files import digest, write_atomically
from .pictures import SUFFIXES, decode_picture

BLOCK = 256  # pictures between two notes of progress
MANY, PROBED = 50_000, 256  # files whose sizes are kept, and how many of them are looked at nevertheless


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
        root: folder with a sub-folder for each class; hidden names are ignored. What else is skipped in
            class folders, and pictures outside of them, a warning counts.
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
    files, counts, skipped = [], [], Counter[str]()
    for name in found:
        entries = [entry for entry in os.scandir(root / name) if _visible(entry)]
        names = sorted(e.name for e in entries if _is_picture(e) and not e.is_dir())
        files += [f"{name}/{picture}" for picture in names]
        counts.append(len(names))
        skipped.update(_kind(e) for e in entries if e.is_dir() or not _is_picture(e))
    if not files:
        raise DataError(f"The class folders of {root} hold no pictures (looked for {', '.join(SUFFIXES)}).")
    skipped.update(["picture outside of class folders"] * sum(_is_picture(e) for e in os.scandir(root)))
    if skipped := +skipped:
        said = ", ".join(f"{count:,} {kind}" for kind, count in sorted(skipped.items()))
        warnings.warn(
            f"{root}: skipped {said}. Pictures are {root.name}/<class>/<picture> ({', '.join(SUFFIXES)}).",
            stacklevel=2,
        )
    labels = np.array([classes.index(name) for name in found], np.int64)
    return Tree(root, tuple(files), np.repeat(labels, counts), classes)


def _visible(entry: os.DirEntry) -> bool:
    return not entry.name.startswith(".")


def _is_picture(entry: os.DirEntry) -> bool:
    return _visible(entry) and entry.name.lower().endswith(SUFFIXES)


def _kind(entry: os.DirEntry) -> str:
    return "folder in a class folder" if entry.is_dir() else f"{Path(entry.name).suffix or 'nameless'} file"


def decode(
    tree: Tree,
    size: int,
    cache: Path,
    resize: int | None = None,
    interpolation: str = "bilinear",
    upright: bool = True,
    name: str = "pictures",
) -> tuple[np.ndarray, Tree]:
    """Decode every picture of a tree, once: later calls map the cached array into memory.

    A run that was killed goes on where it stopped; of several processes one decodes and the others wait. A
    picture that cannot be decoded is left out, and a warning names it.

    Args:
        tree: what to decode.
        size, resize, interpolation, upright: see :func:`regnas_core.data.pictures.decode_picture`.
        cache: folder for the decoded array.
        name: first part of the cache file's name.

    Returns:
        uint8 (N, 3, size, size), mapped copy-on-write: changes never reach the file; and the tree without the
        pictures that are left out.

    Raises:
        DataError: no picture can be decoded; or too little space for the decoded array.
    """
    sizes = _sizes(tree, cache)
    listing = "\n".join(f"{file} {count}" for file, count in zip(tree.files, sizes, strict=True))
    key = digest(f"3 {size} {resize} {interpolation} {upright}\n{listing}")
    final, shape = cache / f"{name}-{size}px-{key}.npy", (len(tree), 3, size, size)
    if (images := _mapped(final, shape)) is None:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(final.with_suffix(".lock")):
            if (images := _mapped(final, shape)) is None:  # no other process has finished it meanwhile
                _decode_into(final, tree, size, resize, interpolation, upright)
                images = np.load(final, mmap_mode="c")
    broken = _read_broken(final.with_suffix(".broken"))
    if not broken:
        return images, tree
    kept = [i for i, file in enumerate(tree.files) if file not in broken]
    said = [f"{file} ({why})" for file, why in broken.items()]
    what = (
        f"{len(broken)} of {len(tree)} pictures in {tree.root} cannot be decoded: "
        + ", ".join(said[:10])
        + (", …" if len(said) > 10 else "")
    )
    if not kept:
        raise DataError(f"{what}. Repair them.")
    warnings.warn(f"{what}. They are left out; repair or remove them.", stacklevel=2)
    return images[: len(kept)], tree.take(np.array(kept))


def _sizes(tree: Tree, cache: Path) -> list[int]:
    """Bytes of every file; of many, as they were when they were first asked for.

    To ask for a million takes seconds, over a network minutes, whenever they are opened. They are asked for
    again when a class folder or one of some random files has changed.
    """
    if len(tree) < MANY:
        return [_bytes(tree.root / file) for file in tree.files]
    folders = sorted({file.partition("/")[0] for file in tree.files})
    times = [(tree.root / folder).stat().st_mtime_ns for folder in folders]
    path = cache / f"sizes-{digest(f'{tree.root.absolute()} {times}', *tree.files)}.npy"
    drawn = np.random.default_rng().choice(len(tree), PROBED, replace=False).tolist()
    with suppress(OSError, ValueError):  # not there, or damaged
        kept = np.load(path)
        if kept.shape == (len(tree),) and all(kept[i] == _bytes(tree.root / tree.files[i]) for i in drawn):
            return kept.tolist()
    with ThreadPoolExecutor(32) as pool:
        sizes = list(pool.map(_bytes, (tree.root / file for file in tree.files)))
    write_atomically(path, lambda part: np.save(part, np.array(sizes)))
    return sizes


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone since it was listed: decoding names it
        return -1


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    try:
        images = np.load(path, mmap_mode="c")
    except Exception:  # not there, truncated, or damaged: NumPy's readers of heads raise anything
        return None
    return images if images.shape == shape and images.dtype == np.uint8 else None


def _read_broken(path: Path) -> dict[str, str]:
    """Pictures that could not be decoded, and why."""
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def _decode_into(
    final: Path, tree: Tree, size: int, resize: int | None, interpolation: str, upright: bool
) -> None:
    """Write pictures one after another; rows of those that cannot be decoded are left over at the end."""
    part, progress = final.with_suffix(".part"), final.with_suffix(".progress")
    shape, done, broken = (len(tree), 3, size, size), 0, {}
    if part.exists():
        with suppress(OSError, ValueError):  # not there, or damaged: from the beginning
            done, broken = json.loads(progress.read_text("utf-8"))
    needed, free = math.prod(shape) * (not done), shutil.disk_usage(final.parent).free
    if needed > free:  # a mapped file would crash the process where an ordinary one raises
        raise DataError(
            f"{len(tree):,} decoded pictures take {needed / 1e9:.1f} GB; {final.parent} has "
            f"{free / 1e9:.1f} GB. Make room, set REGNAS_DATA to a larger disk, or use fewer (limit) or "
            "smaller (size) pictures."
        )
    array = np.lib.format.open_memmap(part, "r+" if done else "w+", np.uint8, shape)

    def read(file: str) -> np.ndarray | str:
        try:
            return decode_picture(tree.root / file, size, resize, interpolation, upright)
        except Exception as error:  # OSError, ValueError, SyntaxError, DecompressionBombError, …: Pillow's
            return f"{type(error).__name__}: {error}".replace(str(tree.root), tree.root.name)

    bar = tqdm(total=len(tree), initial=done, desc=f"decoding {tree.root.name}", unit="picture", leave=False)
    with bar, ThreadPoolExecutor() as pool:
        for start in range(done, len(tree), BLOCK):
            files = tree.files[start : start + BLOCK]
            for i, (file, picture) in enumerate(zip(files, pool.map(read, files), strict=True), start):
                if isinstance(picture, str):
                    broken[file] = picture
                else:
                    array[i - len(broken)] = picture
            array.flush()
            state = json.dumps([start + len(files), broken])
            write_atomically(progress, partial(Path.write_text, data=state, encoding="utf-8"))
            bar.update(len(files))
    del array
    if broken:
        text = json.dumps(broken)
        write_atomically(final.with_suffix(".broken"), partial(Path.write_text, data=text, encoding="utf-8"))
    progress.unlink(missing_ok=True)
    os.replace(part, final)
