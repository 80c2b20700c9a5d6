"""Families of several networks: Fig. 1, and all pairs of a family under one reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from ..flips.intervals import Mean, mean_over_seeds
from ..flips.right import negative_flips, orient_right
from ..spaces.arch import Arch
from ..workbench.protocol import run_search
from ..workbench.trained import Job, job_predictions
from ..workbench.workbench import Workbench
from .base import Effect, judge, once, percent, reference, sweep_seeds, targets, uniform
from .comparison import Group, group
from .strategies import objectives

REGNAS, CHAIN, ACCURACY, INDEPENDENT = "REG-NAS", "REG-NAS, each against its predecessor", "R0", "independent"


@dataclass(frozen=True, eq=False)
class Family:
    """Networks of ascending size, each as a group with one network a seed.

    Attributes:
        name: what the family is.
        members: M groups, of as many seeds each.
    """

    name: str
    members: tuple[Group, ...]

    def pairs(self) -> pd.DataFrame:
        """One row a pair: small, large, their Top-1, and NFR with its interval over seeds and images.

        In every pair, and for every seed, the network with the lower Top-1 is φ1 (Sec. 3.1).
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
                    **percent(
                        "nfr", mean_over_seeds(negative_flips(*orient_right(small.right, large.right)))
                    ),
                }
            )
        return pd.DataFrame(rows)


def regnas_family(bench: Workbench, budgets: Sequence[float], design: str = "R2+CAS") -> Family:
    """The reference, and for each budget what searches with a design find against that one reference."""
    ref, chosen = reference(bench), sweep_seeds(bench)
    members = [_named(bench, [ref] * len(chosen), chosen)]
    for budget in budgets:
        members.append(_named(bench, targets(bench, ref, design, budget=budget, seeds=chosen), chosen))
    return Family(REGNAS if design == "R2+CAS" else design, tuple(members))


def chain_family(bench: Workbench, budgets: Sequence[float]) -> Family:
    """The same budgets, but each member is searched against, and contains, its predecessor."""
    chosen = sweep_seeds(bench)
    rows = [[reference(bench)] for _ in chosen]
    for budget in budgets:
        for row, seed in zip(rows, chosen, strict=True):
            label = f"chain{len(row)}"
            found = run_search(
                bench, "R2", reference=row[-1], cas=True, budget=budget, seed=seed, label=label
            )
            row.append(found.best)
    return Family(CHAIN, tuple(_named(bench, archs, chosen) for archs in zip(*rows, strict=True)))


def _named(bench: Workbench, archs: Sequence[Arch], chosen: Sequence[int]) -> Group:
    size = np.mean([bench.space.macs(arch) for arch in archs]) / 1e6
    return group(bench, f"{size:.3g}M", "member", archs, chosen)


def independent_jobs(bench: Workbench, budgets: Sequence[float]) -> list[list[Job]]:
    """Uniform networks that fill the budgets, trained independently: members, and for each its seeds.

    No two networks start from the same weights.
    """
    given, objective = bench.preset.networks, objectives(bench)[INDEPENDENT]
    search = bench.preset.search
    places = sorted({search.reference_mmacs, search.target_mmacs, *search.sweep, *budgets})
    return [
        [
            Job(arch, 1000 * (places.index(budget) + 1) + seed, objective, "scratch", given.epochs, given.lr)
            for seed in range(bench.preset.sweep_seeds)
        ]
        for budget, arch in ((budget, uniform(bench.space, budget * 1e6)) for budget in budgets)
    ]


def independent_family(bench: Workbench, budgets: Sequence[float]) -> Family:
    """Networks that have nothing in common but their training images.

    With ``networks.published`` in the preset they are torchvision's, whatever the budgets.
    """
    if bench.preset.networks.published:
        return _published(bench)
    labels, members = bench.images("test").labels, []
    for jobs in independent_jobs(bench, budgets):
        archs, right = [job.arch for job in jobs], job_predictions(bench, jobs) == labels
        name = f"{bench.space.macs(archs[0]) / 1e6:.3g}M"
        members.append(group(bench, name, "member", archs, [job.seed for job in jobs], right))
    return Family(INDEPENDENT, tuple(members))


def _published(bench: Workbench) -> Family:
    from ..evaluation.baselines import load_baseline
    from ..workbench.baselines import baseline_predictions

    names = bench.preset.networks.published
    right = baseline_predictions(bench, names) == bench.images("test").labels
    members = []
    for name, row in zip(names, right, strict=True):
        baseline = load_baseline(name)
        size = np.array([baseline.mmacs]), np.array([baseline.params])
        members.append(Group(name, "member", [name], *size, row[np.newaxis], [0]))
    return Family(INDEPENDENT, tuple(members))


def three_budgets(bench: Workbench) -> list[float]:
    """Fig. 1's family of three: reference, target, and the largest of the sweep."""
    search = bench.preset.search
    larger = [budget for budget in search.sweep if budget > search.target_mmacs]
    return [search.reference_mmacs, search.target_mmacs, (larger or [1.5 * search.target_mmacs])[-1]]


def fig1(bench: Workbench) -> tuple[Family, Family]:
    """Fig. 1: three networks trained independently (a), and three of REG-NAS (b)."""
    budgets = three_budgets(bench)
    return independent_family(bench, budgets), regnas_family(bench, budgets[1:])


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


def family_claims(found: Sequence[Family]) -> pd.DataFrame:
    """Claim 7: between targets that were never compared in a search, NFR is as low as against the reference.

    Differences are paired over images where families have the same members' seeds.
    """
    by_name = {family.name: family for family in found}
    one, rows = by_name[REGNAS], []
    for other in (ACCURACY, INDEPENDENT):
        if other in by_name and len(by_name[other].members) == len(one.members):
            rows.append(
                judge(
                    f"Among its targets, REG-NAS has a lower NFR than {other}{once(one.members[0].seeds)}",
                    _among_targets(one, by_name[other]),
                    below=0,
                )
            )
    pairs = {pair: _pair_flips(one, *pair) for pair in combinations(range(len(one.members)), 2)}
    worst = {
        first: max((flips for (a, _), flips in pairs.items() if (a == 0) == first), key=np.mean)
        for first in (True, False)
    }
    rows.append(
        judge(
            "The worst pair among targets has less NFR than the worst against the reference",
            _points(mean_over_seeds(worst[False].astype(float) - worst[True])),
            below=0,
        )
    )
    return pd.DataFrame(rows)


def _among_targets(a: Family, b: Family) -> Effect:
    """Mean NFR of the pairs without the smallest member, first family minus second, with its interval."""
    differences = []
    for x, y in combinations(range(1, len(a.members)), 2):
        ours, theirs = _pair_flips(a, x, y), _pair_flips(b, x, y)
        few = min(len(ours), len(theirs))
        differences.append(ours[:few].astype(float) - theirs[:few])
    return _points(mean_over_seeds(np.mean(differences, 0)))


def _pair_flips(family: Family, a: int, b: int) -> np.ndarray:
    return negative_flips(*orient_right(family.members[a].right, family.members[b].right))


def _points(mean: Mean) -> Effect:
    return Effect(100 * mean.mean, 100 * mean.low, 100 * mean.high, mean.p)
