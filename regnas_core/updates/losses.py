"""A loss by which a new network learns to break less, as a plain function for any training loop.

Beside :func:`regnas_core.supernets.focal_distillation`, which is one as well.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..errors import RegnasError


def logit_difference_inhibition(
    logits: Tensor, told: Tensor | None, labels: Tensor, weight: float = 0.8, margin: float = 0.0
) -> Tensor:
    """ELODI (Zhao et al., "ELODI: Ensemble Logit Difference Inhibition", TPAMI 2024), towards an ensemble.

    (1 − a) · CE + a · mean over classes but the true one of max(|z − r| − ξ, 0)², with z the logits of the
    network and r the mean logits of several networks of its architecture. The defaults are those published
    for an ensemble. Its authors train old and new networks so; where the old one is what it is, the new one
    only comes closer to what all networks of its kind agree on.

    Args:
        logits: (B, C), of the network that is trained.
        told: (B, C), of the ensemble; no gradient flows into them.
        labels: int64 (B,).
        weight: a, 0 to 1.
        margin: ξ, a difference that costs nothing.

    Returns:
        A scalar.

    Raises:
        RegnasError: no logits of an ensemble, or of another shape; a weight out of its range.
    """
    if told is None or told.shape != logits.shape:
        found = None if told is None else tuple(told.shape)
        raise RegnasError(f"The ensemble's logits have shape {found}, the network's {tuple(logits.shape)}.")
    if not 0 <= weight <= 1:
        raise RegnasError(f"weight={weight}: expected a share from 0 to 1.")
    excess = ((logits - told.detach()).abs() - margin).clamp(min=0).square()
    others = 1 - F.one_hot(labels, logits.shape[1])
    distance = (excess * others).sum(1) / others.sum(1)
    return (1 - weight) * F.cross_entropy(logits, labels) + weight * distance.mean()
