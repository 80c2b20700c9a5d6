"""Training objectives of single networks: cross entropy, distillation, and focal distillation.

Focal distillation (Yan et al., "Positive-Congruent Training: Towards Regression-Free Model Updates", CVPR
2021) is what REG-NAS is compared with. It adds a distance to the reference's logits to the cross entropy,
and gives more weight to the images that the reference gets right, since only these can flip negatively.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor

from ..errors import RegnasError

Kind = Literal["CE", "KD", "FD-KL", "FD-LM"]


@dataclass(frozen=True)
class Objective:
    """What a network is trained to do.

    The defaults of ``alpha``, ``beta`` and ``temperature`` are those that the authors published. ``weight``
    and ``temperature`` decide between accuracy and agreement, and suit networks of one size only: tune them
    on the search split, never on the test split.

    Attributes:
        kind: ``"CE"``, cross entropy alone; ``"KD"``, cross entropy against a teacher's probabilities alone,
            by which a super-network trains its sub-networks; or focal distillation by ``"FD-KL"``, the
            Kullback-Leibler divergence of softened probabilities, or by ``"FD-LM"``, the squared distance
            of the logits.
        weight: λ, of the distillation beside the cross entropy.
        alpha: weight of every image in the distillation.
        beta: what an image that the reference gets right weighs in addition.
        temperature: T, by which FD-KL divides the logits.

    Raises:
        RegnasError: an unknown kind, a negative weight, or a temperature that is not positive.
    """

    kind: Kind = "CE"
    weight: float = 1.0
    alpha: float = 1.0
    beta: float = 5.0
    temperature: float = 100.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise RegnasError(f"Objective kind {self.kind!r}: choose one of {', '.join(get_args(Kind))}.")
        for name in ("weight", "alpha", "beta"):
            if not 0 <= getattr(self, name) < math.inf:
                raise RegnasError(f"Objective {name}={getattr(self, name)}: expected a number of at least 0.")
        if not 0 < self.temperature < math.inf:
            raise RegnasError(f"Objective temperature={self.temperature}: expected a number above 0.")

    @property
    def distils(self) -> bool:
        """Whether it needs a reference's logits."""
        return self.kind != "CE"

    @property
    def settings(self) -> dict[str, str | float]:
        """The kind, and what it makes use of, as plain data; two objectives with equal settings are one."""
        names = ("weight", "alpha", "beta") if self.kind.startswith("FD") else ()
        names += ("temperature",) if self.kind == "FD-KL" else ()
        return {"kind": self.kind, **{name: float(getattr(self, name)) for name in names}}


def focal_distillation(
    logits: Tensor, reference_logits: Tensor | None, labels: Tensor, objective: Objective
) -> Tensor:
    """The whole loss; of focal distillation L = CE + λ · mean over images of (α + β · [reference right]) · D.

    D is, for the logits z of the network and r of the reference on one image,

    * FD-KL: T² · KL(softmax(r / T) ‖ softmax(z / T)), in nats. Without the factor T², its gradient would
      shrink with 1 / T² and vanish at the authors' T = 100; with it, D tends to half the variance over
      classes of z − r as T grows. The authors' published code has the factor, too;
    * FD-LM: the mean over classes of (z − r)², as in that code.

    The weights are of single images, as the paper has it. (In the published code of FD-KL, a product of
    (B,) and (B, 1) becomes (B, B), so that every image is weighted by the mean weight of its batch.)

    Args:
        logits: (B, C), of the network that is trained.
        reference_logits: (B, C), of the reference on the same images; no gradient flows into them. May be
            None for kind ``"CE"``, which ignores them.
        labels: int64 (B,).
        objective: kind of loss, λ, α, β and T.

    Returns:
        A scalar.

    Raises:
        RegnasError: focal distillation without logits of a reference, or with logits of another shape.
    """
    loss = F.cross_entropy(logits, labels)
    if not objective.distils:
        return loss
    if reference_logits is None:
        raise RegnasError(f"{objective.kind} needs the logits of a reference.")
    if reference_logits.shape != logits.shape:
        raise RegnasError(
            f"The reference's logits have shape {tuple(reference_logits.shape)}, the network's "
            f"{tuple(logits.shape)}; both must predict the same classes of the same images."
        )
    told = reference_logits.detach()
    if objective.kind == "KD":
        return F.cross_entropy(logits, told.softmax(1))
    weights = objective.alpha + objective.beta * (told.argmax(1) == labels)
    return loss + objective.weight * (weights * _distance(logits, told, objective)).mean()


def _distance(logits: Tensor, told: Tensor, objective: Objective) -> Tensor:
    """D of every image (B,)."""
    if objective.kind == "FD-LM":
        return (logits - told).square().mean(1)
    t = objective.temperature
    own, theirs = (logits / t).log_softmax(1), (told / t).log_softmax(1)
    return t**2 * F.kl_div(own, theirs, reduction="none", log_target=True).sum(1)
