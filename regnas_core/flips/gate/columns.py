"""Columns of tables: taken with checks, compared, and named beside our own."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import PredictionError
from ..tables import Table

OURS = ("id", "label", "baseline", "candidate", "confidence", "model")  # columns of flipped items


def column_of(table: Table, name: str) -> pd.Series:
    """A column that must be there, with one value a row."""
    if name not in table.columns:
        there = ", ".join(map(str, table.columns)) or "none"
        or_scores = ", nor a column of lists, as probabilities or logits" if name == "prediction" else ""
        raise PredictionError(f"{table.path} has no column {name}{or_scores}; its columns: {there}.")
    column = table.columns[name]
    if count := int(_lists(column).sum()):
        raise PredictionError(
            f"{table.path}: {count:,} rows have a list in the column {name}; expected one value. Scores are "
            "called probabilities or logits; several labels are one text, sorted, as cat dog."
        )
    return column


def classes_of(table: Table, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Predictions or labels of these rows: none missing, and numbers whole."""
    given = column_of(table, name).iloc[rows]
    if count := int(given.isna().sum()):
        raise PredictionError(
            f"{table.path}: {count:,} rows without a {name}. Fill them in, or take these items out of the "
            "files; where there is none to give, write a name for that, as none."
        )
    values = given.infer_objects().to_numpy()
    if values.dtype.kind != "f":
        return values
    if not ((values == np.floor(values)) & (np.abs(values) < 2**53)).all():
        raise PredictionError(
            f"{table.path}: {name}s are not whole numbers; scores go into a list a row, called probabilities "
            "or logits."
        )
    return values.astype(np.int64)


def differ(a: pd.Series, b: pd.Series) -> NDArray[np.bool_]:
    """Where two columns differ (N,); both missing is alike."""
    left, right = (_flat(column).reset_index(drop=True) for column in (a, b))
    same = left.eq(right).fillna(False).to_numpy(bool)
    return ~(same | (left.isna() & right.isna()).to_numpy(bool))


def _lists(column: pd.Series) -> pd.Series:
    """Where a column has lists or the like, not one value."""
    if column.dtype != object:
        return pd.Series(False, column.index)
    return column.map(pd.api.types.is_list_like).astype(bool)


def _flat(column: pd.Series) -> pd.Series:
    """Lists as texts, so that they can be compared."""
    plain = lambda value: value.tolist() if hasattr(value, "tolist") else str(value)  # noqa: E731
    return column.map(partial(json.dumps, default=plain)) if _lists(column).any() else column


def shown(value: object) -> str:
    """A value in an error: names in quotes."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def names_beside(columns: pd.DataFrame, id: str | None) -> dict[str, str]:
    """What columns are called beside ours: one that has a name of ours becomes given_confidence, say.

    A column ``id`` keeps its name where items are joined by it: it is our own then.
    """
    names = {str(name): str(name) for name in columns}
    for name in names.keys() & OURS:
        while (name, id) != ("id", "id") and names[name] in {*OURS, *columns}:
            names[name] = f"given_{names[name]}"
    return names
