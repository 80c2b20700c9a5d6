"""Files of answers, as people keep them.

A table has a row an item and columns ``prediction`` (classes, as numbers or names) or ``probabilities``,
``logits`` or ``scores`` (a list of numbers each), ``label`` in the baseline's table or in one of its own, an
id, and whatever items are sliced by. Text stays text: an id 007 is not 7, and a class may be called None.
Scores are read a block at a time: a million rows of a thousand classes never lie in memory.
"""

from __future__ import annotations

import gzip
import json
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import PredictionError
from .classes import to_numpy

SCORES = ("probabilities", "logits", "scores")
FORMATS = ".npy, .csv, .parquet, .jsonl, .tsv, .pt, or the folder of a Hugging Face data set"
TEXT = (".csv", ".tsv", ".jsonl")
KINDS = "iufUSbO"  # of arrays: numbers and names; what else there is, such as dates, is no answer
BLOCK = 16_384  # rows whose scores are in memory at a time
READ = 1 << 20  # bytes of a .parquet that are read at a time
MISSING = ("nan", "na", "n/a", "none", "null", "<na>")  # in a .csv among numbers; among names they are names
NO_NUMBERS = r"[+-]?(0\d|\d{20})"  # how ids begin that numbers would damage: zeros that lead, too many digits

