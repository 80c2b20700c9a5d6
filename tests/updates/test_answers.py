"""answers: guards between their two ends, and settings that are chosen."""

from __future__ import annotations

import numpy as np
import pytest

from regnas_core.errors import PredictionError
from regnas_core.flips import nfr, top1
from regnas_core.updates import choose, guard, probabilities, surer


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of an old and a better new network (400, 5), and labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 400)
    truth = np.eye(5)[labels]
    return *(probabilities(s * truth + rng.normal(0, 1, (400, 5))) for s in (1.0, 2.0)), labels


def test_probabilities_are_a_softmax_that_does_not_overflow():
    logits = np.array([[0.0, np.log(3.0)], [1000.0, 1000.0]], np.float32)
    np.testing.assert_allclose(probabilities(logits), [[0.25, 0.75], [0.5, 0.5]], rtol=1e-6)


def test_guards_lie_between_the_new_and_the_old_network(pair):
    old, new, labels = pair
    before = old.argmax(1)
    np.testing.assert_array_equal(guard(before, new, 0.0), new.argmax(1))
    np.testing.assert_array_equal(guard(before, new, 1.1), before)
    np.testing.assert_array_equal(surer(old, new, 1.0), new.argmax(1))
    flips = [nfr(before, guard(before, new, t), labels) for t in np.linspace(0, 1, 21)]
    assert flips == sorted(flips, reverse=True) and flips[0] > 0 == flips[-1]
    kept = new.max(1) < 0.6
    np.testing.assert_array_equal(guard(before, new, 0.6)[kept], before[kept])


def test_who_is_surer_decides(pair):
    old, new, _ = pair
    expected = [o.argmax() if o.max() - 0.1 > n.max() else n.argmax() for o, n in zip(old, new, strict=True)]
    np.testing.assert_array_equal(surer(old, new, 0.1), expected)


def test_the_setting_that_flips_least_of_those_accurate_enough(pair):
    old, new, labels = pair
    before = old.argmax(1)
    tried = {t: guard(before, new, t) for t in (0.0, 0.4, 0.6, 0.9)}
    asked = float(top1(tried[0.0], labels)) - 0.02
    chosen = choose(tried, before, labels, asked)
    enough = [t for t in tried if top1(tried[t], labels) >= asked]
    assert 1 < len(enough) < 4
    assert nfr(before, tried[chosen], labels) == min(nfr(before, tried[t], labels) for t in enough)
    best = choose(tried, before, labels, 1.0)  # nothing is that accurate: the most accurate it is
    assert top1(tried[best], labels) == max(top1(found, labels) for found in tried.values())


def test_what_is_refused(pair):
    old, new, _ = pair
    with pytest.raises(PredictionError, match=r"new has shape \(400, 5\).* 399 pictures"):
        guard(old.argmax(1)[:-1], new, 0.5)
    with pytest.raises(PredictionError, match="old has shape"):
        surer(old.argmax(1), new, 0.5)
    with pytest.raises(PredictionError, match="no probabilities"):
        guard(old.argmax(1), new * 3, 0.5)
