"""Evolutionary search with the paper's rewards, with and without CAS (paper, Sec. 3.3, 3.4, 4.1)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator

from ..spaces.arch import Arch
from ..spaces.space import Cost, Space
from .course import ATTEMPTS, Course, SearchResult
from .rewards import Score
from .strategies import search

VERSION = 3  # of the searches' random course: logs of another one are not taken for these


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
    evaluations = population + (generations - 1) * (population - survivors(population, parent_ratio))
    return search(
        space,
        score,
        evolution,
        evaluations,
        seed,
        max_cost,
        min_cost,
        cost,
        reference,
        exclude,
        progress=progress,
        population=population,
        parent_ratio=parent_ratio,
        mutation_ratio=mutation_ratio,
        mutation_prob=mutation_prob,
    )


def evolution(
    course: Course,
    *,
    population: int = 100,
    parent_ratio: float = 0.25,
    mutation_ratio: float = 0.5,
    mutation_prob: float = 0.1,
) -> None:
    """:func:`evolve` as a strategy of :func:`regnas_core.search`, until the evaluations are spent."""
    space, rng = course.space, course.rng
    parents = survivors(population, parent_ratio)
    mutants = round(mutation_ratio * (population - parents))
    alive: list[tuple[float, int, Arch]] = []  # (−score, order, architecture): sorts best first, older first

    generation = 0
    while course.left:
        generation += 1
        if generation == 1:
            wanted = ["random"] * population
        else:
            wanted = ["mutation"] * mutants + ["crossover"] * (population - parents - mutants)
        wanted = wanted[: course.left]
        born, best = [], [arch for _, _, arch in alive]
        ways: dict[str, Iterator[Arch]] = {
            "random": space.samples(rng, **course.limits),
            "mutation": space.mutants(best, rng, mutation_prob, **course.limits),
            "crossover": space.crossings(best, rng, **course.limits),
        }
        for origin in wanted:
            # Relatives cross to what was seen already; then a mutant takes the place, at last a newcomer.
            for way in dict.fromkeys((origin, "mutation", "random") if alive else (origin,)):
                attempts = ATTEMPTS if way == "random" else space.attempts
                if (arch := course.new(ways[way], attempts)) is not None:
                    born.append((arch, way))
                    break
        order = len(course.archs)
        scores = course.evaluate(born)
        alive += [
            (-value, order + i, arch) for i, (value, (arch, _)) in enumerate(zip(scores, born, strict=True))
        ]
        alive = sorted(alive)[:parents]
        if len(born) < len(wanted):
            if course.exhausted:
                course.stopped = f"all {len(course.archs)} architectures within the limits were evaluated"
                return
            course.stopped = (
                f"generation {generation} found only {len(born)} new architectures of {len(wanted)}"
            )
            warnings.warn(f"{space.name}: search ended early, {course.stopped}.", stacklevel=4)
            return


def survivors(population: int, parent_ratio: float) -> int:
    """How many of a generation go on."""
    return max(1, round(parent_ratio * population))
