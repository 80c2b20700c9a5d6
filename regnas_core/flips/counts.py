"""Negative flips: what every metric, reward and figure computes from stored predictions.

Predictions and labels are integer class indices, as NumPy arrays, lists, or tensors on any device; shape (N,)
unless a function says otherwise. N counts images, M models, C classes; rates are fractions in [0, 1]. The
reference plays phi_1 of Eq. 1, the target phi_2. PCT is Yan et al., "Positive-Congruent Training", CVPR 2021.

Every function raises PredictionError for arrays that are empty, not integers, negative, or of unequal length.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import PredictionError
from .classes import Classes, aligned, to_numpy
from .intervals import Bounds, Method, rate_interval
from .right import negative_flips


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
    joint = joint_counts(labels, reference=reference, target=target)
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
    array = to_numpy(predictions, "predictions")
    guess, truth = aligned(array, labels, "predictions", ndim=2 if array.ndim > 1 else 1)
    rates = (guess == truth).mean(axis=-1)
    return rates if rates.ndim else float(rates)


def orient(a: Classes, b: Classes, labels: Classes) -> tuple[Classes, Classes]:
    """(reference, target) by the rule of Sec. 3.1: the lower Top-1 first; a tie keeps the order given."""
    counts = flip_counts(a, b, labels)
    return (b, a) if counts.negative > counts.positive else (a, b)


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
    flipped = negative_flips(guess_r == truth, guess_t == truth)
    n = np.bincount(truth.astype(np.intp), minlength=size)
    negative = np.bincount(truth[flipped].astype(np.intp), minlength=size)
    rate = np.divide(negative, n, out=np.full(size, np.nan), where=n > 0)
    return PerClass(np.arange(size), n, negative, rate)


def joint_counts(labels: Classes, **predictions: Classes) -> NDArray[np.int64]:
    """Images by joint outcome of K models in the order given: (2,) * K, indexed by wrong (0) or right (1)."""
    right = [np.equal(*aligned(values, labels, name)) for name, values in predictions.items()]
    cells = sum(outcome.astype(np.intp) << k for k, outcome in enumerate(right))
    return np.bincount(cells, minlength=2 ** len(right)).reshape((2,) * len(right), order="F")


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else float("nan")
