"""Fronts: what a search of several objectives looks for, and how much of it was found.

Points are (n, K), higher is better in every column.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .course import SearchResult

Points = NDArray[np.float64]


def nondominated(points: ArrayLike) -> NDArray[np.bool_]:
    """Which points no other one dominates, being as good everywhere and better somewhere: (n,).

    >>> nondominated([[1, 3], [2, 2], [1, 2], [3, 1]]).tolist()
    [True, True, False, True]
    """
    p = np.asarray(points, float)
    stays = np.ones(len(p), bool)
    for i in np.argsort(-p.sum(1), kind="stable"):  # those that dominate come first
        if stays[i]:
            stays &= (p > p[i]).any(1) | (p == p[i]).all(1)
    return stays


def ranks(points: ArrayLike, most: int | None = None) -> NDArray[np.int64]:
    """0 for the front, 1 for the front of the rest, and so on: (n,).

    Args:
        points: (n, K).
        most: fronts are peeled off until so many points have their rank; the rest share the next one.
    """
    p = np.asarray(points, float)
    rank, left, number = np.zeros(len(p), np.int64), np.arange(len(p)), 0
    while len(left) and (most is None or len(p) - len(left) < most):
        first = nondominated(p[left])
        rank[left[first]], left, number = number, left[~first], number + 1
    rank[left] = number
    return rank


def hypervolume(points: ArrayLike, worst: ArrayLike) -> float:
    """Volume of what points dominate above ``worst`` (K,), exact; sliced along one objective after the other.

    >>> hypervolume([[1, 3], [2, 2], [3, 1]], [0, 0])
    6.0
    """
    low = np.asarray(worst, float)
    p = np.asarray(points, float)
    p = p[(p > low).all(1)]
    if not len(p):
        return 0.0
    if len(low) == 1:
        return float(p.max() - low[0])
    p = p[nondominated(p)]
    ends = np.unique(p[:, -1])
    starts = np.concatenate([low[-1:], ends[:-1]])
    slices = (hypervolume(p[p[:, -1] >= end, :-1], low[:-1]) for end in ends)
    return float(sum((end - start) * area for start, end, area in zip(starts, ends, slices, strict=True)))


def front(found: SearchResult) -> pd.DataFrame:
    """The rows of a search's log that no other one beats in all objectives and cost, the cheapest first.

    Objectives are the parts of its score, or the score where it has none.
    """
    log = found.log
    objectives = [name for name in log if str(name).startswith("objective_")] or ["score"]
    points = np.column_stack([log[objectives], -log["cost"]])
    return log[nondominated(points)].sort_values("cost", ignore_index=True)
