"""Negative flips: what every metric, reward and figure computes from stored predictions.

Predictions and labels are integer class indices, as NumPy arrays, lists, or tensors on any device; shape (N,)
unless a function says otherwise. N counts images, M models, C classes; rates are fractions in [0, 1]. The
reference plays phi_1 of Eq. 1, the target phi_2. PCT is Yan et al., "Positive-Congruent Training", CVPR 2021.

Every function raises PredictionError for arrays that are empty, not integers, negative, or of unequal length.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from regnas_core.errors import PredictionError

Classes = ArrayLike
Method = Literal["wilson", "exact"]
Quantity = Literal["nfr", "top1", "nfr_reduction"]
_BLOCK = 4096  # images per matrix product: float32 counts stay exact, memory stays at M x 16 kB


class Bounds(NamedTuple):
    """Confidence interval."""

    low: float
    high: float


class Interval(NamedTuple):
    """Estimate with its confidence interval."""

    estimate: float
    low: float
    high: float


def _to_numpy(values: Any, name: str) -> NDArray[Any]:
    """Array of a list, an array, or a tensor (recognised by its ``detach`` method)."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        try:
            return values.numpy()
        except TypeError:  # bfloat16 and the 8-bit floats have no NumPy type
            return values.float().numpy()
    try:
        return np.asarray(values)
    except ValueError as error:
        raise PredictionError(f"{name} is a ragged list; expected rows of equal length") from error


def class_indices(values: Classes, name: str = "predictions", ndim: int = 1) -> NDArray[Any]:
    """Checks class indices, (N,) or for ``ndim`` 2 (M, N); returns an array of their own integer type.

    Raises:
        PredictionError: empty, not integers (logits, booleans, text), another shape, or negative.
    """
    array = _to_numpy(values, name)
    if array.size == 0:
        raise PredictionError(f"{name} is empty (shape {array.shape}); expected at least one image")
    if array.dtype.kind not in "iu":
        hints = {"f": "take the argmax of logits, predicted_classes(...)", "b": "give classes, not hits"}
        hint = hints.get(array.dtype.kind, "map class names to numbers")
        raise PredictionError(f"{name} has type {array.dtype}; expected integer class indices: {hint}")
    if array.ndim != ndim:
        raise PredictionError(f"{name} has shape {array.shape}; expected {'(N,)' if ndim == 1 else '(M, N)'}")
    if array.min() < 0:
        raise PredictionError(f"{name} holds class {array.min()}; expected indices >= 0: drop such images")
    return array


def predicted_classes(logits: ArrayLike, name: str = "logits") -> NDArray[np.int64]:
    """Class of the largest logit: (N, C) scores to (N,) indices; the first class wins a tie.

    Raises:
        PredictionError: not a floating-point (N, C) array with C >= 2, empty, or NaN anywhere.

    >>> predicted_classes([[0.1, 2.0, 0.3], [1.5, 0.0, -1.0]]).tolist()
    [1, 0]
    """
    scores = _to_numpy(logits, name)
    if scores.ndim != 2 or scores.dtype.kind != "f" or scores.shape[0] < 1 or scores.shape[1] < 2:
        raise PredictionError(f"{name} is {scores.dtype} {scores.shape}; expected floats (N, C) with C >= 2")
    if (broken := np.isnan(scores).any(axis=1)).any():
        raise PredictionError(
            f"{name} is NaN for {broken.sum()} of {len(scores)} images, first for row {broken.argmax()}; "
            "look for a diverged model or BatchNorm statistics that were never set"
        )
    return scores.argmax(axis=1)


def aligned(predictions: Any, labels: Classes, name: str, ndim: int = 1) -> tuple[NDArray, NDArray]:
    """Predictions, (N,) or for ``ndim`` 2 (M, N), and labels (N,), validated and covering the same images."""
    guess, truth = class_indices(predictions, name, ndim), class_indices(labels, "labels")
    if guess.shape[-1] != len(truth):
        sizes = f"{name} covers {guess.shape[-1]} images, labels {len(truth)}"
        raise PredictionError(f"{sizes}; expected the same images in the same order")
    return guess, truth


