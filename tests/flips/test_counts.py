"""flips: hand-computed cases, plain loops, SciPy-free references, and every error message."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, norm

from regnas_core import flips
from regnas_core.errors import PredictionError
from regnas_core.flips import right as matrices

# Eight images; reference right on 0, 1, 2, 4 and target right on 0, 2, 3, 5, 6.
LABELS = np.array([0, 0, 1, 1, 2, 2, 3, 3])
REFERENCE = np.array([0, 0, 1, 0, 2, 1, 0, 0])
TARGET = np.array([0, 1, 1, 1, 0, 2, 3, 0])
OTHER = np.array([0, 0, 1, 1, 0, 2, 3, 3])  # right on all but image 4

DTYPES = [np.uint8, np.int16, np.int64, np.uint64]


@st.composite
def classified(draw: st.DrawFn, models: int) -> tuple[np.ndarray, np.ndarray]:
    """(models, N) predictions and (N,) labels over few classes, so that all outcomes are common."""
    n = draw(st.integers(1, 25))
    columns = st.lists(st.integers(0, 2), min_size=n, max_size=n)
    rows = [draw(columns) for _ in range(models + 1)]
    dtypes = [draw(st.sampled_from(DTYPES)) for _ in range(2)]
    return np.array(rows[1:], dtype=dtypes[0]), np.array(rows[0], dtype=dtypes[1])


def loop_nfr(reference: np.ndarray, target: np.ndarray, labels: np.ndarray) -> float:
    flipped = 0
    for r, t, y in zip(reference.tolist(), target.tolist(), labels.tolist(), strict=True):
        if r == y and t != y:
            flipped += 1
    return flipped / len(labels)


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


def test_lists_and_tensors_are_converted() -> None:
    expected = flips.flip_counts(REFERENCE, TARGET, LABELS)
    assert flips.flip_counts(REFERENCE.tolist(), TARGET.tolist(), LABELS.tolist()) == expected
    assert flips.flip_counts(*map(torch.from_numpy, (REFERENCE, TARGET, LABELS))) == expected
    assert (
        flips.flip_counts(torch.tensor(REFERENCE, dtype=torch.int16), TARGET.astype(np.uint8), LABELS)
        == expected
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device to hold the tensors")
def test_cuda_tensors_are_converted() -> None:
    tensors = [torch.from_numpy(v).cuda() for v in (REFERENCE, TARGET, LABELS)]
    assert flips.flip_counts(*tensors) == flips.flip_counts(REFERENCE, TARGET, LABELS)
    assert flips.nfr_matrix(torch.stack(tensors[:2]), tensors[2])[0, 1] == 2 / 8
    logits = torch.nn.functional.one_hot(tensors[0], 4).float().requires_grad_()
    assert flips.predicted_classes(logits).tolist() == REFERENCE.tolist()


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


# Matrix ----------------------------------------------------------------------------------------------


def test_matrix_by_hand() -> None:
    models = np.stack([REFERENCE, TARGET, OTHER])
    # REFERENCE loses only image 4 to OTHER; so does no image of TARGET.
    oriented = np.array([[0, 2, 1], [2, 0, 0], [1, 0, 0]]) / 8
    directed = np.array([[0, 2, 1], [3, 0, 0], [4, 2, 0]]) / 8
    np.testing.assert_array_equal(flips.nfr_matrix(models, LABELS), oriented)
    np.testing.assert_array_equal(flips.nfr_matrix(models, LABELS, directed=True), directed)


@given(classified(models=4), st.integers(1, 30))
@settings(deadline=None)
def test_matrix_agrees_with_a_loop_for_every_block_size(
    case: tuple[np.ndarray, np.ndarray], block: int
) -> None:
    predictions, labels = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrices, "_BLOCK", block)
        oriented = flips.nfr_matrix(predictions, labels)
        directed = flips.nfr_matrix(predictions, labels, directed=True)
    for i, a in enumerate(predictions):
        for j, b in enumerate(predictions):
            assert directed[i, j] == pytest.approx(loop_nfr(a, b, labels), abs=1e-15)
            right_a, right_b = (a == labels).sum(), (b == labels).sum()
            first, second = (a, b) if right_a <= right_b else (b, a)
            assert oriented[i, j] == pytest.approx(loop_nfr(first, second, labels), abs=1e-15)
            if right_a == right_b:  # a tie: the direction does not matter
                assert directed[i, j] == directed[j, i]
    np.testing.assert_array_equal(oriented, oriented.T)
    np.testing.assert_array_equal(oriented.diagonal(), 0)


def test_matrix_of_many_models_is_exact() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 20_000)
    accuracy = rng.uniform(0.5, 0.9, (200, 1))
    predictions = np.where(rng.random((200, 20_000)) < accuracy, labels, (labels + 1) % 10).astype(np.int16)
    matrix = flips.nfr_matrix(predictions, labels)
    for i, j in rng.integers(0, 200, (30, 2)):
        assert matrix[i, j] == flips.nfr(*flips.orient(predictions[i], predictions[j], labels), labels)


# Per class -------------------------------------------------------------------------------------------


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


# Intervals and tests ---------------------------------------------------------------------------------


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


def test_comparison_by_hand() -> None:
    # Right (1) or wrong (0): the reference on all ten; a flips images 0-4, b flips 4-5.
    labels = np.ones(10, dtype=int)
    a, b = np.array([0] * 5 + [1] * 5), np.array([1] * 4 + [0] * 2 + [1] * 4)
    result = flips.compare_targets(labels, a, b, labels)
    assert (result.only_a, result.only_b) == (4, 1)
    assert result.difference == pytest.approx(5 / 10 - 2 / 10)
    assert result.p_value == pytest.approx(2 * (math.comb(5, 0) + math.comb(5, 1)) / 2**5)
    assert flips.compare_targets(labels, a, a, labels) == flips.McNemar(0, 0, 0.0, 1.0)


@given(classified(models=3))
@settings(deadline=None)
def test_comparison_agrees_with_the_two_nfrs(case: tuple[np.ndarray, np.ndarray]) -> None:
    (reference, a, b), labels = case
    result = flips.compare_targets(reference, a, b, labels)
    assert result.difference == pytest.approx(loop_nfr(reference, a, labels) - loop_nfr(reference, b, labels))
    n = result.only_a + result.only_b
    tail = sum(math.comb(n, k) for k in range(min(result.only_a, result.only_b) + 1)) / 2**n
    assert result.p_value == pytest.approx(min(1.0, 2 * tail))


# Logits and errors -----------------------------------------------------------------------------------


def test_predicted_classes() -> None:
    logits = np.array([[0.0, 3.0, 1.0], [2.0, 2.0, -np.inf]])
    assert flips.predicted_classes(logits).tolist() == [1, 0]
    half = torch.tensor(logits, dtype=torch.bfloat16, requires_grad=True)
    assert flips.predicted_classes(half).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (
            [[0.0, 1.0], [np.nan, 0.0]],
            r"logits is NaN for 1 of 2 images, first for row 1; look for a diverged",
        ),
        ([0.5, 0.5], r"logits is float64 \(2,\); expected floats \(N, C\)"),
        ([[0.5], [0.5]], r"\(2, 1\); expected floats \(N, C\) with C >= 2"),
        (np.zeros((0, 3)), r"\(0, 3\); expected floats"),
        ([[0, 1], [1, 0]], r"int64 \(2, 2\); expected floats"),
    ],
)
def test_predicted_classes_refuses(logits: object, message: str) -> None:
    with pytest.raises(PredictionError, match=message):
        flips.predicted_classes(logits)


@pytest.mark.parametrize(
    ("reference", "target", "labels", "message"),
    [
        ([0, 1], [0, 1, 2], [0, 1, 2], "reference covers 2 images, labels 3; expected the same images"),
        ([0, 1], [0], [0, 1], "target covers 1 images, labels 2"),
        (
            [0.0, 1.0],
            [0, 1],
            [0, 1],
            "reference has type float64; expected integer class indices: take the argmax",
        ),
        (torch.rand(2, 3).bfloat16(), [0, 1], [0, 1], "reference has type float32.*take the argmax"),
        ([True, False], [0, 1], [0, 1], "type bool; expected integer class indices: give classes"),
        ([0, 1], ["cat", "dog"], [0, 1], "target has type <U3; .*map class names to numbers"),
        ([0, 1], [[0, 1], [0, 1]], [0, 1], r"target has shape \(2, 2\); expected \(N,\)"),
        ([0, 1], [[0, 1], [0]], [0, 1], "target is a ragged list; expected rows of equal length"),
        (0, [0, 1], [0, 1], r"reference has shape \(\); expected \(N,\)"),
        ([0, 1], [0, 1], [], r"labels is empty \(shape \(0,\)\); expected at least one image"),
        ([0, 1], [0, 1], [0, -1], "labels holds class -1; expected indices >= 0"),
        ([0, -5], [0, 1], [0, 1], "reference holds class -5"),
    ],
)
def test_counting_refuses(reference: object, target: object, labels: object, message: str) -> None:
    with pytest.raises(PredictionError, match=message):
        flips.flip_counts(reference, target, labels)


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


def test_the_module_needs_no_torch() -> None:
    code = "import sys, regnas_core.flips; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
