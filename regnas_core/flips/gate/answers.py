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
from ..tables import Table, kind_of
from .columns import classes_of, column_of, differ, shown


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
        notes: how items were joined, what was left out, and what unnamed scores were taken for.
        id: the column of the ids; None where they are places in the files.
    """

    ids: NDArray[Any]
    label: NDArray[Any]
    columns: pd.DataFrame
    baseline: Answers
    candidates: list[Answers]
    notes: list[str] = field(default_factory=list)
    id: str | None = None

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
            items that not all tables have; labels that are missing or differ between tables; predictions that
            are missing, no classes, or all of other classes than the labels. The message has their numbers.
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
    label = classes_of(truth, "label", rows[0])
    _same_labels(tables, rows, ids)
    names = distinct_names([table.path for table in tables[1:]])
    kinds = [kind_of(table) for table in tables[1:]]
    answers = [
        _answers(name, table, where, label, classes, top, kind)
        for name, table, where, kind in zip(names, tables[1:], rows[1:], kinds, strict=True)
    ]
    _not_blank(truth, label, answers)
    notes += [
        f"{name}: scores taken for {kind}"
        for name, table, kind in zip(names, tables[1:], kinds, strict=True)
        if kind != table.kind
    ]
    known = truth.columns if truth is baseline else baseline.columns.iloc[rows[1]].reset_index(drop=True)
    columns = truth.columns.iloc[rows[0]].reset_index(drop=True)
    if truth is not baseline:
        columns = columns.join(known[[c for c in known if c not in columns]])
    drop = [name for name in ("label", "prediction") if name in columns]
    return Items(ids, label, columns.drop(columns=drop), answers[0], answers[1:], notes, id)


Rows = list[NDArray[np.int64]]


def _in_order(tables: Sequence[Table]) -> tuple[Rows, NDArray[Any], list[str]]:
    sizes = {str(table.path): len(table) for table in tables}
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{path} {count:,}" for path, count in sizes.items())
        raise PredictionError(
            f"Tables of unequal length: {said}. Name a column of ids (--id) to join them by."
        )
    for name in dict.fromkeys([*tables[0].columns, *tables[1].columns]):
        if name in ("prediction", "label"):  # labels are compared below, however rows are joined
            continue
        held = [table for table in tables if name in table.columns]
        if any(differ(held[0].columns[name], table.columns[name]).any() for table in held[1:]):
            raise PredictionError(
                f"Several tables have a column {name}, and it differs between them: their rows are not the "
                f"same items in the same order. Join them by their ids (as --id {name}); or leave out the "
                "column where it says nothing of the item."
            )
    rows = np.arange(len(tables[0]))
    return [rows] * len(tables), rows, ["joined by the order of rows: no column of ids was named"]


def _same_labels(tables: Sequence[Table], rows: Rows, ids: NDArray[Any]) -> None:
    """Refuse labels that another table contradicts."""
    truth = column_of(tables[0], "label").iloc[rows[0]]
    for table, where in zip(tables[1:], rows[1:], strict=True):
        if "label" not in table.columns or table is tables[0]:
            continue
        other = column_of(table, "label").iloc[where]
        if (off := differ(truth, other)).any():
            row = int(off.argmax())
            raise PredictionError(
                f"{off.sum():,} labels of {table.path} are others than those of {tables[0].path}, as of item "
                f"{ids[row]}: {shown(other.iloc[row])} and {shown(truth.iloc[row])}. Mend them, or leave out "
                "one column label; if only the order of rows differs, join them by their ids (--id)."
            )


def _by_id(tables: Sequence[Table], id: str, on_missing: str) -> tuple[Rows, NDArray[Any], list[str]]:
    problems = []
    for table in dict.fromkeys(tables):
        column = column_of(table, id)
        if count := int(column.isna().sum()):
            problems.append(f"{table.path}: {count:,} rows without {id}")
        if count := int(column.duplicated().sum()):
            example = column[column.duplicated()].iloc[0]
            problems.append(f"{table.path}: {count:,} rows repeat an {id}, such as {example}")
    if problems:
        raise PredictionError("; ".join(problems) + ". An id must name one item.")
    index = {table: pd.Index(column_of(table, id)) for table in dict.fromkeys(tables)}
    common = index[tables[0]]
    for other in index.values():
        common = common[common.isin(other)]
    numbers = {pd.api.types.is_numeric_dtype(own): table for table, own in index.items()}
    if not len(common) and len(numbers) > 1:
        raise PredictionError(
            f"{id} is text in {numbers[False].path}, such as {index[numbers[False]][0]!r}, and a number in "
            f"{numbers[True].path}, such as {index[numbers[True]][0]}: no id is in both. Write them alike."
        )
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


def _not_blank(truth: Table, label: NDArray[Any], answers: Sequence[Answers]) -> None:
    """Refuse empty labels, unless a model answers so too: they then say that an item has none."""
    blank = pd.Series(label).eq("")
    if blank.any() and not any((one.prediction == "").any() for one in answers):
        raise PredictionError(
            f"{truth.path}: {blank.sum():,} rows without a label, but an empty text. Fill them in, or take "
            "these items out of the files."
        )


def _answers(
    name: str,
    table: Table,
    rows: NDArray[np.int64],
    label: NDArray[Any],
    classes: Sequence[str] | None,
    top: int,
    kind: str,
) -> Answers:
    if table.scores is None:
        prediction = _alike(classes_of(table, "prediction", rows), label, table.path)
        return Answers(name, prediction, prediction == label)
    codes = _codes(label, classes, table.path)
    of_row = np.zeros(len(table), np.int64)  # of items that not all tables have, whatever: left out below
    of_row[rows] = codes
    found = _reduced(table, of_row, top, kind == "logits", None if classes is None else len(classes))
    chosen, near, confidence, true = (part[rows] for part in found)
    prediction = chosen if classes is None else np.array(classes, dtype=object)[chosen]
    sure = None if kind == "scores" else confidence
    return Answers(name, prediction, chosen == codes, near, sure, None if sure is None else true)


def _alike(values: NDArray[Any], label: NDArray[Any], path: Path) -> NDArray[Any]:
    """Predictions in the labels' terms, both numbers or both names."""
    numbers = [a.dtype.kind in "iuf" for a in (values, label)]
    if numbers[0] != numbers[1]:
        kinds = ("numbers" if number else "names" for number in numbers)
        raise PredictionError("{}: predictions are {}, labels are {}; give both alike.".format(path, *kinds))
    if not pd.Index(values).isin(label).any():
        raise PredictionError(
            f"{path}: no prediction is among the labels' classes; one is {shown(values[0])}, a label is "
            f"{shown(label[0])}. Write both alike: capitals, blanks, and what number is which class."
        )
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