def _joint_counts(labels: Classes, **predictions: Classes) -> NDArray[np.int64]:
    """Images by joint outcome of K models in the order given: (2,) * K, indexed by wrong (0) or right (1)."""
    right = [np.equal(*aligned(values, labels, name)) for name, values in predictions.items()]
    cells = sum(outcome.astype(np.intp) << k for k, outcome in enumerate(right))
    return np.bincount(cells, minlength=2 ** len(right)).reshape((2,) * len(right), order="F")


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else float("nan")


def rate_interval(count: int, n: int, level: float = 0.95, method: Method = "wilson") -> Bounds:
    """Confidence interval of count / n: Wilson's score interval, or the wider "exact" (Clopper-Pearson).

    Raises:
        PredictionError: count outside 0..n, n < 1, level outside (0, 1), or unknown method.
    """
    if not 0 <= count <= n or n < 1:
        raise PredictionError(f"no rate of {count} in {n} images; expected 0 <= count <= n and n >= 1")
    if not 0 < level < 1 or method not in get_args(Method):
        raise PredictionError(f"{method!r} at level {level}; expected {get_args(Method)} and 0 < level < 1")
    bounds = binomtest(int(count), int(n)).proportion_ci(confidence_level=level, method=method)
    return Bounds(float(bounds.low), float(bounds.high))


@dataclass(frozen=True)
class FlipCounts:
    """Images in each of the four outcomes of a reference and a target; disjoint batches add up with ``+``.

    ``negative``: reference right, target wrong; ``positive``: the reverse. A rate without denominator is nan.
    """

    both_correct: int
    negative: int
    positive: int
    both_wrong: int

    def __add__(self, other: FlipCounts) -> FlipCounts:
        return FlipCounts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def n(self) -> int:
        """Number of images."""
        return sum(astuple(self))

    @property
    def nfr(self) -> float:
        """Negative flip rate (Eq. 1)."""
        return _ratio(self.negative, self.n)

    @property
    def pfr(self) -> float:
        """Positive flip rate; nfr - pfr = reference Top-1 - target Top-1."""
        return _ratio(self.positive, self.n)

    @property
    def reference_top1(self) -> float:
        """Top-1 of the reference."""
        return _ratio(self.both_correct + self.negative, self.n)

    @property
    def target_top1(self) -> float:
        """Top-1 of the target."""
        return _ratio(self.both_correct + self.positive, self.n)

    @property
    def relative_nfr(self) -> float:
        """NFR / ((1 - reference error) * target error) (PCT), >= 0; 1 is the NFR of independent errors."""
        reference_right, target_wrong = self.both_correct + self.negative, self.negative + self.both_wrong
        return _ratio(self.negative * self.n, reference_right * target_wrong)

    @property
    def nfi(self) -> float:
        """Negative flip impact: the share of the target's errors that are negative flips."""
        return _ratio(self.negative, self.negative + self.both_wrong)

    def nfr_interval(self, level: float = 0.95, method: Method = "wilson") -> Bounds:
        """Confidence interval of the NFR over the draw of images; see :func:`rate_interval`."""
        return rate_interval(self.negative, self.n, level, method)


def flip_counts(reference: Classes, target: Classes, labels: Classes) -> FlipCounts:
    """The four outcome counts of N images.

    >>> flip_counts([0, 1, 2, 0], [0, 2, 2, 0], [0, 1, 1, 1])
    FlipCounts(both_correct=1, negative=1, positive=0, both_wrong=2)
    """
    joint = _joint_counts(labels, reference=reference, target=target)
    (both_wrong, positive), (negative, both_correct) = joint.tolist()
    return FlipCounts(both_correct, negative, positive, both_wrong)


