"""A baseline and its candidates, item by item: what flips, where, and whether a candidate may be released.

Flips count from the baseline to the candidate, whatever their accuracies: an item that the baseline gets
right and the candidate wrong is a negative flip. (In a family of models, where the less accurate one plays
that part, :func:`regnas_core.flips.report.flip_table` counts.)
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import PredictionError
from ..compare import exact_p
from ..counts import FlipCounts
from ..intervals import Bounds, holm, rate_interval
from ..right import negative_flips
from .answers import Answers, Items
from .columns import names_beside
from .limits import (
    Bounded,
    Limits,
    Verdict,
    at_least,
    at_most,
    flip_rate,
    gain,
    more_items,
    slices_at_most,
    worst,
)


@dataclass(frozen=True)
class Slice:
    """A part of the items: which, how many, its rate of negative flips, and its verdict."""

    name: str
    n: int
    negative: int
    positive: int
    nfr: Bounded
    verdict: Verdict | None = None


@dataclass(frozen=True, eq=False)
class Candidate:
    """One candidate against the baseline.

    Attributes:
        answers: of the model.
        counts: the four cells, unweighted.
        nfr, top1_gain: with one-sided bounds, weighted where weights were given.
        nfr_interval: two-sided, 95 %; weighted as well, by the effective number of items.
        churn: share of items with another prediction.
        top_flips: share of items whose label leaves the top k; None without scores.
        soft_flips: mean loss of the label's probability, where it falls; None without probabilities.
        slices: of the columns that were asked for.
        golden: ids of the golden set that flip.
        reasons: a sentence for each limit.
        verdict: the gravest of all limits; None where none was given.
        flips: bool (N,), negative ones.
    """

    answers: Answers
    counts: FlipCounts
    nfr: Bounded
    nfr_interval: Bounds
    top1_gain: Bounded
    churn: float
    top_flips: float | None
    soft_flips: float | None
    slices: list[Slice]
    golden: list[Any]
    reasons: list[tuple[Verdict, str]]
    verdict: Verdict | None
    flips: NDArray[np.bool_] = field(repr=False)

    @property
    def name(self) -> str:
        return self.answers.name


@dataclass(frozen=True, eq=False)
class Release:
    """Everything that is known of a release.

    Attributes:
        items: what was compared.
        limits: what was demanded.
        candidates: in the order given.
        pairs: exact paired tests between candidates: a, b, only_a, only_b (flips), p, p_holm.
        least: items of a slice that is judged.
    """

    items: Items
    limits: Limits
    candidates: list[Candidate]
    pairs: pd.DataFrame
    least: int = 20

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
    limits = limits or Limits()
    if not len(items):
        raise PredictionError("There is no item to compare; an empty comparison passes nothing.")
    weights = None if weight is None else _weights(items, weight)
    parts = {name: rows for column in slices for name, rows in _parts(items, column).items()}
    golden = _golden(items, limits)
    found = [_judged(items, answers, limits, parts, least, weights, golden) for answers in items.candidates]
    return Release(items, limits, found, _pairs(found), least)


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


def _judged(
    items: Items,
    answers: Answers,
    limits: Limits,
    parts: dict[str, NDArray[np.intp]],
    least: int,
    weights: NDArray[np.float64] | None,
    golden: NDArray[np.bool_],
) -> Candidate:
    old, new, sure = items.baseline, answers, limits.confidence
    flips, rises = negative_flips(old.right, new.right), negative_flips(new.right, old.right)
    both = old.right & new.right
    counts = FlipCounts(
        int(both.sum()), int(flips.sum()), int(rises.sum()), int((~old.right & ~new.right).sum())
    )
    share = np.full(len(items), 1 / len(items)) if weights is None else weights / weights.sum()
    nfr, better = flip_rate(flips, weights, sure), gain(old.right, new.right, weights, sure)
    reasons: list[tuple[Verdict, str]] = []
    if limits.max_nfr is not None:
        verdict = at_most(nfr, limits.max_nfr)
        reasons.append((verdict, _said("negative flips", nfr, "at most", limits.max_nfr, verdict, sure)))
    if limits.min_top1_gain is not None:
        verdict = at_least(better, limits.min_top1_gain)
        text = _said("gain in Top-1", better, "at least", limits.min_top1_gain, verdict, sure)
        reasons.append((verdict, text))
    kept = [
        flip_rate(flips[rows], None if weights is None else weights[rows], sure) for rows in parts.values()
    ]
    verdicts: list[Verdict | None] = [None] * len(kept)
    if limits.max_nfr_slice is not None:
        if not parts:
            raise PredictionError("A limit for slices, but no slices: name columns with --slice.")
        large = [place for place, rows in enumerate(parts.values()) if len(rows) >= least]
        judged = slices_at_most([kept[place] for place in large], limits.max_nfr_slice, sure)
        for place, one in zip(large, judged, strict=True):
            verdicts[place] = one
        counted = {v: judged.count(v) for v in ("pass", "fail", "inconclusive")}
        said = ", ".join(f"{n} {v}" for v, n in counted.items() if n)
        if small := len(kept) - len(large):
            said += f"{', ' if said else ''}{small} of fewer than {least} items not judged"
        bound = f"negative flips of every slice: at most {limits.max_nfr_slice:.2%}"
        reasons.append((worst(judged) if judged else "inconclusive", f"{bound}: {said}"))
    broken = items.ids[flips & golden].tolist()
    if limits.golden:
        ok: Verdict = "golden failure" if broken else "pass"
        reasons.append((ok, f"golden items that flip: {len(broken)} of {int(golden.sum())}"))
    return Candidate(
        answers,
        counts,
        nfr,
        rate_interval(round(nfr.value * nfr.n), round(nfr.n)),
        better,
        float(share[old.prediction != new.prediction].sum()),
        None if old.near is None or new.near is None else float(share[old.near & ~new.near].sum()),
        None
        if old.true is None or new.true is None
        else float((share * np.clip(old.true - new.true, 0, None)).sum()),
        [
            Slice(name, len(rows), int(flips[rows].sum()), int(rises[rows].sum()), one, verdict)
            for (name, rows), one, verdict in zip(parts.items(), kept, verdicts, strict=True)
        ],
        broken,
        reasons,
        worst(verdict for verdict, _ in reasons) if limits else None,
        flips,
    )


def _said(what: str, found: Bounded, side: str, limit: float, verdict: Verdict, sure: float) -> str:
    bound = found.high if side == "at most" else found.low
    other = found.low if side == "at most" else found.high
    text = f"{what}: {side} {limit:.2%} is asked, {found.value:.2%} found"
    ends = {"pass": f"{bound:.2%}", "fail": f"{other:.2%}"}
    if verdict in ends:
        edge = "at most" if (side == "at most") == (verdict == "pass") else "at least"
        return f"{text}, {edge} {ends[verdict]} at {sure:.0%} confidence"
    between = f"between {min(bound, other):.2%} and {max(bound, other):.2%}"
    text += f", the true one {between} at {sure:.0%} confidence each side"
    more = more_items(found, limit, sure)
    return text + (f"; some {more:,} more items would decide" if more else "")


def _pairs(candidates: Sequence[Candidate]) -> pd.DataFrame:
    """Exact McNemar tests of equal NFR between candidates, corrected for their number."""
    rows: list[dict[str, Any]] = []
    for a, b in combinations(candidates, 2):
        only_a, only_b = int((a.flips & ~b.flips).sum()), int((b.flips & ~a.flips).sum())
        counts = {"only_a": only_a, "only_b": only_b, "p": exact_p(only_a, only_b)}
        rows.append({"a": a.name, "b": b.name, **counts})
    table = pd.DataFrame(rows, columns=["a", "b", "only_a", "only_b", "p"])
    return table.assign(p_holm=holm(table["p"].to_numpy()))


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
