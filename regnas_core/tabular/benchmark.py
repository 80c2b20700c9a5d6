"""A search space of which every network is known to be right or wrong on every image."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, GeneError, InfeasibleError, RegnasError
from ..files import digest
from ..flips.right import Right, right_nfr_matrix
from ..search.rewards import check_reference, reward_weights
from ..search.rewards import reward as combined
from ..spaces.arch import Arch
from ..spaces.tied import TiedSpace
from .bits import Bits, by_column, chosen, count, pack, shared, unpack
from .format import SPLITS, Contents, read, read_header

Rates = NDArray[np.float64]
Split = Literal["search", "test"]
TABLES = Path(__file__).parent / "tables"


class Lookup:
    """A score for :func:`regnas_core.evolve` that looks rewards up, and counts how often.

    Attributes:
        looked_up: architectures that were asked for, one that is asked for again included.
    """

    def __init__(self, values: Rates, row: Callable[[Arch], int], limit: int | None = None) -> None:
        self.looked_up, self._values, self._row, self._limit = 0, values, row, limit

    def __call__(self, archs: Iterable[Arch]) -> list[Any]:
        rows = [self._row(arch) for arch in archs]
        if self._limit is not None and self.looked_up + len(rows) > self._limit:
            raise RegnasError(
                f"The search asked for {self.looked_up + len(rows):,} scores; its limit is {self._limit:,}. "
                "Let it evaluate fewer networks, or raise limit."
            )
        self.looked_up += len(rows)
        return self._values[rows].tolist()


@dataclass(frozen=True, eq=False)
class TabularBenchmark:
    """Every network of a tied space, right or wrong on every image; made by :func:`load_tabular`.

    Splits are ``"search"``, on which searches choose, and ``"test"``, for final numbers. NFR takes the
    reference for φ1, whichever of the two is more accurate, as the paper's rewards do (Eq. 1).

    Attributes:
        space: a :class:`~regnas_core.spaces.tied.TiedSpace`; its architectures are the table's.
        macs: multiply-accumulates of one image, int64 (M,), a network each, in the order of :attr:`archs`.
        params: learned weights, int64 (M,).
        info: provenance: training, images, versions.
        grid: genes as places in their choices, int8 (M, genes).
    """

    space: TiedSpace
    macs: NDArray[np.int64]
    params: NDArray[np.int64]
    info: dict[str, Any] = field(repr=False)
    grid: NDArray[np.int8] = field(repr=False)
    _bits: dict[str, Bits] = field(repr=False)
    _labels: dict[str, NDArray[np.integer[Any]]] = field(repr=False)

    @classmethod
    def of(cls, contents: Contents) -> TabularBenchmark:
        """The table that a file holds."""
        c = contents
        return cls(c.space, c.macs, c.params, c.info, c.grid, c.bits, c.labels)

    def __len__(self) -> int:
        return len(self.macs)

    @cached_property
    def archs(self) -> list[Arch]:
        """The networks, in the table's order."""
        choices = [gene.choices for gene in self.space.genes]
        return [
            self.space.canonical([c[i] for c, i in zip(choices, places, strict=True)])
            for places in self.grid.tolist()
        ]

    @cached_property
    def _rows(self) -> dict[Arch, int]:
        return {arch: row for row, arch in enumerate(self.archs)}

    def row(self, arch: Arch) -> int:
        """Place of a network in the table; one of the whole space will do if it has one value a stage.

        Raises:
            GeneError: the table has no such network.
        """
        if arch.space == self.space.whole.identity:
            arch = self.space.tie(arch)
        try:
            return self._rows[arch]
        except KeyError:
            raise GeneError(
                f"{arch} of {arch.space} is no network of this table of {self.space.identity}."
            ) from None

    # ── images ───────────────────────────────────────────────────────────────────────────────────
    def take(self, places: Mapping[Split, NDArray[np.integer[Any]]]) -> TabularBenchmark:
        """The same networks on some images of each split, in the order of their places."""
        labels = {split: self._labels[split][places[split]] for split in self._labels}  # type: ignore[index]
        bits = {split: chosen(bits, np.asarray(places[split])) for split, bits in self._bits.items()}  # type: ignore[index]
        return replace(self, _bits=bits, _labels=labels)

    def image_top1(self, split: Split) -> Rates:
        """Share of the networks that get each image right: (N,)."""
        return by_column(self._bits[_known(split)], len(self._labels[split])) / len(self)

    def labels(self, split: Split) -> NDArray[np.integer[Any]]:
        """True classes (N,)."""
        return self._labels[_known(split)]

    def right(self, split: Split, archs: Sequence[Arch] | None = None) -> Right:
        """Which images networks get right, bool (M, N): all (a byte each: hundreds of MB), or ``archs``."""
        bits = self._bits[_known(split)]
        chosen = bits if archs is None else bits[[self.row(arch) for arch in archs]]
        return unpack(chosen, len(self._labels[split]))

    # ── rates ────────────────────────────────────────────────────────────────────────────────────
    def top1(self, split: Split) -> Rates:
        """Top-1 of every network, a fraction: (M,)."""
        return self._counts[_known(split)] / len(self._labels[split])

    @cached_property
    def _counts(self) -> dict[str, NDArray[np.int64]]:
        return {split: count(bits) for split, bits in self._bits.items()}

    def nfr(self, reference: Arch, split: Split) -> Rates:
        """NFR of every network with ``reference`` for φ1, a fraction of the images: (M,)."""
        bits, row = self._bits[_known(split)], self.row(reference)
        return (self._counts[split][row] - shared(bits, bits[row])) / len(self._labels[split])

    def class_nfr(self, reference: Arch, split: Split) -> Rates:
        """NFR within each class, a fraction of its images: (M, classes); 0 for a class without images."""
        bits, labels = self._bits[_known(split)], self._labels[split]
        own = bits[self.row(reference)]
        rates = np.zeros((len(self), int(labels.max()) + 1))
        for c in np.unique(labels):
            known = own & pack((labels == c)[np.newaxis])[0]
            rates[:, c] = (count(known[np.newaxis])[0] - shared(bits, known)) / (labels == c).sum()
        return rates

    def rates(
        self,
        archs: Sequence[Arch],
        reference: Arch | None,
        split: Split,
        part: slice | NDArray[np.integer[Any]] = slice(None),
    ) -> tuple[Rates, Rates]:
        """Top-1 and NFR of some networks on a part of a split: (K,) each; without a reference NFR is 0."""
        chosen = np.zeros(len(self._labels[_known(split)]), bool)
        chosen[part] = True
        mask, n = pack(chosen[np.newaxis])[0], chosen.sum()
        right = self._bits[split][[self.row(arch) for arch in archs]] & mask
        top1 = count(right)
        if reference is None:
            return top1 / n, np.zeros(len(archs))
        own = self._bits[split][self.row(reference)] & mask
        return top1 / n, (count(own[np.newaxis])[0] - shared(right, own)) / n

    def nfr_matrix(self, archs: Sequence[Arch], split: Split, *, directed: bool = False) -> Rates:
        """NFR of every pair of ``archs``, as :func:`regnas_core.nfr_matrix` counts it: (K, K)."""
        return right_nfr_matrix(self.right(split, archs), directed=directed)

    # ── searching ────────────────────────────────────────────────────────────────────────────────
    def rewards(
        self, reward: str | tuple[float, float] = "R2", reference: Arch | None = None, split: Split = "search"
    ) -> Rates:
        """R = λ1 · Top-1 − λ2 · NFR of every network, both fractions: (M,).

        Raises:
            RegnasError: the reward counts flips, but there is no reference; or an unknown reward.
        """
        check_reference(reward, reference)
        counted = reference if reward_weights(reward)[1] else None
        flips = np.zeros(len(self)) if counted is None else self.nfr(counted, split)
        return combined(self.top1(split), flips, reward)

    def score(
        self,
        reward: str | tuple[float, float] = "R2",
        reference: Arch | None = None,
        *,
        limit: int | None = None,
        parts: bool = False,
    ) -> Lookup:
        """A score for :func:`regnas_core.search`: the reward on the search split.

        Args:
            reward: ``"R0"``, ``"R1"``, ``"R2"``, or (λ1, λ2).
            reference: φ1 of the flips; R0 does without.
            limit: look-ups that are allowed; more raise a RegnasError.
            parts: whether scores are the two terms, (λ1 · Top-1, −λ2 · NFR), of which the reward is the sum.
        """
        whole = self.rewards(reward, reference)
        if not parts:
            return Lookup(whole, self.row, limit)
        gain = reward_weights(reward)[0] * self.top1("search")
        return Lookup(np.column_stack([gain, whole - gain]), self.row, limit)

    def containing(self, reference: Arch) -> NDArray[np.bool_]:
        """Which networks contain all weights of ``reference``, A_t of the paper: (M,)."""
        row = self.row(reference)
        if self.space.by_genes:
            return np.asarray((self.grid >= self.grid[row]).all(1))
        small = self.archs[row]
        return np.array([self.space.contains(arch, small) for arch in self.archs])

    def within(
        self,
        max_cost: float | None = None,
        min_cost: float | None = None,
        *,
        containing: Arch | None = None,
        exclude: Iterable[Arch] = (),
    ) -> NDArray[np.bool_]:
        """Which networks a search may propose: (M,). Costs are MACs."""
        allowed = np.ones(len(self), bool)
        if max_cost is not None:
            allowed &= self.macs <= max_cost
        if min_cost is not None:
            allowed &= self.macs >= min_cost
        if containing is not None:
            allowed &= self.containing(containing)
        allowed[[self.row(arch) for arch in exclude]] = False
        return allowed

    def best(
        self,
        reward: str | tuple[float, float] = "R2",
        reference: Arch | None = None,
        *,
        max_cost: float | None = None,
        min_cost: float | None = None,
        containing: Arch | None = None,
    ) -> Arch:
        """The exact optimum on the search split; of equal rewards, that of the smallest network.

        Args:
            reward, reference: as for :meth:`score`; the reference itself is no answer.
            max_cost, min_cost: in MACs.
            containing: only networks with all of its weights (CAS).

        Raises:
            InfeasibleError: no network is within the limits.
        """
        exclude = [arch for arch in (reference, containing) if arch is not None]
        allowed = self.within(max_cost, min_cost, containing=containing, exclude=exclude)
        rows = np.flatnonzero(allowed)
        if not len(rows):
            raise InfeasibleError(
                f"No network of the table has between {min_cost or 0:,.12g} and "
                f"{max_cost if max_cost is not None else np.inf:,.12g} MACs"
                f"{' and contains the reference' if containing else ''}; widen the limits."
            )
        values = self.rewards(reward, reference)[rows]
        order = np.lexsort((rows, self.macs[rows], -values))
        return self.archs[rows[order[0]]]


