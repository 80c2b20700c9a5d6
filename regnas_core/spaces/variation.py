"""Drawing architectures: sampling, mutation, crossover, and CAS.

CAS (constrained architecture search, paper Sec. 3.2) demands that a target contain every weight of
the reference. Its three rules — add layers to a stage, add channels, extend kernels — all say the
same of a gene: where the reference has the layer, *at least* the reference's value; elsewhere,
anything. So constrained architectures are constructed, gene by gene. A space where that is not all
there is to containment (``by_genes`` is False) narrows the choices further, and what it draws is
checked against the weights themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ..errors import InfeasibleError
from .arch import Arch, Gene, Value

Cost = Callable[[Arch], float]
Values = list[Value | None]  # one value a gene, in the space's order; None where the layer is switched off


class Decisions(Protocol):
    """What drawing asks of a search space; see :class:`regnas_core.spaces.Space`."""

    name: str
    genes: tuple[Gene, ...]
    by_genes: bool

    def domains(self, reference: Arch | None) -> tuple[tuple[Value, ...], ...]: ...
    def domain(self, slot: int, values: Sequence[Value], reference: Arch | None) -> tuple[Value, ...]: ...
    def values(self, arch: Arch) -> Values: ...
    def canonical(self, values: Sequence[Value | None]) -> Arch: ...
    def contains(self, big: Arch, small: Arch) -> bool: ...
    def macs(self, arch: Arch) -> int: ...


def sample(
    space: Decisions,
    rng: np.random.Generator,
    *,
    containing: Arch | None = None,
    max_cost: float | None = None,
    min_cost: float | None = None,
    cost: Cost | None = None,
    tries: int = 100,
) -> Arch:
    """Draw an architecture, every gene uniformly among its allowed values.

    Draws over budget are first rejected (keeps the distribution), then, after ``tries`` of them,
    moved gene by gene towards the smallest allowed architecture until they fit.

    Args:
        space: where to draw.
        rng: source of randomness.
        containing: a reference; only architectures that contain all its weights (A_t) are drawn.
        max_cost: budget, in units of ``cost``.
        min_cost: lower end of a cost window, same units.
        cost: function of an architecture; MACs of one image by default.
        tries: bound on both loops.

    Raises:
        InfeasibleError: nothing (found) in the cost window.
    """
    cost = cost or space.macs
    low, high = min_cost or 0, np.inf if max_cost is None else max_cost
    floor = _build(space, containing, lambda slot, domain: domain[0])
    if cost(floor) > high:
        whose = "that contain the reference" if containing else "of the space"
        raise InfeasibleError(
            f"{space.name}: the cheapest of the architectures {whose} costs {cost(floor):,.12g}, over the "
            f"budget of {high:,.12g}. Raise max_cost to at least {cost(floor):,.12g}."
        )

    def draw() -> Arch:
        return _build(space, containing, lambda slot, domain: _pick(rng, domain))

    for _ in range(tries):
        if low <= cost(arch := draw()) <= high and _is_inside(space, arch, containing):
            return arch
    for _ in range(tries):
        if low <= cost(arch := retreat(space, draw(), floor, rng, cost, high, containing)) <= high:
            return arch
    raise InfeasibleError(
        f"{space.name}: no architecture with a cost between {low:,.12g} and {high:,.12g} in {2 * tries} "
        f"draws; widen the window (the cheapest costs {cost(floor):,.12g})."
    )


def mutate(
    space: Decisions,
    arch: Arch,
    rng: np.random.Generator,
    prob: float = 0.1,
    *,
    containing: Arch | None = None,
    max_cost: float | None = None,
    cost: Cost | None = None,
) -> Arch:
    """Redraw each gene with probability ``prob``; genes of newly added layers are always drawn.

    A mutant over budget takes mutations back, in random order, until it fits. Arguments as for
    :meth:`sample`; ``arch`` itself must satisfy the constraint and the budget.
    """
    check_parent(space, arch, containing)
    own: list[Any] = space.values(arch)  # None in layers that are off, never for a gene that is fixed

    def choose(slot: int, domain: tuple[Value, ...]) -> Value:
        value = own[slot]
        redrawn = value is None or rng.random() < prob
        if value is not None and space.genes[slot].fixed is not None:
            return value
        return _pick(rng, domain) if redrawn or value not in domain else value

    child = _build(space, containing, choose)
    return retreat(space, child, arch, rng, cost or space.macs, max_cost, containing)


def crossover(
    space: Decisions,
    a: Arch,
    b: Arch,
    rng: np.random.Generator,
    *,
    containing: Arch | None = None,
    max_cost: float | None = None,
    cost: Cost | None = None,
) -> Arch:
    """Take each gene from ``a`` or ``b`` with equal chance; over budget, move back towards ``a``."""
    for parent in (a, b):
        check_parent(space, parent, containing)
    genes = list(zip(space.values(a), space.values(b), strict=True))

    def choose(slot: int, domain: tuple[Value, ...]) -> Value:
        pair = genes[slot] if rng.random() < 0.5 else genes[slot][::-1]
        kept = [v for v in pair if v in domain or (v is not None and space.genes[slot].fixed is not None)]
        return kept[0] if kept else _pick(rng, domain)

    child = _build(space, containing, choose)
    return retreat(space, child, a, rng, cost or space.macs, max_cost, containing)


# ── inside ───────────────────────────────────────────────────────────────────────────────────────
def _build(
    space: Decisions, reference: Arch | None, choose: Callable[[int, tuple[Value, ...]], Value]
) -> Arch:
    """Fill gene after gene with ``choose(slot, allowed values)``."""
    if space.by_genes:  # what a gene may be does not depend on the others
        return space.canonical([choose(*pair) for pair in enumerate(space.domains(reference))])
    values: list[Value] = []
    for slot in range(len(space.genes)):
        values.append(choose(slot, space.domain(slot, values, reference)))
    return space.canonical(values)


def _is_inside(space: Decisions, arch: Arch, reference: Arch | None) -> bool:
    """Whether what was built from allowed genes contains the reference."""
    return space.by_genes or reference is None or space.contains(arch, reference)


def check_parent(space: Decisions, arch: Arch, reference: Arch | None) -> None:
    if reference is not None and not space.contains(arch, reference):
        raise InfeasibleError(
            f"{space.name}: a parent does not contain the reference, so its children would not either. "
            "Draw parents with sample(rng, containing=reference)."
        )


def retreat(
    space: Decisions,
    arch: Arch,
    anchor: Arch,
    rng: np.random.Generator,
    cost: Cost,
    high: float | None,
    reference: Arch | None,
) -> Arch:
    """Set genes back to the anchor's, in random order, until cost and containment are right."""

    def fits(arch: Arch) -> bool:
        return (high is None or cost(arch) <= high) and _is_inside(space, arch, reference)

    if fits(arch):
        return arch
    if not fits(anchor):
        raise InfeasibleError(
            f"{space.name}: a parent costs {cost(anchor):,.12g}, over the budget of {high:,.12g}. Draw "
            "parents with sample(rng, max_cost=…) of the same budget."
        )
    values, goal = space.values(arch), space.values(anchor)
    for slot in rng.permutation([i for i, v in enumerate(goal) if v is not None and v != values[i]]):
        values[slot] = goal[slot]
        known = (g if v is None else v for v, g in zip(values, goal, strict=True))
        filled = [gene.choices[0] if v is None else v for v, gene in zip(known, space.genes, strict=True)]
        if fits(arch := space.canonical(filled)):
            return arch
    return arch


def _pick(rng: np.random.Generator, choices: Sequence[Value]) -> Value:
    return choices[int(rng.integers(len(choices)))]
