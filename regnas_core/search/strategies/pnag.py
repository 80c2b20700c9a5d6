"""PNAG: a generator that gives an architecture for any budget by inference (Guo et al., arXiv 2103.00219).

An LSTM, told a budget, chooses genes. It learns by REINFORCE, with an entropy bonus, from an evaluator: a
small network that ranks architectures for a budget. Of two that fit, the one with the higher score ranks
first; where one does not, the cheaper. It learns such pairs of what was evaluated: log(1 + exp(−(R₁ − R₂))).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import RegnasError
from ...spaces.arch import Arch
from ...spaces.space import Cost, Space
from ..course import Course
from .controller import Controller
from .gaussian import encode


class BudgetGenerator:
    """Architectures for budgets.

    Args:
        space: where.
        cost: what budgets are in; MACs by default.
        reference: given, all architectures contain its weights.
        seed: of weights and draws.
        hidden: units of LSTM and evaluator.

    >>> from regnas_core import load_tabular
    >>> table = load_tabular("demo")
    >>> generator = BudgetGenerator(table.space)
    >>> few = table.archs[::100]
    >>> generator.fit(few, table.score("R0")(few), steps=20)
    >>> table.space.macs(generator(1e6)) <= 1e6
    True
    """

    def __init__(
        self,
        space: Space,
        cost: Cost | None = None,
        *,
        reference: Arch | None = None,
        seed: int = 0,
        hidden: int = 64,
    ) -> None:
        self.space, self.cost, self.reference = space, cost or space.macs, reference
        self.rng = np.random.default_rng(seed)
        self._given = cost
        self.controller = Controller(space.domains(reference), hidden, seed)
        width = encode(space, [space.smallest]).shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.evaluator = nn.Sequential(nn.Linear(width + 1, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        self._ranking = torch.optim.Adam(self.evaluator.parameters(), 3e-3, fused=True)
        self._choosing = torch.optim.Adam(self.controller.parameters(), 1e-2, fused=True)
        self.budgets = (0.0, 1.0)

    def fit(self, archs: Sequence[Arch], scores: Sequence[float], *, steps: int = 50) -> None:
        """Learn from evaluated architectures; may be called again when there are more.

        Args:
            archs, scores: two or more, and how good they are.
            steps: updates of the generator, each after five of the evaluator.

        Raises:
            RegnasError: fewer than two.
        """
        if len(archs) < 2:
            raise RegnasError("A generator learns from pairs: give two architectures or more.")
        x = torch.tensor(encode(self.space, archs), dtype=torch.float32)
        score, cost = np.array(scores, float), np.array([self.cost(arch) for arch in archs], float)
        self.budgets = float(cost.min()), float(cost.max())
        for _ in range(steps):
            for _ in range(5):
                self._rank(x, score, cost)
            self._choose()

    def _rank(self, x: Tensor, score: np.ndarray, cost: np.ndarray, pairs: int = 64) -> None:
        a, b = self.rng.integers(len(x), size=(2, pairs))
        budget = self.rng.uniform(*self.budgets, pairs)
        fit = (cost[a] <= budget) & (cost[b] <= budget)
        better = np.where(fit, score[a] - score[b], cost[b] - cost[a])
        told = self._context(budget)
        gap = (self.evaluator(torch.cat([x[a], told], 1)) - self.evaluator(torch.cat([x[b], told], 1)))[:, 0]
        loss = nn.functional.softplus(-gap * torch.tensor(np.sign(better), dtype=torch.float32))
        _step(self._ranking, loss[torch.tensor(better != 0)].mean() if better.any() else gap.sum() * 0)

    def _choose(self, count: int = 16, entropy: float = 1e-3) -> None:
        if not self.controller.slots:
            return
        context = self._context(self.rng.uniform(*self.budgets, count))
        choices, log, spread = self.controller(context)
        gain = self._worth([self.space.canonical(v) for v in self.controller.values(choices)], context)
        _step(self._choosing, -((gain - gain.mean()) * log + entropy * spread).mean())

    @torch.no_grad()
    def _worth(self, archs: Sequence[Arch], context: Tensor) -> Tensor:
        x = torch.tensor(encode(self.space, archs), dtype=torch.float32)
        return self.evaluator(torch.cat([x, context], 1))[:, 0]

    def _context(self, budget: np.ndarray) -> Tensor:
        low, high = self.budgets
        return torch.tensor((budget - low) / (high - low or 1.0), dtype=torch.float32)[:, None]

    def propose(self, budgets: Sequence[float], min_cost: float | None = None) -> list[Arch]:
        """An architecture for every budget, inside it.

        Raises:
            InfeasibleError: there is none.
        """
        limits: dict[str, Any] = {"containing": self.reference, "min_cost": min_cost, "cost": self._given}
        anchors = [self.space.sample(self.rng, max_cost=budget, **limits) for budget in budgets]
        if not self.controller.slots:
            return anchors
        drawn = self.controller.draw(self._context(np.array(budgets)))[1]
        return [
            self.space.near(values, self.rng, anchor, max_cost=budget, **limits)
            for values, anchor, budget in zip(drawn, anchors, budgets, strict=True)
        ]

    def __call__(self, budget: float) -> Arch:
        """The best of ten draws by the evaluator, as published."""
        archs = self.propose([budget] * 10)
        return archs[int(self._worth(archs, self._context(np.full(10, budget))).argmax())]


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def pnag(course: Course, *, batch: int = 25, start: int = 50, steps: int = 20) -> None:
    """Train a :class:`BudgetGenerator`, evaluate its proposals for the whole budget and lesser ones, go on.

    Args:
        course: of the search.
        batch: architectures that are evaluated between two trainings; half of them for the whole budget.
        start: random ones at the beginning.
        steps: of each training.
    """
    limits = course.limits
    generator = BudgetGenerator(
        course.space, limits["cost"], reference=limits["containing"], seed=int(course.rng.integers(2**31))
    )
    born = course.draw(start)
    while born:
        course.evaluate(born)
        if not course.left:
            return
        if len(course.archs) > 1:
            generator.fit(course.archs, course.scores, steps=steps)
        low, high = min(course.costs), limits["max_cost"] or generator.budgets[1]
        budgets = [high] * (batch - batch // 2) + course.rng.uniform(low, high, batch // 2).tolist()
        proposed = generator.propose(budgets[: course.left], limits["min_cost"])
        born = course.take(iter(proposed), batch, "generator") or course.draw(batch)
