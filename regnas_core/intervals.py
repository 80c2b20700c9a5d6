"""Confidence intervals of means over seeds and images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from .flips import rate_interval


class Mean(NamedTuple):
    """A mean with its confidence interval, and its standard deviation over seeds (nan for one seed)."""

    mean: float
    low: float
    high: float
    seed_sd: float


def mean_over_seeds(values: np.ndarray, level: float = 0.95) -> Mean:
    """Mean of a per-image quantity over seeds and images.

    Both are samples: other seeds would have found other networks, other images would have counted
    otherwise. The half-width is √((t·s/√S)² + (z·σ/√N)²), with s the standard deviation of the seeds'
    means, t Student's quantile for S − 1 degrees of freedom, and σ the standard deviation over images of
    the seeds' average. A paired comparison is this mean of per-image differences.

    Args:
        values: (S, N), such as True where the target of seed s flips image i. The interval of a rate,
            which is what booleans have, stays within [0, 1].
        level: of the interval.

    >>> mean_over_seeds(np.array([[0, 1, 0, 1], [0, 1, 0, 0]])).mean
    0.375
    """
    is_rate = np.asarray(values).dtype == bool
    values = np.atleast_2d(np.asarray(values, dtype=np.float64))
    seeds, images = values.shape
    per_seed, per_image = values.mean(1), values.mean(0)
    half = stats.norm.ppf((1 + level) / 2) * per_image.std(ddof=1) / np.sqrt(images)
    sd = float("nan")
    if seeds > 1:
        sd = float(per_seed.std(ddof=1))
        half = np.hypot(half, stats.t.ppf((1 + level) / 2, seeds - 1) * sd / np.sqrt(seeds))
    mean = float(values.mean())
    low, high = float(mean - half), float(mean + half)
    return Mean(mean, max(low, 0.0), min(high, 1.0), sd) if is_rate else Mean(mean, low, high, sd)


def rate_intervals(counts: np.ndarray, n: int, level: float = 0.95) -> np.ndarray:
    """Wilson intervals of counts (S,) out of n, as fractions (S, 2)."""
    return np.array([rate_interval(int(count), n, level) for count in counts]).reshape(-1, 2)
