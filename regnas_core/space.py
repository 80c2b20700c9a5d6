"""Search spaces: sampling, mutation, crossover, and CAS.

CAS (constrained architecture search, paper Sec. 3.2) demands that a target contain every weight of
the reference. Its three rules — add layers to a stage, add channels, extend kernels — all say the
same of a gene: where the reference has the layer, *at least* the reference's value; elsewhere,
anything. So constrained architectures are constructed, gene by gene. A space where that is not all
there is to containment (``by_genes`` is False) narrows the choices further, and what it draws is
checked against the weights themselves.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from math import prod
from types import MappingProxyType
from typing import Literal

import numpy as np

from . import steps as st
from .arch import Arch, Gene, Value, identity
from .download import Source
from .errors import GeneError, InfeasibleError

Cost = Callable[[Arch], float]
Values = list  # one value a gene, in the space's order; None where the layer is switched off


class Space(ABC):
    """Base of all search spaces. A concrete space gives its genes and its steps, little else.

    Attributes:
        name: as in :func:`regnas_core.get_space`.
        genes: the decisions, in a fixed order.
        options: what was changed against the configuration that the name stands for.
        by_genes: whether "every gene at least the reference's" is the same as containing its weights.
        any_size: whether images may have another height and width than :meth:`input_shape` says.
        normalisation: mean and standard deviation of the images' channels, for weights that say nothing.
        batchnorm_rule: how the publishers of the super-network recalibrate BatchNorm: ``"weighted"``,
            means and biased variances of the batches, weighted by their sizes (once-for-all), or
            ``"cumulative"``, plain averages of means and unbiased variances (AttentiveNAS).
        sources: where trained weights are published, by the publishers' name; the first is the default.
    """

    name: str
    genes: tuple[Gene, ...]
    options: dict
    by_genes = True
    any_size = False
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] = ((0.5,) * 3, (0.25,) * 3)
    batchnorm_rule: Literal["weighted", "cumulative"] = "weighted"
    sources: Mapping[str, Source] = MappingProxyType({})

    @abstractmethod
    def steps(self, arch: Arch) -> tuple[st.Step, ...]:
        """The ordered steps of ``arch``; a GeneError where it belongs to another space."""

    @abstractmethod
    def input_shape(self, arch: Arch) -> st.Shape:
        """(channels, height, width) of the images that ``arch`` takes."""

    @cached_property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of the super-network's tensors."""
        return {name: region.shape for name, region in st.regions(self.steps(self.largest)).items()}

    @staticmethod
    def publishers_name(key: str) -> str:
        """What a tensor and its namesakes in the publishers' checkpoints have in common."""
        return key

    @cached_property
    def identity(self) -> str:
        """Name and options: architectures of spaces with different identity are different."""
        return identity(self.name, self.options)

    # ── architectures ────────────────────────────────────────────────────────────────────────────
    def arch(self, **genes) -> Arch:
        """Check and canonicalise an architecture.

        Args:
            **genes: the genes of the space by name, a sequence with one value a layer, or one value for
                all. Entries of layers that the depth switches off may be anything, ``None`` included.
                Genes that random draws never change, such as a fixed resolution, may be left out.

        Raises:
            GeneError: a gene is unknown, missing, of the wrong length, or outside its choices.
        """
        genes = {**self._defaults, **genes}
        unknown, missing = set(genes) - set(self.slots), set(self.slots) - set(genes)
        if unknown or missing:
            what = f"unknown {sorted(unknown)}" if unknown else f"missing {sorted(missing)}"
            raise GeneError(f"{self.name}: genes {what}; expected exactly {list(self.slots)}.")
        values: Values = [None] * len(self.genes)
        for name, slots in self.slots.items():
            given = (
                genes[name] if isinstance(genes[name], Sequence | np.ndarray) else [genes[name]] * len(slots)
            )
            if len(given) != len(slots):
                raise GeneError(f"{self.name}: {name} has {len(given)} values; expected {len(slots)}.")
            for slot, value in zip(slots, given, strict=True):
                values[slot] = value
        return self._canonical(values)

    def parse(self, text: str) -> Arch:
        """The architecture whose ``str`` is ``text``.

        Raises:
            GeneError: not a JSON object of this space's genes.
        """
        try:
            genes = dict(json.loads(text))
        except (ValueError, TypeError):
            raise GeneError(
                f"{text!r} is no architecture; expected genes as JSON: {self.smallest}."
            ) from None
        return self.arch(**genes)

    @cached_property
    def smallest(self) -> Arch:
        return self._canonical([gene.drawn[0] for gene in self.genes])

    @cached_property
    def largest(self) -> Arch:
        return self._canonical([gene.drawn[-1] for gene in self.genes])

    def size(self, containing: Arch | None = None) -> int:
        """Number of different architectures: |A|, or |A_t| when a reference is given."""
        genes = list(zip(self.genes, self._domains(containing), strict=True))
        total = prod(len(domain) for gene, domain in genes if not gene.layer and gene.depth_of is None)
        for stage, depths in ((gene.depth_of, domain) for gene, domain in genes if gene.depth_of is not None):
            layers = [
                (gene.layer[1], len(domain))
                for gene, domain in genes
                if gene.layer and gene.layer[0] == stage
            ]
            total *= sum(prod(n for i, n in layers if i < depth) for depth in depths)
        return total

    # ── what an architecture costs and uses ──────────────────────────────────────────────────────
    def macs(self, arch: Arch) -> int:
        """Multiply-accumulates of one image."""
        return st.macs(self.steps(arch), self.input_shape(arch))

    def params(self, arch: Arch) -> int:
        """Learned weights of the extracted network."""
        return st.params(self.steps(arch))

    def shared_weights(self, a: Arch, b: Arch) -> int:
        """N(W_a ∩ W_b): super-network weights that both use (paper, Eq. 2)."""
        return st.shared_weights(self.steps(a), self.steps(b))

    def contains(self, big: Arch, small: Arch) -> bool:
        """Whether ``big`` uses every weight that ``small`` uses: big ∈ A_t of small (paper, Eq. 3)."""
        return self.shared_weights(big, small) == self.params(small)

    # ── drawing architectures ────────────────────────────────────────────────────────────────────
    def sample(
        self,
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
            rng: source of randomness.
            containing: a reference; only architectures that contain all its weights (A_t) are drawn.
            max_cost: budget, in units of ``cost``.
            min_cost: lower end of a cost window, same units.
            cost: function of an architecture; MACs of one image by default.
            tries: bound on both loops.

        Raises:
            InfeasibleError: nothing (found) in the cost window.
        """
        cost = cost or self.macs
        low, high = min_cost or 0, np.inf if max_cost is None else max_cost
        floor = self._build(containing, lambda slot, domain: domain[0])
        if cost(floor) > high:
            whose = "that contain the reference" if containing else "of the space"
            raise InfeasibleError(
                f"{self.name}: the cheapest of the architectures {whose} costs {cost(floor):,.12g}, over the "
                f"budget of {high:,.12g}. Raise max_cost to at least {cost(floor):,.12g}."
            )

        def draw() -> Arch:
            return self._build(containing, lambda slot, domain: _pick(rng, domain))

        for _ in range(tries):
            if low <= cost(arch := draw()) <= high and self._is_inside(arch, containing):
                return arch
        for _ in range(tries):
            if low <= cost(arch := self._retreat(draw(), floor, rng, cost, high, containing)) <= high:
                return arch
        raise InfeasibleError(
            f"{self.name}: no architecture with a cost between {low:,.12g} and {high:,.12g} in {2 * tries} "
            f"draws; widen the window (the cheapest costs {cost(floor):,.12g})."
        )

    def mutate(
        self,
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
        self._check_parent(arch, containing)
        own = self._values(arch)

        def choose(slot: int, domain: tuple[Value, ...]) -> Value:
            redrawn = own[slot] is None or rng.random() < prob
            if self.genes[slot].fixed is not None:
                return own[slot]
            return _pick(rng, domain) if redrawn or own[slot] not in domain else own[slot]

        child = self._build(containing, choose)
        return self._retreat(child, arch, rng, cost or self.macs, max_cost, containing)

    def crossover(
        self,
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
            self._check_parent(parent, containing)
        genes = list(zip(self._values(a), self._values(b), strict=True))

        def choose(slot: int, domain: tuple[Value, ...]) -> Value:
            pair = genes[slot] if rng.random() < 0.5 else genes[slot][::-1]
            kept = [v for v in pair if v in domain or (v and self.genes[slot].fixed)]
            return kept[0] if kept else _pick(rng, domain)

        child = self._build(containing, choose)
        return self._retreat(child, a, rng, cost or self.macs, max_cost, containing)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────
    @cached_property
    def slots(self) -> dict[str, list[int]]:
        """Gene name → places of its genes in :attr:`genes`."""
        slots: dict[str, list[int]] = {}
        for i, gene in enumerate(self.genes):
            slots.setdefault(gene.name, []).append(i)
        return slots

    @cached_property
    def _scalars(self) -> set[str]:
        """Genes that belong to the whole network, such as its resolution: values, not lists."""
        single = (self.genes[slots[0]] for slots in self.slots.values() if len(slots) == 1)
        return {gene.name for gene in single if gene.layer is None and gene.depth_of is None}

    @cached_property
    def _defaults(self) -> dict[str, list[Value]]:
        """Genes that are given no choice, or are not drawn."""
        groups = {name: [self.genes[slot].drawn for slot in slots] for name, slots in self.slots.items()}
        return {
            name: [values[0] for values in group]
            for name, group in groups.items()
            if all(len(values) == 1 for values in group)
        }

    def _values(self, arch: Arch) -> Values:
        self._check_own(arch)
        values: Values = [None] * len(self.genes)
        for name, value in arch.items:
            slots = self.slots[name]
            for slot, v in zip(slots, value if isinstance(value, tuple) else (value,), strict=True):
                values[slot] = v
        return values

    def _canonical(self, values: Values) -> Arch:
        """Check the active genes and drop those of layers that the depth switches off."""

        def checked(gene: Gene, value: Value | None) -> Value:
            if value not in gene.choices:
                raise GeneError(
                    f"{self.name}: gene {gene.name} is {value!r}; choose one of {list(gene.choices)}."
                )
            return gene.choices[gene.choices.index(value)]  # a plain number, whatever was given

        depth = {
            g.depth_of: checked(g, v)
            for g, v in zip(self.genes, values, strict=True)
            if g.depth_of is not None
        }
        kept = [
            None if gene.layer and depth[gene.layer[0]] <= gene.layer[1] else checked(gene, value)
            for gene, value in zip(self.genes, values, strict=True)
        ]
        items = (
            (name, kept[slots[0]] if name in self._scalars else tuple(kept[s] for s in slots))
            for name, slots in self.slots.items()
        )
        return Arch(self.identity, tuple(items))

    @lru_cache(maxsize=256)  # noqa: B019  (spaces are few and live as long as the process)
    def _domains(self, reference: Arch | None) -> tuple[tuple[Value, ...], ...]:
        """Allowed values of every gene: at least the reference's, wherever the reference has the layer."""
        if reference is None:
            return tuple(gene.drawn for gene in self.genes)
        return tuple(
            gene.drawn if value is None or gene.rule is None else tuple(c for c in gene.drawn if c >= value)
            for gene, value in zip(self.genes, self._values(reference), strict=True)
        )

    def _domain(self, slot: int, values: Values, reference: Arch | None) -> tuple[Value, ...]:
        """Allowed values of one gene, when the genes before it have ``values``."""
        return self._domains(reference)[slot]

    def _build(self, reference: Arch | None, choose: Callable[[int, tuple[Value, ...]], Value]) -> Arch:
        """Fill gene after gene with ``choose(slot, allowed values)``."""
        values: Values = []
        for slot in range(len(self.genes)):
            values.append(choose(slot, self._domain(slot, values, reference)))
        return self._canonical(values)

    def _is_inside(self, arch: Arch, reference: Arch | None) -> bool:
        """Whether what was built from allowed genes contains the reference."""
        return self.by_genes or reference is None or self.contains(arch, reference)

    def _check_own(self, arch: Arch) -> None:
        if arch.space != self.identity:
            raise GeneError(f"An architecture of {arch.space} was given to the space {self.identity}.")

    def _check_parent(self, arch: Arch, reference: Arch | None) -> None:
        if reference is not None and not self.contains(arch, reference):
            raise InfeasibleError(
                f"{self.name}: a parent does not contain the reference, so its children would not either. "
                "Draw parents with sample(rng, containing=reference)."
            )

    def _retreat(
        self,
        arch: Arch,
        anchor: Arch,
        rng: np.random.Generator,
        cost: Cost,
        high: float | None,
        reference: Arch | None,
    ) -> Arch:
        """Set genes back to the anchor's, in random order, until cost and containment are right."""

        def fits(arch: Arch) -> bool:
            return (high is None or cost(arch) <= high) and self._is_inside(arch, reference)

        if fits(arch):
            return arch
        if not fits(anchor):
            raise InfeasibleError(
                f"{self.name}: a parent costs {cost(anchor):,.12g}, over the budget of {high:,.12g}. Draw "
                "parents with sample(rng, max_cost=…) of the same budget."
            )
        values, goal = self._values(arch), self._values(anchor)
        for slot in rng.permutation([i for i, v in enumerate(goal) if v is not None and v != values[i]]):
            values[slot] = goal[slot]
            known = (g if v is None else v for v, g in zip(values, goal, strict=True))
            filled = [gene.choices[0] if v is None else v for v, gene in zip(known, self.genes, strict=True)]
            if fits(arch := self._canonical(filled)):
                return arch
        return arch


def _pick(rng: np.random.Generator, choices: Sequence[Value]) -> Value:
    return choices[int(rng.integers(len(choices)))]
