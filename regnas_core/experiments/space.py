"""Figure 4: random networks with and without the constraint, and what the searches visit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..errors import InfeasibleError
from ..spaces.arch import Arch
from ..workbench.protocol import run_search
from ..workbench.workbench import Workbench
from .base import judge, paired, pearson, reference, seeds


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
    return pd.DataFrame(
        [
            judge(
                "A_t has lower NFR than A_c of equal size (points)",
                paired(a["nfr_pct"] - c["nfr_pct"]),
                below=0,
            ),
            judge(
                "A_t has higher Top-1 than A_c of equal size (points)",
                paired(a["top1_pct"] - c["top1_pct"]),
                above=0,
            ),
            judge(
                "In A_t, Top-1 and NFR are uncorrelated (Pearson's r)",
                pearson(a["top1_pct"], a["nfr_pct"]),
                within=0.2,
            ),
        ]
    )


def fig4b(bench: Workbench) -> pd.DataFrame:
    """Fig. 4b: everything that the searches with R0, R1 and R2 visit, as they saw it (search split).

    One row a visit: reward, seed, and the columns of the search's log.
    """
    ref = reference(bench)
    logs = [
        run_search(bench, reward, reference=ref, seed=seed).log.assign(reward=reward, seed=seed)
        for reward in ("R0", "R1", "R2")
        for seed in seeds(bench)
    ]
    return pd.concat(logs, ignore_index=True)


def fig4b_choices(table: pd.DataFrame) -> pd.DataFrame:
    """The best of every search in Fig. 4b, by its own reward: one row a (reward, seed)."""
    best = table.loc[table.groupby(["reward", "seed"])["score"].idxmax()]
    return best[["reward", "seed", "cost", "top1_pct", "nfr_pct"]].reset_index(drop=True)


# ── Fig. 2b and App. A: what in a network decides about its flips ────────────────────────────────
def appendix_a(bench: Workbench, table: pd.DataFrame) -> pd.DataFrame:
    """App. A: how many of the reference's weights a network shares, and how often it flips.

    Args:
        bench: the preset brought to life.
        table: of :func:`fig4a`, whose two networks of a pair are of equal size.

    Returns:
        The table with shared_fraction, N(W_a ∩ W_r) / N(W_r) (Sec. 3.3).
    """
    ref = reference(bench)
    whole = bench.space.params(ref)
    shared = [bench.space.shared_weights(bench.space.parse(text), ref) / whole for text in table["arch"]]
    return table.assign(shared_fraction=shared)


def appendix_a_claims(table: pd.DataFrame) -> pd.DataFrame:
    """Correlation of the shared fraction with NFR: over all, and outside A_t for networks of one accuracy."""
    outside = table[table["subset"] == "A_c"]
    rows = [
        judge(
            "More shared weight goes with fewer flips: all networks (Pearson's r)",
            pearson(table["shared_fraction"], table["nfr_pct"]),
            below=0,
        ),
        judge(
            "… outside A_t, where the fraction varies",
            pearson(outside["shared_fraction"], outside["nfr_pct"]),
            below=0,
        ),
    ]
    rest = [_without(outside[c], outside["top1_pct"]) for c in ("shared_fraction", "nfr_pct")]
    rows.append(judge("… there, with Top-1 held constant (partial r)", pearson(*rest), below=0))
    return pd.DataFrame(rows)


def _without(y: pd.Series, x: pd.Series) -> np.ndarray:
    """What a straight line in x leaves of y; all but the mean where x does not vary."""
    dx, dy = x - x.mean(), y - y.mean()
    return dy - dx * (dx @ dy / max(dx @ dx, np.finfo(float).tiny))
