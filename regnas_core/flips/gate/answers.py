"""Answers of several models to the same items: joined by the items' ids, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import PredictionError
from ...files import distinct_names
from ..tables import Table


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model says of the items that all have in common.

    Attributes:
        name: of the model.
        prediction: its classes (N,), as the labels are: numbers or names.
        right: bool (N,).
        near: bool (N,), whether the label is among its k highest scores; None without scores.
        confidence: its highest probability (N,); None without probabilities or logits.
        true: the probability that it gives the label (N,); None as well.
    """

    name: str
    prediction: NDArray[Any]
    right: NDArray[np.bool_]
    near: NDArray[np.bool_] | None = None
    confidence: NDArray[np.float32] | None = None
    true: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Items:
    """The items that are compared, with the answers of the baseline and of every candidate.

    Attributes:
        ids: (N,): given ones, or places in the files.
        label: (N,).
        columns: what else the baseline's or the labels' table knows of the items.
        baseline, candidates: answers.
        notes: how items were joined, and what was left out.
    """

    ids: NDArray[Any]
    label: NDArray[Any]
    columns: pd.DataFrame
    baseline: Answers
    candidates: list[Answers]
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.label)


def join(
    baseline: Table,
    candidates: Sequence[Table],
    labels: Table | None = None,
    *,
    id: str | None = None,
    on_missing: str = "refuse",
    classes: Sequence[str] | None = None,
    top: int = 5,
) -> Items:
    """Bring tables together, item by item.

    Args:
        baseline, candidates: of :func:`read_table`.
        labels: a table with the column ``label``; by default it is in the baseline's.
        id: the column by which items are joined; by default they are in the same order in all tables.
        on_missing: what to do about items that not all tables have: ``"refuse"``, or ``"drop"``.
        classes: names of the classes, in the order of scores, where labels are names.
        top: k of ``near``.

    Raises:
        PredictionError: no labels; tables of unequal length without ids; ids that are missing or occur twice;
            items that not all tables have; predictions that are no classes. The message has their numbers.
    """
    truth = baseline if labels is None else labels
    if "label" not in truth.columns and labels is not None and list(truth.columns) == ["prediction"]:
        truth = Table(truth.path, truth.columns.rename(columns={"prediction": "label"}))
    if "label" not in truth.columns:
        raise PredictionError(f"{truth.path} has no column label; give a file of labels with --labels.")
    tables = [truth, baseline, *candidates]
    rows, ids, notes = _in_order(tables) if id is None else _by_id(tables, id, on_missing)
    if not len(ids):
        raise PredictionError("There is no item that all tables have: nothing can be compared.")
    label = _column(truth, "label").iloc[rows[0]].to_numpy()
    names = distinct_names([table.path for table in tables[1:]])
    answers = [
        _answers(name, table, where, label, classes, top)
        for name, table, where in zip(names, tables[1:], rows[1:], strict=True)
    ]
    known = truth.columns if truth is baseline else baseline.columns.iloc[rows[1]].reset_index(drop=True)
    columns = truth.columns.iloc[rows[0]].reset_index(drop=True)
    if truth is not baseline:
        columns = columns.join(known[[c for c in known if c not in columns]])
    drop = [name for name in ("label", "prediction") if name in columns]
    return Items(ids, label, columns.drop(columns=drop), answers[0], answers[1:], notes)


Rows = list[NDArray[np.int64]]


def _in_order(tables: Sequence[Table]) -> tuple[Rows, NDArray[Any], list[str]]:
    sizes = {str(table.path): len(table) for table in tables}
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{path} {count:,}" for path, count in sizes.items())
        raise PredictionError(
            f"Tables of unequal length: {said}. Name a column of ids (--id) to join them by."
        )
    for name in tables[0].columns.columns:
        held = [table for table in tables if name in table.columns and name != "prediction"]
        if any(_differ(held[0].columns[name], table.columns[name]) for table in held[1:]):
            raise PredictionError(
                f"Several tables have a column {name}, and it differs between them: their rows are not the "
                f"same items in the same order. Join them by their ids (as --id {name})."
            )
    rows = np.arange(len(tables[0]))
    return [rows] * len(tables), rows, ["joined by the order of rows: no column of ids was named"]


def _differ(a: pd.Series, b: pd.Series) -> bool:
    left, right = a.reset_index(drop=True), b.reset_index(drop=True)
    return not bool((left.eq(right) | (left.isna() & right.isna())).all())


