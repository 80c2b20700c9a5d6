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
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Limits:
    """What a drawn architecture must satisfy; see :func:`sample` for the arguments."""

    space: Decisions
    containing: Arch | None = None
    max_cost: float | None = None
    min_cost: float | None = None
    cost: Cost | None = None

    def price(self, arch: Arch) -> float:
        return (self.cost or self.space.macs)(arch)

    def affords(self, arch: Arch) -> bool:
        """Whether it is within the budget, and contains the reference."""
        return (self.max_cost is None or self.price(arch) <= self.max_cost) and self._contains(arch)

    def allows(self, arch: Arch) -> bool:
        """Whether it satisfies all."""
        return self.affords(arch) and not self.below(arch)

    def below(self, arch: Arch) -> bool:
        """Whether it costs too little."""
        return self.min_cost is not None and self.price(arch) < self.min_cost

    def _contains(self, arch: Arch) -> bool:
        """Whether what was built from allowed genes contains the reference."""
        return self.space.by_genes or self.containing is None or self.space.contains(arch, self.containing)

    def __str__(self) -> str:
        high = "any cost" if self.max_cost is None else f"{self.max_cost:,.12g}"
        return f"between {self.min_cost or 0:,.12g} and {high}"


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

    Draws outside the cost window are first rejected (keeps the distribution), then, after ``tries`` of them,
    moved gene by gene until they fit: towards the smallest allowed architecture from above, from below by
    the next larger choice of one gene after the other.

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
    limits = Limits(space, containing, max_cost, min_cost, cost)
    floor = _build(space, containing, lambda slot, domain: domain[0])
    if max_cost is not None and limits.price(floor) > max_cost:
        whose = "that contain the reference" if containing else "of the space"
        raise InfeasibleError(
            f"{space.name}: the cheapest of the architectures {whose} costs {limits.price(floor):,.12g}, "
            f"over the budget of {max_cost:,.12g}. Raise max_cost to at least {limits.price(floor):,.12g}."
        )

    def draw() -> Arch:
        return _build(space, containing, lambda slot, domain: _pick(rng, domain))

    for _ in range(tries):
        if limits.allows(arch := draw()):
            return arch
    for _ in range(tries):
        arch = _retreat(draw(), floor, rng, limits)
        if limits.allows(arch := _advance(arch, rng, limits)):
            return arch
    raise InfeasibleError(
        f"{space.name}: no architecture with a cost {limits} in {2 * tries} draws; widen the window (the "
        f"cheapest costs {limits.price(floor):,.12g})."
    )


def mutate(
    space: Decisions,
    arch: Arch,
    rng: np.random.Generator,
    prob: float = 0.1,
    *,
    containing: Arch | None = None,
    max_cost: float | None = None,
    min_cost: float | None = None,
    cost: Cost | None = None,
) -> Arch:
    """Redraw each gene with probability ``prob``; genes of newly added layers are always drawn.

    A mutant outside the cost window takes mutations back, in random order, until it fits. Arguments as for
    :meth:`sample`; ``arch`` itself must satisfy the constraint and the window.
    """
    limits = Limits(space, containing, max_cost, min_cost, cost)
    check_parent(arch, limits)
    own: list[Any] = space.values(arch)  # None in layers that are off, never for a gene that is fixed

    def choose(slot: int, domain: tuple[Value, ...]) -> Value:
        value = own[slot]
        redrawn = value is None or rng.random() < prob
        if value is not None and space.genes[slot].fixed is not None:
            return value
        return _pick(rng, domain) if redrawn or value not in domain else value

    return settled(_build(space, containing, choose), arch, rng, limits)


def crossover(
    space: Decisions,
    a: Arch,
    b: Arch,
    rng: np.random.Generator,
    *,
    containing: Arch | None = None,
    max_cost: float | None = None,
    min_cost: float | None = None,
    cost: Cost | None = None,
) -> Arch:
    """Take each gene from ``a`` or ``b`` with equal chance; outside the window, move back towards ``a``."""
    limits = Limits(space, containing, max_cost, min_cost, cost)
    for parent in (a, b):
        check_parent(parent, limits)
    genes = list(zip(space.values(a), space.values(b), strict=True))

    def choose(slot: int, domain: tuple[Value, ...]) -> Value:
        pair = genes[slot] if rng.random() < 0.5 else genes[slot][::-1]
        kept = [v for v in pair if v in domain or (v is not None and space.genes[slot].fixed is not None)]
        return kept[0] if kept else _pick(rng, domain)

    return settled(_build(space, containing, choose), a, rng, limits)


