"""Lesson 5: your own models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from ...flips.gate.limits import at_most, flip_rate
from .judging import called, exercise, same


@exercise
def released(function: Callable[..., Any]) -> str | None:
    rng, labels = np.random.default_rng(0), np.arange(1000) % 7
    worse, better = (np.where(rng.random(1000) < p, labels, labels + 1) for p in (0.6, 0.8))
    for old, new in ((worse, better), (better, worse)):
        four = zip(old.tolist(), new.tolist(), labels.tolist(), strict=True)
        pairs = [(o == y, n == y) for o, n, y in four]
        lost, gained = pairs.count((True, False)), pairs.count((False, True))
        found = called(function, old, new, labels)
        if same(found, lost / 1000):
            return "that is a rate; a count is asked"
        if same(found, lost):
            continue
        if same(found, gained):
            worse_one = "the new one is less accurate" if old is better else "the new one is more accurate"
            return f"where {worse_one}, those are pictures that it gains: the old one comes first in any case"
        return "count pictures that the old model gets right and the new one wrong"
    return None


@exercise
def put_in_order(function: Callable[..., Any]) -> str | None:
    rng = np.random.default_rng(0)
    ids = rng.choice(10_000, 50, replace=False)
    answers, order = ids % 7, rng.permutation(50)
    found = np.asarray(called(function, ids, ids[order], answers[order]))
    if found.shape == answers.shape and (found == answers).all():
        return None
    if found.shape == answers.shape and (found == answers[order]).all():
        return "they are still in the order of the second file"
    return "the answer at each place has to be that of the picture whose id is there in the first file"


@exercise
def upper_bound(function: Callable[..., Any]) -> str | None:
    for flips, n in ((15, 1099), (0, 299), (3, 40)):
        found = float(called(function, flips, n))
        chance = stats.binom.cdf(flips, n, found)  # of so few flips, if the bound were the true rate
        if np.isclose(chance, 0.025, rtol=1e-3):
            return "that is the upper end of a two-sided interval; one side alone has all of the 5 %"
        if np.isclose(chance, 0.95, rtol=0.05) or (not flips and found == 0):
            return "that is a lower bound, or no flips were taken for a rate of 0"
        if not np.isclose(chance, 0.05, rtol=1e-3):
            return (
                f"if {found:.4f} were the true rate, up to {flips} flips of {n:,} would have a chance of "
                f"{chance:.1%}, not 5 %"
            )
    return None


@exercise
def verdict(function: Callable[..., Any]) -> str | None:
    cases = [
        (15, 1099, 0.02),
        (45, 1099, 0.02),
        (15, 1099, 0.03),
        (0, 50, 0.01),
        (0, 299, 0.01),
        (30, 1000, 0.02),
        (23, 1000, 0.02),
    ]
    for flips, n, limit in cases:
        truth = at_most(flip_rate(np.arange(n) < flips, None, 0.95), limit)
        said = called(function, flips, n, limit)
        if said not in ("pass", "fail", "inconclusive"):
            return f"{said!r} is none of pass, fail, inconclusive"
        if said != truth:
            return f"{flips} flips of {n:,} with a limit of {limit:.0%} are {said} for you, and {truth} here"
    return None


@exercise
def pictures_needed(answer: int, *, rate: float, limit: float) -> str | None:
    def bound(n: int) -> float:
        return flip_rate(np.arange(n) < round(rate * n), None, 0.95).high

    if not 1 <= answer <= 100_000:
        return "a number of pictures"
    if bound(answer) > limit:
        flips = round(rate * answer)
        return f"with {answer:,} pictures, {flips} of them flipped, the bound is {bound(answer):.3%}"
    return "fewer will do" if bound(int(0.85 * answer)) <= limit else None


@exercise
def slice_chance(function: Callable[..., Any]) -> str | None:
    for flips, n, limit in ((6, 50, 0.05), (1, 20, 0.02), (0, 50, 0.05)):
        found = float(called(function, flips, n, limit))
        truth = 1 - sum(stats.binom.pmf(k, n, limit) for k in range(flips))
        if same(found, truth):
            continue
        if same(found, truth - stats.binom.pmf(flips, n, limit)):
            return f"that is the chance of more than {flips}; {flips} themselves count, too"
        if same(found, stats.binom.cdf(flips, n, limit)):
            return "that is the chance of so few; so many, or more, is asked"
        return f"{flips} or more of {n} flip with a chance of {truth:.4f}, if each does with {limit:.0%}"
    return None


@exercise
def which_first(answers: Sequence[str | None]) -> str | None:
    """In each situation of the lesson: does the old one come first, or the one of lower Top-1?"""
    if any(answer is None for answer in answers):
        return "some answers are still None"
    truth = ("old", "lower", "old", "old")
    if len(answers) != len(truth) or not set(answers) <= set(truth):
        return 'four words, each "old" or "lower"'
    wrong = [str(k + 1) for k, (a, t) in enumerate(zip(answers, truth, strict=True)) if a != t]
    hint = "is one model taking another's place, or are both in use side by side?"
    return f"look again at {', '.join(wrong)}: {hint}" if wrong else None
