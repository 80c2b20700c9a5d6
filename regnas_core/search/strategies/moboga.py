"""MOBOGA: Bayesian optimisation with a genetic maximiser, aware of constraints.

A reconstruction: RA-AutoML (Yang, Rajagopal and others, 2020, arXiv 2011.00073) describes its engine as "a
modified constraint-aware Bayesian Optimization and Genetic Algorithm to construct Pareto optimal candidates".
Here: one Gaussian process for each objective; a genetic algorithm, inside the limits, maximises expected
improvement times the probability that objectives reach their thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import log_ndtr

from ...errors import RegnasError
from ...spaces.arch import Arch
from ..course import Course
from .gaussian import Fitter, GaussianProcess, Matrix, encode, log_improvement

Worth = Callable[[Sequence[Arch]], Matrix]


def moboga(
    course: Course,
    *,
    batch: int = 10,
    start: int = 20,
    population: int = 40,
    generations: int = 5,
    at_least: Sequence[float | None] = (),
) -> None:
    """Every other batch goes for the sum of the objectives, the others for sums with random weights.

    Args:
        course: of the search.
        batch: architectures that are evaluated between two fits.
        start: random ones at the beginning.
        population, generations: of the genetic algorithm.
        at_least: thresholds that objectives must reach, in their order; None demands nothing.
    """
    course.evaluate(course.draw(start))
    fit, turn = Fitter(course), 0
    while course.left and course.archs:
        parts = course.parts
        count = parts.shape[1]
        if at_least and len(at_least) != count:
            raise RegnasError(f"at_least has {len(at_least)} thresholds; the score has {count} objectives.")
        floors = np.array([-np.inf if low is None else low for low in at_least or [None] * count])
        models = fit()
        weights = course.rng.dirichlet(np.ones(count)) * count if turn % 2 else np.ones(count)
        feasible = (parts >= floors).all(1)
        best = (parts @ weights)[feasible].max(initial=(parts @ weights).min())
        worth = _acquisition(course, models, weights, best, floors)
        bred = _breed(course, worth, population, generations)
        order = np.argsort(-worth(bred), kind="stable")[: min(batch, course.left)].tolist() if bred else []
        born = [(bred[i], "genetic") for i in order] or course.draw(batch)
        if not born:
            return
        course.evaluate(born)
        turn += 1


def _acquisition(
    course: Course, models: Sequence[GaussianProcess], weights: Matrix, best: float, floors: Matrix
) -> Worth:
    """Logarithm of expected improvement of the weighted sum, times the probability of feasibility."""

    def worth(archs: Sequence[Arch]) -> Matrix:
        beliefs = [model.posterior(encode(course.space, archs)) for model in models]
        mean = sum(w * b.mean for w, b in zip(weights, beliefs, strict=True))
        variance = sum(w**2 * b.variance for w, b in zip(weights, beliefs, strict=True))
        value = log_improvement(np.asarray(mean), np.asarray(variance), best)
        for belief, low in zip(beliefs, floors, strict=True):
            if np.isfinite(low):
                value = value + log_ndtr((belief.mean - low) / np.sqrt(belief.variance))
        return value

    return worth


def _breed(course: Course, worth: Worth, population: int, generations: int) -> list[Arch]:
    """New architectures that a genetic algorithm meets which maximises ``worth``, from the best seen."""
    order = np.argsort(-np.array(course.scores), kind="stable")[: population // 2]
    parents = [course.archs[i] for i in order] + [course.sample() for _ in range(population // 2)]
    met: dict[Arch, None] = {}
    for _ in range(generations):
        pairs = course.rng.integers(len(parents), size=(population, 2))
        children = [course.mutate(course.crossover(parents[i], parents[j])) for i, j in pairs.tolist()]
        met |= dict.fromkeys(arch for arch in children if arch not in course.seen)
        everyone = list(dict.fromkeys(parents + children))
        fittest = np.argsort(-worth(everyone), kind="stable")[:population]
        parents = [everyone[i] for i in fittest]
    return list(met)