LISTS = pa.list_(pa.float64())
Blocks = Iterator[NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Table:
    """A file as it was read.

    Attributes:
        path: where.
        columns: everything but scores, a row an item; categories as their values.
        scores: gives blocks of scores (B, C), in order; None where the file has none.
        kind: "probabilities", "logits", "scores" (neither), or "" where the file does not say.
    """

    path: Path
    columns: pd.DataFrame
    scores: Callable[[], Blocks] | None = None
    kind: str = ""

    def __post_init__(self) -> None:
        held = self.columns.select_dtypes("category")
        plain = self.columns.assign(**{str(name): np.asarray(held[name]) for name in held})
        object.__setattr__(self, "columns", plain)

    def __len__(self) -> int:
        return len(self.columns)


def read_table(path: str | Path) -> Table:
    """A file of answers.

    Args:
        path: .npy of classes (N,) or scores (N, C); .csv or .tsv; .parquet; .jsonl; .pt of a tensor or a
            dictionary of tensors; or a folder that ``datasets.Dataset.save_to_disk`` wrote. Text may be
            compressed (.csv.gz). A .csv of one column may lack a header if its first line is a number; an
            empty line is an item without values.

    Raises:
        PredictionError: missing, unreadable, or empty; a column twice. Scores raise it when they are read.
    """
    path = Path(path)
    if not path.exists():
        raise PredictionError(f"{path}: no such file; expected {FORMATS}.")
    readers = {
        ".npy": _npy,
        ".csv": _csv,
        ".tsv": _csv,
        ".parquet": _parquet,
        ".jsonl": _jsonl,
        ".pt": _torch,
        ".pth": _torch,
    }
    reader = _arrow if path.is_dir() else readers.get(_suffix(path))
    if reader is None:
        raise PredictionError(f"{path}: unknown suffix {path.suffix!r}; expected one of {FORMATS}.")
    with _readable(path):
        table = reader(path)
    if not len(table):
        raise PredictionError(f"{path} is empty: there is nothing to compare.")
    if twice := table.columns.columns[table.columns.columns.duplicated()].tolist():
        raise PredictionError(f"{path} has the column {twice[0]} twice; expected each once.")
    return table if table.scores is None else replace(table, scores=partial(_checked, table))


def _suffix(path: Path) -> str:
    """What a file is; text may be compressed."""
    inner = path.with_suffix("").suffix.lower()
    return inner if path.suffix.lower() == ".gz" and inner in TEXT else path.suffix.lower()


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
    start = width = 0
    with _readable(table.path):
        for block in table.scores():
            if block.ndim != 2 or block.dtype.kind not in "iuf" or block.shape[1] < 2:
                what = f"{table.kind or 'scores'} are {block.dtype} {block.shape}"
                raise PredictionError(
                    f"{table.path}: {what}; expected a list of numbers in every row, one a class."
                )
            if block.shape[1] != (width := width or block.shape[1]):
                raise _ragged(table.path, start, block.shape[1], width)
            if table.kind == "probabilities" and (bad := _no_probabilities(block, 0.01)).any():
                row = int(bad.argmax())
                raise PredictionError(
                    f"{table.path}: probabilities are none in row {start + row}: the least is "
                    f"{block[row].min():.3g}, the sum {block[row].sum():.3g}. Call the column logits, or "
                    "scores where they are neither."
                )
            yield block if block.dtype.kind == "f" else block.astype(float)
            start += len(block)


def _no_probabilities(block: NDArray[Any], within: float) -> NDArray[np.bool_]:
    """Rows that are negative somewhere or do not sum to one; NaN is told where scores are used."""
    return np.asarray((block < 0).any(1) | (np.abs(block.sum(1, dtype=float) - 1) > within))


def kind_of(table: Table) -> str:
    """What scores are: as the file says, else probabilities where all rows are, else logits."""
    if table.kind or table.scores is None:
        return table.kind
    probable = not any(_no_probabilities(block, 0.001).any() for block in table.scores())
    return "probabilities" if probable else "logits"


def _ragged(path: Path, row: int, count: int, width: int) -> PredictionError:
    return PredictionError(
        f"{path}: scores of unequal length: row {row} has {count} numbers, those before have {width}; "
        "expected one number a class in every row."
    )


def _npy(path: Path) -> Table:
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    return _of_array(path, values)


def _of_array(path: Path, values: NDArray[Any]) -> Table:
    if values.ndim == 1 and values.dtype.kind in KINDS:
        native = values.dtype.newbyteorder("=")  # pandas knows no other order of bytes
        return Table(path, pd.DataFrame({"prediction": np.asarray(values, native)}))
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
    read = partial(
        pd.read_csv, dtype=str, sep="\t" if _suffix(path) == ".tsv" else ",", skip_blank_lines=False
    )
    first = read(path, header=None, nrows=1).iloc[0]
    bare = bool(pd.to_numeric(first.dropna(), errors="coerce").notna().all())  # no header, but numbers
    names = [str(i) if bare else str(name).strip() for i, name in enumerate(first.fillna(""))]
    if bare and len(names) > 1:
        raise PredictionError(
            f"{path}: {len(names)} columns, and numbers for names in the first line; expected names, as "
            "prediction, or one column of classes. Scores go into one column of lists (probabilities or "
            "logits), or into .npy."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the first line
        frame = read(path, header=None if bare else 0, index_col=False, keep_default_na=False, na_values=[""])
    frame.columns = pd.Index(names)
    if len(names) == 1 and names[0] not in ("prediction", "label", *SCORES):
        frame.columns = pd.Index(["prediction"])
    return _split(path, frame.apply(_typed))


def _typed(given: pd.Series) -> pd.Series:
    """A column of a .csv as numbers or truth values, where all it has are such; else the texts."""
    texts = given.str.strip()
    texts = texts.mask(texts == "")
    lower = texts.str.lower()
    known = texts.mask(lower.isin(MISSING))
    if not known.notna().any():
        return texts
    if lower.isin(("true", "false")).all():
        return lower == "true"
    if texts.str.match(NO_NUMBERS, na=False).any():
        return texts
    try:
        return pd.to_numeric(known)
    except ValueError:
        return texts


def _jsonl(path: Path) -> Table:
    reader = gzip.open if path.suffix.lower() == ".gz" else open
    with reader(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("a line is no object, as {...}")
    return _split(path, pd.DataFrame(rows))


def _split(path: Path, frame: pd.DataFrame) -> Table:
    """A frame in memory, its scores apart."""
    frame.columns = [str(name).strip() for name in frame.columns]
    known = [name for name in SCORES if name in frame]
    if not known:
        return Table(path, frame)
    values = frame.pop(known[0])
    if len(values) and isinstance(values.iloc[0], str):  # of a .csv
        values = values.map(json.loads)

    def blocks() -> Blocks:
        for start in range(0, len(values), BLOCK):
            rows = pa.array(values.iloc[start : start + BLOCK].tolist(), LISTS, from_pandas=True)
            yield _matrix(path, rows, start)

    return Table(path, frame, blocks, known[0])


def _parquet(path: Path) -> Table:
    file = pq.ParquetFile(path)
    names = file.schema_arrow.names
    known = [name for name in SCORES if name in names]
    frame = file.read([name for name in names if name not in known]).to_pandas()
    if not known:
        return Table(path, frame)
    frame = frame if len(frame.columns) else pd.DataFrame(index=pd.RangeIndex(file.metadata.num_rows))

    def streamed() -> pq.ParquetFile:  # what is read ahead would stay in memory to the end
        return pq.ParquetFile(path, pre_buffer=False, buffer_size=READ)

    return Table(
        path,
        frame,
        lambda: _matrices(path, streamed().iter_batches(BLOCK, columns=known[:1])),
        known[0],
    )


def _arrow(path: Path) -> Table:
    """A data set of Hugging Face: arrow streams in the order that its state.json has."""
    state = path / "state.json"
    if (path / "dataset_dict.json").is_file():
        splits = json.loads((path / "dataset_dict.json").read_text("utf-8"))["splits"]
        raise PredictionError(
            f"{path}: several splits ({', '.join(splits)}); give the folder of one of them."
        )
    if not state.is_file():
        raise PredictionError(f"{path}: no state.json; expected a folder that Dataset.save_to_disk wrote.")
    files = [path / entry["filename"] for entry in json.loads(state.read_text("utf-8"))["_data_files"]]
    tables = [pa.ipc.open_stream(pa.memory_map(str(file))).read_all() for file in files]
    table = pa.concat_tables(tables)
    known = [name for name in SCORES if name in table.column_names]
    frame = table.drop_columns(known).to_pandas()
    if not known:
        return Table(path, frame)

    return Table(path, frame, lambda: _matrices(path, table.select(known[:1]).to_batches(BLOCK)), known[0])


def _matrices(path: Path, batches: Iterable[pa.RecordBatch]) -> Blocks:
    start = 0
    for batch in batches:
        yield _matrix(path, batch.column(0), start)
        start += len(batch)


def _matrix(path: Path, lists: pa.Array, start: int) -> NDArray[Any]:
    """Scores of rows from ``start`` on."""
    if not hasattr(lists, "flatten"):
        raise PredictionError(f"{path}: scores are {lists.type}; expected a list of numbers in every row.")
    counts = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    if (odd := counts != counts[0]).any():
        row = int(odd.argmax())
        raise _ragged(path, start + row, int(counts[row]), int(counts[0]))
    return np.asarray(lists.flatten().to_numpy(zero_copy_only=False).reshape(len(lists), -1))


def _torch(path: Path) -> Table:
    import torch

    found = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(found, dict):
        known = [name for name in SCORES if name in found]
        columns = {
            k: to_numpy(v, k) for k, v in found.items() if k not in known and getattr(v, "ndim", 0) == 1
        }
        scores = _of_array(path, to_numpy(found[known[0]].float(), known[0])).scores if known else None
        length = len(next(iter(columns.values()))) if columns else len(found[known[0]])
        frame = pd.DataFrame(columns, index=pd.RangeIndex(length))
        return Table(path, frame, scores, known[0] if known else "")
    return _of_array(path, to_numpy(found.float() if found.is_floating_point() else found, "a tensor"))
