"""Confidence intervals: of a rate, and of means over trainings and images."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from scipy import stats

from ..errors import PredictionError

Method = Literal["wilson", "exact"]


class Bounds(NamedTuple):
    """Confidence interval."""

    low: float
    high: float


class Estimate(NamedTuple):
    """A mean, how well it is known, and what follows from it.

    Attributes:
        value: the mean.
        error: its standard error; nan where nothing was repeated.
        freedom: degrees of freedom of Student's distribution, for intervals.
        sd: standard deviation of what was repeated: trainings, or of a single one its seeds (nan for one).
        means: of what was repeated, one each.
        strict: degrees of freedom for p-values; 0: the same.
    """

    value: float
    error: float
    freedom: float
    sd: float
    means: tuple[float, ...] = ()
    strict: float = 0.0

    def interval(self, level: float = 0.95) -> Bounds:
        """Student's confidence interval."""
        width = float(stats.t.ppf((1 + level) / 2, self.freedom)) * self.error
        return Bounds(self.value - width, self.value + width)

    def p(self, bar: float = 0.0) -> float:
        """Two-sided p-value of the hypothesis that the mean is ``bar``."""
        return float(2 * stats.t.sf(abs(self._distance(bar)), self.strict or self.freedom))

    def p_within(self, bar: float) -> float:
        """Two-sided p-value of the hypothesis that the mean is not within ± ``bar`` (two one-sided tests)."""
        below, above, freedom = self._distance(bar), self._distance(-bar), self.strict or self.freedom
        return float(min(1.0, 2 * max(stats.t.cdf(below, freedom), stats.t.sf(above, freedom))))

    def _distance(self, bar: float) -> float:
        """From ``bar``, in standard errors."""
        off = self.value - bar
        return off / self.error if self.error else np.copysign(np.inf, off) if off else 0.0


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


def crossed_mean(
    values: np.ndarray, trainings: np.ndarray | None = None, seeds: np.ndarray | None = None
) -> Estimate:
    """Mean of a per-image quantity over trainings and images, both of which are samples.

    Every training is measured on every image. So the variance of the mean is that of the trainings' means,
    plus that of the images' means, minus what both count, the variance of what is left within a cell
    (two-way clustering: Cameron, Gelbach and Miller, J. Bus. Econ. Stat. 2011). Degrees of freedom of the
    interval are Satterthwaite's, those of p-values one less than there are trainings: with few trainings,
    which may be alike by chance, Satterthwaite's give small p-values too often (with three, below 0.001 ten
    times as often as they should), and corrections for many tests go by these. So a p-value may be above 5 %
    where the 95 % interval leaves the bar out. What is nested in a training, its references and searches, is
    averaged before: its variance is in that of the trainings' means. Seeds that are the same in all trainings
    (the images that they search on, the random choices) have something in common, too: where it can be told
    from chance, its variance is added, that of the seeds' means less what the cells of trainings and seeds
    would give them; degrees of freedom stay as they were, so that an interval can only grow. A paired
    comparison is this mean of per-image differences.

    Args:
        values: (R, N), R repetitions of a protocol; or (R,), where images are not the sample.
        trainings: (R,), of which training each repetition is; by default, each has one of its own. Where all
            are of one, the estimate is given this one: the repetitions are the sample.
        seeds: (R,), of which seed each repetition is, if the same seeds are repeated in every training.

    >>> crossed_mean(np.array([[0, 1, 0, 1], [0, 1, 0, 0]])).value
    0.375
    """
    values, of_seeds = np.asarray(values, dtype=np.float64), 0.0
    if trainings is not None and len(kinds := np.unique(trainings)) > 1:
        if seeds is not None:
            of_seeds = _of_seeds(values.reshape(len(values), -1).mean(1), trainings, seeds)
        values = np.stack([values[np.asarray(trainings) == kind].mean(0) for kind in kinds])
    rows, mean = len(values), float(values.mean())
    per_row = values.reshape(rows, -1).mean(1)
    sd = float(per_row.std(ddof=1)) if rows > 1 else float("nan")
    of_rows = sd**2 / rows
    means = tuple(per_row.tolist())
    if values.ndim == 1:
        return Estimate(mean, float(np.sqrt(of_rows + of_seeds)), max(rows - 1.0, 1.0), sd, means)
    images, per_image = values.shape[1], values.mean(0)
    of_images = float(per_image.var(ddof=1)) / images
    variance, freedom = of_images, float(images - 1)
    if rows > 1:
        rest = values - per_row[:, None] - per_image + mean
        twice = float((rest**2).sum()) / ((rows - 1) * (images - 1)) / values.size
        variance = max(of_rows + of_images - twice, of_rows, of_images)
        if variance:
            freedom = variance**2 / (of_rows**2 / (rows - 1) + of_images**2 / (images - 1))
    return Estimate(mean, float(np.sqrt(variance + of_seeds)), freedom, sd, means, rows - 1.0)


def _of_seeds(values: np.ndarray, trainings: np.ndarray, seeds: np.ndarray) -> float:
    """What seeds have in common adds to the variance of the mean of values (R,)."""
    _, rows = np.unique(trainings, return_inverse=True)
    _, columns = np.unique(seeds, return_inverse=True)
    shape = rows.max() + 1, columns.max() + 1
    if len(values) != np.prod(shape) or shape[1] < 2:  # not every seed in every training
        return 0.0
    cells = np.empty(shape)
    cells[rows, columns] = values
    rest = cells - cells.mean(1, keepdims=True) - cells.mean(0) + cells.mean()
    by_chance = (rest**2).sum() / ((shape[0] - 1) * (shape[1] - 1)) / shape[0]
    return max(0.0, float(cells.mean(0).var(ddof=1) - by_chance)) / shape[1]


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
