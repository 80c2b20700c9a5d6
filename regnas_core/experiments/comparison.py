"""Designs side by side: networks of each, one a repetition, against its reference, image by image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ..flips.intervals import Estimate, crossed_mean, rate_intervals
from ..flips.right import Right, flips_between, negative_flips, orient_right
from ..spaces.arch import Arch
from ..spaces.space import Space
from .base import Repetition, percent

Key = tuple[int, int]  # training, seed


@dataclass(frozen=True, eq=False)
class Group:
    """The networks of one design, one a repetition.

    Attributes:
        model: name in tables, such as MB-(R2+CAS)-300.
        design: key that tells groups apart, such as "R2+CAS".
        networks: one row each: training, seed, arch, mmacs, params.
        right: bool (R, N), which test images each gets right.
    """

    model: str
    design: str
    networks: pd.DataFrame
    right: Right

    @cached_property
    def keys(self) -> list[Key]:
        return list(zip(self.networks["training"], self.networks["seed"], strict=True))

    def of(self, keys: Iterable[Key]) -> Right:
        """Which images these repetitions' networks get right."""
        place = {key: row for row, key in enumerate(self.keys)}
        return self.right[[place[key] for key in keys]]


def group(model: str, design: str, found: Mapping[Repetition, Arch]) -> Group:
    """A group of sub-networks, each with its own training's weights."""
    order, parts = list(found), {}
    for trained in dict.fromkeys(rep.bench for rep in order):
        archs = list(dict.fromkeys(arch for rep, arch in found.items() if rep.bench is trained))
        parts |= {(trained, a): row for a, row in zip(archs, trained.correct(archs, "test"), strict=True)}
    rows = [_row(rep, rep.bench.space, arch) for rep, arch in found.items()]
    return Group(model, design, pd.DataFrame(rows), np.array([parts[rep.bench, found[rep]] for rep in order]))


def alone(model: str, design: str, found: Mapping[Repetition, tuple[Arch, Right]]) -> Group:
    """A group of networks with weights of their own: of each the architecture, and what is right."""
    rows = [_row(rep, rep.bench.space, arch) for rep, (arch, _) in found.items()]
    return Group(model, design, pd.DataFrame(rows), np.array([right for _, right in found.values()]))


def published(design: str, network: Mapping, right: Right, beside: Sequence[Repetition]) -> Group:
    """A group of one network of others, beside every repetition.

    ``network`` is its row: arch (its name), mmacs, params; ``right`` is (N,).
    """
    rows = [{"training": rep.training, "seed": rep.seed, **network} for rep in beside]
    return Group(network["arch"], design, pd.DataFrame(rows), np.tile(right, (len(rows), 1)))


def _row(rep: Repetition, space: Space, arch: Arch) -> dict:
    size = {"mmacs": space.macs(arch) / 1e6, "params": space.params(arch)}
    return {"training": rep.training, "seed": rep.seed, "arch": str(arch), **size}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Groups against the references of their repetitions.

    In every pair the network of lower Top-1 plays φ1 (Sec. 3.1): nearly always the reference.
    """

    reference: Group
    groups: tuple[Group, ...]

    def __getitem__(self, design: str) -> Group:
        return next(g for g in self.groups if g.design == design)

    @property
    def designs(self) -> list[str]:
        return [g.design for g in self.groups]

    def flips(self, g: Group, keys: Sequence[Key] | None = None) -> Right:
        """Negative flips between a group's networks and their references: bool (R, N)."""
        keys = g.keys if keys is None else keys
        return flips_between(self.reference.of(keys), g.of(keys))

    def networks(self) -> pd.DataFrame:
        """One row a network, the references first: size, Top-1, NFR with the images' interval, PFR."""
        return pd.concat([self._networks(g) for g in (self.reference, *self.groups)], ignore_index=True)

    def means(self) -> pd.DataFrame:
        """One row a design, as the paper prints it: means, with intervals over trainings and images.

        ``below_reference`` is the share of networks that are less accurate than their reference.
        """
        rows = []
        for g in (self.reference, *self.groups):
            nfr = percent("nfr", estimate(self.flips(g), g.keys), rate=True)
            lower = g.right.mean(1) < self.reference.of(g.keys).mean(1)
            rows.append(
                {
                    "model": g.model,
                    "design": g.design,
                    "trainings": g.networks["training"].nunique(),
                    "networks": len(g.networks),
                    "mmacs": g.networks["mmacs"].mean(),
                    **percent("top1", estimate(g.right, g.keys), rate=True),
                    **(dict.fromkeys(nfr, np.nan) if g is self.reference else nfr),
                    "below_reference": lower.mean(),
                }
            )
        return pd.DataFrame(rows)

    def differences(self, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
        """Paired differences between designs (first minus second) in points, with intervals and p-values.

        Pairs of which a design is not there are left out. ``same_pct``: in how many repetitions both designs
        are one and the same network.
        """
        known = [pair for pair in pairs if {*pair} <= {*self.designs}]
        return pd.DataFrame([self._difference(*pair) for pair in known])

    def difference(self, a: str, b: str, rate: str) -> Estimate:
        """Of ``"nfr"`` or ``"top1"``, a's minus b's (fractions), in the repetitions that both have."""
        keys = self.common(a, b)
        values = [
            (self.flips(self[d], keys) if rate == "nfr" else self[d].of(keys)).astype(np.float32)
            for d in (a, b)
        ]
        return estimate(values[0] - values[1], keys)

    def common(self, a: str, b: str) -> list[Key]:
        """The repetitions that two designs both have."""
        theirs = set(self[b].keys)
        return [key for key in self[a].keys if key in theirs]

    def _difference(self, a: str, b: str) -> dict:
        keys = self.common(a, b)
        nfr, top1 = self.difference(a, b, "nfr"), self.difference(a, b, "top1")
        base = self.flips(self[b], keys).mean()
        return {
            "comparison": f"{a} − {b}",
            "trainings": len({training for training, _ in keys}),
            "networks": len(keys),
            "same_pct": 100 * float(np.mean(self._archs(a, keys) == self._archs(b, keys))),
            **percent("nfr", nfr),
            "nfr_p": nfr.p(),
            "relative_nfr_change_pct": 100 * nfr.value / base if base else np.nan,
            **percent("top1", top1),
            "top1_p": top1.p(),
        }

    def _archs(self, design: str, keys: Sequence[Key]) -> np.ndarray:
        return self[design].networks.set_index(["training", "seed"])["arch"].loc[list(keys)].to_numpy(str)

    def _networks(self, g: Group) -> pd.DataFrame:
        negative = self.flips(g)
        ref, bounds = self.reference.of(g.keys), 100 * rate_intervals(negative.sum(1), negative.shape[1])
        rates = {
            "top1_pct": 100 * g.right.mean(1),
            "nfr_pct": 100 * negative.mean(1),
            "nfr_low_pct": bounds[:, 0],
            "nfr_high_pct": bounds[:, 1],
            "pfr_pct": 100 * negative_flips(*orient_right(ref, g.right)[::-1]).mean(1),
        }
        named = pd.DataFrame({"model": g.model, "design": g.design}, index=g.networks.index)
        return pd.concat([named, g.networks, pd.DataFrame(rates, index=g.networks.index)], axis=1)


def estimate(values: np.ndarray, keys: Sequence[Key]) -> Estimate:
    """Mean over repetitions, (R, N) or (R,), with its uncertainty over trainings and images."""
    return crossed_mean(values, *np.transpose(keys))
