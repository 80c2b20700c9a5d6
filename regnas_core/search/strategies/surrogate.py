"""Search by a surrogate: Gaussian processes over genes say which of *all* architectures to evaluate next."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...spaces.arch import Arch
from ..course import Course
from .gaussian import Fitter, GaussianProcess, Matrix, encode, log_improvement

CANDIDATES = 500  # of a space that is too large to list
ROUNDS, PARENTS = 4, 20  # in which relatives of the most promising ones join them


def surrogate(course: Course, *, batch: int = 10, start: int = 20) -> None:
    """Bayesian optimisation with one process for each part of the score.

    Where the architectures inside can be listed, as in a tied space, all are candidates; else relatives of
    the best, and random ones. Batches are those of highest expected improvement, each chosen as if those
    before it had come out as expected.

    Args:
        course: of the search.
        batch: architectures that are evaluated between two fits, at least; an eighth of all so far.
        start: random ones at the beginning.
    """
    pool = Pool(course)
    course.evaluate(course.draw(start))
    fit = Fitter(course)
    while course.left and course.archs:
        models = fit()
        archs, x = pool.candidates(models)
        if not archs:
            return
        count = min(max(batch, len(course.archs) // 8), course.left, len(archs))
        chosen = most_promising(models, x, max(course.scores), count)
        course.evaluate([(archs[i], "surrogate") for i in chosen])


class Pool:
    """Candidates of a search: architectures inside that were not seen."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.listed = course.space.listed(**course.limits)
        self.x = None if self.listed is None else encode(course.space, self.listed)

    def candidates(self, models: list[GaussianProcess]) -> tuple[list[Arch], Matrix]:
        """Architectures, and their one-hot genes; in a large space relatives of what ``models`` favour."""
        course = self.course
        if self.listed is not None and self.x is not None:
            rows = [i for i, arch in enumerate(self.listed) if arch not in course.seen]
            return [self.listed[i] for i in rows], self.x[rows]
        order = np.argsort(-np.array(course.scores), kind="stable")
        best = [course.archs[i] for i in order[: max(10, len(order) // 10)]]
        found = relatives(course, best, CANDIDATES)
        for _ in range(ROUNDS):
            x = encode(course.space, found)
            promising = most_promising(models, x, max(course.scores), min(PARENTS, len(found)))
            bred = relatives(course, [found[i] for i in promising], CANDIDATES // 2)
            found = list(dict.fromkeys(found + bred))
        return found, encode(course.space, found)


def relatives(course: Course, parents: list[Arch], count: int) -> list[Arch]:
    """New architectures inside: of draws 40 % mutants of ``parents``, 40 % crossovers, 20 % random."""
    rng = course.rng

    def pick() -> Arch:
        return parents[int(rng.integers(len(parents)))]

    ways: list[Callable[[], Arch]] = [
        lambda: course.mutate(pick()),
        lambda: course.crossover(pick(), pick()),
    ] * 2 + [course.sample]
    drawn = [way() for _ in range(count // len(ways)) for way in ways]
    return [arch for arch in dict.fromkeys(drawn) if arch not in course.seen]


def most_promising(models: list[GaussianProcess], x: Matrix, best: float, count: int) -> list[int]:
    """Places of ``count`` candidates (m, d), by expected improvement of the sum of the objectives."""
    beliefs = [model.posterior(x) for model in models]
    mean, chosen = np.sum([b.mean for b in beliefs], 0), list[int]()
    for _ in range(count):
        gain = log_improvement(mean, np.sum([b.variance for b in beliefs], 0), best)
        gain[chosen] = -np.inf
        chosen.append(int(np.argmax(gain)))
        for belief in beliefs:
            belief.believe(chosen[-1])
    return chosen
