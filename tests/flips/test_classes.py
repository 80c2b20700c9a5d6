"""classes: lists, arrays and tensors become class indices, and every mistake has its message."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cases import LABELS, REFERENCE, TARGET

from regnas_core import flips
from regnas_core.errors import PredictionError


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
