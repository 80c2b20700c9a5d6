"""Tied spaces: one value of each gene a stage, so that a whole space can be evaluated.

The networks of a tied space are networks of the whole one: same steps, same weights, same containment.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import product
from math import log, log1p, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import GeneError
from . import counting, variation
from .arch import Arch, Gene, Value
from .space import Space
from .steps import Shape, Step
from .variation import Cost

LISTED = 50_000  # networks of a tied space that are looked through to draw from
BATCH = 256  # relatives drawn at a time


class TiedSpace(Space):
    """The part of a space where all layers of a stage have the same genes.

    Attributes:
        whole: the space that this is a part of.
    """

    attempts = 20

    def __init__(self, whole: Space) -> None:
        self.whole, self.name = whole, whole.name
        self.options = {**whole.options, "tied": True}
        self.by_genes, self.any_size = whole.by_genes, whole.any_size
        self.normalisation, self.batchnorm_rule = whole.normalisation, whole.batchnorm_rule
        self.sources, self.publishers_name = whole.sources, whole.publishers_name  # type: ignore[method-assign]
        places: dict[tuple[str, object], list[int]] = {}
        for slot, gene in enumerate(whole.genes):
            places.setdefault((gene.name, whole.stage(slot)), []).append(slot)
        self._places = tuple(places.values())
        first = (whole.genes[slots[0]] for slots in self._places)
        self.genes = tuple(Gene(g.name, g.choices, None, None, g.rule, g.fixed, g.aliases) for g in first)

    def stage(self, slot: int) -> int:
        return self.whole.stage(self._places[slot][0])

    def steps(self, arch: Arch) -> tuple[Step, ...]:
        return self.whole.steps(self.untie(arch))

    def input_shape(self, arch: Arch) -> Shape:
        return self.whole.input_shape(self.untie(arch))

    @lru_cache(maxsize=1 << 15)  # noqa: B019  (spaces are few and live as long as the process)
    def untie(self, arch: Arch) -> Arch:
        """The same network as an architecture of the whole space."""
        values: list[Value | None] = [None] * len(self.whole.genes)
        for slots, value in zip(self._places, self.values(arch), strict=True):
            for slot in slots:
                values[slot] = value
        return self.whole.canonical(values)

    def tie(self, arch: Arch) -> Arch:
        """The same network as an architecture of this space.

        Raises:
            GeneError: layers of a stage have different genes.
        """
        given = self.whole.values(arch)
        kinds = [{given[slot] for slot in slots} - {None} for slots in self._places]
        if torn := [gene.name for gene, kind in zip(self.genes, kinds, strict=True) if len(kind) > 1]:
            raise GeneError(
                f"{arch} has several values of {torn[0]} in one stage, so it is none of {self.identity}."
            )
        return self.canonical([next(iter(kind)) for kind in kinds])

    @lru_cache(maxsize=1 << 15)  # noqa: B019
    def macs(self, arch: Arch) -> int:
        return super().macs(arch)

    @lru_cache(maxsize=1 << 15)  # noqa: B019
    def params(self, arch: Arch) -> int:
        return super().params(arch)

    def sample(self, rng: np.random.Generator, **limits: Any) -> Arch:
        """As in any space; where the networks within the limits can be listed, uniformly out of these."""
        inside = self._listed(**limits)
        if inside is None or not len(inside):
            return super().sample(rng, **limits)
        return self._every[inside[int(rng.random() * len(inside))]]

    def samples(self, rng: np.random.Generator, **limits: Any) -> Iterator[Arch]:
        """As in any space; of listed networks each comes once."""
        inside = self._listed(**limits)
        if inside is None or not len(inside):
            yield from super().samples(rng, **limits)
        else:
            yield from (self._every[row] for row in rng.permutation(inside))

    def exhausted(self, seen: Container[Arch | None], **limits: Any) -> bool:
        inside = self._listed(**limits)
        return inside is not None and all(self._every[row] in seen for row in inside)

    def listed(self, **limits: Any) -> list[Arch] | None:
        inside = self._listed(**limits)
        return None if inside is None else [self._every[row] for row in inside]

    def _listed(
        self,
        containing: Arch | None = None,
        max_cost: float | None = None,
        min_cost: float | None = None,
        cost: Cost | None = None,
        tries: int = 0,
    ) -> NDArray[np.int64] | None:
        """Places of all networks within limits; None where that takes long to know."""
        few = prod(len(gene.drawn) for gene in self.genes) <= LISTED
        if not few or not isinstance(cost, Hashable):
            return None
        return self._inside(containing, max_cost, min_cost, cost or self.macs)

    @lru_cache(maxsize=64)  # noqa: B019
    def _inside(
        self, reference: Arch | None, high: float | None, low: float | None, cost: Cost
    ) -> NDArray[np.int64]:
        costs = self._costs(cost)
        allowed = (costs <= (np.inf if high is None else high)) & (costs >= (low or 0))
        return np.flatnonzero(allowed if reference is None else allowed & self._containing(reference))

    @lru_cache(maxsize=64)  # noqa: B019
    def _containing(self, reference: Arch) -> NDArray[np.bool_]:
        """Of every network, whether it contains the reference."""
        if self.by_genes:
            return np.asarray((self._grid >= self.grid([reference])).all(axis=1))
        own, (steps, places) = self.steps(reference), self._steps
        shared = np.array([counting.shared_weights([step], own) for step in steps] + [0])
        return shared[places].sum(1) == self.params(reference)

    @lru_cache(maxsize=8)  # noqa: B019
    def _costs(self, cost: Cost) -> NDArray[np.floating[Any]]:
        """Costs of every network."""
        return np.array([cost(arch) for arch in self._every])

    @cached_property
    def _grid(self) -> NDArray[np.int8]:
        """Genes of every network."""
        return self.grid(self._every)

    @cached_property
    def _every(self) -> list[Arch]:
        return list(self.all())

    @cached_property
    def _steps(self) -> tuple[list[Step], NDArray[np.int64]]:
        """All different steps, and the places there of every network's: (networks, most steps)."""
        places: dict[Step, int] = {}
        rows = [[places.setdefault(step, len(places)) for step in self.steps(arch)] for arch in self._every]
        return list(places), _filled_up(rows)

    def mutate(self, arch: Arch, rng: np.random.Generator, prob: float = 0.1, **limits: Any) -> Arch:
        """As in any space, at less cost, given that a gene changes: else it were no mutant."""
        if not self.by_genes or not 0 < prob < 1:
            return super().mutate(arch, rng, prob, **limits)
        allowed = variation.Limits(self, **limits)
        variation.check_parent(arch, allowed)
        own, domains = self._values(arch), self.domains(allowed.containing)
        values = own
        for _ in range(100):  # where no gene has another choice, none changes
            slot = -1
            while (slot := slot + 1 + int(log(1 - rng.random()) / log1p(-prob))) < len(own):
                value = domains[slot][int(rng.random() * len(domains[slot]))]
                values = (*values[:slot], value, *values[slot + 1 :])
            if values != own:
                break
        return variation.settled(self.canonical(values), arch, rng, allowed)

    def crossover(self, a: Arch, b: Arch, rng: np.random.Generator, **limits: Any) -> Arch:
        """As in any space, at less cost, given that the child is neither of its parents."""
        if not self.by_genes:
            return super().crossover(a, b, rng, **limits)
        allowed = variation.Limits(self, **limits)
        for parent in (a, b):
            variation.check_parent(parent, allowed)
        values, other = self.values(a), self._values(b)
        differing = [slot for slot, value in enumerate(values) if value != other[slot]]
        if len(differing) > 1:
            taken = 1 + int(rng.random() * (2 ** len(differing) - 2))  # bits: neither none nor all
            for slot in differing:
                values[slot] = other[slot] if taken & 1 else values[slot]
                taken >>= 1
        return variation.settled(self.canonical(values), a, rng, allowed)

    def mutants(
        self, parents: Sequence[Arch], rng: np.random.Generator, prob: float = 0.1, **limits: Any
    ) -> Iterator[Arch]:
        """As in any space; where all networks within the limits are listed, many at a time.

        There a mutant outside the limits is dropped, and one that is its parent.
        """
        if (inside := self._listed(**limits)) is None:
            yield from super().mutants(parents, rng, prob, **limits)
            return
        allowed = self._among(inside)
        own, counts = self.grid(parents), np.array([len(gene.drawn) for gene in self.genes])
        while True:
            base = own[rng.integers(len(own), size=BATCH)]
            drawn = self._drawn[np.arange(len(counts)), rng.integers(counts, size=base.shape)]
            child = np.where(rng.random(base.shape) < prob, drawn, base)
            yield from self._kept(child, (child != base).any(1), allowed) or parents[:1]

    def crossings(self, parents: Sequence[Arch], rng: np.random.Generator, **limits: Any) -> Iterator[Arch]:
        """As :meth:`mutants`, of two parents each."""
        if (inside := self._listed(**limits)) is None:
            yield from super().crossings(parents, rng, **limits)
            return
        own, allowed = self.grid(parents), self._among(inside)
        while True:
            a, b = own[rng.integers(len(own), size=(2, BATCH))]
            child = np.where(rng.random(a.shape) < 0.5, a, b)
            yield from self._kept(child, (child != a).any(1) & (child != b).any(1), allowed) or parents[:1]

    def _among(self, inside: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Of every network, whether it is one of these places; at the end, for −1, that none is."""
        return np.bincount(inside, minlength=len(self._every) + 1).astype(bool)

    def _kept(
        self, genes: NDArray[np.int8], new: NDArray[np.bool_], allowed: NDArray[np.bool_]
    ) -> list[Arch]:
        """Those of genes (B, genes) that are new and within the limits."""
        rows = self._row[genes[new] @ self._radix]
        return [self._every[row] for row in rows[allowed[rows]]]

    @cached_property
    def _drawn(self) -> NDArray[np.int8]:
        """Places of what each gene may be: (genes, most choices)."""
        places = [[gene.choices.index(value) for value in gene.drawn] for gene in self.genes]
        return _filled_up(places).astype(np.int8)

    @cached_property
    def _radix(self) -> NDArray[np.int64]:
        """Weights of genes in a number of its own for each network."""
        counts = [len(gene.choices) for gene in self.genes]
        return np.cumprod([1, *counts[:-1]])

    @cached_property
    def _row(self) -> NDArray[np.int64]:
        """Place of each network in the list, by that number."""
        rows = np.full(prod(len(gene.choices) for gene in self.genes), -1)
        rows[self._grid @ self._radix] = np.arange(len(self._every))
        return rows

    def size(self, containing: Arch | None = None) -> int:
        if containing is None or self.by_genes:
            return super().size(containing)
        inside = self._listed(containing)
        return sum(self.contains(arch, containing) for arch in self.all()) if inside is None else len(inside)

    def all(self) -> Iterator[Arch]:
        """Every architecture, the last stage's genes changing fastest, so that neighbours begin alike."""
        order = sorted(range(len(self.genes)), key=self.stage)
        for drawn in product(*(self.genes[slot].drawn for slot in order)):
            values = dict(zip(order, drawn, strict=True))
            yield self.canonical([values[slot] for slot in range(len(order))])

    def grid(self, archs: Sequence[Arch]) -> NDArray[np.int8]:
        """Genes of architectures as places in their choices: (M, genes)."""
        place: list[dict[Value | None, int]]
        place = [{value: i for i, value in enumerate(gene.choices)} for gene in self.genes]
        return np.array([[p[v] for p, v in zip(place, self.values(a), strict=True)] for a in archs], np.int8)


def _filled_up(rows: list[list[int]]) -> NDArray[np.int64]:
    """Rows of different lengths as an array, filled up with −1."""
    most = max(map(len, rows))
    return np.array([row + [-1] * (most - len(row)) for row in rows])
