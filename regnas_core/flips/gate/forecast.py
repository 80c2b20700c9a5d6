"""How many more items would decide: asked of the very functions that judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

import numpy as np

from ..intervals import holm
from .limits import (
    Bounded,
    Verdict,
    at_least,
    at_most,
    gain_bounds,
    in_slice,
    p_within,
    rate_bounds,
    slices_at_most,
)

MOST = 1e9  # items beyond which nothing is foretold


def more_items(verdict: Callable[[float], Verdict], n: float, items: int | None = None) -> int | None:
    """The smallest number of further items that would decide, if all rates stay what they are.

    Args:
        verdict: of so many items, with the rates that were found; inconclusive for n.
        n: how many there are; of weighted ones, the effective number.
        items: how many there are, where that is another number.

    Returns:
        That number; None where no number decides, as the rate is the limit itself.
    """
    step = 1.0
    while verdict(n + step) == "inconclusive":
        if (step := 2 * step) > MOST:
            return None
    low, high = step // 2, step  # low does not decide, high does
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if verdict(n + middle) == "inconclusive" else (low, middle)
    return ceil(high * (1 if items is None else items / n) - 1e-6)  # of equal weights n is not quite whole


def more_for_rate(found: Bounded, limit: float, confidence: float, items: int) -> int | None:
    """:func:`more_items` that tell whether a rate is within a limit."""
    return more_items(lambda n: at_most(rate_bounds(found.value * n, n, confidence), limit), found.n, items)


def more_for_gain(found: Bounded, broken: float, limit: float, confidence: float, items: int) -> int | None:
    """:func:`more_items` that tell whether a gain, of which the rate of broken items is known, is enough."""

    def verdict(n: float) -> Verdict:
        return at_least(gain_bounds((found.value + broken) * n, broken * n, n, confidence), limit)

    return more_items(verdict, found.n, items)


def more_for_slices(
    found: Sequence[Bounded], limit: float, confidence: float, items: Sequence[int]
) -> list[int | None]:
    """:func:`more_items` of each slice that would decide about it, if the others stay what they are.

    None for slices that are decided, and where no number would do.
    """
    p = np.array([p_within(one, limit) for one in found])

    def more(place: int) -> int | None:
        def verdict(n: float) -> Verdict:
            grown, all_p = rate_bounds(found[place].value * n, n, confidence), p.copy()
            all_p[place] = p_within(grown, limit)
            return in_slice(grown, limit, float(holm(all_p)[place]), confidence)

        return more_items(verdict, found[place].n, items[place])

    verdicts = slices_at_most(found, limit, confidence)
    return [more(place) if one == "inconclusive" else None for place, one in enumerate(verdicts)]
