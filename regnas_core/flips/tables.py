"""Files of answers, as people keep them.

A table has a row an item and columns ``prediction`` (classes, as numbers or names) or ``probabilities``,
``logits`` or ``scores`` (a list of numbers each), ``label`` in the baseline's table or in one of its own, an
id, and whatever items are sliced by. Scores are read a block at a time: a million rows of a thousand classes
never lie in memory.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import PredictionError

SCORES = ("probabilities", "logits", "scores")
FORMATS = ".npy, .csv, .parquet, .jsonl, .pt, or the folder of a Hugging Face data set"
KINDS = "iufUSbO"  # of arrays: numbers and names; what else there is, such as dates, is no answer
BLOCK = 16_384  # rows whose scores are in memory at a time

Blocks = Iterator[NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Table:
    """A file as it was read.

    Attributes:
        path: where.
        columns: everything but scores, a row an item.
        scores: gives blocks of scores (B, C), in order; None where the file has none.
        kind: "probabilities", "logits" or "scores".
    """

    path: Path
    columns: pd.DataFrame
    scores: Callable[[], Blocks] | None = None
    kind: str = "scores"

    def __len__(self) -> int:
        return len(self.columns)


def read_table(path: str | Path) -> Table:
    """A file of answers.

    Args:
        path: .npy of classes (N,) or scores (N, C); .csv; .parquet; .jsonl; .pt of a tensor or a dictionary
            of tensors; or a folder that ``datasets.Dataset.save_to_disk`` wrote. A .csv may lack a header if
            its first line is numbers; an empty line is an item without values.

    Raises:
        PredictionError: missing, unreadable, or empty; a column twice. Scores raise it when they are read.
    """
    path = Path(path)
    if not path.exists():
        raise PredictionError(f"{path}: no such file; expected {FORMATS}.")
    readers = {
        ".npy": _npy,
        ".csv": _csv,
        ".parquet": _parquet,
        ".jsonl": _jsonl,
        ".pt": _torch,
        ".pth": _torch,
    }
    reader = _arrow if path.is_dir() else readers.get(path.suffix.lower())
    if reader is None:
        raise PredictionError(f"{path}: unknown suffix {path.suffix!r}; expected one of {FORMATS}.")
    with _readable(path):
        table = reader(path)
    if not len(table):
        raise PredictionError(f"{path} is empty: there is nothing to compare.")
    if twice := table.columns.columns[table.columns.columns.duplicated()].tolist():
        raise PredictionError(f"{path} has the column {twice[0]} twice; expected each once.")
    return table if table.scores is None else replace(table, scores=partial(_checked, table))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Whatever a damaged file makes a reader raise becomes a named error."""
    try:
        yield
    except (PredictionError, ModuleNotFoundError):
        raise
    except Exception as error:
        raise PredictionError(
            f"{path}: cannot be read ({type(error).__name__}: {error}); expected a whole {path.suffix} file."
        ) from error


def _checked(table: Table) -> Blocks:
    """Scores, as they are read, a matrix of floats each."""
    assert table.scores is not None
    with _readable(table.path):
        for block in table.scores():
            if block.ndim != 2 or block.dtype.kind not in "iuf" or block.shape[1] < 2:
                raise PredictionError(
                    f"{table.path}: {table.kind} are {block.dtype} {block.shape}; expected a list of numbers "
                    "in every row, one a class."
                )
            yield block if block.dtype.kind == "f" else block.astype(float)


def _npy(path: Path) -> Table:
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    return _of_array(path, values)


def _of_array(path: Path, values: NDArray[Any]) -> Table:
    if values.ndim == 1 and values.dtype.kind in KINDS:
        return Table(path, pd.DataFrame({"prediction": np.asarray(values)}))
    if values.ndim == 2 and values.dtype.kind == "f" and values.shape[1] > 1:
        starts = range(0, len(values), BLOCK)

        def read(start: int) -> NDArray[Any]:
            if not isinstance(values, np.memmap) or not values.flags.c_contiguous:
                return values[start : start + BLOCK]
            row = values.shape[1] * values.itemsize  # a mapped file would count as memory
            count = min(BLOCK, len(values) - start) * values.shape[1]
            flat = np.fromfile(path, values.dtype, count, offset=values.offset + start * row)
            return flat.reshape(-1, values.shape[1])

        return Table(path, pd.DataFrame(index=pd.RangeIndex(len(values))), lambda: map(read, starts))
    raise PredictionError(
        f"{path} holds {values.dtype} {values.shape}; expected classes (N,), or scores (N, C) as floats."
    )


