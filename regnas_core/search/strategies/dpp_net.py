"""DPP-Net: progressive search with Pareto selection (Dong et al., ECCV 2018).

Networks grow stage by stage. Those that no other one beats in objectives and cost are extended by every
option of the next stage; a surrogate predicts the extensions, costs are exact; the best fronts are evaluated,
the surrogate is fitted again. The published surrogate is a recurrent network that sees cells grow; here it is
the Gaussian process of this package's strategies. When all stages are done, they take their turn once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from ...spaces.arch import Arch, Value
from ..course import Course
from ..fronts import ranks
from .gaussian import Fitter, encode


def dpp_net(course: Course, *, batch: int = 10, beam: int = 16, options: int = 64, rounds: int = 2) -> None:
    """Stages that were not yet searched have the smallest genes that the limits allow.

    Args:
        course: of the search.
        batch: architectures that are evaluated between two fits.
        beam: partial networks that are extended.
        options: of a stage; a random sample where there are more.
        rounds: how often all stages take their turn with the evaluations given.
    """
    space, fit, idle = course.space, Fitter(course), 0
    stages = sorted({space.stage(slot) for slot in range(len(space.genes))})
    share = max(batch, course.left // (rounds * len(stages)))
    least = [domain[0] for domain in space.domains(course.limits["containing"])]
    parents, turn = [course.near(least)], 0
    while course.left:
        stage = stages[turn % len(stages)]
        grown = dict.fromkeys(arch for parent in parents for arch in _extend(course, parent, stage, options))
        fresh = [arch for arch in grown if arch not in course.seen]
        idle = 0 if fresh else idle + 1
        if idle == len(stages):  # nothing new from these parents: newcomers
            fresh, idle = [arch for arch, _ in course.draw(batch)], 0
            if not fresh:
                return
        spent = 0
        while fresh and spent < share and course.left:
            chosen = _select(course, fit, fresh, min(batch, share - spent, course.left))
            course.evaluate([(arch, f"stage {stage + 1}") for arch in chosen])
            spent += len(chosen)
            fresh = [arch for arch in fresh if arch not in course.seen]
        if course.archs:
            parents = _best(course, beam)
        turn += 1


def _extend(course: Course, parent: Arch, stage: int, options: int) -> Iterator[Arch]:
    """The parent with other genes in one stage."""
    space, rng = course.space, course.rng
    slots = [slot for slot in range(len(space.genes)) if space.stage(slot) == stage]
    domains = [space.domains(course.limits["containing"])[slot] for slot in slots]
    if np.prod([len(domain) for domain in domains], dtype=float) <= options:
        choices: list[tuple[Value, ...]] = list(product(*domains))
    else:
        choices = [tuple(d[int(rng.integers(len(d)))] for d in domains) for _ in range(options)]
    own = space.values(parent)
    for values in choices:
        for slot, value in zip(slots, values, strict=True):
            own[slot] = value
        yield course.near(own, parent if parent in course.seen else None)


def _points(course: Course, archs: list[Arch], objectives: np.ndarray) -> np.ndarray:
    return np.column_stack([objectives, [-course.cost(arch) for arch in archs]])


def _best(course: Course, count: int) -> list[Arch]:
    """Of all evaluated the first fronts, of one front the best scores."""
    rank = ranks(_points(course, course.archs, course.parts), count)
    order = np.lexsort((-np.array(course.scores), rank))[:count]
    top = int(np.argmax(course.scores))  # it may lie behind many that are merely small
    return [course.archs[i] for i in dict.fromkeys([top, *order.tolist()])][:count]


def _select(course: Course, fit: Fitter, fresh: list[Arch], count: int) -> list[Arch]:
    """By predicted objectives and exact costs; half of them by the predicted score alone."""
    if not course.archs:
        return [fresh[i] for i in course.rng.permutation(len(fresh))[:count]]
    x = encode(course.space, fresh)
    predicted = np.column_stack([model.posterior(x).mean for model in fit()])
    score = predicted.sum(1)
    rank = ranks(_points(course, fresh, predicted), count)
    by_front, by_score = np.lexsort((-score, rank)), np.argsort(-score, kind="stable")
    mixed = dict.fromkeys(int(i) for pair in zip(by_front, by_score, strict=True) for i in pair)
    return [fresh[i] for i in list(mixed)[:count]]
