"""MONAS: a recurrent controller learns by reward what to propose (Hsu et al., 2018, arXiv 1806.10332).

An LSTM of 24 units, one softmax a gene, REINFORCE with a moving baseline, Adam with 0.03, as published. What
was evaluated before is rewarded again from memory, so that no architecture is asked for twice.
"""

from __future__ import annotations

from typing import Literal

import torch

from ..course import Course
from .controller import Controller

Reward = Literal["cost", "accuracy", "mixed"]
PATIENCE = 10  # batches without anything new, after which some are drawn at random


def monas(
    course: Course,
    *,
    reward: Reward = "cost",
    alpha: float = 0.5,
    threshold: float = 0.0,
    batch: int = 10,
    lr: float = 0.03,
    hidden: int = 24,
    decay: float = 0.9,
) -> None:
    """MONAS' rewards are of an accuracy, here the score, and of a cost, both in [0, 1].

    Args:
        course: of the search.
        reward: ``"cost"``, Acc where the budget is kept, else 0: since all proposals are brought inside, the
            score; ``"accuracy"``, 1 − Cost where Acc exceeds ``threshold``, else 0; ``"mixed"``,
            α · Acc − (1 − α) · Cost.
        alpha, threshold: of the rewards.
        batch: architectures an update.
        lr: of Adam.
        hidden: units of the LSTM.
        decay: of the baseline, a moving average of rewards.
    """
    controller = Controller(
        course.space.domains(course.limits["containing"]), hidden, int(course.rng.integers(2**31))
    )
    optimizer = torch.optim.Adam(controller.parameters(), lr)
    known: dict[object, float] = {}
    ceiling = course.limits["max_cost"] or course.cost(course.space.largest)
    context, baseline, idle = torch.ones(batch, 1), None, 0
    while course.left and controller.slots:
        choices, values = controller.draw(context)
        archs = [course.near(v) for v in values]
        born = course.take(iter(archs), batch, "controller")
        idle = 0 if born else idle + 1
        if idle > PATIENCE:
            born, idle = course.draw(batch), 0
            if not born:
                return
        for (arch, _), score in zip(born, course.evaluate(born), strict=True):
            known[arch] = _reward(score, course.cost(arch) / ceiling, reward, alpha, threshold)
        rated = [i for i, arch in enumerate(archs) if arch in known]  # without reference and excluded ones
        if not rated:
            continue
        gains = torch.tensor([known[archs[i]] for i in rated])
        mean = float(gains.mean())
        baseline = mean if baseline is None else decay * baseline + (1 - decay) * mean
        built = controller.as_built(course.space, choices, archs)[rated]
        loss = -((gains - baseline) * controller(context[rated], built)[1]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _reward(accuracy: float, cost: float, kind: Reward, alpha: float, threshold: float) -> float:
    if kind == "mixed":
        return alpha * accuracy - (1 - alpha) * cost
    if kind == "accuracy":
        return 1 - cost if accuracy > threshold else 0.0
    return accuracy