def _csv(path: Path) -> Table:
    first = pd.read_csv(path, header=None, dtype=str, nrows=1, skip_blank_lines=False).iloc[0]
    bare = bool(pd.to_numeric(first.dropna(), errors="coerce").notna().all())  # no header, but numbers
    names = [str(i) if bare else str(name).strip() for i, name in enumerate(first.fillna(""))]
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the first line
        frame = pd.read_csv(path, header=None if bare else 0, index_col=False, skip_blank_lines=False)
    frame.columns = pd.Index(names)
    if len(names) == 1 and names[0] not in ("prediction", "label", *SCORES):
        frame.columns = pd.Index(["prediction"])
    return _split(path, frame)


def _jsonl(path: Path) -> Table:
    return _split(path, pd.read_json(path, lines=True))


def _split(path: Path, frame: pd.DataFrame) -> Table:
    """A frame in memory, its scores apart."""
    frame.columns = [str(name).strip() for name in frame.columns]
    known = [name for name in SCORES if name in frame]
    if not known:
        return Table(path, frame)
    values = frame.pop(known[0])
    if len(values) and isinstance(values.iloc[0], str):  # of a .csv
        values = values.map(json.loads)
    starts = range(0, len(values), BLOCK)
    blocks = lambda: (np.array(values.iloc[s : s + BLOCK].tolist(), float) for s in starts)  # noqa: E731
    return Table(path, frame, blocks, known[0])


def _parquet(path: Path) -> Table:
    file = pq.ParquetFile(path)
    names = file.schema_arrow.names
    known = [name for name in SCORES if name in names]
    frame = file.read([name for name in names if name not in known]).to_pandas()
    if not known:
        return Table(path, frame)
    frame = frame if len(frame.columns) else pd.DataFrame(index=pd.RangeIndex(file.metadata.num_rows))

    def blocks() -> Blocks:
        for batch in pq.ParquetFile(path).iter_batches(BLOCK, columns=known[:1]):
            yield _matrix(path, batch.column(0))

    return Table(path, frame, blocks, known[0])


def _arrow(path: Path) -> Table:
    """A data set of Hugging Face: arrow streams in the order that its state.json has."""
    state = path / "state.json"
    if not state.is_file():
        raise PredictionError(f"{path}: no state.json; expected a folder that Dataset.save_to_disk wrote.")
    files = [path / entry["filename"] for entry in json.loads(state.read_text("utf-8"))["_data_files"]]
    tables = [pa.ipc.open_stream(pa.memory_map(str(file))).read_all() for file in files]
    table = pa.concat_tables(tables)
    known = [name for name in SCORES if name in table.column_names]
    frame = table.drop_columns(known).to_pandas()
    if not known:
        return Table(path, frame)

    def blocks() -> Blocks:
        for batch in table.select(known[:1]).to_batches(BLOCK):
            yield _matrix(path, batch.column(0))

    return Table(path, frame, blocks, known[0])


def _matrix(path: Path, lists: pa.Array) -> NDArray[Any]:
    if not hasattr(lists, "flatten"):
        raise PredictionError(f"{path}: scores are {lists.type}; expected a list of numbers in every row.")
    flat = lists.flatten().to_numpy(zero_copy_only=False)
    if len(lists) == 0 or len(flat) % len(lists) or lists.null_count:
        raise PredictionError(f"{path}: scores of unequal length; expected one number a class in every row.")
    return np.asarray(flat.reshape(len(lists), -1))


def _torch(path: Path) -> Table:
    import torch

    found = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(found, dict):
        known = [name for name in SCORES if name in found]
        columns = {k: v.numpy() for k, v in found.items() if k not in known and getattr(v, "ndim", 0) == 1}
        scores = _of_array(path, found[known[0]].float().numpy()).scores if known else None
        length = len(next(iter(columns.values()))) if columns else len(found[known[0]])
        frame = pd.DataFrame(columns, index=pd.RangeIndex(length))
        return Table(path, frame, scores, known[0] if known else "scores")
    return _of_array(path, found.float().numpy() if found.is_floating_point() else found.numpy())