def near(
    space: Decisions,
    values: Sequence[Value | None],
    rng: np.random.Generator,
    anchor: Arch,
    *,
    containing: Arch | None = None,
    max_cost: float | None = None,
    min_cost: float | None = None,
    cost: Cost | None = None,
) -> Arch:
    """The architecture of one's own choices, or of the nearest allowed ones.

    Outside the window it is moved towards ``anchor``, gene by gene in random order, until it fits.

    Args:
        space: where to build.
        values: one a gene; None draws it.
        rng: source of randomness.
        anchor: an architecture that satisfies all limits.
        containing, max_cost, min_cost, cost: as for :func:`sample`.
    """
    limits = Limits(space, containing, max_cost, min_cost, cost)
    check_parent(anchor, limits)

    def choose(slot: int, domain: tuple[Value, ...]) -> Value:
        value = values[slot]
        return _pick(rng, domain) if value is None else min(domain, key=lambda allowed: abs(allowed - value))

    return settled(_build(space, containing, choose), anchor, rng, limits)


def check_parent(arch: Arch, limits: Limits) -> None:
    """Raises an InfeasibleError unless a parent contains the reference."""
    if limits.containing is not None and not limits.space.contains(arch, limits.containing):
        raise InfeasibleError(
            f"{limits.space.name}: a parent does not contain the reference, so its children would not "
            "either. Draw parents with sample(rng, containing=reference)."
        )


def settled(child: Arch, parent: Arch, rng: np.random.Generator, limits: Limits) -> Arch:
    """The child, with so many genes of its parent that it satisfies the limits.

    Raises:
        InfeasibleError: not even the parent does.
    """
    if limits.allows(child):
        return child
    if not limits.allows(parent):
        low = limits.below(parent)
        bound = (
            f"under the least of {limits.min_cost:,.12g}"
            if low
            else f"over the budget of {limits.max_cost:,.12g}"
        )
        raise InfeasibleError(
            f"{limits.space.name}: a parent costs {limits.price(parent):,.12g}, {bound}. Draw parents with "
            f"sample(rng, {'min' if low else 'max'}_cost=…) of the same window."
        )
    return _retreat(child, parent, rng, limits, whole=True)


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


def _retreat(
    arch: Arch, anchor: Arch, rng: np.random.Generator, limits: Limits, *, whole: bool = False
) -> Arch:
    """Set genes to the anchor's, in random order, until budget (or window) and containment are right."""
    fits = limits.allows if whole else limits.affords
    if fits(arch):
        return arch
    values, goal = limits.space.values(arch), limits.space.values(anchor)
    for slot in rng.permutation([i for i, v in enumerate(goal) if v is not None and v != values[i]]):
        values[slot] = goal[slot]
        known = [g if v is None else v for v, g in zip(values, goal, strict=True)]
        if fits(arch := _filled(limits.space, known)):
            return arch
    return arch


def _advance(arch: Arch, rng: np.random.Generator, limits: Limits) -> Arch:
    """Raise genes to their next larger choice, in random order, while the architecture costs too little."""
    space, grew = limits.space, True
    while grew and limits.below(arch):
        grew = False
        for slot in rng.permutation(len(space.genes)):
            values = space.values(arch)
            larger = [c for c in space.genes[slot].drawn if values[slot] is not None and c > values[slot]]
            if not larger or not limits.below(arch):
                continue
            values[slot] = larger[0]
            if limits.affords(grown := _filled(space, values)):
                arch, grew = grown, True
    return arch


def _filled(space: Decisions, values: Sequence[Value | None]) -> Arch:
    """The architecture of these values; layers that are new have the smallest choices."""
    return space.canonical(
        [g.choices[0] if v is None else v for v, g in zip(values, space.genes, strict=True)]
    )


def _pick(rng: np.random.Generator, choices: Sequence[Value]) -> Value:
    return choices[int(rng.integers(len(choices)))]