def _known(split: str) -> Split:
    if split not in SPLITS:
        raise DataError(f"A table has no split {split!r}; its splits are search and test.")
    return split  # type: ignore[return-value]


def stamp(info: dict[str, Any], *, pixels: bool = True) -> str:
    """What right and wrong depend on, as one word: digests of weights and images, settings, and version.

    Without ``pixels`` it is the same for copies of images, as another compression makes them.
    """
    parts = {key: info[key] for key in ("weights", "calibration", "images", "precision")}
    if not pixels:
        settings = {key: value for key, value in info["calibration"].items() if key != "digest"}
        parts |= {"calibration": settings, "images": info["dataset"]}
    if (version := info.get("evaluator", 1)) != 1:  # the first tables do not say
        parts["evaluator"] = version
    return digest(json.dumps(parts, sort_keys=True))


def find_table(wanted: str, *, pixels: bool = True) -> TabularBenchmark | None:
    """The table of a whole space that is here with this :func:`stamp`."""
    for path in sorted(TABLES.glob("*.npz")):
        if (
            stamp(read_header(path)["info"], pixels=pixels) == wanted
            and len(table := load_tabular(path)) == table.space.size()
        ):
            return table
    return None


def trainings(name: str) -> list[int]:
    """Of which trainings there are tables here."""
    split = (file.stem.rpartition("-") for file in TABLES.glob("*.npz"))
    return sorted(int(number) for known, _, number in split if known == name and number.isdecimal())


def load_tabular(name: str | Path, training: int = 0) -> TabularBenchmark:
    """A tabular benchmark; needs no torch.

    Args:
        name: ``"demo"``, ``"cifar10"``, …, as in the package's ``tabular/tables``; or the path of a file that
            ``regnas tabulate`` wrote.
        training: which training of the super-network; a wheel has the first, a checkout all.

    Raises:
        DataError: no such table, or the file is damaged.

    >>> table = load_tabular("demo")
    >>> len(table), table.space.identity
    (13824, 'mini-wide(tied=True)')
    """
    path = Path(name)
    if not path.suffix:
        path = TABLES / f"{name}-{training}.npz"
    if not path.is_file():
        there = sorted(file.stem for file in TABLES.glob("*.npz"))
        raise DataError(
            f"No table at {path}. Here there are: {', '.join(there) or 'none'} (name-training; a wheel has "
            "the first trainings, a checkout all). Make one with `regnas tabulate`."
        )
    return TabularBenchmark.of(read(path))
