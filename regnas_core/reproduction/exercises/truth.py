"""Lesson 4: is it true?"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
from scipy import stats

from ...flips.intervals import holm
from .judging import called, exercise, same


@exercise
def both_differences(function: Callable[..., Any]) -> str | None:
    own, a, b = np.random.default_rng(0).random((3, 1000)) < np.array([[0.7], [0.8], [0.75]])
    flips = [sum(o and not r for o, r in zip(own.tolist(), right.tolist(), strict=True)) for right in (a, b)]
    truth = (flips[1] - flips[0]) / 10, (sum(b.tolist()) - sum(a.tolist())) / 10
    found = tuple(called(function, own, a, b))
    if same(found, truth):
        return None
    if same(found, np.negative(truth)):
        return "that is a minus b; how much more does b have?"
    if same(found, np.divide(truth, 100)):
        return "that is right as fractions; points are a hundred times as many"
    if same(found, truth[::-1]):
        return "NFR comes first, Top-1 second"
    return "a flip: the reference is right, the other one wrong; both are shares of all images"


@exercise
def matched(function: Callable[..., Any]) -> str | None:
    budget = 1000
    macs = np.array([500, 929, 930, 960, 1000, 1001, 2000])
    found = np.asarray(called(function, macs, budget))
    if found.shape != macs.shape or found.dtype != bool:
        return "one True or False a network"
    wrong = macs[found != [size in range(930, 1001) for size in macs.tolist()]]
    return f"with a budget of 1,000, a network of {wrong[0]:,} is judged wrongly" if len(wrong) else None


@exercise
def mean_interval(function: Callable[..., Any]) -> str | None:
    values = np.random.default_rng(0).normal(-0.5, 1, 6)
    test = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    mean, low, high = called(function, values)
    if not same(mean, values.sum() / 6):
        return "the first of the three is the mean"
    if not low < high:
        return "mean, low, high, in this order"
    half, truth = (high - low) / 2, (test.high - test.low) / 2
    if same(half, truth):
        return None if same(low, test.low) else "the interval goes as far down as up from the mean"
    if np.isclose(half / truth, stats.norm.ppf(0.975) / stats.t.ppf(0.975, 5), rtol=1e-2):
        return "1.96 is for many values; for six it is Student's quantile, t.ppf(0.975, 5)"
    if np.isclose(half / truth, sqrt(5 / 6)):
        return "the standard deviation of a sample divides by one less: ddof=1"
    if np.isclose(half / truth, sqrt(6)):
        return "a mean varies less than single values: divide by √S"
    return f"with these six values the half-width is {truth:.3f}, not {half:.3f}"


@exercise
def false_alarms(share: float, *, flips: np.ndarray) -> str | None:
    """``flips``: which images each search's network flips, bool (S, N)."""
    many = flips.astype(float)
    only = many.sum(1)[:, None] - many @ many.T
    above = np.triu_indices(len(flips), 1)
    first, second = only[above], only.T[above]
    p = np.minimum(1, 2 * stats.binom.cdf(np.minimum(first, second), first + second, 0.5))
    truth = float((p < 0.05).mean())
    if abs(share - truth) < 1e-9:
        return None
    if abs(share - truth * len(p)) < 1e-9:
        return "that is a count; of how many pairs?"
    return f"each pair once, {len(p)} of them; the share whose p-value is below 0.05"


@exercise
def trainings_needed(answer: int, *, sd: float, half_width: float) -> str | None:
    halves = {k: stats.t.ppf(0.975, k - 1) * sd / sqrt(k) for k in range(2, 1000)}
    truth = next(k for k, half in halves.items() if half <= half_width)
    if answer not in halves:
        return "a whole number, two at least"
    if answer < truth:
        return f"with {answer} it would still be ± {halves[answer]:.2f} points"
    return None if answer == truth else f"with {answer} it is ± {halves[answer]:.2f} points: fewer will do"


@exercise
def corrected(function: Callable[..., Any]) -> str | None:
    rng = np.random.default_rng(0)
    for p in (np.array([0.03, 0.01, 0.04]), np.array([0.2, 0.9, 0.6, 0.9]), rng.random(12) ** 3):
        before, found, truth = p.copy(), np.asarray(called(function, p)), holm(p)
        if not np.array_equal(p, before):
            return "the p-values themselves were changed: work on a copy"
        if same(found, truth):
            continue
        if same(found, np.minimum(1, len(p) * p)):
            return "that is Bonferroni's: after the smallest there is one test less to correct for"
        if same(found, np.sort(truth)):
            return "right, but sorted: each belongs to the place where its p-value was"
        if (found > 1).any():
            return "a p-value is 1 at most"
        right, yours = truth.round(3).tolist(), found.round(3).tolist()
        return f"for the p-values {p.round(3).tolist()}, {right} is right; your function gives {yours}"
    return None


@exercise
def discoveries(raw: float, kept: float, *, p: np.ndarray) -> str | None:
    """``p``: p-values of reports, a row each: (R, tests)."""
    lowest, tests = np.sort(p, axis=1)[:, 0], p.shape[1]
    truth = float((lowest < 0.05).mean()), float((lowest < 0.05 / tests).mean())
    if not (0 <= raw <= 1 and 0 <= kept <= 1):
        return "two shares of the reports, between 0 and 1"
    if not same(raw, truth[0]):
        share = float((p < 0.05).mean())
        return (
            "that is the share of the tests; in how many reports is at least one: .any(axis=1)"
            if same(raw, share)
            else "the first: the share of the rows with at least one p-value below 0.05"
        )
    return None if same(kept, truth[1]) else "the second: the same after holm, row by row"
