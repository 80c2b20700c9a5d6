"""right: all pairs of models at once, by hand and against a loop."""

from __future__ import annotations

import numpy as np
import pytest
from cases import LABELS, OTHER, REFERENCE, TARGET, classified, loop_nfr
from hypothesis import given, settings
from hypothesis import strategies as st

from regnas_core import flips
from regnas_core.flips import right as matrices


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
