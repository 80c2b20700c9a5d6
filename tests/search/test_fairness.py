"""fairness: rewards by hand, and weights that find the minimax where it is known."""

from __future__ import annotations

import numpy as np
import pytest
from tables import table as toy

from regnas_core.errors import RegnasError
from regnas_core.search.fairness import ClassWeights, worst_class


def test_the_worst_class_counts():
    found = worst_class([0.5, 0.6], [[0.2, 0.1], [0.0, 0.3]], (2.0, 0.5))
    assert found == pytest.approx([1.0 - 0.1, 1.2 - 0.15])


def test_weights_find_the_minimax():
    """Of networks on the front (risk a, risk b) only the middle one has equal risks."""
    risks = np.array([[0.0, 0.5], [0.1, 0.3], [0.18, 0.18], [0.3, 0.1], [0.5, 0.0]])
    weights, met = ClassWeights(np.array([0.9, 0.1])), []
    for _ in range(20):
        met.append(int(np.argmax(weights.score(np.zeros(5), risks))))
        weights.update(risks[met[-1]])
        assert weights.mu.sum() == pytest.approx(1) and (weights.mu >= 0).all()
    assert met[0] == 0 and 2 in met and weights.best == pytest.approx(0.18)


def test_weights_need_classes():
    with pytest.raises(RegnasError, match="at least one"):
        ClassWeights.equal(0)


def test_class_rates_of_a_table_are_those_of_its_images():
    t = toy()
    ref, labels = t.archs[5], t.labels("test")
    right, own = t.right("test"), t.right("test", [t.archs[5]])[0]
    found = t.class_nfr(ref, "test")
    classes = np.unique(labels)
    assert found.shape == (len(t), labels.max() + 1)
    for c in classes:
        assert found[:, c] == pytest.approx((own & ~right)[:, labels == c].mean(1))
    shares = np.bincount(labels) / len(labels)
    assert found @ shares == pytest.approx(t.nfr(ref, "test"))
