"""Local search, a strong baseline of tabular benchmarks (White et al., Exploring the Loss Landscape in Neural
Architecture Search, UAI 2021)."""

from __future__ import annotations

from collections.abc import Iterator

from ...spaces.arch import Arch
from ...spaces.variation import Limits
from ..course import Course


def local(course: Course, *, batch: int = 10) -> None:
    """Go to the best of a few neighbours as long as one is better; from a peak, begin anew at random.

    Args:
        course: of the search.
        batch: neighbours, in random order, that are evaluated before it moves.
    """
    while course.left and (start := course.draw(1)):
        here, height = start[0][0], course.evaluate(start)[0]
        path = neighbours(course, here)
        while course.left and (born := course.take(path, batch, "neighbour")):
            scores = course.evaluate(born)
            if max(scores) > height:
                height = max(scores)
                here = born[scores.index(height)][0]
                path = neighbours(course, here)


def neighbours(course: Course, arch: Arch) -> Iterator[Arch]:
    """Architectures inside that differ in one gene, in random order; layers that this adds are drawn."""
    space, rng = course.space, course.rng
    limits = Limits(space, **course.limits)
    domains, own = space.domains(limits.containing), space.values(arch)
    changes = [
        (slot, value)
        for slot, domain in enumerate(domains)
        if own[slot] is not None and space.genes[slot].fixed is None
        for value in domain
        if value != own[slot]
    ]
    for i in rng.permutation(len(changes)):
        slot, value = changes[int(i)]
        values = [d[int(rng.integers(len(d)))] if v is None else v for v, d in zip(own, domains, strict=True)]
        values[slot] = value
        if limits.allows(near := space.canonical(values)):
            yield near
