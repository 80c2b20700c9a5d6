"""The file of a tabular benchmark: a NumPy archive (.npz) without pickles.

Networks that begin alike stand side by side, and get nearly the same images right. So bits are turned: first
all networks of the first image, then all of the second. What is easy or hopeless for all is then a run of
equal bytes, the rest changes little from neighbour to neighbour, and Zstandard makes 11 bits of it 1.
CONTRIBUTING.md describes the file for those who publish their own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import DataError, GeneError
from ..files import write_atomically
from ..spaces import get_space
from ..spaces.tied import TiedSpace
from .bits import Bits, by_image, by_network

FORMAT = "regnas-table/1"
SPLITS = ("search", "test")
LEVEL = 19  # of Zstandard: 4 s a table to write; 22 takes three times as long for 1 % less


@dataclass(frozen=True, eq=False)
class Contents:
    """What a table holds.

    Attributes:
        space: the tied space, M networks.
        grid: genes as places in their choices, int8 (M, genes).
        macs, params: multiply-accumulates of one image and learned weights, int64 (M,).
        bits: split → which images each network gets right, (M, W).
        labels: split → true classes (N,).
        info: provenance, plain data.
    """

    space: TiedSpace
    grid: NDArray[np.int8]
    macs: NDArray[np.int64]
    params: NDArray[np.int64]
    bits: dict[str, Bits]
    labels: dict[str, NDArray[np.integer[Any]]]
    info: dict[str, Any]


def write(path: Path, contents: Contents) -> Path:
    """Write a table, whole or not at all."""
    codec = pa.Codec("zstd", compression_level=LEVEL)
    arrays: dict[str, Any] = {"genes": contents.grid, "macs": contents.macs, "params": contents.params}
    for split in SPLITS:
        labels = contents.labels[split]
        turned = by_image(contents.bits[split], len(labels))
        arrays[f"labels_{split}"] = labels.astype(np.min_scalar_type(int(labels.max(initial=0))))
        arrays[f"right_{split}"] = np.frombuffer(codec.compress(turned.tobytes(), asbytes=True), np.uint8)
    options = {key: value for key, value in contents.space.options.items() if key != "tied"}
    header = {"format": FORMAT, "space": contents.space.name, "options": options, "info": contents.info}
    text = json.dumps({**header, "sha256": _checksum(arrays)}, sort_keys=True)
    arrays["header"] = np.frombuffer(text.encode(), np.uint8)
    return write_atomically(path, lambda part: np.savez(part, **arrays))


def read(path: Path) -> Contents:
    """Read a table.

    Raises:
        DataError: no table, or a damaged one.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        header = json.loads(arrays.pop("header").tobytes())
        if header["format"] != FORMAT:
            raise DataError(f"{path} is of the format {header['format']!r}; this version reads {FORMAT}.")
        if _checksum(arrays) != header["sha256"]:
            raise DataError(f"{path} is damaged: its checksum is another. Copy or make it again.")
        space = get_space(header["space"], tied=True, **header["options"])
        labels = {split: arrays[f"labels_{split}"] for split in SPLITS}
        bits = {
            split: _bits(arrays[f"right_{split}"], len(arrays["macs"]), len(labels[split]))
            for split in SPLITS
        }
        costs = arrays["macs"], arrays["params"]
        contents = Contents(space, arrays["genes"], *costs, bits, labels, dict(header["info"]))  # type: ignore[arg-type]
        _check(contents)
        return contents
    except (DataError, GeneError):
        raise
    except Exception as error:  # a damaged file can fail anywhere
        raise DataError(
            f"{path} is truncated, damaged or no table ({type(error).__name__}: {error}). "
            "Copy or make it again."
        ) from None


def read_header(path: Path) -> dict[str, Any]:
    """What a table says of itself, without its bits.

    Raises:
        DataError: no table.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return json.loads(archive["header"].tobytes())
    except Exception as error:
        raise DataError(
            f"{path} is no table ({type(error).__name__}: {error}). Copy or make it again."
        ) from None


def _check(contents: Contents) -> None:
    """Raises a ValueError unless networks, costs and labels fit together."""
    space, grid = contents.space, contents.grid
    choices = np.array([len(gene.choices) for gene in space.genes])
    costs, labels = (contents.macs, contents.params), tuple(contents.labels.values())
    arrays: tuple[NDArray[Any], ...] = (grid, *costs, *labels)
    if not all(a.dtype.kind in "iu" for a in arrays) or grid.dtype != np.int8:
        raise ValueError("arrays of another type")
    if not len(grid) or grid.shape[1:] != choices.shape or {a.shape for a in costs} != {grid.shape[:1]}:
        raise ValueError(f"genes {grid.shape} and costs {costs[0].shape}, {costs[1].shape} do not fit")
    if any(a.ndim != 1 or not len(a) for a in labels) or (grid < 0).any() or (grid >= choices).any():
        raise ValueError("labels or genes out of range")
    for row in (0, len(grid) - 1):
        values = [gene.choices[i] for gene, i in zip(space.genes, grid[row], strict=True)]
        if space.macs(space.canonical(values)) != contents.macs[row]:
            raise ValueError(f"network {row} has other MACs in {space.identity}")


def _bits(packed: NDArray[np.uint8], networks: int, images: int) -> Bits:
    width = -(-networks // 8)
    turned = pa.Codec("zstd").decompress(packed.tobytes(), decompressed_size=images * width)
    return by_network(np.frombuffer(turned, np.uint8).reshape(images, width), networks)


def _checksum(arrays: dict[str, NDArray[Any]]) -> str:
    state = hashlib.sha256()
    for name in sorted(arrays):
        state.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        state.update(np.ascontiguousarray(arrays[name]).tobytes())
    return state.hexdigest()
