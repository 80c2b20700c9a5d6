"""Files are written whole or not at all: a killed run never leaves half of one behind."""

from __future__ import annotations

import hashlib
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import WriteError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PART = re.compile(r"\.[0-9a-f]{12}\.")  # how names of temporary files begin
ABANDONED = 24 * 3600  # s


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """What files are called: their stems, or their paths where stems repeat."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Call ``write`` on a temporary file beside ``path``, then move it there in one step.

    The temporary name is of no other writer, on this host or another, and keeps the suffix, by which writers
    choose a format. The bytes are on the disk before they get the file's name, so that a machine that stops
    leaves the old content or the new.

    Raises:
        WriteError: the disk is full, the folder read-only, or the like; what was there before is still there.
    """
    path = Path(path)
    part = path.with_name(f".{uuid.uuid4().hex[:12]}.{path.name}")
    try:
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _clear(path.parent.absolute())
            write(part)
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(part, path)
    finally:
        with suppress(OSError):  # a folder that is read-only, or gone
            part.unlink(missing_ok=True)
    return path


@cache  # once a process and folder
def _clear(folder: Path) -> None:
    """Remove what killed writers left behind: parts that nobody has touched for a day."""
    with os.scandir(folder) as entries:
        parts = [entry for entry in entries if PART.match(entry.name)]
    for part in parts:
        with suppress(OSError):  # another process was quicker, or it is not ours to remove
            if part.stat().st_mtime < time.time() - ABANDONED:
                os.unlink(part)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep other processes from a file that several add to, for a while (a lock lies beside it).

    Raises:
        WriteError: the folder is read-only, or the like.
    """
    from filelock import FileLock

    lock = FileLock(path.with_name(f".{path.name}.lock"))
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(
            f"{path} cannot be written: {error}. What was there before is untouched. Free some space, or "
            "name a folder that can be written to, by --out or REGNAS_OUT; then run the same command again."
        ) from error


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
