"""Checks of the lessons' exercises: an answer comes in, a sentence is printed.

An answer is a number, an array or a function; ``None``, or a function that returns it, is no answer yet. The
truth is computed anew from the same table, in another way than the lesson asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from scipy import stats

from ..flips import compare, intervals
from ..tabular.benchmark import TabularBenchmark

Check = Callable[..., str | None]  # returns what is wrong, or None


def exercise(check: Check) -> Callable[..., None]:
    """A check that prints its verdict, whatever it was given."""

    @wraps(check)
    def judged(*given: Any, **more: Any) -> None:
        if any(answer is None for answer in given):
            print("not yet: the answer is still None")
            return
        try:
            wrong = check(*given, **more)
        except Unanswered:
            wrong = "the function returns nothing so far"
        except Exception as error:  # of the function that is checked
            wrong = f"it ends with {type(error).__name__}: {error}"
        print(f"not yet: {wrong}" if wrong else "right")

    return judged


class Unanswered(Exception):
    """A function that still returns None."""


def _called(function: Callable[..., Any], *arguments: Any) -> Any:
    if (value := function(*arguments)) is None:
        raise Unanswered
    return value


def _same(given: Any, truth: Any) -> bool:
    given, truth = np.asarray(given), np.asarray(truth)
    return given.shape == truth.shape and bool(np.allclose(given, truth, atol=1e-9))


# ── lesson 1: counting flips
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
    value = _called(nfr, first, second)
    truth = sum(a and not b for a, b in zip(first.tolist(), second.tolist(), strict=True)) / 1000
    if _same(value, truth):
        return None
    if _same(value, truth * 1000):
        return "that is a count; a rate is a share of all images"
    if _same(value, truth * 1000 / first.sum()):
        return "that is a share of what the first gets right; the paper divides by all images"
    turned = sum(b and not a for a, b in zip(first.tolist(), second.tolist(), strict=True)) / 1000
    return (
        "those are positive flips" if _same(value, turned) else "right for the first AND wrong for the second"
    )


@exercise
def oriented(orient: Callable[..., Any]) -> str | None:
    worse, better = np.array([True, False, False, False]), np.array([False, True, True, False])
    for given in ((worse, better), (better, worse)):
        if not _same(_called(orient, *given), (worse, better)):
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


# ── lesson 3: REG-NAS
@exercise
def reward(function: Callable[..., Any]) -> str | None:
    top1, nfr = np.random.default_rng(0).random((2, 5))
    for weight in (0.0, 1.0, 2.5):
        if not _same(_called(function, top1, nfr, weight), top1 - weight * nfr):
            return f"with λ = {weight:g} it should be Top-1 − {weight:g} · NFR"
    return None


@exercise
def containing(function: Callable[..., Any], *, table: TabularBenchmark) -> str | None:
    for row in np.random.default_rng(0).integers(len(table), size=5):
        found = np.asarray(_called(function, table.grid, table.grid[row]))
        if found.shape != (len(table),):
            return f"one answer a network is needed, ({len(table)},), not {found.shape}: .all(axis=1)"
        if not found[row]:
            return "every network contains itself: at least, not more than"
        if not np.array_equal(found, table.containing(table.archs[row])):
            return "all genes have to be at least the small network's"
    return None


@exercise
def optimum(
    function: Callable[..., Any], *, table: TabularBenchmark, small: int, max_cost: float
) -> str | None:
    reference = table.archs[small]
    values = table.rewards("R2", reference)
    for inside in (None, reference):
        allowed = table.within(max_cost, containing=inside, exclude=[reference])
        best = table.row(table.best("R2", reference, max_cost=max_cost, containing=inside))
        found = int(_called(function, values, allowed))
        if not allowed[found]:
            return "the answer is not allowed"
        if values[found] != values[best]:
            return f"number {found:,} has a reward of {values[found]:.4f}; {values[best]:.4f} is possible"
    return None


@exercise
def mutation(function: Callable[..., Any], *, choices: np.ndarray) -> str | None:
    rng, low = np.random.default_rng(0), np.minimum(1, choices - 1)
    parents = rng.integers(low, choices, size=(3000, len(choices)))
    before = parents.copy()
    children = np.array([_called(function, parent, low, rng) for parent in parents])
    if not np.array_equal(before, parents):
        return "the parent itself was changed: begin with parent.copy()"
    if (children < low).any() or (children >= choices).any():
        return "a gene is below low, or not below choices: rng.integers(low, choices)"
    free = choices - low > 1
    changed = (children != parents)[:, free].mean()
    expected = 0.1 * np.mean(1 - 1 / (choices - low)[free])  # drawing anew may draw the same
    if not 0.8 * expected < changed < 1.25 * expected:
        return f"{changed:.1%} of the genes change, not {expected:.1%}; each has a chance of 10 % to be drawn"
    return None


@exercise
def crossover(function: Callable[..., Any]) -> str | None:
    rng, a, b = np.random.default_rng(0), np.zeros(9, int), np.ones(9, int)
    children = np.array([_called(function, a, b, rng) for _ in range(2000)])
    if children.shape != (2000, 9) or not np.isin(children, (0, 1)).all():
        return "each gene is one of the parents'"
    if not (children.mean(0) > 0.45).all() or not (children.mean(0) < 0.55).all():
        return "each gene comes from either parent with equal chance"
    if abs(np.corrcoef(children[:, 0], children[:, 1])[0, 1]) > 0.1:
        return "each gene is decided by itself, not all together"
    return None


@exercise
def evolution(
    function: Callable[..., Any], *, values: np.ndarray, allowed: np.ndarray, seeds: int = 3
) -> str | None:
    """``function(values, allowed, seed)`` returns the rows that it scored, in turn."""
    best, found, runs = values[allowed].max(), [], []
    for seed in range(seeds):
        rows = np.asarray(_called(function, values, allowed, seed), int)
        if len(set(rows.tolist())) < len(rows):
            return "a network was scored twice"
        if not allowed[rows].all():
            return "a network was scored that is not allowed"
        if not 1000 <= len(rows) <= 1525:
            return f"{len(rows):,} networks were scored; the paper's numbers make 1,525"
        found.append(values[rows].max() == best)
        runs.append(rows.tolist())
    if runs[0] == runs[1]:
        return "all seeds do the same: use rng throughout"
    later = np.mean([values[rows[800:]].mean() > values[rows[:100]].mean() for rows in runs])
    if later < 1:
        return "later generations are no better than the first: keep the best as parents"
    return (
        None if np.mean(found) >= 0.4 else f"only {np.mean(found):.0%} of {seeds} searches found the optimum"
    )
