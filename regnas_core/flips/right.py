"""Right and wrong: every flip is arithmetic on which images each network gets right.

Arrays are boolean, True where a network is right, with images along the last dimension.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .classes import Classes, aligned

Right = NDArray[np.bool_]
_BLOCK = 4096  # images per matrix product: float32 counts stay exact, memory stays at M x 16 kB


def negative_flips(reference: Right, target: Right) -> Right:
    """Where the reference is right and the target wrong (Eq. 1, image by image); shapes broadcast.

    >>> negative_flips(np.array([True, True, False]), np.array([True, False, True])).tolist()
    [False, True, False]
    """
    return reference & ~target


def orient_right(a: Right, b: Right) -> tuple[Right, Right]:
    """(references, targets) of S pairs of networks, (S, N) each, by the rule of Sec. 3.1: the lower Top-1
    first; a tie keeps the order given.
    """
    swapped = (a.mean(1) > b.mean(1))[:, np.newaxis]
    return np.where(swapped, b, a), np.where(swapped, a, b)


def flips_between(a: Right, b: Right) -> Right:
    """Negative flips of S pairs of networks, (S, N) each: of every pair the one of lower Top-1 is φ1."""
    return negative_flips(*orient_right(a, b))


def right_nfr_matrix(right: Right, *, directed: bool = False) -> NDArray[np.float64]:
    """:func:`nfr_matrix` of networks (M, N) of which it is known which images they get right."""
    models, images = right.shape
    both = np.zeros((models, models))  # float64 sums of whole numbers: exact
    for start in range(0, images, _BLOCK):
        block = right[:, start : start + _BLOCK].astype(np.float32)
        both += block @ block.T
    total = both.diagonal()
    first = total[:, None] if directed else np.minimum.outer(total, total)
    return (first - both) / images


def nfr_matrix(predictions: Classes, labels: Classes, *, directed: bool = False) -> NDArray[np.float64]:
    """NFR of every pair of M models: (M, N) predictions to (M, M); seconds for M = 1525, N = 50,000.

    With r_i images right for model i and b_ij right for both, NFR with i as phi_1 is (r_i - b_ij) / N. The
    lower Top-1 as phi_1 (Sec. 3.1) hence gives (min(r_i, r_j) - b_ij) / N: symmetric, 0 on the diagonal, and
    for a tie the same both ways. All b_ij are one matrix product of correctness, summed over image blocks.
    With ``directed``, entry [i, j] takes i as phi_1 whatever its Top-1.
    """
    guess, truth = aligned(predictions, labels, "predictions", ndim=2)
    return right_nfr_matrix(guess == truth, directed=directed)
