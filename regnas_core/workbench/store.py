"""Predictions on disk, kept as they are made, so that a killed run goes on where it stopped.

A sub-network is run once for a set of weights and images. What is kept is its predicted classes;
every metric, reward, interval and figure is arithmetic on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError
from ..files import digest, write_atomically


class PredictionStore:
    """Predicted classes of sub-networks on one image set, as Parquet shards in one folder.

    Args:
        folder: where the shards lie; its name should identify weights, calibration and images.
        images: number of images N.
    """

    def __init__(self, folder: str | Path, images: int) -> None:
        self.folder, self.images = Path(folder), images
        self._rows: dict[str, np.ndarray] = {}
        for shard in sorted(self.folder.glob("[!.]*.parquet")):  # not what a killed writer left
            self._rows.update(self._load(shard))

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def write(self, keys: Sequence[str], classes: np.ndarray) -> None:
        """Keep the predictions (M, N) of M sub-networks, named by ``keys``, as one shard."""
        if classes.shape != (len(keys), self.images):
            raise DataError(f"Predictions have shape {classes.shape}; expected ({len(keys)}, {self.images}).")
        compact = classes.astype(np.uint16 if classes.max(initial=0) > 255 else np.uint8)
        table = pa.table({"arch": list(keys), "classes": [row.tobytes() for row in compact]})
        table = table.replace_schema_metadata({"dtype": compact.dtype.str})
        name = digest("\n".join(keys))
        write_atomically(
            self.folder / f"{name}.parquet", lambda part: pq.write_table(table, part, compression="zstd")
        )
        self._rows.update(zip(keys, compact, strict=True))

    def read(self, keys: Sequence[str]) -> np.ndarray:
        """Predictions (M, N), unsigned integers, of M stored sub-networks."""
        return np.stack([self._rows[key] for key in keys])

    def _load(self, shard: Path) -> dict[str, np.ndarray]:
        try:
            table = pq.read_table(shard)
            dtype = np.dtype(table.schema.metadata[b"dtype"].decode())
            rows = [np.frombuffer(row, dtype) for row in table["classes"].to_pylist()]
        except (pa.ArrowInvalid, KeyError, TypeError, OSError) as error:
            raise DataError(
                f"{shard} cannot be read ({error}). Delete it: what it held is computed again."
            ) from None
        if any(len(row) != self.images for row in rows):
            raise DataError(
                f"{shard} holds predictions of other images than the {self.images} expected. Delete it."
            )
        return dict(zip(table["arch"].to_pylist(), rows, strict=True))


def write_packaged(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write predictions, and columns that tell a reader what they are, as one Parquet file, atomically.

    Args:
        path: the file.
        rows: of equal columns, ``key`` and ``classes`` (N,) among them.
    """
    packed = [{**row, "dtype": row["classes"].dtype.str, "classes": row["classes"].tobytes()} for row in rows]
    table = pa.Table.from_pylist(packed)
    return write_atomically(path, lambda part: pq.write_table(table, part, compression="zstd"))


def read_packaged(path: str | Path) -> dict[str, np.ndarray]:
    """Predictions (N,) by key, of a file that :func:`write_packaged` wrote; none where there is no file.

    Raises:
        DataError: the file is damaged, or none of these.
    """
    if not Path(path).is_file():
        return {}
    try:
        rows = pq.read_table(path, columns=["key", "dtype", "classes"]).to_pylist()
        return {row["key"]: np.frombuffer(row["classes"], row["dtype"]) for row in rows}
    except (pa.ArrowInvalid, KeyError, ValueError, TypeError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error}). Install the package again.") from None
