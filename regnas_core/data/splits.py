"""Which picture plays which part: drawn once by rule, kept as index files in ``data_splits/``.

An index file holds one index, or one inclusive range ``first-last``, a line. Train, calibration and
search are numbers of training pictures; test numbers the test pictures, which is a numbering of its own
(only the glyphs have one numbering for all, because they are one pool). ``split.json`` says so beside
the files, with rule, seed, sizes, checksums and the command that draws them again. Where it gives the
lengths of the two lists (``lists``), train and test have no file: train is what is left of the training
list, in :func:`draw_order`, and test is the whole test list, in such an order too. All are drawn again by::

    python -m regnas_core.data.draw glyphs cifar10 imagenet
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..resources import project_path

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


def draw_order(length: int, seed: int) -> np.ndarray:
    """Every number below ``length``, in an order drawn from them alone: int64 (length,).

    >>> draw_order(5, seed=0).tolist()
    [3, 2, 1, 0, 4]
    """
    return np.argsort(_raw(length, seed), kind="stable").astype(np.int64)


def _raw(shape: int | tuple[int, ...], seed: int) -> np.ndarray:
    # the raw stream, not Generator.permutation: NumPy promises that only the former never changes
    return np.random.PCG64(seed).random_raw(shape)


def _stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    key, tie = _raw((2, len(labels)), seed)
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
    """Write index files and ``split.json`` with the sizes of all splits and the files' checksums."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in indices.items():
        write_indices(folder / f"{name}.txt", part)
    files = sorted(path.name for path in folder.iterdir() if path.suffix in (".txt", ".npy"))
    whole = _with_rest(indices, info)
    sizes = {name: len(whole[name]) for name in SPLITS}
    sums = {name: _sha256(folder / name) for name in files}
    text = json.dumps({**info, "sizes": sizes, "sha256": sums}, indent=2, ensure_ascii=False)
    (folder / "split.json").write_text(text + "\n", newline="\n")


def read_split(dataset: str, folder: Path | None = None) -> Split:
    """Read and verify the shipped split of a data set.

    Args:
        dataset: "glyphs", "cifar10" or "imagenet".
        folder: read this instead of ``data_splits/<dataset>``.

    Raises:
        DataError: a file is missing or is not what ``split.json`` says.
    """
    folder = folder or project_path(f"data_splits/{dataset}")
    try:
        return _read(folder)
    except DataError:
        raise
    except Exception as error:  # a damaged file can fail anywhere
        raise DataError(
            f"{folder}/split.json: {type(error).__name__}: {error}. Restore it from the repository."
        ) from None


def _read(folder: Path) -> Split:
    info = json.loads((folder / "split.json").read_text(encoding="utf-8"))
    filed = [name for name in SPLITS if "lists" not in info or name not in info["lists"]]
    if unsealed := {f"{name}.txt" for name in filed} - info["sha256"].keys():
        raise KeyError(f"no checksum of {min(unsealed)}")
    for name, expected in info["sha256"].items():
        if not (folder / name).is_file() or _sha256(folder / name) != expected:
            raise DataError(
                f"{folder / name} is missing or is not the file that split.json describes. Restore it from "
                f"the repository, or draw the split again: {info['command']}"
            )
    indices = {name: read_indices(folder / f"{name}.txt") for name in filed}
    return Split(_with_rest(indices, info), info, folder)


def _with_rest(indices: Mapping[str, np.ndarray], info: Mapping) -> dict[str, np.ndarray]:
    """Add the splits that have no file, if ``info`` gives the lengths of the lists that they come from."""
    if "lists" not in info:
        return dict(indices)
    left = np.ones(info["lists"]["train"], bool)
    left[np.concatenate([indices["calibration"], indices["search"]])] = False
    order = draw_order(len(left), info["seed"])
    return {**indices, "train": order[left[order]], "test": draw_order(info["lists"]["test"], info["seed"])}


def _sha256(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".txt":  # a checkout may have turned line ends into its system's
        content = content.replace(b"\r\n", b"\n")
    return hashlib.sha256(content).hexdigest()
