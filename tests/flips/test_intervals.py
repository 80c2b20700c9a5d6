"""intervals: by hand, and how often they cover the truth."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import beta, norm

from regnas_core import flips
from regnas_core.flips.intervals import Estimate, crossed_mean, holm


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
    assert 0.9 <= covered(means) <= 0.995
    assert np.mean([m.p() < 0.05 for m in means]) <= 0.08


def covered(means: list[Estimate]) -> float:
    """How often 0 is within the interval."""
    return float(np.mean([low <= 0 <= high for low, high in (m.interval() for m in means)]))


def repetitions(rng, trainings: int, spread: float, searches: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Differences as above, of several searches a training, which add noise of their own."""
    rows = differences(rng, trainings, spread, 0.5, 400)
    of = np.repeat(np.arange(trainings), searches)
    return rows[of] + rng.normal(0, 0.01, (len(of), 1)), of


@pytest.mark.slow
@pytest.mark.parametrize(("trainings", "spread"), [*product((3, 5), (0.0, 0.01))])
def test_searches_within_trainings_are_covered_too(trainings, spread):
    rng = np.random.default_rng([trainings, int(100 * spread)])
    means = [crossed_mean(*repetitions(rng, trainings, spread)) for _ in range(500)]
    assert 0.9 <= covered(means) <= 0.985


@pytest.mark.slow
@pytest.mark.parametrize("common", [0.0, 0.06])
def test_what_seeds_have_in_common_is_covered(common):
    """Seeds that are the same in every training: without them the interval would be too narrow."""
    rng, found = np.random.default_rng(int(1000 * common)), {True: [], False: []}
    trainings, seeds = (axis.ravel() for axis in np.indices((4, 10)))
    for _ in range(500):
        rows = differences(rng, 4, 0.002, 0.5, 300)[trainings]
        rows = rows + rng.normal(0, common, 10)[seeds, None] + rng.normal(0, 0.004, (40, 1))
        for told in found:
            found[told].append(crossed_mean(rows, trainings, seeds if told else None))
    assert 0.9 <= covered(found[True]) <= 0.995
    assert common == 0 or covered(found[False]) < 0.88


def test_seeds_that_are_not_in_every_training_are_left_out():
    values, trainings = np.random.default_rng(0).normal(size=(5, 50)), np.array([0, 0, 1, 1, 1])
    plain = crossed_mean(values, trainings)
    assert crossed_mean(values, trainings, np.array([0, 1, 0, 1, 2])) == plain
    grid = np.repeat([0, 1], 2), np.tile([0, 1], 2)
    assert crossed_mean(values[:4], *grid).error >= crossed_mean(values[:4], grid[0]).error


def test_an_interval_that_takes_searches_for_trainings_would_miss_the_truth():
    """The simulation can fail: searches of three trainings say little of other trainings."""
    rng = np.random.default_rng(0)
    means = [crossed_mean(repetitions(rng, 3, 0.05)[0]) for _ in range(200)]
    assert covered(means) < 0.85


@pytest.mark.slow
@pytest.mark.parametrize("trainings", [3, 5])
def test_small_p_values_come_no_more_often_than_they_say(trainings):
    """As corrections for many tests need them; with the interval's degrees of freedom they do not."""
    rng, bar = np.random.default_rng(trainings), 0.05 / 45
    rows = rng.normal(0, 0.01, (20_000, trainings, 1)) + rng.normal(0, 0.05, (20_000, 1, 150))
    means = [crossed_mean(one + rng.normal(0, 0.02, (trainings, 150))) for one in rows]
    assert np.mean([m.p() < bar for m in means]) < 1.5 * bar
    loose = [m._replace(strict=0.0).p() < bar for m in means]
    assert trainings > 3 or np.mean(loose) > 3 * bar


def test_what_is_nested_in_a_training_is_averaged():
    values = np.random.default_rng(0).normal(size=(6, 50))
    nested = crossed_mean(values, np.array([0, 1, 2, 0, 1, 2]))
    assert nested == crossed_mean((values[:3] + values[3:]) / 2)


def test_repetitions_of_a_single_training_are_the_sample():
    values = np.random.default_rng(0).normal(size=(4, 50))
    assert crossed_mean(values, np.zeros(4)) == crossed_mean(values)


def test_scalars_are_students():
    values = np.array([0.3, 0.1, 0.5, 0.2])
    found, expected = crossed_mean(values), stats.ttest_1samp(values, 0)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.p() == pytest.approx(expected.pvalue)
    assert found.p(0.1) == pytest.approx(stats.ttest_1samp(values, 0.1).pvalue)


def test_within_a_bar_by_two_one_sided_tests():
    found = Estimate(0.05, 0.02, 10, 0.1)
    low, high = found.interval()
    for bar in (0.06, 0.08, high, 0.2):
        assert (found.p_within(bar) < 0.05) == (high < bar)
    assert found.p_within(high) == pytest.approx(0.05) and low > 0


def test_holm_steps_down():
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.2])
    assert holm(p) == pytest.approx([0.04, np.nan, 0.09, 0.09, 0.2], nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_as_its_definition_says(values):
    """Step by step: the smallest p against α / m, the next against α / (m − 1), until one is too large."""
    p, alpha, rejected = np.array(values), 0.05, set()
    for step, row in enumerate(np.argsort(p, kind="stable")):
        if p[row] * (len(p) - step) >= alpha:
            break
        rejected.add(int(row))
    assert set(np.flatnonzero(holm(p) < alpha)) == rejected


def test_crossed_means_of_one_training_are_the_images_interval():
    values = np.random.default_rng(0).normal(size=(1, 500))
    found, test = crossed_mean(values), stats.ttest_1samp(values[0], 0)
    assert found.interval() == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert found.p() == pytest.approx(test.pvalue) and np.isnan(found.sd)


def test_crossed_means_of_equal_trainings_are_those_of_one():
    values = np.random.default_rng(0).normal(size=(1, 500))
    one, many = crossed_mean(values), crossed_mean(np.repeat(values, 4, axis=0))
    assert (many.value, *many.interval()) == pytest.approx((one.value, *one.interval()))
    assert many.p(0.2) > one.p(0.2) and many.means == (one.value,) * 4


def test_crossed_means_of_images_that_do_not_matter_are_students():
    rows = np.random.default_rng(0).normal(size=6)
    found = crossed_mean(np.repeat(rows[:, None], 300, axis=1))
    expected = stats.ttest_1samp(rows, 0).confidence_interval(0.95)
    assert found.interval() == pytest.approx(tuple(expected))


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (2.0, 0.0)])
def test_what_does_not_vary_has_no_width(value, p):
    found = crossed_mean(np.full((3, 20), value))
    assert (*found.interval(), found.p()) == (value, value, p)
