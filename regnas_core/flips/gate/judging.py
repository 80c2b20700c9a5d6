"""One candidate against the baseline: what flips, by which bounds, and what limits say to that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from .forecast import more_for_gain, more_for_rate, more_for_slices
from .limits import Bounded, Limits, Verdict, at_least, at_most, flip_rate, gain, slices_at_most, worst

Reason = tuple[Verdict, str]
Parts = Mapping[str, NDArray[np.intp]]


@dataclass(frozen=True)
class Slice:
    """A part of the items.

    Attributes:
        name, n: which, and how many items.
        negative, positive: items that flip, each counted once.
        nfr: rate of negative flips with one-sided bounds, weighted where weights were given.
        nfr_interval: two-sided, 95 %.
        verdict: None where it was not judged.
        more: how many more of its items would decide; None where it is decided, or nothing would.
    """

    name: str
    n: int
    negative: int
    positive: int
    nfr: Bounded
    nfr_interval: Bounds
    verdict: Verdict | None = None
    more: int | None = None


@dataclass(frozen=True, eq=False)
class Candidate:
    """One candidate against the baseline.

    Attributes:
        answers: of the model.
        counts: the four cells, unweighted.
        nfr, top1_gain: with one-sided bounds, weighted where weights were given.
        nfr_interval: two-sided, 95 %; weighted as well, by the effective number of items.
        top1: of the baseline and of the candidate, weighted as their difference, the gain, is.
        churn: share of items with another prediction, weighted.
        top_flips: share of items whose label leaves the top k, weighted; None without scores.
        soft_flips: mean loss of the label's probability, where it falls, weighted; None without
            probabilities.
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
    top1: tuple[float, float]
    churn: float
    top_flips: float | None
    soft_flips: float | None
    slices: list[Slice]
    golden: list[Any]
    reasons: list[Reason]
    verdict: Verdict | None
    flips: NDArray[np.bool_] = field(repr=False)

    @property
    def name(self) -> str:
        return self.answers.name


def judged(
    items: Items,
    answers: Answers,
    limits: Limits,
    parts: Parts,
    least: int,
    weights: NDArray[np.float64] | None,
    golden: NDArray[np.bool_],
) -> Candidate:
    """Count and judge.

    Args:
        items, answers, limits: what is compared, of whom, and what is demanded.
        parts: rows of each slice, by name.
        least: items of a slice, below which it is not judged.
        weights: (N,) of the items; None where every item counts once.
        golden: (N,), items that must not flip.

    Raises:
        PredictionError: a limit for slices, but no slices.
    """
    old, new, sure = items.baseline, answers, limits.confidence
    flips, rises = negative_flips(old.right, new.right), negative_flips(new.right, old.right)
    both = old.right & new.right
    counts = FlipCounts(
        int(both.sum()), int(flips.sum()), int(rises.sum()), int((~old.right & ~new.right).sum())
    )
    share = np.full(len(items), 1 / len(items)) if weights is None else weights / weights.sum()
    nfr, better = flip_rate(flips, weights, sure), gain(old.right, new.right, weights, sure)
    slices, of_slices = _slices(flips, rises, weights, limits, parts, least)
    reasons = [*_of_rates(nfr, better, limits, len(items)), *of_slices]
    broken = items.ids[flips & golden].tolist()
    if limits.golden:
        ok: Verdict = "golden failure" if broken else "pass"
        reasons.append((ok, f"golden items that flip: {len(broken)} of {int(golden.sum())}"))
    return Candidate(
        answers,
        counts,
        nfr,
        _two_sided(nfr),
        better,
        (float(share[old.right].sum()), float(share[new.right].sum())),
        float(share[old.prediction != new.prediction].sum()),
        None if old.near is None or new.near is None else float(share[old.near & ~new.near].sum()),
        None
        if old.true is None or new.true is None
        else float((share * np.clip(old.true - new.true, 0, None)).sum()),
        slices,
        broken,
        reasons,
        worst(verdict for verdict, _ in reasons) if limits else None,
        flips,
    )


def _two_sided(found: Bounded) -> Bounds:
    return rate_interval(round(found.value * found.n), round(found.n))


