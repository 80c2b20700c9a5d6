"""Racing: stop predicting with candidates that will not be among a generation's parents.

Rewards are means over images, so part of the images tells what the rest can still change. A generation is
scored on growing blocks of images; before each block, candidates leave that cannot reach the parents any
more (an exact bound), or almost surely will not (a paired confidence bound). Who stays to the end is
scored on all images, so that parents and winner have the scores that they would have had.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from ..spaces.arch import Arch
from .rewards import Score

Gains = Callable[[list[Arch], slice], np.ndarray]  # candidates, images → each image's share of the reward


@dataclass
class Race:
    """A score for :func:`regnas_core.evolve` that drops candidates early.

    Attributes:
        gains: (archs, slice of images) → (M, n), what each image adds to a candidate's reward; the reward is
            its mean.
        images: how many there are.
        survivors: parents of a generation.
        low, high: least and greatest gain of an image.
        blocks: ends of the blocks, as shares of the images.
        level: chance to drop a candidate that belongs among the parents, for one candidate at one block;
            0 uses the exact bound alone.
        final: scores those who stay to the end, as a search without racing would, to the last digit, so that
            equal ones are ordered alike; by default the mean of their gains.
        work: images that were predicted, over all candidates, and that would have been without racing.
    """

    gains: Gains
    images: int
    survivors: int
    low: float = -1.0
    high: float = 1.0
    blocks: Sequence[float] = (0.125, 0.25, 0.5, 1.0)
    level: float = 0.0
    final: Score | None = None
    work: dict[str, int] = field(default_factory=lambda: {"predicted": 0, "without": 0})
    _bar: np.ndarray | None = None  # gains of the best that were seen, at most `survivors` rows
    _bar_scores: np.ndarray = field(default_factory=lambda: np.empty(0))

    def __call__(self, archs: list[Arch]) -> np.ndarray:
        """Scores (M,); of a candidate that was dropped, its mean so far, but less than any parent's."""
        ends = sorted({max(1, round(share * self.images)) for share in (*self.blocks, 1.0)})
        alive = np.arange(len(archs))
        gains = np.zeros((len(archs), self.images))
        seen = np.zeros(len(archs), int)
        start = 0
        for end in ends:
            gains[alive, start:end] = self.gains([archs[i] for i in alive], slice(start, end))
            seen[alive] = end
            start = end
            if end < self.images:
                alive = alive[self._stays(gains[alive, :end])]
            if not len(alive):
                break
        self.work["predicted"] += int(seen.sum())
        self.work["without"] += len(archs) * self.images
        scores = np.array([row[:n].mean() for row, n in zip(gains, seen, strict=True)])
        if self.final is not None and len(alive):
            scores[alive] = np.fromiter(self.final([archs[i] for i in alive]), float)
        known = gains[alive] if self._bar is None else np.concatenate([self._bar, gains[alive]])
        known_scores = np.concatenate([self._bar_scores, scores[alive]])
        best = np.argsort(-known_scores, kind="stable")[: self.survivors]
        self._bar, self._bar_scores = known[best], known_scores[best]
        below = np.nextafter(self._bar_scores.min(), -np.inf)
        return np.where(seen < self.images, np.minimum(scores, below), scores)

    def _stays(self, gains: np.ndarray) -> np.ndarray:
        """Which of the candidates (M, n), seen on the first n images, may still be among the parents."""
        n = gains.shape[1]
        sums, left = gains.sum(1), self.images - n
        floors = sums + left * self.low
        if self._bar is not None:
            floors = np.concatenate([self._bar.sum(1), floors])
        if len(floors) < self.survivors:
            return np.ones(len(gains), bool)
        bar = np.sort(floors)[-self.survivors]  # so many are at least as good, whatever comes
        stays = sums + left * self.high >= bar
        return stays & ~self._hopeless(gains) if self.level else stays

    def _hopeless(self, gains: np.ndarray) -> np.ndarray:
        """Candidates whose mean is, by a paired test, below that of the last candidate among the parents."""
        n = gains.shape[1]
        others = gains if self._bar is None else np.concatenate([self._bar[:, :n], gains])
        if len(others) <= self.survivors:
            return np.zeros(len(gains), bool)
        rival = others[np.argsort(-others.mean(1), kind="stable")[self.survivors - 1]]
        differences = gains - rival
        mean, error = differences.mean(1), differences.std(1, ddof=1) / np.sqrt(n)
        return mean + stats.t.isf(self.level, n - 1) * error < 0