def nfr(reference: Classes, target: Classes, labels: Classes) -> float:
    """Negative flip rate (Eq. 1): the fraction of images that the reference has right and the target wrong.

    No reordering: :func:`orient` applies the paper's rule (Sec. 3.1) that the lower Top-1 comes first.

    >>> nfr([0, 1, 2, 0], [0, 2, 2, 0], [0, 1, 1, 1])
    0.25
    """
    return flip_counts(reference, target, labels).nfr


def pfr(reference: Classes, target: Classes, labels: Classes) -> float:
    """Positive flip rate (PCT): the fraction of images that the reference has wrong and the target right."""
    return flip_counts(reference, target, labels).pfr


def top1(predictions: Classes, labels: Classes) -> float | NDArray[np.float64]:
    """Top-1 accuracy: a float for (N,) predictions, an (M,) array for (M, N).

    >>> top1([[0, 1, 2, 0], [0, 1, 1, 1]], [0, 1, 1, 1]).tolist()
    [0.5, 1.0]
    """
    array = _to_numpy(predictions, "predictions")
    guess, truth = aligned(array, labels, "predictions", ndim=2 if array.ndim > 1 else 1)
    rates = (guess == truth).mean(axis=-1)
    return rates if rates.ndim else float(rates)


def orient(a: Classes, b: Classes, labels: Classes) -> tuple[Classes, Classes]:
    """(reference, target) by the rule of Sec. 3.1: the lower Top-1 first; a tie keeps the order given."""
    counts = flip_counts(a, b, labels)
    return (b, a) if counts.negative > counts.positive else (a, b)


def nfr_matrix(predictions: Classes, labels: Classes, *, directed: bool = False) -> NDArray[np.float64]:
    """NFR of every pair of M models: (M, N) predictions to (M, M); seconds for M = 1525, N = 50,000.

    With r_i images right for model i and b_ij right for both, NFR with i as phi_1 is (r_i - b_ij) / N. The
    lower Top-1 as phi_1 (Sec. 3.1) hence gives (min(r_i, r_j) - b_ij) / N: symmetric, 0 on the diagonal, and
    for a tie the same both ways. All b_ij are one matrix product of correctness, summed over image blocks.
    With ``directed``, entry [i, j] takes i as phi_1 whatever its Top-1.
    """
    guess, truth = aligned(predictions, labels, "predictions", ndim=2)
    both = np.zeros((len(guess), len(guess)))  # float64 sums of whole numbers: exact
    for start in range(0, len(truth), _BLOCK):
        block = slice(start, start + _BLOCK)
        right = (guess[:, block] == truth[block]).astype(np.float32)  # (M, block)
        both += right @ right.T
    right_total = both.diagonal()
    first = right_total[:, None] if directed else np.minimum.outer(right_total, right_total)
    return (first - both) / len(truth)


@dataclass(frozen=True, eq=False)
class PerClass:
    """Negative flips by true class, arrays of shape (C,); ``nfr`` is nan for a class without images."""

    classes: NDArray[np.int64]
    n: NDArray[np.int64]
    negative: NDArray[np.int64]
    nfr: NDArray[np.float64]


def per_class_nfr(
    reference: Classes, target: Classes, labels: Classes, num_classes: int | None = None
) -> PerClass:
    """NFR among the images of each true class; weighted by n / N these rates add up to the NFR.

    ``num_classes`` defaults to the largest label + 1; when given, predictions and labels must lie below it.
    """
    guess_r, truth = aligned(reference, labels, "reference")
    guess_t, _ = aligned(target, labels, "target")
    size = int(truth.max()) + 1 if num_classes is None else num_classes
    for name, values in (("labels", truth), ("reference", guess_r), ("target", guess_t)):
        if num_classes is not None and values.max() >= size:
            raise PredictionError(f"{name} holds class {values.max()}; expected < num_classes = {size}")
    flipped = (guess_r == truth) & (guess_t != truth)
    n = np.bincount(truth.astype(np.intp), minlength=size)
    negative = np.bincount(truth[flipped].astype(np.intp), minlength=size)
    rate = np.divide(negative, n, out=np.full(size, np.nan), where=n > 0)
    return PerClass(np.arange(size), n, negative, rate)


