"""Fairness over classes: rewards by the class that flips most, and weights that follow the worst ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import RegnasError

Rates = NDArray[np.float64]


def worst_class(top1: ArrayLike, class_nfr: ArrayLike, weights: tuple[float, float] = (1.0, 1.0)) -> Rates:
    """R = λ1 · Top-1 − λ2 · max over classes of NFR: (n,).

    Args:
        top1: of n networks (n,), fractions.
        class_nfr: share of each class's images that flip (n, classes).
        weights: (λ1, λ2).

    >>> worst_class([0.8, 0.9], [[0.1, 0.1], [0.0, 0.4]]).tolist()
    [0.7000000000000001, 0.5]
    """
    return weights[0] * np.asarray(top1, float) - weights[1] * np.asarray(class_nfr, float).max(-1)


@dataclass
class ClassWeights:
    """μ of minimax Pareto fairness (Martinez et al., ICML 2020; 2011.01821): one a class, they add up to 1.

    Search with λ1 · Top-1 − λ2 · Σ μ_c NFR_c, tell :meth:`update` the class risks of what was found, and
    search again: weights move to the classes above the least maximum so far, as in its algorithm APStar.

    Attributes:
        mu: (classes,).
        best: least maximum of the risks so far.
        keep: of μ that stays at an update.
    """

    mu: Rates
    best: float = np.inf
    keep: float = 0.5
    _steps: int = 1

    @classmethod
    def equal(cls, classes: int) -> ClassWeights:
        """All classes alike.

        Raises:
            RegnasError: no class.
        """
        if classes < 1:
            raise RegnasError(f"{classes} classes: weights need at least one.")
        return cls(np.full(classes, 1 / classes))

    def score(
        self, top1: ArrayLike, class_nfr: ArrayLike, weights: tuple[float, float] = (1.0, 1.0)
    ) -> Rates:
        """The reward with these weights: (n,). Arguments as of :func:`worst_class`."""
        return weights[0] * np.asarray(top1, float) - weights[1] * np.asarray(class_nfr, float) @ self.mu

    def update(self, risks: ArrayLike) -> bool:
        """Move weight to classes with a risk, of (classes,), of the best maximum or more; whether it is new.

        >>> weights = ClassWeights.equal(2)
        >>> weights.update([0.1, 0.3])
        True
        >>> weights.mu.tolist()
        [0.25, 0.75]
        """
        r = np.asarray(risks, float)
        better = bool(r.max() < self.best)
        self._steps = 1 if better else self._steps + 1
        self.best = min(self.best, float(r.max()))
        worst = (r >= self.best).astype(float)
        mu = self.keep * self.mu + (1 - self.keep) / self._steps * worst / worst.sum()
        self.mu = mu / mu.sum()
        return better
