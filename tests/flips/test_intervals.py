"""intervals: by hand, and how often they cover the truth."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats
from scipy.stats import beta, norm

from regnas_core import flips
from regnas_core.flips import intervals
from regnas_core.flips.intervals import crossed_mean, mean_over_seeds


@pytest.fixture
def without_p(monkeypatch):
    """Intervals alone: p values are found by bisection, which is nearly all of a simulation's time."""
    monkeypatch.setattr(intervals, "_p_value", lambda *args: math.nan)


def coverage(seeds: int, seed_sd: float, runs: int = 1500, images: int = 400, rate: float = 0.1) -> float:
    """How often the interval holds the true rate of flips.

    A seed's network has a rate of its own around ``rate``; images differ in how easily they flip, and
    all seeds are measured on the same images.
    """
    rng, hits = np.random.default_rng(0), 0
    for _ in range(runs):
        own = rate + seed_sd * rng.standard_normal((seeds, 1))
        ease = rng.uniform(0.2, 1.8, images)
        found = mean_over_seeds(rng.random((seeds, images)) < own * ease)
        hits += found.low <= rate <= found.high
    return hits / runs


@pytest.mark.usefixtures("without_p")
def test_one_seed_is_covered_as_often_as_its_level_says():
    assert coverage(1, 0.0) == pytest.approx(0.95, abs=0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("without_p")
@pytest.mark.parametrize("seed_sd", [0.0, 0.01, 0.03])
def test_three_seeds_are_covered_at_least_so_often(seed_sd):
    """The images' share of the seeds' spread is counted twice, so that a small effect is over-covered."""
    assert 0.94 < coverage(3, seed_sd) <= 1


@pytest.mark.usefixtures("without_p")
def test_an_interval_without_the_seeds_would_miss_the_truth():
    """The simulation can fail: averaging over images alone is far from the level."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(500):
        own = 0.1 + 0.03 * rng.standard_normal((3, 1))
        found = mean_over_seeds((rng.random((3, 400)) < own).mean(0))
        hits += found.low <= 0.1 <= found.high
    assert hits / 500 < 0.8


def test_one_seed_by_hand():
    values = np.array([0, 1, 1, 0, 0, 0, 0, 0, 1, 1])
    found = mean_over_seeds(values)
    half = 1.959963984540054 * values.std(ddof=1) / math.sqrt(10)
    assert found.mean == 0.4 and math.isnan(found.seed_sd)
    assert (found.low, found.high) == pytest.approx((0.4 - half, 0.4 + half))
    assert mean_over_seeds(values[None])[:3] == found[:3]


def test_three_seeds_by_hand():
    values = np.array([[0, 1, 1, 0], [1, 1, 1, 0], [0, 1, 0, 0]])
    seeds, images = np.array([2, 3, 1]) / 4, np.array([1, 3, 2, 0]) / 3
    t = 4.302652729911275  # Student's quantile for two degrees of freedom
    half = math.hypot(t * seeds.std(ddof=1) / math.sqrt(3), 1.959963984540054 * images.std(ddof=1) / 2)
    found = mean_over_seeds(values)
    assert found.mean == 0.5 and found.seed_sd == pytest.approx(0.25)
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half))


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_the_p_value_is_where_the_interval_ends_at_0(seeds):
    values = np.random.default_rng(3).normal(0.3, 1, (seeds, 40))
    p = mean_over_seeds(values).p
    assert 0.01 < p < 0.9
    assert mean_over_seeds(values, 1 - p).low == pytest.approx(0, abs=1e-9)
    assert mean_over_seeds(-values).p == pytest.approx(p)


def test_the_p_value_of_one_seed_is_a_z_tests():
    values = np.random.default_rng(4).normal(0.2, 1, 200)
    z = values.mean() / (values.std(ddof=1) / math.sqrt(200))
    assert mean_over_seeds(values).p == pytest.approx(2 * stats.norm.sf(abs(z)))


def test_p_values_where_nothing_varies():
    assert mean_over_seeds(np.zeros((2, 9))).p == 1
    assert mean_over_seeds(np.ones((2, 9))).p == 0


def test_the_level_sets_the_width():
    values = np.random.default_rng(0).random((1, 30))
    widths = [np.diff(mean_over_seeds(values, level)[1:3])[0] for level in (0.5, 0.95, 0.99)]
    assert np.divide(widths, widths[0]) == pytest.approx(
        stats.norm.ppf([0.75, 0.975, 0.995]) / 0.6744897501960817
    )


def test_a_paired_difference_is_the_mean_of_differences_and_narrower():
    rng = np.random.default_rng(1)
    ease = rng.random((3, 500))
    a, b = (ease < 0.6).astype(float), (ease < 0.5).astype(float)
    paired, torn = mean_over_seeds(a - b), mean_over_seeds(a - rng.permuted(b, axis=1))
    assert paired.mean == pytest.approx(mean_over_seeds(a).mean - mean_over_seeds(b).mean)
    assert paired.mean == pytest.approx(torn.mean)
    assert paired.high - paired.low < 0.8 * (torn.high - torn.low)


def test_the_interval_of_a_rate_stays_within_0_and_1():
    rare = np.zeros((3, 50), bool)
    rare[0, :2] = True
    assert mean_over_seeds(rare).low == 0
    assert mean_over_seeds(~rare).high == 1
    assert mean_over_seeds(rare.astype(float)).low < 0


@pytest.mark.parametrize(
    ("count", "n", "level"), [(20, 1000, 0.95), (1, 8, 0.9), (432, 20_000, 0.99), (8, 8, 0.95)]
)
def test_intervals_agree_with_their_formulas(count: int, n: int, level: float) -> None:
    z, p = norm.ppf((1 + level) / 2), count / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    wilson = flips.rate_interval(count, n, level)
    assert wilson == pytest.approx((centre - half, centre + half))
    assert wilson == flips.FlipCounts(n - count, count, 0, 0).nfr_interval(level)
    tail = (1 - level) / 2
    high = 1.0 if count == n else beta.ppf(1 - tail, count + 1, n - count)
    exact = flips.rate_interval(count, n, level, method="exact")
    assert exact == pytest.approx((beta.ppf(tail, count, n - count + 1), high))
    assert exact.low < p <= exact.high


# ── trainings and images crossed ─────────────────────────────────────────────────────────────────
def differences(rng, rows: int, spread: float, own: float, images: int = 1000) -> np.ndarray:
    """Differences of flips, −1, 0 or 1, of mean 0: images differ, trainings differ by ``spread``, and a share
    ``own`` of the noise is a training's own."""
    easy = rng.normal(0, 0.03, images)
    shared, alone = rng.random((1, images)), rng.random((rows, images))
    u = np.where(rng.random((rows, images)) < own, alone, shared)
    tilt = easy + rng.normal(0, spread, (rows, 1))
    return np.where(u < 0.03 + tilt / 2, 1.0, np.where(u > 0.97 + tilt / 2, -1.0, 0.0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "spread"), [(1, 0.0), *product((3, 5, 20), (0.0, 0.005, 0.02))]
)  # a single training says nothing of others
@pytest.mark.parametrize("own", [0.3, 1.0])
def test_crossed_means_are_covered_about_as_often_as_their_level_says(rows, spread, own):
    """Nominal 95 %."""
    rng = np.random.default_rng([rows, int(1000 * spread), int(10 * own)])
    means = [crossed_mean(differences(rng, rows, spread, own)) for _ in range(500)]
    covered = np.mean([m.low <= 0 <= m.high for m in means])
    assert 0.9 <= covered <= 0.995
    assert np.mean([m.p < 0.05 for m in means]) == pytest.approx(1 - covered, abs=1e-9)


def test_crossed_means_of_one_training_are_the_images_interval():
    values = np.random.default_rng(0).normal(size=(1, 500))
    found, low_high = crossed_mean(values), stats.ttest_1samp(values[0], 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(tuple(low_high))
    assert found.p == pytest.approx(stats.ttest_1samp(values[0], 0).pvalue) and np.isnan(found.seed_sd)


def test_crossed_means_of_equal_trainings_are_those_of_one():
    values = np.random.default_rng(0).normal(size=(1, 500))
    one, many = crossed_mean(values), crossed_mean(np.repeat(values, 4, axis=0))
    assert (many.mean, many.low, many.high) == pytest.approx((one.mean, one.low, one.high))


def test_crossed_means_of_images_that_do_not_matter_are_students():
    rows = np.random.default_rng(0).normal(size=6)
    found = crossed_mean(np.repeat(rows[:, None], 300, axis=1))
    expected = stats.ttest_1samp(rows, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(tuple(expected))


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (2.0, 0.0)])
def test_what_does_not_vary_has_no_width(value, p):
    found = crossed_mean(np.full((3, 20), value))
    assert (found.low, found.high, found.p) == (value, value, p)