@dataclass(frozen=True)
class McNemar:
    """Negative flips that only one of two targets makes, NFR_a - NFR_b, and the p-value of equal NFRs."""

    only_a: int
    only_b: int
    difference: float
    p_value: float


def compare_targets(reference: Classes, target_a: Classes, target_b: Classes, labels: Classes) -> McNemar:
    """Exact two-sided McNemar test of equal NFR for two targets of one reference.

    Only images that one target flips and the other does not carry information; without any, p is 1.
    """
    joint = _joint_counts(labels, reference=reference, target_a=target_a, target_b=target_b)
    only_a, only_b = int(joint[1, 0, 1]), int(joint[1, 1, 0])
    p_value = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return McNemar(only_a, only_b, (only_a - only_b) / int(joint.sum()), p_value)


def _difference(joint: NDArray[np.int64], quantity: Quantity) -> NDArray[np.float64]:
    """The quantity from counts (..., 2, 2, 2) of the joint outcomes of reference, target_a, target_b."""
    n = joint.sum(axis=(-3, -2, -1))
    if quantity == "top1":
        return (joint[..., 1, 0] - joint[..., 0, 1]).sum(axis=-1) / n
    flips_a, flips_b = joint[..., 1, 0, :].sum(axis=-1), joint[..., 1, :, 0].sum(axis=-1)
    if quantity == "nfr":
        return (flips_a - flips_b) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        return (flips_a - flips_b) / flips_a


def bootstrap_difference(
    reference: Classes,
    target_a: Classes,
    target_b: Classes,
    labels: Classes,
    *,
    rng: np.random.Generator,
    quantity: Quantity = "nfr",
    level: float = 0.95,
    resamples: int = 10_000,
) -> Interval:
    """Paired percentile bootstrap over images of the change from target_a (the baseline) to target_b.

    An image matters only through its joint outcome, so drawing the counts of the eight outcomes from a
    multinomial has exactly the distribution of drawing N images with replacement, at a cost free of N.

    ``quantity`` is "nfr" (NFR_a - NFR_b), "top1" (Top-1_a - Top-1_b), or "nfr_reduction", the paper's
    relative (NFR_a - NFR_b) / NFR_a: nan when a has no negative flip; a resample where a has none counts as
    -inf, or as 0 when b has none either, so that a handful of flips shows as a low end of -inf.

    Raises:
        PredictionError: unknown quantity, level outside (0, 1), or fewer than one resample.
    """
    if quantity not in get_args(Quantity):
        raise PredictionError(f"unknown quantity {quantity!r}; expected one of {get_args(Quantity)}")
    if not 0 < level < 1 or resamples < 1:
        raise PredictionError(f"{resamples} resamples at level {level}; expected >= 1 and 0 < level < 1")
    joint = _joint_counts(labels, reference=reference, target_a=target_a, target_b=target_b)
    estimate = float(_difference(joint, quantity))
    if not np.isfinite(estimate):
        return Interval(np.nan, np.nan, np.nan)
    draws = rng.multinomial(joint.sum(), joint.ravel() / joint.sum(), size=resamples).reshape(-1, 2, 2, 2)
    values = _difference(draws, quantity)
    values[np.isnan(values)] = 0.0
    # Order statistics, outwards: interpolating between -inf and a number would give nan.
    low = np.quantile(values, (1 - level) / 2, method="lower")
    high = np.quantile(values, (1 + level) / 2, method="higher")
    return Interval(estimate, float(low), float(high))
