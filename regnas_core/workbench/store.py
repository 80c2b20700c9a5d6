"""Predictions on disk, kept as they are made, so that a killed run goes on where it stopped.

A sub-network is run once for a set of weights and images. What is kept is its predicted classes;
every metric, reward, interval and figure is arithmetic on them.

A store is a folder of shards, Parquet files that are written once, whole, and never changed: any number of
processes may add to it and read it. Of each shard the names of its networks are held in memory; their
predictions stay on the disk until they are asked for, and are checked by their checksums then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError
from ..files import digest, write_atomically

FORMAT = "regnas-predictions/2"
GROUP = 16  # networks of a shard that are read at a time
READING = (pa.ArrowException, OSError, LookupError, TypeError, ValueError)  # what a damaged file can raise


class PredictionStore:
    """Predicted classes of sub-networks on one image set.

    Args:
        folder: where the shards lie. Its name identifies all that predictions depend on; it is written into
            every shard, and shards of another name are refused.
        images: number of images N.

    Raises:
        DataError: a shard is damaged, or is not of this store; with what to do.
    """

    def __init__(self, folder: str | Path, images: int) -> None:
        self.folder, self.images = Path(folder), images
        self._places: dict[str, tuple[Path, int]] = {}  # network → its shard, and its row there
        self._seen: set[Path] = set()
        self._look()

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of ``keys`` that are not stored, not even by another process in the meantime."""
        keys = list(dict.fromkeys(keys))
        if any(key not in self for key in keys):
            self._look()
        return [key for key in keys if key not in self]

    def write(self, keys: Sequence[str], classes: np.ndarray) -> None:
        """Keep the predictions (M, N) of M sub-networks, named by ``keys``, as one shard.

        Raises:
            DataError: another shape.
            WriteError: the disk is full, or the folder read-only.
        """
        if classes.shape != (len(keys), self.images):
            raise DataError(f"Predictions have shape {classes.shape}; expected ({len(keys)}, {self.images}).")
        compact = classes.astype(np.uint16 if classes.max(initial=0) > 255 else np.uint8)
        rows = [row.tobytes() for row in compact]
        checks = [_checksum(key, compact.dtype, row) for key, row in zip(keys, rows, strict=True)]
        table = pa.table({"arch": list(keys), "crc32": pa.array(checks, pa.uint32()), "classes": rows})
        about = {"format": FORMAT, "of": self.folder.name, "images": str(self.images)}
        table = table.replace_schema_metadata({**about, "dtype": compact.dtype.str})
        path = self.folder / f"{digest(chr(10).join(keys))}.parquet"
        if not path.exists():  # of these very networks, by another process: what it read, all read
            write_atomically(path, lambda part: _write(table, part))
        self._add(path, keys)

    def read(self, keys: Sequence[str]) -> np.ndarray:
        """Predictions (M, N), unsigned integers, of M stored sub-networks.

        Raises:
            DataError: a shard is damaged, or gone.
        """
        wanted: dict[Path, dict[str, int]] = defaultdict(dict)
        for key in keys:
            shard, row = self._places[key]
            wanted[shard][key] = row
        found: dict[str, np.ndarray] = {}
        for shard, rows in wanted.items():
            found |= self._rows(shard, rows)
        return np.stack([found[key] for key in keys])

    # ── shards ───────────────────────────────────────────────────────────────────────────────────
    def _look(self) -> None:
        """Add the shards that are new."""
        for shard in sorted(self.folder.glob("[!.]*.parquet")):  # not what a killed writer left
            if shard not in self._seen:
                with self._opened(shard) as file:
                    self._add(shard, file.read(["arch"])["arch"].to_pylist())

    def _add(self, shard: Path, keys: Sequence[str]) -> None:
        self._seen.add(shard)
        for row, key in enumerate(keys):
            self._places.setdefault(key, (shard, row))

    @contextmanager
    def _opened(self, shard: Path) -> Iterator[pq.ParquetFile]:
        """The shard's file, if it is of this store; whatever is wrong with it becomes a DataError."""
        try:
            with pq.ParquetFile(shard, page_checksum_verification=True) as file:
                about = {k.decode(): v.decode() for k, v in (file.schema_arrow.metadata or {}).items()}
                self._check(shard, about)
                yield file
        except DataError:
            raise
        except READING as error:
            raise DataError(
                f"{shard} cannot be read ({error}). Delete it: what it held is computed again."
            ) from None

    def _check(self, shard: Path, about: Mapping[str, str]) -> None:
        if (found := about.get("format")) != FORMAT:
            raise DataError(
                f"{shard} cannot be read: it is {found or 'of no known format'}, this version has {FORMAT}. "
                "Delete it, or use the version that wrote it."
            )
        if int(about["images"]) != self.images:
            raise DataError(
                f"{shard} holds predictions of other images than the {self.images} expected. Delete it."
            )
        if about["of"] != self.folder.name:
            raise DataError(
                f"{shard} holds predictions of {about['of']}, not of {self.folder.name}. Move it back to the "
                "folder of that name, or delete it."
            )

    def _rows(self, shard: Path, rows: Mapping[str, int]) -> dict[str, np.ndarray]:
        """Predictions (N,) of some networks of a shard, by name."""
        with self._opened(shard) as file:
            groups = sorted({row // GROUP for row in rows.values()})
            table = file.read_row_groups(groups, ["arch", "crc32", "classes"])
            dtype = np.dtype(file.schema_arrow.metadata[b"dtype"].decode())
            found = {}
            for key, row in rows.items():
                at = GROUP * groups.index(row // GROUP) + row % GROUP
                name, check, classes = (table[column][at].as_py() for column in table.column_names)
                if name != key or check != _checksum(key, dtype, classes):
                    raise ValueError(f"the checksum of {key} is another")
                found[key] = np.frombuffer(classes, dtype, self.images)
            return found


def _checksum(key: str, dtype: np.dtype, classes: bytes) -> int:
    return crc32(classes, crc32(f"{key} {dtype.str}".encode()))


def _write(table: pa.Table, path: Path) -> None:
    plain = {"use_dictionary": False, "write_statistics": False}
    pq.write_table(table, path, compression="zstd", row_group_size=GROUP, write_page_checksum=True, **plain)


def write_packaged(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write predictions, and columns that tell a reader what they are, as one Parquet file, atomically.

    Args:
        path: the file.
        rows: of equal columns, ``key`` and ``classes`` (N,) among them.
    """
    packed = [{**row, "dtype": row["classes"].dtype.str, "classes": row["classes"].tobytes()} for row in rows]
    table = pa.Table.from_pylist(packed)
    return write_atomically(path, lambda part: pq.write_table(table, part, compression="zstd"))


def read_packaged(path: str | Path, key: str = "key") -> dict[str, np.ndarray]:
    """Predictions (N,) by a column of keys, of a file that :func:`write_packaged` wrote.

    None where there is no file, or no such column.

    Raises:
        DataError: the file is damaged, or none of these.
    """
    if not Path(path).is_file():
        return {}
    try:
        if key not in (names := pq.read_schema(path).names) and "key" in names:
            return {}
        rows = pq.read_table(path, columns=[key, "dtype", "classes"]).to_pylist()
        return {row[key]: np.frombuffer(row["classes"], row["dtype"]) for row in rows}
    except READING as error:
        raise DataError(f"{path} cannot be read ({error}). Install the package again.") from None
