"""Lesson 3: REG-NAS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...tabular.benchmark import TabularBenchmark
from .judging import called, exercise, same


@exercise
def reward(function: Callable[..., Any]) -> str | None:
    top1, nfr = np.random.default_rng(0).random((2, 5))
    for weight in (0.0, 1.0, 2.5):
        if not same(called(function, top1, nfr, weight), top1 - weight * nfr):
            return f"with λ = {weight:g} it should be Top-1 − {weight:g} · NFR"
    return None


@exercise
def containing(function: Callable[..., Any], *, table: TabularBenchmark) -> str | None:
    for row in np.random.default_rng(0).integers(len(table), size=5):
        found = np.asarray(called(function, table.grid, table.grid[row]))
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
        found = int(called(function, values, allowed))
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
    children = np.array([called(function, parent, low, rng) for parent in parents])
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
    children = np.array([called(function, a, b, rng) for _ in range(2000)])
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
        rows = np.asarray(called(function, values, allowed, seed), int)
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
