"""Files are written whole or not at all: a killed run never leaves half of one behind."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """What files are called: their stems, or their paths where stems repeat."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Call ``write`` on a temporary file beside ``path``, then move it there in one step."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{os.getpid()}.{path.name}")  # keeps the suffix, by which writers choose a format
    try:
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def write_table(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a DataFrame as .parquet or .csv, atomically."""
    save = frame.to_parquet if Path(path).suffix == ".parquet" else frame.to_csv
    return write_atomically(path, lambda part: save(part, index=False))


def digest(*parts: str | bytes | np.ndarray) -> str:
    """16 hexadecimal digits that name texts, bytes and arrays (their numbers in row-major order), in turn."""
    state = hashlib.sha256()
    for part in parts:
        data: Any = part.encode() if isinstance(part, str) else part  # arrays: typed as buffers from 3.12 on
        state.update(data)
    return state.hexdigest()[:16]


def sha256(path: str | Path) -> str:
    """The file's checksum, 64 hexadecimal digits."""
    state = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()
