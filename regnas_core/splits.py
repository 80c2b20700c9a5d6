"""Which picture plays which part: drawn once by rule, kept as index files in ``data_splits/``.

An index file holds one index, or one inclusive range ``first-last``, a line. Train, calibration and
search are numbers of training pictures; test numbers the test pictures, which is a numbering of its own
(only the glyphs have one numbering for all, because they are one pool). ``split.json`` says so beside
the files, with rule, seed, sizes, checksums and the command that draws them again::

    python -m regnas_core.splits glyphs cifar10
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import DataError
from .resources import project_path

SPLITS = ("train", "calibration", "search", "test")
RULE = (
    "Within each class the pictures are shuffled; then the classes are interleaved in proportion to their "
    "sizes, so that every stretch is stratified; then the order is cut into consecutive splits."
)


@dataclass(frozen=True, eq=False)
class Split:
    """What a folder of ``data_splits/`` holds.

    Attributes:
        indices: for each of :data:`SPLITS`, int64 (n,) in the order in which pictures are used.
        info: the content of ``split.json``.
        folder: where it was read.
    """

    indices: dict[str, np.ndarray]
    info: dict
    folder: Path


def draw_split(labels: np.ndarray, sizes: Mapping[str, int | None], seed: int) -> dict[str, np.ndarray]:
    """Cut pictures into disjoint, stratified splits.

    Args:
        labels: class of every picture, integers (N,).
        sizes: pictures in each split, in the order of cutting; ``None`` (last) takes all that are left.
        seed: of the shuffle.

    Returns:
        Indices int64 for each split. The first k of a split are stratified too, for every k.

    Raises:
        DataError: more pictures are asked for than there are.

    >>> cut = draw_split([0, 0, 0, 0, 1, 1, 1, 1], {"search": 4, "train": None}, seed=0)
    >>> cut["search"].size, sorted([*cut["search"], *cut["train"]]) == list(range(8))
    (4, True)
    """
    labels = np.asarray(labels)
    wanted = sum(size or 0 for size in sizes.values())
    if wanted > len(labels) or min((s for s in sizes.values() if s is not None), default=0) < 0:
        raise DataError(f"Splits {dict(sizes)} need {wanted} pictures, not {len(labels)}. Ask for fewer.")
    order, cuts, start = _stratified_order(labels, seed), {}, 0
    for name, size in sizes.items():
        stop = len(labels) if size is None else start + size
        cuts[name], start = order[start:stop], stop
    return cuts


def _stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    # sorting the raw stream, not rng.permutation: NumPy promises that only the former never changes
    key, tie = rng.bit_generator.random_raw((2, len(labels)))
    place = np.empty(len(labels))
    for value in np.unique(labels):
        members = np.flatnonzero(labels == value)
        members = members[np.argsort(key[members], kind="stable")]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.lexsort((tie, place)).astype(np.int64)


def write_indices(path: Path, indices: np.ndarray) -> None:
    """Write an index file; consecutive runs become ranges."""
    indices = np.asarray(indices, np.int64)
    runs = np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1) if len(indices) else []
    lines = [f"{run[0]}-{run[-1]}" if len(run) > 2 else "\n".join(map(str, run)) for run in runs]
    path.write_text("".join(f"{line}\n" for line in lines), newline="\n")


def read_indices(path: Path) -> np.ndarray:
    """Read an index file: int64 (n,).

    Raises:
        DataError: missing, or a line is neither ``index`` nor ``first-last``.
    """
    if not path.is_file():
        raise DataError(f"The index file {path} is missing. Restore it from the repository.")
    parts = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        first, dash, last = line.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise DataError(f"{path}, line {number}: {line!r} is neither an index nor a range such as 0-99.")
        parts.append(np.arange(int(first), int(last if dash else first) + 1))
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def write_split(folder: Path, indices: Mapping[str, np.ndarray], info: Mapping) -> None:
    """Write index files and ``split.json`` with their sizes and checksums."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in indices.items():
        write_indices(folder / f"{name}.txt", part)
    files = sorted(path.name for path in folder.iterdir() if path.suffix in (".txt", ".npy"))
    sizes = {name: len(indices[name]) for name in SPLITS}
    sums = {name: _sha256(folder / name) for name in files}
    text = json.dumps({**info, "sizes": sizes, "sha256": sums}, indent=2, ensure_ascii=False)
    (folder / "split.json").write_text(text + "\n", newline="\n")


def read_split(dataset: str, folder: Path | None = None) -> Split:
    """Read and verify the shipped split of a data set.

    Args:
        dataset: "glyphs" or "cifar10".
        folder: read this instead of ``data_splits/<dataset>``.

    Raises:
        DataError: a file is missing or is not what ``split.json`` says.
    """
    folder = folder or project_path(f"data_splits/{dataset}")
    try:
        info = json.loads((folder / "split.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}/split.json: {error}. Restore it from the repository.") from None
    for name, expected in info["sha256"].items():
        if not (folder / name).is_file() or _sha256(folder / name) != expected:
            raise DataError(
                f"{folder / name} is missing or is not the file that split.json describes. Restore it from "
                f"the repository, or draw the split again: {info['command']}"
            )
    return Split({name: read_indices(folder / f"{name}.txt") for name in SPLITS}, info, folder)


def _sha256(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".txt":  # a checkout may have turned line ends into its system's
        content = content.replace(b"\r\n", b"\n")
    return hashlib.sha256(content).hexdigest()


def _draw_glyphs(folder: Path) -> None:
    from .glyphs import CLASSES, POOL, SEED, draw_pool

    images, _ = draw_pool()
    stops = np.cumsum([50_000, 1_024, 10_000, 20_000])
    indices = dict(zip(SPLITS, np.split(np.arange(POOL), stops[:-1]), strict=True))
    info = {
        "dataset": "glyphs",
        "rule": f"Picture i shows class i mod {len(CLASSES)}; the pool is cut into consecutive stretches.",
        "numbering": "All four files number pictures of one pool.",
        "seed": SEED,
        "pixels_sha256": hashlib.sha256(images).hexdigest(),
        "command": "python -m regnas_core.splits glyphs",
    }
    write_split(folder, indices, info)


def _draw_cifar10(folder: Path) -> None:
    from .data import data_root
    from .sources import luminance, open_source

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
        "command": "python -m regnas_core.splits cifar10",
    }
    write_split(folder, cut, info)


def main(arguments: list[str] | None = None) -> None:
    """Draw the shipped splits again, into ``data_splits/``."""
    import argparse

    draw = {"glyphs": _draw_glyphs, "cifar10": _draw_cifar10}
    parser = argparse.ArgumentParser(prog="python -m regnas_core.splits", description=main.__doc__)
    parser.add_argument("datasets", nargs="+", choices=draw)
    parser.add_argument("--out", type=Path, help="write here instead of data_splits/")
    options = parser.parse_args(arguments)
    for name in options.datasets:
        folder = (options.out or project_path("data_splits")) / name
        draw[name](folder)
        print(f"wrote {folder}")


if __name__ == "__main__":
    main()
