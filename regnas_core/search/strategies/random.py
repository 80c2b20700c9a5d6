"""Random search: what every other strategy has to beat."""

from __future__ import annotations

from ..course import Course


def random(course: Course, *, batch: int = 100) -> None:
    """New architectures as they are drawn, every gene uniformly among what is allowed."""
    while born := course.draw(batch):
        course.evaluate(born)
