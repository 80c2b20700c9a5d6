"""Confidence intervals: of a rate, and of means over seeds and images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np
from scipy import optimize, stats

from ..errors import PredictionError

Method = Literal["wilson", "exact"]


class Bounds(NamedTuple):
    """Confidence interval."""

    low: float
    high: float


class Mean(NamedTuple):
    """A mean with its confidence interval, its standard deviation over seeds (nan for one), and a p-value.

    ``p`` is two-sided, of the hypothesis that the mean is 0: one minus the level at which the interval would
    end at 0. It makes sense of differences.
    """

    mean: float
    low: float
    high: float
    seed_sd: float
    p: float


def rate_interval(count: int, n: int, level: float = 0.95, method: Method = "wilson") -> Bounds:
    """Confidence interval of count / n: Wilson's score interval, or the wider "exact" (Clopper-Pearson).

    Raises:
        PredictionError: count outside 0..n, n < 1, level outside (0, 1), or unknown method.
    """
    if not 0 <= count <= n or n < 1:
        raise PredictionError(f"no rate of {count} in {n} images; expected 0 <= count <= n and n >= 1")
    if not 0 < level < 1 or method not in get_args(Method):
        raise PredictionError(f"{method!r} at level {level}; expected {get_args(Method)} and 0 < level < 1")
    bounds = stats.binomtest(int(count), int(n)).proportion_ci(confidence_level=level, method=method)
    return Bounds(float(bounds.low), float(bounds.high))


def rate_intervals(counts: np.ndarray, n: int, level: float = 0.95) -> np.ndarray:
    """Wilson intervals of counts (S,) out of n, as fractions (S, 2)."""
    return np.array([rate_interval(int(count), n, level) for count in counts]).reshape(-1, 2)


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
    sd = float(per_seed.std(ddof=1)) if seeds > 1 else float("nan")
    sigma = per_image.std(ddof=1)

    def half(quantile: float) -> float:
        over_images = stats.norm.ppf(quantile) * sigma / np.sqrt(images)
        over_seeds = stats.t.ppf(quantile, seeds - 1) * sd / np.sqrt(seeds) if seeds > 1 else 0.0
        return float(np.hypot(over_images, over_seeds))

    mean, width = float(values.mean()), half((1 + level) / 2)
    low, high, p = mean - width, mean + width, _p_value(abs(mean), half)
    return Mean(mean, max(low, 0.0), min(high, 1.0), sd, p) if is_rate else Mean(mean, low, high, sd, p)


def _p_value(distance: float, half: Callable[[float], float]) -> float:
    """Two-sided p-value of a mean at a distance from 0, from how its interval's half-width grows."""
    extreme = 1 - 1e-12
    if half(extreme) <= distance:  # also where nothing varies
        return 0.0 if distance else 1.0
    return 2 * (1 - optimize.brentq(lambda quantile: half(quantile) - distance, 0.5, extreme))


def crossed_mean(values: np.ndarray, level: float = 0.95) -> Mean:
    """Mean of a per-image quantity over trainings (or searches) and images, both of which are samples.

    Every training is measured on every image. So the variance of the mean is that of the trainings' means,
    plus that of the images' means, minus what both count, the variance of what is left within a cell
    (two-way clustering: Cameron, Gelbach and Miller, J. Bus. Econ. Stat. 2011). Quantiles are Student's with
    Satterthwaite's degrees of freedom. What is nested in a training, its references and searches, is averaged
    before: its variance is in that of the trainings' means.

    Args:
        values: (S, N). Of a single training, the interval is given this one: images alone vary.
        level: of the interval.

    >>> crossed_mean(np.array([[0, 1, 0, 1], [0, 1, 0, 0]])).mean
    0.375
    """
    values = np.atleast_2d(np.asarray(values, dtype=np.float64))
    rows, images = values.shape
    per_row, per_image, mean = values.mean(1), values.mean(0), float(values.mean())
    of_images = float(per_image.var(ddof=1)) / images
    sd, variance, freedom = float("nan"), of_images, float(images - 1)
    if rows > 1:
        sd = float(per_row.std(ddof=1))
        of_rows, rest = sd**2 / rows, values - per_row[:, None] - per_image + mean
        twice = float((rest**2).sum()) / ((rows - 1) * (images - 1)) / values.size
        variance = max(of_rows + of_images - twice, of_rows, of_images)
        if variance:
            freedom = variance**2 / (of_rows**2 / (rows - 1) + of_images**2 / (images - 1))
    error = float(np.sqrt(variance))
    width = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    distance = abs(mean) / error if error else np.inf if mean else 0.0
    return Mean(mean, mean - width, mean + width, sd, float(2 * stats.t.sf(distance, freedom)))


def holm(p: np.ndarray) -> np.ndarray:
    """p-values (M,) of M tests, corrected for their number (Holm, Scand. J. Stat. 1979); nan stays.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known])]
    steps = np.arange(len(order), 0, -1) * p[order]
    corrected = np.full(len(p), np.nan)
    corrected[order] = np.minimum(1, np.maximum.accumulate(steps))
    return corrected