def _of_rates(nfr: Bounded, better: Bounded, limits: Limits, items: int) -> list[Reason]:
    """What the limits of all items say."""
    reasons: list[Reason] = []
    sure = limits.confidence
    if (limit := limits.max_nfr) is not None:
        verdict = at_most(nfr, limit)
        more = more_for_rate(nfr, limit, sure, items) if verdict == "inconclusive" else None
        reasons.append((verdict, _said("negative flips", nfr, "at most", limit, verdict, sure, more)))
    if (limit := limits.min_top1_gain) is not None:
        verdict = at_least(better, limit)
        more = more_for_gain(better, nfr.value, limit, sure, items) if verdict == "inconclusive" else None
        reasons.append((verdict, _said("gain in Top-1", better, "at least", limit, verdict, sure, more)))
    return reasons


def _said(
    what: str, found: Bounded, side: str, limit: float, verdict: Verdict, sure: float, more: int | None
) -> str:
    bound = found.high if side == "at most" else found.low
    other = found.low if side == "at most" else found.high
    text = f"{what}: {side} {limit:.2%} is asked, {found.value:.2%} found"
    ends = {"pass": f"{bound:.2%}", "fail": f"{other:.2%}"}
    if verdict in ends:
        edge = "at most" if (side == "at most") == (verdict == "pass") else "at least"
        return f"{text}, {edge} {ends[verdict]} at {100 * sure:g}% confidence"
    between = f"between {min(bound, other):.2%} and {max(bound, other):.2%}"
    text += f", the true one {between} at {100 * sure:g}% confidence each side"
    return text + (f"; some {more:,} more items would decide" if more else "")


def _slices(
    flips: NDArray[np.bool_],
    rises: NDArray[np.bool_],
    weights: NDArray[np.float64] | None,
    limits: Limits,
    parts: Parts,
    least: int,
) -> tuple[list[Slice], list[Reason]]:
    """All slices, and what their limit says."""
    if limits.max_nfr_slice is not None and not parts:
        raise PredictionError("A limit for slices, but no slices: name columns with --slice.")
    found = [
        flip_rate(flips[rows], None if weights is None else weights[rows], limits.confidence)
        for rows in parts.values()
    ]
    large = [place for place, rows in enumerate(parts.values()) if len(rows) >= least]
    verdicts: dict[int, Verdict] = {}
    more: dict[int, int | None] = {}
    if limits.max_nfr_slice is not None:
        asked = [found[place] for place in large], limits.max_nfr_slice, limits.confidence
        sizes = [len(rows) for rows in parts.values() if len(rows) >= least]
        verdicts = dict(zip(large, slices_at_most(*asked), strict=True))
        more = dict(zip(large, more_for_slices(*asked, sizes), strict=True))
    slices = [
        Slice(
            name,
            len(rows),
            int(flips[rows].sum()),
            int(rises[rows].sum()),
            found[place],
            _two_sided(found[place]),
            verdicts.get(place),
            more.get(place),
        )
        for place, (name, rows) in enumerate(parts.items())
    ]
    return slices, [] if limits.max_nfr_slice is None else [_of_slices(slices, limits.max_nfr_slice, least)]


def _of_slices(slices: Sequence[Slice], limit: float, least: int) -> Reason:
    """What the limit of slices says, and which of them needs most items more."""
    found = [one.verdict for one in slices if one.verdict is not None]
    counted = {v: found.count(v) for v in ("pass", "fail", "inconclusive")}
    said = [f"{count} {verdict}" for verdict, count in counted.items() if count]
    if small := len(slices) - len(found):
        said.append(f"{small} of fewer than {least} items not judged")
    text = f"negative flips of every slice: at most {limit:.2%}: {', '.join(said)}"
    if needy := [one for one in slices if one.more is not None]:
        most = max(needy, key=lambda one: one.more or 0)
        who = "of the inconclusive ones " if len(needy) > 1 else ""
        text += (
            f"; {who}{most.name} needs {'most, ' if who else ''}some {most.more:,} more items to be decided"
        )
    return worst(found) if found else "inconclusive", text


def pairs(candidates: Sequence[Candidate]) -> pd.DataFrame:
    """Exact McNemar tests of equal NFR between candidates, corrected for their number."""
    rows: list[dict[str, Any]] = []
    for a, b in combinations(candidates, 2):
        only_a, only_b = int((a.flips & ~b.flips).sum()), int((b.flips & ~a.flips).sum())
        counts = {"only_a": only_a, "only_b": only_b, "p": exact_p(only_a, only_b)}
        rows.append({"a": a.name, "b": b.name, **counts})
    table = pd.DataFrame(rows, columns=["a", "b", "only_a", "only_b", "p"])
    return table.assign(p_holm=holm(table["p"].to_numpy()))
