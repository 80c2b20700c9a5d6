"""counts: hand-computed cases and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cases import LABELS, OTHER, REFERENCE, TARGET, classified, loop_nfr
from hypothesis import given, settings
from hypothesis import strategies as st

from regnas_core import flips
from regnas_core.errors import PredictionError


def test_eight_images_by_hand() -> None:
    counts = flips.flip_counts(REFERENCE, TARGET, LABELS)
    assert counts == flips.FlipCounts(both_correct=2, negative=2, positive=3, both_wrong=1)
    assert counts.n == 8
    assert counts.nfr == flips.nfr(REFERENCE, TARGET, LABELS) == 2 / 8
    assert counts.pfr == flips.pfr(REFERENCE, TARGET, LABELS) == 3 / 8
    assert counts.reference_top1 == flips.top1(REFERENCE, LABELS) == 4 / 8
    assert counts.target_top1 == flips.top1(TARGET, LABELS) == 5 / 8
    assert counts.relative_nfr == pytest.approx((2 / 8) / ((4 / 8) * (3 / 8)))
    assert counts.nfi == pytest.approx(2 / 3)
    assert all(
        type(v) is int for v in (counts.both_correct, counts.negative, counts.positive, counts.both_wrong)
    )


def test_relative_nfr_of_the_published_pct_row() -> None:
    """CIFAR-10 without treatment: errors 4.90 and 4.85 %, NFR 1.83 %, relative NFR 39.68 %."""
    counts = flips.FlipCounts(both_correct=9327, negative=183, positive=188, both_wrong=302)
    assert 1 - counts.reference_top1 == pytest.approx(0.0490)
    assert 1 - counts.target_top1 == pytest.approx(0.0485)
    assert 100 * counts.relative_nfr == pytest.approx(39.68, abs=0.01)


def test_rates_without_denominator_are_nan() -> None:
    perfect = flips.flip_counts([1, 1], [1, 1], [1, 1])
    assert perfect.nfr == 0
    assert math.isnan(perfect.relative_nfr)
    assert math.isnan(perfect.nfi)
    assert math.isnan(flips.flip_counts([0, 0], [1, 0], [1, 1]).relative_nfr)  # the reference is always wrong
    assert math.isnan(flips.FlipCounts(0, 0, 0, 0).nfr)


@given(classified(models=2))
@settings(deadline=None)
def test_counts_agree_with_a_loop(case: tuple[np.ndarray, np.ndarray]) -> None:
    (a, b), labels = case
    counts = flips.flip_counts(a, b, labels)
    assert counts.n == len(labels)
    assert counts.nfr == loop_nfr(a, b, labels)
    assert counts.pfr == loop_nfr(b, a, labels)
    assert counts.nfr - counts.pfr == pytest.approx(counts.reference_top1 - counts.target_top1)
    assert flips.flip_counts(a[:1], b[:1], labels[:1]).n == 1


@given(classified(models=2), st.integers(1, 24))
@settings(deadline=None)
def test_counts_of_two_parts_add_up(case: tuple[np.ndarray, np.ndarray], cut: int) -> None:
    (a, b), labels = case
    if cut >= len(labels):
        cut = len(labels) - 1
    if cut < 1:
        return
    parts = [flips.flip_counts(a[s], b[s], labels[s]) for s in (slice(None, cut), slice(cut, None))]
    assert parts[0] + parts[1] == flips.flip_counts(a, b, labels)


def test_top1_of_many_models() -> None:
    accuracy = flips.top1(np.stack([REFERENCE, TARGET, OTHER]), LABELS)
    assert accuracy.tolist() == [4 / 8, 5 / 8, 7 / 8]
    assert type(flips.top1(REFERENCE, LABELS)) is float


def test_orient_puts_the_lower_top1_first_and_keeps_ties() -> None:
    assert flips.orient(REFERENCE, TARGET, LABELS)[0] is REFERENCE
    assert flips.orient(TARGET, REFERENCE, LABELS)[0] is REFERENCE
    tied = np.array([3, 0, 1, 1, 2, 1, 0, 0])  # right on four other images
    assert flips.orient(REFERENCE, tied, LABELS)[0] is REFERENCE
    assert flips.orient(tied, REFERENCE, LABELS)[0] is tied


# ── by class ─────────────────────────────────────────────────────────────────────────────────────
def test_per_class_by_hand() -> None:
    result = flips.per_class_nfr(REFERENCE, TARGET, LABELS, num_classes=5)
    assert result.classes.tolist() == [0, 1, 2, 3, 4]
    assert result.n.tolist() == [2, 2, 2, 2, 0]
    assert result.negative.tolist() == [1, 0, 1, 0, 0]
    np.testing.assert_array_equal(result.nfr, [0.5, 0, 0.5, 0, np.nan])


@given(classified(models=2))
@settings(deadline=None)
def test_per_class_rates_weigh_up_to_the_nfr(case: tuple[np.ndarray, np.ndarray]) -> None:
    (a, b), labels = case
    result = flips.per_class_nfr(a, b, labels)
    assert len(result.classes) == labels.max() + 1
    for c in result.classes:
        images = labels == c
        assert result.n[c] == images.sum()
        if images.any():
            assert result.nfr[c] == loop_nfr(a[images], b[images], labels[images])
    assert np.nansum(result.nfr * result.n) / len(labels) == pytest.approx(flips.nfr(a, b, labels))


# ── errors ───────────────────────────────────────────────────────────────────────────────────────
def test_other_errors() -> None:
    with pytest.raises(PredictionError, match=r"shape \(8,\); expected \(M, N\)"):
        flips.nfr_matrix(REFERENCE, LABELS)
    with pytest.raises(PredictionError, match="predictions covers 7 images, labels 8"):
        flips.nfr_matrix(np.zeros((3, 7), int), LABELS)
    with pytest.raises(PredictionError, match=r"shape \(1, 1, 8\); expected \(M, N\)"):
        flips.top1(REFERENCE[None, None], LABELS)
    with pytest.raises(PredictionError, match=r"is empty \(shape \(0, 8\)\)"):
        flips.top1(np.zeros((0, 8), int), LABELS)
    with pytest.raises(PredictionError, match="labels holds class 3; expected < num_classes = 3"):
        flips.per_class_nfr(REFERENCE, TARGET, LABELS, num_classes=3)
    with pytest.raises(PredictionError, match="target holds class 9; expected < num_classes = 4"):
        flips.per_class_nfr(REFERENCE, np.full(8, 9), LABELS, num_classes=4)
    with pytest.raises(PredictionError, match="no rate of 3 in 2 images"):
        flips.rate_interval(3, 2)
    with pytest.raises(PredictionError, match="no rate of 0 in 0 images"):
        flips.FlipCounts(0, 0, 0, 0).nfr_interval()
    with pytest.raises(
        PredictionError, match=r"'wilson' at level 95; expected \('wilson', 'exact'\) and 0 < level < 1"
    ):
        flips.rate_interval(1, 2, 95)
    with pytest.raises(PredictionError, match="'wald' at level"):
        flips.rate_interval(1, 2, method="wald")
    with pytest.raises(PredictionError, match="target_b covers 7 images"):
        flips.compare_targets(REFERENCE, TARGET, OTHER[:7], LABELS)
