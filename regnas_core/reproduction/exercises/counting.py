"""Lesson 1: counting flips."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from ...flips import compare, intervals
from .judging import called, exercise, same


@exercise
def four_places(both: int, negative: int, positive: int, neither: int) -> str | None:
    small, large = _EIGHT
    truth = [(s == y, g == y) for s, g, y in zip(small, large, _LABELS, strict=True)]
    if both + negative + positive + neither != 8:
        return "the four do not add up to eight images"
    counts = [truth.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))]
    wrong = "negative flips are images that the small one gets right and the large one wrong"
    return None if [both, negative, positive, neither] == counts else f"look again; {wrong}"


_LABELS = (0, 0, 1, 1, 2, 2, 3, 3)
_EIGHT = ((0, 0, 1, 3, 0, 2, 1, 0), (0, 1, 1, 1, 2, 2, 3, 0))


@exercise
def flip_rate(nfr: Callable[..., Any]) -> str | None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 1000)) < 0.7
    value = called(nfr, first, second)
    truth = sum(a and not b for a, b in zip(first.tolist(), second.tolist(), strict=True)) / 1000
    if same(value, truth):
        return None
    if same(value, truth * 1000):
        return "that is a count; a rate is a share of all images"
    if same(value, truth * 1000 / first.sum()):
        return "that is a share of what the first gets right; the paper divides by all images"
    turned = sum(b and not a for a, b in zip(first.tolist(), second.tolist(), strict=True)) / 1000
    return (
        "those are positive flips" if same(value, turned) else "right for the first AND wrong for the second"
    )


@exercise
def oriented(orient: Callable[..., Any]) -> str | None:
    worse, better = np.array([True, False, False, False]), np.array([False, True, True, False])
    for given in ((worse, better), (better, worse)):
        if not same(called(orient, *given), (worse, better)):
            return "the network with the lower Top-1 comes first, in whichever order they are given"
    return None


@exercise
def images_needed(answer: int, *, rate: float = 0.03, half_width: float = 0.005) -> str | None:
    low, high = intervals.rate_interval(round(rate * answer), answer)
    width = (high - low) / 2
    if width > half_width * 1.02:
        return f"with {answer:,} images it would still be ± {100 * width:.2f} points"
    if width < half_width * 0.9:
        return f"with {answer:,} images it is ± {100 * width:.2f} points: fewer will do"
    return None


@exercise
def only_one_flips(
    only_a: int, only_b: int, p: float, *, reference: np.ndarray, a: np.ndarray, b: np.ndarray
) -> str | None:
    """Arrays are right or wrong, bool (N,)."""
    test = compare.compare_targets(*(~right * 1 for right in (reference, a, b)), np.zeros(len(a), int))
    if (only_a, only_b) == (test.only_b, test.only_a) != (test.only_a, test.only_b):
        return "the two are exchanged"
    if (only_a, only_b) != (test.only_a, test.only_b):
        return "count images that the small network gets right, one of the two wrong, and the other right"
    return (
        None
        if np.isclose(p, test.p_value, rtol=1e-6, atol=0)
        else "p is binomtest(only_a, only_a + only_b).pvalue"
    )


@exercise
def chance_of_classes(
    p: float, *, labels: np.ndarray, reference: np.ndarray, flipped: np.ndarray
) -> str | None:
    """``p`` comes from 2,000 shuffles; the truth, nearly, from the χ² distribution. Arrays (N,)."""
    hit = np.bincount(labels[flipped], minlength=labels.max() + 1)
    had = np.bincount(labels[reference], minlength=labels.max() + 1)
    truth = stats.chi2_contingency(np.stack([hit, had - hit])).pvalue
    if not 0 <= p <= 1:
        return "a p-value lies between 0 and 1"
    error = 4 * np.sqrt(max(truth, 1 / 2000) * (1 - truth) / 2000) + 0.01
    if abs(p - truth) <= error:
        return None
    return "the share of the shuffled values that are at least as large as the one that was seen"
