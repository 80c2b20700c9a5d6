"""Predicted classes and labels, checked: what every count begins with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import PredictionError

Classes = ArrayLike


def to_numpy(values: Any, name: str) -> NDArray[Any]:
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
    array = to_numpy(values, name)
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
    scores = to_numpy(logits, name)
    if scores.ndim != 2 or scores.dtype.kind != "f" or scores.shape[0] < 1 or scores.shape[1] < 2:
        raise PredictionError(f"{name} is {scores.dtype} {scores.shape}; expected floats (N, C) with C >= 2")
    if (broken := np.isnan(scores).any(axis=1)).any():
        raise PredictionError(
            f"{name} is NaN for {broken.sum()} of {len(scores)} images, first for row {broken.argmax()}; "
            "look for a diverged model or BatchNorm statistics that were never set"
        )
    return scores.argmax(axis=1)


def aligned(predictions: Any, labels: Classes, name: str, ndim: int = 1) -> tuple[NDArray[Any], NDArray[Any]]:
    """Predictions, (N,) or for ``ndim`` 2 (M, N), and labels (N,), validated and covering the same images."""
    guess, truth = class_indices(predictions, name, ndim), class_indices(labels, "labels")
    if guess.shape[-1] != len(truth):
        sizes = f"{name} covers {guess.shape[-1]} images, labels {len(truth)}"
        raise PredictionError(f"{sizes}; expected the same images in the same order")
    return guess, truth
