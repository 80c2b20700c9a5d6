"""Search spaces: genes, architectures, and what an architecture uses and costs."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from math import prod
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..download import Source
from ..errors import GeneError
from ..spaces import steps as st
from . import counting, variation
from .arch import Arch, Gene, Value, identity
from .variation import Cost, Values

__all__ = ["Cost", "Space"]


class Space(ABC):
    """Base of all search spaces. A concrete space gives its genes and its steps, little else.

    Attributes:
        name: as in :func:`regnas_core.get_space`.
        genes: the decisions, in a fixed order.
        options: what was changed against the configuration that the name stands for.
        by_genes: whether "every gene at least the reference's" is the same as containing its weights.
        attempts: draws after which a search expects no new relative of its parents; in a small space most of
            them are soon seen.
        any_size: whether images may have another height and width than :meth:`input_shape` says.
        normalisation: mean and standard deviation of the images' channels, for weights that say nothing.
        batchnorm_rule: how the publishers of the super-network recalibrate BatchNorm: ``"weighted"``,
            means and biased variances of the batches, weighted by their sizes (once-for-all), or
            ``"cumulative"``, plain averages of means and unbiased variances (AttentiveNAS).
        sources: where trained weights are published, by the publishers' name; the first is the default.
    """

    name: str
    genes: tuple[Gene, ...]
    options: dict[str, Any]
    by_genes = True
    attempts = 100
    any_size = False
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] = ((0.5,) * 3, (0.25,) * 3)
    batchnorm_rule: Literal["weighted", "cumulative"] = "weighted"
    sources: Mapping[str, Source] = MappingProxyType({})

    # Drawing architectures, with and without CAS.
    sample = variation.sample
    mutate = variation.mutate
    crossover = variation.crossover
    near = variation.near

    def samples(self, rng: np.random.Generator, **limits: Any) -> Iterator[Arch]:
        """Random architectures, without end unless all are known; limits as for :meth:`sample`."""
        while True:
            yield self.sample(rng, **limits)

    def mutants(
        self, parents: Sequence[Arch], rng: np.random.Generator, prob: float = 0.1, **limits: Any
    ) -> Iterator[Arch]:
        """Mutants of random parents, without end; limits as for :meth:`mutate`. May be old or equal."""
        while True:
            yield self.mutate(parents[int(rng.integers(len(parents)))], rng, prob, **limits)

    def crossings(self, parents: Sequence[Arch], rng: np.random.Generator, **limits: Any) -> Iterator[Arch]:
        """Crossovers of two random parents, without end; limits as for :meth:`crossover`."""
        while True:
            a, b = (parents[int(rng.integers(len(parents)))] for _ in range(2))
            yield self.crossover(a, b, rng, **limits)

    @abstractmethod
    def steps(self, arch: Arch) -> tuple[st.Step, ...]:
        """The ordered steps of ``arch``; a GeneError where it belongs to another space."""

    @abstractmethod
    def input_shape(self, arch: Arch) -> st.Shape:
        """(channels, height, width) of the images that ``arch`` takes."""

    @staticmethod
    def check_resolutions(given: Sequence[int]) -> tuple[int, ...]:
        """The option ``resolutions``, ascending, each once; a GeneError unless these are sizes in pixels."""
        if not given or not all(isinstance(r, int) and r >= 32 for r in given):
            raise GeneError(f"resolutions={given!r}: expected one or more sizes in pixels, 32 or more each.")
        return tuple(sorted(set(given)))

    @cached_property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of the super-network's tensors."""
        return {name: region.shape for name, region in counting.regions(self.steps(self.largest)).items()}

    @staticmethod
    def publishers_name(key: str) -> str:
        """What a tensor and its namesakes in the publishers' checkpoints have in common."""
        return key

    @cached_property
    def identity(self) -> str:
        """Name and options: architectures of spaces with different identity are different."""
        return identity(self.name, self.options)

    # ── architectures ────────────────────────────────────────────────────────────────────────────
    def arch(self, **genes: Value | Sequence[Value | None] | NDArray[Any]) -> Arch:
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
            gene = genes[name]
            given = gene if isinstance(gene, Sequence | np.ndarray) else [gene] * len(slots)
            if len(given) != len(slots):
                raise GeneError(f"{self.name}: {name} has {len(given)} values; expected {len(slots)}.")
            for slot, value in zip(slots, given, strict=True):
                values[slot] = value
        return self.canonical(values)

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
        return self.canonical([gene.drawn[0] for gene in self.genes])

    @cached_property
    def largest(self) -> Arch:
        return self.canonical([gene.drawn[-1] for gene in self.genes])

    def size(self, containing: Arch | None = None) -> int:
        """Number of different architectures: |A|, or |A_t| when a reference is given."""
        genes = list(zip(self.genes, self.domains(containing), strict=True))
        total = prod(len(domain) for gene, domain in genes if not gene.layer and gene.depth_of is None)
        for stage, depths in ((gene.depth_of, domain) for gene, domain in genes if gene.depth_of is not None):
            layers = [
                (gene.layer[1], len(domain))
                for gene, domain in genes
                if gene.layer and gene.layer[0] == stage
            ]
            total *= sum(prod(n for i, n in layers if i < depth) for depth in depths)
        return total

    def exhausted(self, seen: Container[Arch | None], **limits: Any) -> bool:
        """Whether all architectures within limits (of :meth:`sample`) are in ``seen``, as far as is known."""
        return False

    def listed(self, **limits: Any) -> list[Arch] | None:
        """All architectures within limits (of :meth:`sample`); None where that takes long to know."""
        return None

    # ── what an architecture costs and uses ──────────────────────────────────────────────────────
    def macs(self, arch: Arch) -> int:
        """Multiply-accumulates of one image."""
        return counting.macs(self.steps(arch), self.input_shape(arch))

    def stage(self, slot: int) -> int:
        """To which stage the gene at ``slot`` belongs; genes that belong to none are one each."""
        gene = self.genes[slot]
        if gene.layer is not None:
            return gene.layer[0]
        return self.slots[gene.name].index(slot) if gene.depth_of is None else gene.depth_of

    def places(self, arch: Arch) -> Iterator[tuple[st.Step, st.Shape]]:
        """The steps of ``arch``, each with the shape (C, H, W) of its input."""
        shape = self.input_shape(arch)
        for step in self.steps(arch):
            yield step, shape
            shape = st.step_cost(step, shape)[1]

    def params(self, arch: Arch) -> int:
        """Learned weights of the extracted network."""
        return counting.params(self.steps(arch))

    def shared_weights(self, a: Arch, b: Arch) -> int:
        """N(W_a ∩ W_b): super-network weights that both use (paper, Eq. 2)."""
        return counting.shared_weights(self.steps(a), self.steps(b))

    @lru_cache(maxsize=4096)  # noqa: B019  (a search asks again and again for the same parents)
    def contains(self, big: Arch, small: Arch) -> bool:
        """Whether ``big`` uses every weight that ``small`` uses: big ∈ A_t of small (paper, Eq. 3)."""
        return self.shared_weights(big, small) == self.params(small)

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

    def values(self, arch: Arch) -> Values:
        """One value a gene, in the order of :attr:`genes`; None where the depth switches a layer off."""
        return list(self._values(arch))

    @lru_cache(maxsize=4096)  # noqa: B019
    def _values(self, arch: Arch) -> tuple[Value | None, ...]:
        self.check_own(arch)
        values: Values = [None] * len(self.genes)
        for name, value in arch.items:
            slots = self.slots[name]
            for slot, v in zip(slots, value if isinstance(value, tuple) else (value,), strict=True):
                values[slot] = v
        return tuple(values)

    def canonical(self, values: Sequence[Value | None]) -> Arch:
        """Check the active genes and drop those of layers that the depth switches off."""
        try:
            return self._canonical(tuple(values))
        except TypeError:  # a value that is no number, nor anything that can be hashed
            return self._canonical.__wrapped__(self, tuple(values))

    @lru_cache(maxsize=1 << 15)  # noqa: B019  (a search proposes again and again what it has seen)
    def _canonical(self, values: tuple[Value | None, ...]) -> Arch:
        if len(values) != len(self.genes):
            raise GeneError(f"{self.name}: {len(values)} values; expected {len(self.genes)}, one a gene.")
        depth = {gene.depth_of: self._choice(slot, values[slot]) for slot, gene in self._depth_genes}
        kept: list[Any] = [  # None in layers that are off, never for a gene of the whole network
            None if gene.layer and depth[gene.layer[0]] <= gene.layer[1] else self._choice(slot, values[slot])
            for slot, gene in enumerate(self.genes)
        ]
        items = (
            (name, kept[slots[0]] if name in self._scalars else tuple([kept[s] for s in slots]))
            for name, slots in self.slots.items()
        )
        return Arch(self.identity, tuple(items))

    def _choice(self, slot: int, value: Value | None) -> Value:
        """The choice of a gene that is meant: a plain number, whatever was given."""
        try:
            return self._meant[slot][value]
        except (KeyError, TypeError):
            gene = self.genes[slot]
            raise GeneError(
                f"{self.name}: gene {gene.name} is {value!r}; choose one of {list(gene.choices)}."
            ) from None

    @cached_property
    def _meant(self) -> list[dict[Value | None, Value]]:
        return [{**{c: c for c in gene.choices}, **dict(gene.aliases)} for gene in self.genes]

    @cached_property
    def _depth_genes(self) -> list[tuple[int, Gene]]:
        return [(slot, gene) for slot, gene in enumerate(self.genes) if gene.depth_of is not None]

    @lru_cache(maxsize=256)  # noqa: B019  (spaces are few and live as long as the process)
    def domains(self, reference: Arch | None) -> tuple[tuple[Value, ...], ...]:
        """Allowed values of every gene: at least the reference's, wherever the reference has the layer."""
        if reference is None:
            return tuple(gene.drawn for gene in self.genes)
        return tuple(
            gene.drawn if value is None or gene.rule is None else tuple(c for c in gene.drawn if c >= value)
            for gene, value in zip(self.genes, self.values(reference), strict=True)
        )

    def domain(self, slot: int, values: Sequence[Value], reference: Arch | None) -> tuple[Value, ...]:
        """Allowed values of the gene at ``slot``, when the genes before it have ``values``.

        A space narrows them here where "at least the reference's" is not enough to contain it.
        """
        return self.domains(reference)[slot]

    def check_own(self, arch: Arch) -> None:
        if arch.space != self.identity:
            raise GeneError(f"An architecture of {arch.space} was given to the space {self.identity}.")
