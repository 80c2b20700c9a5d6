"""Answers of an old and a new network, put together after both have been trained. NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import PredictionError
from ..flips import nfr, top1


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax of logits (…, C) over their last axis, float64."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True), dtype=np.float64)
    return shifted / shifted.sum(-1, keepdims=True)


def guard(old: np.ndarray, new: np.ndarray, threshold: float) -> np.ndarray:
    """The new network's answers, but the old one's where the new one is unsure.

    Where the new one's highest probability is below the threshold, the old answer must be known: from a run
    of the old network, or from what it once said of this picture.

    Args:
        old: classes (N,).
        new: probabilities (N, C).
        threshold: 0 (always the new one) to 1.

    Returns:
        Classes (N,).

    Raises:
        PredictionError: unequal numbers of pictures, or no probabilities.

    >>> guard(np.array([0, 0]), np.array([[0.1, 0.9], [0.4, 0.6]]), threshold=0.7).tolist()
    [1, 0]
    """
    _check(new, "new", len(old))
    return np.where(new.max(1) < threshold, old, new.argmax(1))


def surer(old: np.ndarray, new: np.ndarray, handicap: float) -> np.ndarray:
    """The answers of whichever network is surer, the old one's confidence less a handicap.

    Needs the old probabilities of every picture: from a run of both networks, or kept.

    Args:
        old, new: probabilities (N, C).
        handicap: 0 (the surer one) to 1 (always the new one).

    Returns:
        Classes (N,).

    Raises:
        PredictionError: as by :func:`guard`.

    >>> surer(np.array([[0.8, 0.2], [0.7, 0.3]]), np.array([[0.1, 0.9], [0.4, 0.6]]), handicap=0.0).tolist()
    [1, 0]
    """
    _check(old, "old", len(new))
    _check(new, "new", len(old))
    return np.where(old.max(1) - handicap > new.max(1), old.argmax(1), new.argmax(1))


def _check(values: np.ndarray, name: str, count: int) -> None:
    if values.ndim != 2 or len(values) != count:
        raise PredictionError(
            f"{name} has shape {values.shape}; expected probabilities (N, C) of {count:,} pictures."
        )
    if values.size and not (values.min() >= 0 and np.allclose(values.sum(1), 1, atol=1e-3)):
        raise PredictionError(f"{name} holds no probabilities: rows must be 0 or more, with the sum of 1.")


def choose(
    answers: Mapping[float, np.ndarray], old: np.ndarray, labels: np.ndarray, least_top1: float
) -> float:
    """The setting that flips least among those that are accurate enough; where none is, the most accurate.

    Args:
        answers: classes (N,) by setting, such as a guard's threshold or a share of weights.
        old: classes of the old network (N,).
        labels: (N,); of pictures that results are not reported on.
        least_top1: the Top-1 that is asked, a fraction; such as the new network's own.
    """
    accuracy = {setting: top1(found, labels) for setting, found in answers.items()}
    asked = min(least_top1, max(accuracy.values()))
    enough = [setting for setting, value in accuracy.items() if value >= asked]
    return min(enough, key=lambda setting: nfr(old, answers[setting], labels))
