"""Designs side by side: networks of each, one a seed, against one reference, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..flips.intervals import mean_over_seeds, rate_intervals
from ..flips.right import negative_flips
from ..spaces.arch import Arch
from ..workbench.workbench import Workbench
from .base import Effect, percent


@dataclass(frozen=True, eq=False)
class Group:
    """The networks of one design, one a seed.

    Attributes:
        model: name in tables, such as MB-(R2+CAS)-300.
        design: key that tells groups apart, such as "R2+CAS".
        archs: S architectures as text.
        mmacs, params: (S,) size of each.
        right: bool (S, N), which test images each gets right.
        seeds: S seeds.
    """

    model: str
    design: str
    archs: Sequence[str]
    mmacs: np.ndarray
    params: np.ndarray
    right: np.ndarray
    seeds: Sequence[int]


def group(
    bench: Workbench,
    model: str,
    design: str,
    archs: Sequence[Arch],
    seeds: Sequence[int],
    right: np.ndarray | None = None,
) -> Group:
    """A group of sub-networks; ``right`` is given for networks with weights of their own."""
    return Group(
        model,
        design,
        [str(arch) for arch in archs],
        np.array([bench.space.macs(arch) / 1e6 for arch in archs]),
        np.array([bench.space.params(arch) for arch in archs]),
        bench.correct(archs, "test") if right is None else right,
        list(seeds),
    )


@dataclass(frozen=True, eq=False)
class Comparison:
    """Groups against one reference, which plays φ1 in every flip."""

    reference: Group
    groups: tuple[Group, ...]

    def __getitem__(self, design: str) -> Group:
        return next(g for g in self.groups if g.design == design)

    @property
    def designs(self) -> list[str]:
        return [g.design for g in self.groups]

    def by_seed(self) -> pd.DataFrame:
        """One row a network, the reference first: size, Top-1, NFR with its interval, PFR."""
        ref = self.reference.right[0]
        return pd.concat([_rows(g, ref) for g in (self.reference, *self.groups)], ignore_index=True)

    def means(self) -> pd.DataFrame:
        """One row a design, as the paper prints it: means over seeds, intervals over seeds and images."""
        ref, rows = self.reference.right[0], []
        for g in (self.reference, *self.groups):
            nfr = percent("nfr", mean_over_seeds(negative_flips(ref, g.right)))
            rows.append(
                {
                    "model": g.model,
                    "design": g.design,
                    "seeds": len(g.seeds),
                    "mmacs": g.mmacs.mean(),
                    **percent("top1", mean_over_seeds(g.right)),
                    **(dict.fromkeys(nfr, np.nan) if g is self.reference else nfr),
                }
            )
        return pd.DataFrame(rows)

    def differences(self, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
        """Paired differences between designs (first minus second) in points, with intervals and p-values.

        Pairs of which a design is not there are left out.
        """
        known = [pair for pair in pairs if {*pair} <= {*self.designs}]
        return pd.DataFrame(
            [{"comparison": f"{a} − {b}", **self._difference(self[a], self[b])} for a, b in known]
        )

    def _difference(self, a: Group, b: Group) -> dict[str, float]:
        ref = self.reference.right[0]
        flips = negative_flips(ref, a.right).astype(float) - negative_flips(ref, b.right)
        base = negative_flips(ref, b.right).mean()
        nfr, top1 = mean_over_seeds(flips), mean_over_seeds(a.right.astype(float) - b.right)
        return {
            **percent("nfr", nfr),
            "nfr_p": nfr.p,
            "relative_nfr_change_pct": 100 * flips.mean() / base if base else np.nan,
            **percent("top1", top1),
            "top1_p": top1.p,
        }


def _rows(g: Group, ref: np.ndarray) -> pd.DataFrame:
    negative = negative_flips(ref, g.right)
    bounds = 100 * rate_intervals(negative.sum(1), negative.shape[1])
    return pd.DataFrame(
        {
            "model": g.model,
            "design": g.design,
            "seed": g.seeds,
            "arch": g.archs,
            "mmacs": g.mmacs,
            "params": g.params,
            "top1_pct": 100 * g.right.mean(1),
            "nfr_pct": 100 * negative.mean(1),
            "nfr_low_pct": bounds[:, 0],
            "nfr_high_pct": bounds[:, 1],
            "pfr_pct": 100 * (~ref & g.right).mean(1),
        }
    )


def row(differences: pd.DataFrame, comparison: str, rate: str) -> Effect:
    """A difference, as :func:`regnas_core.experiments.judge` takes it."""
    found = differences.set_index("comparison").loc[comparison]
    return Effect(*found[[f"{rate}_pct", f"{rate}_low_pct", f"{rate}_high_pct", f"{rate}_p"]])
