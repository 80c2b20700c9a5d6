"""Families of several networks: Fig. 1, and all pairs of a family under one reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from ..errors import InfeasibleError
from ..flips.examples import load_example
from ..flips.intervals import rate_interval
from ..flips.right import Right, flips_between
from ..spaces.arch import Arch
from ..workbench.trained import Job
from ..workbench.workbench import Workbench
from .base import (
    Repetition,
    accompanied,
    judge,
    percent,
    points,
    reference,
    repeated,
    repetitions,
    target,
    targets,
)
from .comparison import Group, Key, estimate, group, published
from .strategies import independent_jobs, published_networks, trained

REGNAS, CHAIN, ACCURACY, INDEPENDENT = "REG-NAS", "REG-NAS, each against its predecessor", "R0", "independent"


@dataclass(frozen=True, eq=False)
class Family:
    """Networks of ascending size, each as a group with one network a repetition.

    Attributes:
        name: what the family is.
        members: M groups.
    """

    name: str
    members: tuple[Group, ...]

    def pairs(self) -> pd.DataFrame:
        """One row a pair: small, large, their Top-1, and NFR with its interval over trainings and images.

        In every pair, and for every repetition, the network with the lower Top-1 is φ1 (Sec. 3.1).
        """
        rows = []
        for a, b in combinations(range(len(self.members)), 2):
            small, large = self.members[a], self.members[b]
            rows.append(
                {
                    "family": self.name,
                    "small": small.model,
                    "large": large.model,
                    "steps_apart": b - a,
                    "small_top1_pct": 100 * small.right.mean(),
                    "large_top1_pct": 100 * large.right.mean(),
                    **percent("nfr", estimate(self.flips(a, b), self.keys), rate=True),
                }
            )
        return pd.DataFrame(rows)

    @cached_property
    def keys(self) -> list[Key]:
        """Repetitions (training, seed) of which all members are there."""
        common = set.intersection(*(set(member.keys) for member in self.members))
        return [key for key in self.members[0].keys if key in common]

    def flips(self, a: int, b: int, keys: Sequence[Key] | None = None) -> Right:
        """Negative flips of a pair of members: bool (R, N)."""
        keys = self.keys if keys is None else keys
        return flips_between(self.members[a].of(keys), self.members[b].of(keys))

    def rate(self, pairs: Iterable[tuple[int, int]], keys: Sequence[Key]) -> np.ndarray:
        """Mean flips of pairs, image by image: (R, N)."""
        return np.mean([self.flips(*pair, keys) for pair in pairs], axis=0, dtype=np.float32)


def regnas_family(
    bench: Workbench,
    budgets: Sequence[float],
    design: str = "R2+CAS",
    reps: Sequence[Repetition] | None = None,
) -> Family:
    """The reference, and for each budget what searches with a design find against that one reference."""
    members = [_named(repeated(bench, reference, reps))]
    members += [_named(targets(bench, design, reps=reps, budget=budget)) for budget in budgets]
    return Family(REGNAS if design == "R2+CAS" else design, tuple(members))


def chain_family(bench: Workbench, budgets: Sequence[float]) -> Family:
    """The same budgets, but each member is searched against, and contains, its predecessor."""
    members = [repeated(bench, reference)]
    for number, budget in enumerate(budgets, 1):
        last = members[-1]

        def follow(rep: Repetition, last=last, budget=budget, number=number) -> Arch:
            if rep not in last:
                raise InfeasibleError("A chain ends where it has no next member.")
            return target(rep, "R2+CAS", reference=last[rep], budget=budget, label=f"chain{number}")

        members.append(repeated(bench, follow))
    return Family(CHAIN, tuple(map(_named, members)))


def _named(found: Mapping[Repetition, Arch]) -> Group:
    size = np.mean([rep.bench.space.macs(arch) for rep, arch in found.items()]) / 1e6
    return group(f"{size:.3g}M", "member", found)


def independent_family(bench: Workbench, budgets: Sequence[float]) -> Family:
    """Networks that have nothing in common but their training images.

    With ``networks.published`` in the preset they are torchvision's, whatever the budgets.
    """
    if names := bench.preset.networks.published:
        rows, right = published_networks(bench, names)
        beside = repetitions(bench)
        members = [published("member", row, one, beside) for row, one in zip(rows, right, strict=True)]
    else:
        members = [
            trained(f"{bench.space.macs(_arch(jobs)) / 1e6:.3g}M", "member", jobs, every_seed=True)
            for jobs in independent_jobs(bench, budgets)
        ]
    return Family(INDEPENDENT, tuple(members))


def _arch(jobs: Mapping[Repetition, Job]) -> Arch:
    return next(iter(jobs.values())).arch


LITE = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")


def imagenet_family(names: Sequence[str] = LITE) -> pd.DataFrame:
    """Fig. 1a on ImageNet, for real: all pairs of published networks that were trained independently.

    Args:
        names: columns of :func:`regnas_core.flips.load_example`; by default EfficientNet-Lite's.

    Returns:
        The columns of :meth:`Family.pairs`, and images. These networks were trained once: intervals are of
        images alone (Wilson).
    """
    example, rows = load_example("imagenet"), []
    right = {name: (example[name] == example["label"]).to_numpy() for name in names}
    for small, large in combinations(names, 2):
        flips = flips_between(right[small][np.newaxis], right[large][np.newaxis])
        low, high = rate_interval(int(flips.sum()), flips.size)
        rows.append(
            {
                "family": "independent, ImageNet",
                "small": small,
                "large": large,
                "steps_apart": names.index(large) - names.index(small),
                "small_top1_pct": 100 * right[small].mean(),
                "large_top1_pct": 100 * right[large].mean(),
                "nfr_pct": 100 * flips.mean(),
                "nfr_low_pct": 100 * low,
                "nfr_high_pct": 100 * high,
                "images": flips.size,
            }
        )
    return pd.DataFrame(rows)


def three_budgets(bench: Workbench) -> list[float]:
    """Fig. 1's family of three: reference, target, and the largest of the sweep."""
    search = bench.preset.search
    larger = [budget for budget in search.sweep if budget > search.target_mmacs]
    return [search.reference_mmacs, search.target_mmacs, (larger or [1.5 * search.target_mmacs])[-1]]