def _by_id(tables: Sequence[Table], id: str, on_missing: str) -> tuple[Rows, NDArray[Any], list[str]]:
    problems = []
    for table in dict.fromkeys(tables):
        column = _column(table, id)
        if count := int(column.isna().sum()):
            problems.append(f"{table.path}: {count:,} rows without {id}")
        if count := int(column.duplicated().sum()):
            example = column[column.duplicated()].iloc[0]
            problems.append(f"{table.path}: {count:,} rows repeat an {id}, such as {example}")
    if problems:
        raise PredictionError("; ".join(problems) + ". An id must name one item.")
    index = {table: pd.Index(_column(table, id)) for table in dict.fromkeys(tables)}
    common = index[tables[0]]
    for other in index.values():
        common = common[common.isin(other)]
    lacking = {str(table.path): len(own) - len(common) for table, own in index.items()}
    notes = [f"joined by {id}"]
    if any(lacking.values()):
        said = ", ".join(f"{path} {count:,}" for path, count in lacking.items() if count)
        if on_missing != "drop":
            raise PredictionError(
                f"Not all tables have the same items; beyond the {len(common):,} that all have: {said}. Mend "
                "the files, or compare what all have with --on-missing drop."
            )
        notes.append(f"left out, as not all tables have them: {said}")
    places = [index[table].get_indexer(common) for table in tables]
    return places, common.to_numpy(), notes


def _column(table: Table, name: str) -> pd.Series:
    if name not in table.columns:
        there = ", ".join(map(str, table.columns)) or "none"
        raise PredictionError(f"{table.path} has no column {name}; its columns: {there}.")
    return table.columns[name]


def _answers(
    name: str,
    table: Table,
    rows: NDArray[np.int64],
    label: NDArray[Any],
    classes: Sequence[str] | None,
    top: int,
) -> Answers:
    if table.scores is None:
        given = _column(table, "prediction").iloc[rows]
        if count := int(given.isna().sum()):
            raise PredictionError(f"{table.path}: {count:,} rows without a prediction.")
        prediction = _alike(given.to_numpy(), label, table.path)
        return Answers(name, prediction, prediction == label)
    codes = _codes(label, classes, table.path)
    of_row = np.full(len(table), -1)
    of_row[rows] = codes
    found = _reduced(table, of_row, top)
    chosen, near, confidence, true = (part[rows] for part in found)
    prediction = chosen if classes is None else np.array(classes, dtype=object)[chosen]
    sure = None if table.kind == "scores" else confidence
    return Answers(name, prediction, chosen == codes, near, sure, None if sure is None else true)


def _alike(values: NDArray[Any], label: NDArray[Any], path: Path) -> NDArray[Any]:
    """Predictions in the labels' terms, both numbers or both names."""
    numbers = [a.dtype.kind in "iuf" for a in (values, label)]
    if numbers[0] != numbers[1]:
        kinds = ("numbers" if number else "names" for number in numbers)
        raise PredictionError("{}: predictions are {}, labels are {}; give both alike.".format(path, *kinds))
    if values.dtype.kind == "f" and (values != np.floor(values)).any():
        raise PredictionError(f"{path}: predictions are not whole numbers; a list a row is taken for scores.")
    return values


def _codes(label: NDArray[Any], classes: Sequence[str] | None, path: Path) -> NDArray[np.int64]:
    """Labels as places in the scores."""
    if classes is not None:
        codes = pd.Index(classes).get_indexer(label)
        if (unknown := label[codes < 0]).size:
            raise PredictionError(f"{len(unknown):,} labels are none of the classes, such as {unknown[0]}.")
        return np.asarray(codes, np.int64)
    if label.dtype.kind not in "iu":
        raise PredictionError(
            f"{path} has scores, and the labels are names: give the classes' names in the scores' order "
            "(--classes)."
        )
    return label.astype(np.int64)


def _reduced(table: Table, codes: NDArray[np.int64], top: int) -> tuple[NDArray[Any], ...]:
    """Of scores, block by block: the highest class, whether the label is near, confidence, the label's p."""
    parts, start = [], 0
    assert table.scores is not None
    for block in table.scores():
        own = codes[start : start + len(block)]
        if (own >= block.shape[1]).any():
            raise PredictionError(f"{table.path} scores {block.shape[1]} classes; a label is {own.max()}.")
        chosen = block.argmax(1)  # of a row with NaN, its place
        high, mine = (np.take_along_axis(block, at[:, None], 1)[:, 0] for at in (chosen, np.maximum(own, 0)))
        if (broken := np.isnan(high)).any():
            raise PredictionError(
                f"{table.path}: scores are NaN, first in row {start + int(broken.argmax())}."
            )
        rank = (block > mine[:, None]).sum(1)
        if table.kind == "logits":
            total = np.exp(block - high[:, None], dtype=np.float32).sum(1)
            confidence, true = 1 / total, np.exp(mine - high) / total
        else:
            confidence, true = high, mine
        parts.append((chosen, rank < top, confidence.astype(np.float32), true.astype(np.float32)))
        start += len(block)
    if start != len(codes):
        raise PredictionError(f"{table.path} has {start:,} rows of scores; expected {len(codes):,}.")
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
