"""NSGA-II and NSGA-III by pymoo, with this package's draws, mutants and crossovers inside the limits.

pymoo selects: by fronts of objectives and cost, then by crowding (Deb et al., 2002) or by reference
directions (Deb and Jain, 2014).
"""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import ElementwiseDuplicateElimination
from pymoo.core.evaluator import Evaluator
from pymoo.core.mutation import Mutation
from pymoo.core.problem import Problem
from pymoo.core.sampling import Sampling
from pymoo.core.termination import NoTermination
from pymoo.problems.static import StaticProblem
from pymoo.util.ref_dirs import get_reference_directions

from ...spaces.arch import Arch
from ..course import Course


def nsga2(course: Course, *, population: int = 40) -> None:
    """NSGA-II; children are mutants of crossovers."""
    _run(course, NSGA2(pop_size=population, **_operators(course)))


def nsga3(course: Course, *, population: int = 40) -> None:
    """NSGA-III with as many directions on a grid (Das and Dennis, 1998) as ``population`` allows."""
    dims = _first(course, population) + 1
    cuts = max(n for n in range(1, population) if comb(n + dims - 1, n) <= max(population, dims))
    directions = get_reference_directions("das-dennis", dims, n_partitions=cuts)
    _run(course, NSGA3(directions, pop_size=population, **_operators(course)))


def _first(course: Course, count: int) -> int:
    """How many objectives a score has, known when the first generation is."""
    course.evaluate(course.draw(count))
    return course.parts.shape[1] if course.archs else 1


def _run(course: Course, algorithm: Any) -> None:
    if not course.archs:
        _first(course, algorithm.pop_size)
    if not course.archs:
        return
    values = dict(zip(course.archs, _objectives(course), strict=True))
    problem = Problem(n_var=1, n_obj=course.parts.shape[1] + 1, vtype=object)
    seed = int(course.rng.integers(2**31))
    algorithm.setup(problem, termination=NoTermination(), seed=seed, verbose=False)
    while course.left:
        asked = algorithm.ask()
        wanted: list[Arch] = [] if asked is None else [x[0] for x in asked.get("X")]
        born = course.take(iter(wanted), len(wanted), "child")
        born = born or course.draw(1)  # its children are all known: a newcomer
        if not born:
            return
        start = len(course.archs)
        course.evaluate(born)
        values |= dict(zip(course.archs[start:], _objectives(course)[start:], strict=True))
        known = [i for i, arch in enumerate(wanted) if arch in values]
        if asked is not None and known:
            told = asked[known]
            static = StaticProblem(problem, F=np.array([values[wanted[i]] for i in known]))
            Evaluator().eval(static, told)
            algorithm.tell(infills=told)


def _objectives(course: Course) -> np.ndarray:
    """What pymoo minimises: minus each objective, and the cost."""
    return np.column_stack([-course.parts, course.costs])


def _operators(course: Course) -> dict[str, Any]:
    return {
        "sampling": _Sampling(course),
        "crossover": _Crossover(course),
        "mutation": _Mutation(course),
        "eliminate_duplicates": _Same(),
    }


def _column(archs: list[Arch]) -> np.ndarray:
    """Architectures as pymoo's variables: object (n, 1)."""
    x = np.empty((len(archs), 1), object)
    x[:, 0] = archs
    return x


class _Sampling(Sampling):  # type: ignore[misc]
    """The architectures that were evaluated first."""

    def __init__(self, course: Course) -> None:
        super().__init__()
        self.course = course

    def _do(self, problem: Problem, n_samples: int, **kwargs: Any) -> np.ndarray:
        return _column(self.course.archs[:n_samples])


class _Crossover(Crossover):  # type: ignore[misc]
    def __init__(self, course: Course) -> None:
        super().__init__(2, 1)
        self.course = course

    def _do(self, problem: Problem, X: np.ndarray, **kwargs: Any) -> np.ndarray:
        children = [self.course.crossover(a, b) for a, b in zip(X[0, :, 0], X[1, :, 0], strict=True)]
        return _column(children)[np.newaxis]


class _Mutation(Mutation):  # type: ignore[misc]
    def __init__(self, course: Course) -> None:
        super().__init__()
        self.course = course

    def _do(self, problem: Problem, X: np.ndarray, **kwargs: Any) -> np.ndarray:
        return _column([self.course.mutate(arch) for arch in X[:, 0]])


class _Same(ElementwiseDuplicateElimination):  # type: ignore[misc]
    def is_equal(self, a: Any, b: Any) -> bool:
        return bool(a.X[0] == b.X[0])
