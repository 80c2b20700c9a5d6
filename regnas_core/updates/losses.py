"""Losses by which a new network learns to break less, as plain functions of logits for any training loop.

Each takes the new network's logits (B, C), those of a teacher (B, C), and labels (B,), and gives a scalar.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..errors import RegnasError
from ..supernets.distillation import Objective, focal_distillation


def cross_entropy(logits: Tensor, told: Tensor | None, labels: Tensor) -> Tensor:
    """The plain loss; a teacher is without meaning."""
    return F.cross_entropy(logits, labels)


def focal_distillation_loss(logits: Tensor, told: Tensor | None, labels: Tensor) -> Tensor:
    """Positive-congruent training as published (Yan et al., CVPR 2021), towards the old network's logits.

    :func:`regnas_core.supernets.distillation.focal_distillation` by FD-KL with λ = 1, α = 1, β = 5, T = 100.
    """
    return focal_distillation(logits, told, labels, Objective("FD-KL"))


def logit_difference_inhibition(
    logits: Tensor, told: Tensor | None, labels: Tensor, weight: float = 0.8, margin: float = 0.0
) -> Tensor:
    """ELODI (Zhao et al., "ELODI: Ensemble Logit Difference Inhibition", TPAMI 2024), towards an ensemble.

    (1 − a) · CE + a · mean over classes but the true one of max(|z − r| − ξ, 0)², with z the logits of the
    network and r the mean logits of several networks of its architecture. The defaults are those published
    for an ensemble. Its authors train old and new networks so; here the old one is what it is.

    Args:
        logits, told, labels: see above; no gradient flows into ``told``.
        weight: a, 0 to 1.
        margin: ξ, a difference that costs nothing.

    Raises:
        RegnasError: no logits of a teacher, or of another shape; a weight out of its range.
    """
    if told is None or told.shape != logits.shape:
        found = None if told is None else tuple(told.shape)
        raise RegnasError(f"The teacher's logits have shape {found}, the network's {tuple(logits.shape)}.")
    if not 0 <= weight <= 1:
        raise RegnasError(f"weight={weight}: expected a share from 0 to 1.")
    excess = ((logits - told.detach()).abs() - margin).clamp(min=0).square()
    others = 1 - F.one_hot(labels, logits.shape[1])
    distance = (excess * others).sum(1) / others.sum(1)
    return (1 - weight) * F.cross_entropy(logits, labels) + weight * distance.mean()