def _reduced(
    table: Table, codes: NDArray[np.int64], top: int, logits: bool, named: int | None
) -> tuple[NDArray[Any], ...]:
    """Of scores, block by block: the highest class, whether the label is near, confidence, the label's p."""
    parts, start, least, most = [], 0, codes.min(), codes.max()
    assert table.scores is not None
    for block in table.scores():
        own, width = codes[start : start + len(block)], block.shape[1]
        if named not in (None, width):
            raise PredictionError(f"{table.path} scores {width} classes, and {named} have names (--classes).")
        if least < 0 or most >= width:
            outside = (codes < 0) | (codes >= width)
            raise PredictionError(
                f"{table.path} scores {width} classes; {outside.sum():,} labels are not among 0 to "
                f"{width - 1}, such as {codes[outside][0]}. Mend them, or take these items out of the files."
            )
        chosen = block.argmax(1)  # of a row with NaN, its place
        high, mine = (np.take_along_axis(block, at[:, None], 1)[:, 0] for at in (chosen, own))
        if (broken := np.isnan(high)).any():
            raise PredictionError(
                f"{table.path}: scores are NaN, first in row {start + int(broken.argmax())}."
            )
        rank = (block > mine[:, None]).sum(1)
        if logits:
            total = np.exp(block - high[:, None], dtype=np.float32).sum(1)
            confidence, true = 1 / total, np.exp(mine - high) / total
        else:
            confidence, true = high, mine
        parts.append((chosen, rank < top, confidence.astype(np.float32), true.astype(np.float32)))
        start += len(block)
    if start != len(codes):
        raise PredictionError(f"{table.path} has {start:,} rows of scores; expected {len(codes):,}.")
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
