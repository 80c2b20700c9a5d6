"""compare: two targets of one reference, by hand and against the two NFRs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cases import classified, loop_nfr
from hypothesis import given, settings

from regnas_core import flips


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
