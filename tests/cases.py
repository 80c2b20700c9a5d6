"""Predictions of a few models by hand and by chance, and flips counted in a loop; for the tests of flips."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

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
