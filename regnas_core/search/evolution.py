"""Evolutionary search with the paper's rewards, with and without CAS (paper, Sec. 3.3, 3.4, 4.1)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from ..errors import RegnasError
from ..spaces.arch import Arch
from ..spaces.space import Cost, Space
from .rewards import Score

VERSION = 1  # of the searches' random course: logs of another one are not taken for these
ATTEMPTS = 100  # draws before a search concedes that no new architecture is left


@dataclass(frozen=True)
class SearchResult:
    """What a search saw.

    Attributes:
        best: the architecture with the highest score.
        log: one row an architecture, in the order of evaluation: generation (from 1), origin
            (random, mutation, crossover), arch, cost, score.
        archs: the architectures of the log's rows.
        stopped: why the search ended before its last generation, or None.
    """

    best: Arch
    log: pd.DataFrame
    archs: tuple[Arch, ...]
    stopped: str | None = None


def evolve(
    space: Space,
    score: Score,
    *,
    seed: int = 0,
    max_cost: float | None = None,
    min_cost: float | None = None,
    cost: Cost | None = None,
    reference: Arch | None = None,
    exclude: Iterable[Arch] = (),
    generations: int = 20,
    population: int = 100,
    parent_ratio: float = 0.25,
    mutation_ratio: float = 0.5,
    mutation_prob: float = 0.1,
    progress: bool = False,
) -> SearchResult:
    """Search ``space`` for the architecture with the highest score.

    The first generation is random. Afterwards the best ``parent_ratio`` of a generation go on, and
    the rest of the population are new mutants and crossovers of them; so the paper's numbers, the
    defaults, evaluate 100 + 19 · 75 = 1,525 architectures. None is scored twice.

    Args:
        space: where to search.
        score: called once a generation with the list of new architectures; returns their scores.
        seed: of all random choices.
        max_cost: budget, in units of ``cost``.
        min_cost: lower end of a cost window, same units, to compare networks of matched size.
        cost: function of an architecture, asked once for each; MACs of one image by default.
        reference: given, the search is a CAS: all architectures contain its weights. The reference
            itself is never proposed, since a target is another network.
        exclude: further architectures that are never proposed.
        generations, population: size of the search.
        parent_ratio: share of the population that goes on.
        mutation_ratio: share of the new architectures made by mutation, the others by crossover.
        mutation_prob: chance of each gene to be redrawn.
        progress: whether to show a bar.

    Raises:
        InfeasibleError: no architecture satisfies budget and reference.
        RegnasError: a score is not a number, or their count is wrong.
    """
    rng = np.random.default_rng(seed)
    given = None if cost is None else cache(cost)
    cost = given or space.macs
    limits: dict[str, Any] = {
        "containing": reference,
        "max_cost": max_cost,
        "min_cost": min_cost,
        "cost": given,
    }
    parents = survivors(population, parent_ratio)
    mutants = round(mutation_ratio * (population - parents))
    seen = {reference, *exclude}
    alive: list[tuple[float, int, Arch]] = []  # (−score, order, architecture): sorts best first, older first
    rows: list[dict[str, Any]] = []
    archs: list[Arch] = []
    stopped = None

    def pick() -> Arch:
        return alive[int(rng.integers(len(alive)))][2]

    makers = {
        "random": lambda: space.sample(rng, **limits),
        "mutation": lambda: space.mutate(pick(), rng, mutation_prob, **limits),
        "crossover": lambda: space.crossover(pick(), pick(), rng, **limits),
    }
    numbers = range(1, generations + 1)
    for generation in tqdm(numbers, desc="generation", leave=False) if progress else numbers:
        if generation == 1:
            wanted = ["random"] * population
        else:
            wanted = ["mutation"] * mutants + ["crossover"] * (population - parents - mutants)
        born = []
        for origin in wanted:
            # Relatives cross to what was seen already; then a mutant takes the place, at last a newcomer.
            for way in dict.fromkeys((origin, "mutation", "random") if alive else (origin,)):
                attempts = ATTEMPTS if way == "random" else space.attempts
                if (arch := _new(makers[way], seen, attempts)) is not None:
                    born.append((arch, way))
                    break
        if born:
            scores = _checked(score([arch for arch, _ in born]), len(born))
            for (arch, origin), value in zip(born, scores, strict=True):
                alive.append((-value, len(rows), arch))
                rows.append(
                    {
                        "generation": generation,
                        "origin": origin,
                        "arch": str(arch),
                        "cost": cost(arch),
                        "score": value,
                    }
                )
                archs.append(arch)
            alive = sorted(alive)[:parents]
        if len(born) < len(wanted):
            if space.exhausted(seen, **limits):
                stopped = f"all {len(archs)} architectures within the limits were evaluated"
                break
            stopped = f"generation {generation} found only {len(born)} new architectures of {len(wanted)}"
            warnings.warn(f"{space.name}: search ended early, {stopped}.", stacklevel=2)
            break
    if not archs:
        raise RegnasError(
            f"{space.name}: the reference is the only architecture within the constraint and the budget."
        )
    log = pd.DataFrame(rows)
    first: Any = log["score"].idxmax()  # a row's number
    return SearchResult(archs[int(first)], log, tuple(archs), stopped)


def survivors(population: int, parent_ratio: float) -> int:
    """How many of a generation go on."""
    return max(1, round(parent_ratio * population))


def _new(make: Callable[[], Arch], seen: set[Arch | None], attempts: int) -> Arch | None:
    """An architecture that was not seen yet, or None where none is found."""
    for _ in range(attempts):
        if (arch := make()) not in seen:
            seen.add(arch)
            return arch
    return None


def _checked(scores: Iterable[float], expected: int) -> list[float]:
    scores = [float(s) for s in scores]
    if len(scores) != expected or not np.isfinite(scores).all():
        raise RegnasError(
            f"score() returned {scores[:5]} …; expected {expected} finite numbers, one an architecture."
        )
    return scores
