"""A baseline and its candidates, item by item: what flips, where, and whether a candidate may be released.

Flips count from the baseline to the candidate, whatever their accuracies: an item that the baseline gets
right and the candidate wrong is a negative flip. (In a family of models, where the less accurate one plays
that part, :func:`regnas_core.flips.report.flip_table` counts.)
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import PredictionError
from .answers import Items
from .columns import names_beside
from .judging import Candidate, judged, pairs
from .limits import Limits, Verdict

BEST = "a release may go if one candidate may: its verdict and its exit code are those of the best one"


@dataclass(frozen=True, eq=False)
class Release:
    """Everything that is known of a release.

    Attributes:
        items: what was compared.
        limits: what was demanded.
        candidates: in the order given.
        pairs: exact paired tests between candidates: a, b, only_a, only_b (flips), p, p_holm.
        least: items of a slice that is judged.
        weight: the column of the items' weights; None where every item counts once.
    """

    items: Items
    limits: Limits
    candidates: list[Candidate]
    pairs: pd.DataFrame
    least: int = 20
    weight: str | None = None

    @property
    def best(self) -> Candidate:
        """The candidate with the least grave verdict; of equal ones, that with the fewest negative flips."""
        order = ("pass", None, "inconclusive", "fail", "golden failure")
        return min(self.candidates, key=lambda c: (order.index(c.verdict), c.nfr.value))

    @property
    def verdict(self) -> Verdict | None:
        """That of the best candidate: a release can go if one of them can."""
        return self.best.verdict


def compare(
    items: Items,
    limits: Limits | None = None,
    *,
    slices: Sequence[str] = (),
    least: int = 20,
    weight: str | None = None,
) -> Release:
    """Judge every candidate.

    Args:
        items: of :func:`regnas_core.flips.gate.answers.join`.
        limits: what is demanded; by default nothing, and there are no verdicts.
        slices: columns to slice by; ``"label"`` is the true class, and "a,b" the combinations of two columns.
        least: items of a slice, below which it is shown but not judged: it could not pass.
        weight: a column of positive numbers, what an item counts.

    Raises:
        PredictionError: an unknown column, a weight that is not positive, golden ids that are no items, or
            golden ids where items were joined without ids.
    """
    limits = Limits() if limits is None else limits
    if not len(items):
        raise PredictionError("There is no item to compare; an empty comparison passes nothing.")
    weights = None if weight is None else _weights(items, weight)
    parts = {name: rows for column in slices for name, rows in _parts(items, column).items()}
    golden = _golden(items, limits)
    found = [judged(items, answers, limits, parts, least, weights, golden) for answers in items.candidates]
    return Release(items, limits, found, pairs(found), least, weight)


def _weights(items: Items, name: str) -> NDArray[np.float64]:
    values = pd.to_numeric(_column(items, name), errors="coerce").to_numpy(dtype=float)
    if not (np.isfinite(values) & (values > 0)).all():
        raise PredictionError(f"Column {name}: weights must be positive numbers, one an item.")
    return np.asarray(values)


def _column(items: Items, name: str) -> pd.Series:
    if name == "label":
        return pd.Series(items.label)
    if name not in items.columns:
        there = ", ".join(map(str, items.columns)) or "none"
        raise PredictionError(f"There is no column {name} to take; the tables have label, {there}.")
    return items.columns[name]


def _parts(items: Items, asked: str) -> dict[str, NDArray[np.intp]]:
    """Rows of every slice of one column, or of several together."""
    names = [name.strip() for name in asked.split(",")]
    columns = [_column(items, name).astype(str).to_numpy() for name in names]
    keys = pd.Series(list(zip(*columns, strict=True)))
    grouped = keys.groupby(keys, sort=True).indices
    return {
        ", ".join(f"{n}={v}" for n, v in zip(names, key, strict=True)): rows for key, rows in grouped.items()
    }


def _golden(items: Items, limits: Limits) -> NDArray[np.bool_]:
    """Which items are golden."""
    if not limits.golden:
        return np.zeros(len(items), bool)
    if items.id is None:
        raise PredictionError(
            "Golden items are named by their ids: name the column of ids (--id), too. Without it items have "
            "no ids, only places in the files."
        )
    ids = pd.Index(items.ids)
    numbers = ids.dtype.kind in "iuf"
    wanted = pd.Index([_number(one) if numbers else str(one) for one in limits.golden], dtype=object)
    ids = ids if numbers else ids.map(str)
    found = wanted.isin(ids)
    if not found.all():
        raise PredictionError(
            f"{(~found).sum():,} of {len(wanted):,} golden ids are no items, such as {wanted[~found][0]}."
        )
    return np.asarray(ids.isin(wanted))


def _number(text: Any) -> Any:
    """A golden id as a number, where it is one."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def flipped(release: Release, candidate: Candidate) -> pd.DataFrame:
    """The items that flip: id, label, both answers, and how sure the candidate is; the surest first."""
    rows = np.flatnonzero(candidate.flips)
    items, answers = release.items, candidate.answers
    table = pd.DataFrame(
        {
            "id": items.ids[rows],
            "label": items.label[rows],
            "baseline": items.baseline.prediction[rows],
            "candidate": answers.prediction[rows],
        }
    )
    if answers.confidence is not None:
        table["confidence"] = answers.confidence[rows]
    own = items.columns.rename(columns=names_beside(items.columns, items.id)).iloc[rows]
    table = table.join(own.reset_index(drop=True).drop(columns="id", errors="ignore"))
    return table if answers.confidence is None else table.sort_values("confidence", ascending=False)
