"""Gaussian processes over genes: what a few evaluated architectures say of all the others.

Two architectures are alike by the number of genes that they have in common, s of D. The covariance is the sum
of an additive part, in which every gene has its own effect, and one of interactions:

    k(a, b) ∝ linear · s / D + exp(−(D − s) / reach), and noise where a = b

Its three numbers are those of a small grid with the highest marginal likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.stats import norm

from ...spaces.arch import Arch
from ...spaces.space import Space
from ..course import Course

Matrix = NDArray[np.float64]
MOST = 500  # architectures that a process is fitted to: the best


def encode(space: Space, archs: Sequence[Arch]) -> Matrix:
    """One-hot genes (n, …), a layer that is off being a choice of its own: a · b counts equal genes."""
    slots = [slot for slot, gene in enumerate(space.genes) if len(gene.drawn) > 1]
    places = [{value: i for i, value in enumerate((None, *space.genes[slot].choices))} for slot in slots]
    starts = np.cumsum([0, *map(len, places)])
    x = np.zeros((len(archs), starts[-1]))
    for row, arch in enumerate(archs):
        values = space.values(arch)
        x[row, [s + p[values[slot]] for s, p, slot in zip(starts, places, slots, strict=False)]] = 1
    return x


@dataclass(frozen=True)
class Kernel:
    """See above. Scaled to 1 for an architecture with itself, without its noise."""

    reach: float
    linear: float
    noise: float

    def __call__(self, a: Matrix, b: Matrix, genes: float) -> Matrix:
        same = a @ b.T
        return (self.linear * same / genes + np.exp((same - genes) / self.reach)) / (self.linear + 1)


GRID = tuple(Kernel(*numbers) for numbers in product((1, 2, 4, 8), (0, 3, 10), (1e-3, 1e-2, 1e-1)))


class GaussianProcess:
    """What is known of one objective.

    Args:
        x: one-hot genes of evaluated architectures (n, d), by :func:`encode`.
        y: their values (n,).
        kernels: the likeliest is taken.
    """

    def __init__(self, x: Matrix, y: Matrix, kernels: Sequence[Kernel] = GRID) -> None:
        self.x, self.genes = x, float(x[0].sum())
        self.mean, self.scale = float(y.mean()), float(y.std()) or 1.0
        target = (y - self.mean) / self.scale
        fits = [self._fit(kernel, target) for kernel in kernels]
        _, self.kernel, self._root, self._weights, variance = max(fits, key=lambda fit: fit[0])
        self.scale2 = variance * self.scale**2

    def _fit(self, kernel: Kernel, y: Matrix) -> tuple[float, Kernel, Matrix, Matrix, float]:
        k = kernel(self.x, self.x, self.genes)
        k[np.diag_indices_from(k)] += kernel.noise
        root = cholesky(k, lower=True)
        weights = solve_triangular(root, y, lower=True)
        variance = max(float(weights @ weights) / len(y), 1e-12)  # the likeliest one
        likelihood = -0.5 * len(y) * np.log(variance) - np.log(root.diagonal()).sum()
        return float(likelihood), kernel, root, weights, variance

    def posterior(self, x: Matrix) -> Posterior:
        """What it believes of candidates (m, d)."""
        seen = solve_triangular(self._root, self.kernel(self.x, x, self.genes), lower=True)
        mean = self.mean + self.scale * (seen.T @ self._weights)
        return Posterior(self, x, mean, seen, np.maximum(1 - (seen**2).sum(0), 1e-12))


class Fitter:
    """Fits a process to every objective of a course; kernels are chosen anew each time it grew by half."""

    def __init__(self, course: Course) -> None:
        self.course, self._kernels, self._chosen_at = course, list[Sequence[Kernel]](), 0

    def __call__(self) -> list[GaussianProcess]:
        course, parts = self.course, self.course.parts
        if len(parts) >= 1.5 * self._chosen_at:
            self._kernels, self._chosen_at = [GRID] * parts.shape[1], len(parts)
        best = np.argsort(-np.array(course.scores), kind="stable")[:MOST]
        x = encode(course.space, [course.archs[i] for i in best])
        models = [GaussianProcess(x, y, k) for y, k in zip(parts[best].T, self._kernels, strict=True)]
        self._kernels = [(model.kernel,) for model in models]
        return models


@dataclass
class Posterior:
    """Belief in candidates: mean (m,) and, by :attr:`variance`, how sure it is."""

    process: GaussianProcess
    x: Matrix
    mean: Matrix
    _seen: Matrix
    _open: Matrix

    @property
    def variance(self) -> Matrix:
        return self.process.scale2 * self._open

    def believe(self, i: int) -> None:
        """From now on candidate ``i`` counts as evaluated, with the value that is expected of it."""
        kernel = self.process.kernel
        near = kernel(self.x[[i]], self.x, self.process.genes)[0]
        row = (near - self._seen[:, i] @ self._seen) / np.sqrt(self._open[i] + kernel.noise)
        self._seen = np.vstack([self._seen, row])
        self._open = np.maximum(self._open - row**2, 1e-12)


def log_improvement(mean: Matrix, variance: Matrix, best: float) -> Matrix:
    """Logarithm of the expected improvement on ``best``, exact far below it, too (Ament et al., 2023)."""
    sd = np.sqrt(variance)
    z = (mean - best) / sd
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.log(np.maximum(z * norm.cdf(z) + norm.pdf(z), 0))
    far = norm.logpdf(z) - 2 * np.log(np.maximum(-z, 1))  # φ(z) / z²
    return np.log(sd) + np.where(z > -8, near, far)
