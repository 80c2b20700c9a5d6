"""Figure 4: random networks with and without the constraint, and what the searches visit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from ..arch import Arch
from ..errors import InfeasibleError
from ..workbench import Workbench
from .base import judge, reference, seeds


def fig4a(bench: Workbench) -> pd.DataFrame:
    """Fig. 4a: random members of A_t (contain the reference) and of A_c (do not), on the test split.

    Every member of A_c has, within 2 %, the MACs of the member of A_t beside it, so that the two clouds
    differ in the constraint and not in size. Columns: subset, and those of :meth:`Workbench.measure`.
    """
    ref, rng = reference(bench), np.random.default_rng(bench.preset.seed)
    inside, outside = map(list, zip(*_pairs(bench, ref, rng), strict=True))
    both = [
        bench.measure(archs, ref, "test").assign(subset=s) for archs, s in ((inside, "A_t"), (outside, "A_c"))
    ]
    return pd.concat(both, ignore_index=True)


def _pairs(bench: Workbench, ref: Arch, rng: np.random.Generator) -> Iterator[tuple[Arch, Arch]]:
    """Random pairs (member of A_t, member of A_c) of equal size."""
    space, budget = bench.space, bench.preset.search.target_mmacs * 1e6
    for _ in range(bench.preset.samples):
        a = space.sample(rng, containing=ref, max_cost=budget)
        for _ in range(1000):
            c = space.sample(
                rng, min_cost=0.98 * space.macs(a), max_cost=min(budget, 1.02 * space.macs(a)), tries=1000
            )
            if not space.contains(c, ref):
                yield a, c
                break
        else:
            raise InfeasibleError(
                f"{space.name}: nearly all networks of {space.macs(a):,} MACs contain the reference."
            )


def fig4a_claims(table: pd.DataFrame) -> pd.DataFrame:
    """Claims 2 and 3 on Fig. 4a's samples: paired differences A_t − A_c, and the correlation inside A_t."""
    a, c = (table[table["subset"] == s].reset_index(drop=True) for s in ("A_t", "A_c"))
    found = stats.pearsonr(a["top1_pct"], a["nfr_pct"])
    low, high = found.confidence_interval()
    return pd.DataFrame(
        [
            judge(
                "A_t has lower NFR than A_c of equal size (points)",
                *_paired(a["nfr_pct"] - c["nfr_pct"]),
                below=0,
            ),
            judge(
                "A_t has higher Top-1 than A_c of equal size (points)",
                *_paired(a["top1_pct"] - c["top1_pct"]),
                above=0,
            ),
            judge(
                "In A_t, Top-1 and NFR are uncorrelated (Pearson's r)", found.statistic, low, high, within=0.2
            ),
        ]
    )


def _paired(differences: pd.Series) -> tuple[float, float, float]:
    mean, spread = differences.mean(), stats.sem(differences)
    return (mean, *stats.t.interval(0.95, len(differences) - 1, mean, spread))


def fig4b(bench: Workbench) -> pd.DataFrame:
    """Fig. 4b: everything that the searches with R0, R1 and R2 visit, as they saw it (search split).

    One row a visit: reward, seed, and the columns of the search's log.
    """
    ref = reference(bench)
    logs = [
        bench.search(reward, reference=ref, seed=seed).log.assign(reward=reward, seed=seed)
        for reward in ("R0", "R1", "R2")
        for seed in seeds(bench)
    ]
    return pd.concat(logs, ignore_index=True)


def fig4b_choices(table: pd.DataFrame) -> pd.DataFrame:
    """The best of every search in Fig. 4b, by its own reward: one row a (reward, seed)."""
    best = table.loc[table.groupby(["reward", "seed"])["score"].idxmax()]
    return best[["reward", "seed", "cost", "top1_pct", "nfr_pct"]].reset_index(drop=True)