def fig1(bench: Workbench) -> tuple[Family, Family]:
    """Fig. 1: three networks trained independently (a), and three of REG-NAS (b), of the same trainings."""
    budgets, reps = three_budgets(bench), accompanied(repetitions(bench))
    return independent_family(bench, budgets), regnas_family(bench, budgets[1:], reps=reps)


def families(bench: Workbench) -> list[Family]:
    """Families of N ≥ 3: REG-NAS under one reference and as a chain, R0, and independent networks."""
    search = bench.preset.search
    budgets = list(search.sweep) if len(search.sweep) > 1 else three_budgets(bench)[1:]
    return [
        regnas_family(bench, budgets),
        chain_family(bench, budgets),
        regnas_family(bench, budgets, "R0"),
        independent_family(bench, [search.reference_mmacs, *budgets]),
    ]


def family_pairs(found: Sequence[Family]) -> pd.DataFrame:
    """All pairs of all families, one below the other."""
    return pd.concat([family.pairs() for family in found], ignore_index=True)


def family_claims(found: Sequence[Family]) -> list[dict]:
    """Claim 7: between targets, which no search compares, NFR is as low as against the reference."""
    by_name = {family.name: family for family in found}
    one, rows = by_name[REGNAS], []
    targets_only = list(combinations(range(1, len(one.members)), 2))
    for other in (ACCURACY, INDEPENDENT):
        family = by_name.get(other)
        if family is None or len(family.members) != len(one.members) or not targets_only:
            continue
        keys = [key for key in one.keys if key in set(family.keys)]
        claim = f"Among its targets, REG-NAS has a lower NFR than {other}"
        rows.append(_claim(claim, one.rate(targets_only, keys) - family.rate(targets_only, keys), keys))
    if targets_only:
        with_reference = [(0, member) for member in range(1, len(one.members))]
        change = one.rate(targets_only, one.keys) - one.rate(with_reference, one.keys)
        rows.append(
            _claim("Pairs of targets have a lower NFR than pairs with the reference", change, one.keys)
        )
    return rows


def _claim(claim: str, change: np.ndarray, keys: Sequence[Key]) -> dict:
    return judge(7, claim, points(estimate(change, keys)), keys, below=0)
