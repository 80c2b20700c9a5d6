"""Figure 4: random networks with and without the constraint, and what the searches visit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm import tqdm

from ..errors import InfeasibleError
from ..flips.right import flips_between
from ..spaces.arch import Arch
from ..workbench.protocol import run_search
from ..workbench.workbench import Workbench
from .base import Repetition, correlation, firsts, judge, points, reference, repetitions
from .comparison import Key, estimate


@dataclass(frozen=True, eq=False)
class Clouds:
    """Random members of A_t (contain the reference) and of A_c (do not), of every repetition.

    Every member of A_c has, within 2 %, the MACs of the member of A_t beside it, so that the two clouds
    differ in the constraint and not in size. In every pair of a network and its reference the one of lower
    Top-1 is φ1.

    Attributes:
        table: the first repetition's networks, test split: subset, and :meth:`Workbench.measure`'s columns.
        keys: R repetitions (training, seed).
        nfr_change, top1_change: A_t minus A_c, mean over pairs, image by image: (R, N).
        r: Pearson's r of Top-1 and NFR in A_t: (R,).
        shared_r: Pearson's r of the share of the reference's weights and NFR in A_c, as it is and with Top-1
            held constant: (R, 2).
    """

    table: pd.DataFrame
    keys: list[Key]
    nfr_change: np.ndarray
    top1_change: np.ndarray
    r: np.ndarray
    shared_r: np.ndarray


def fig4a(bench: Workbench) -> Clouds:
    """Fig. 4a: random networks with and without the constraint; nothing is searched but the reference."""
    table, keys, changes, r, shared_r = None, [], [], [], []
    for rep in tqdm(repetitions(bench), desc="references", leave=False):
        ref, rng = reference(rep), np.random.default_rng(rep.seed)
        subsets = dict(
            zip(("A_t", "A_c"), map(list, zip(*_pairs(rep.bench, ref, rng), strict=True)), strict=True)
        )
        if table is None:
            measured = [rep.bench.measure(a, ref, "test").assign(subset=s) for s, a in subsets.items()]
            table = pd.concat(measured, ignore_index=True)
        own = rep.bench.correct([ref], "test")
        right = [rep.bench.correct(archs, "test") for archs in subsets.values()]
        flips = [flips_between(np.broadcast_to(own, one.shape), one) for one in right]
        keys.append((rep.training, rep.seed))
        changes.append([flips[0].mean(0) - flips[1].mean(0), right[0].mean(0) - right[1].mean(0)])
        r.append(correlation(right[0].mean(1), flips[0].mean(1)))
        shared, nfr, top1 = _shared(rep, map(str, subsets["A_c"])), flips[1].mean(1), right[1].mean(1)
        partial = correlation(_without(shared, top1), _without(nfr, top1))
        shared_r.append([correlation(shared, nfr), partial])
    nfr, top1 = np.array(changes, dtype=np.float32).swapaxes(0, 1)
    return Clouds(table, keys, nfr, top1, np.array(r), np.array(shared_r))


def _pairs(bench: Workbench, ref: Arch, rng: np.random.Generator) -> Iterator[tuple[Arch, Arch]]:
    """Random pairs (member of A_t, member of A_c) of equal size; the reference itself is in neither."""
    space, budget = bench.space, bench.preset.search.target_mmacs * 1e6
    for _ in range(bench.preset.samples):
        a = ref
        while a == ref:
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


def fig4a_claims(clouds: Clouds) -> list[dict]:
    """Claims 2 and 3: the differences A_t − A_c (points), and the correlation inside A_t."""
    keys = clouds.keys
    nfr, top1 = (points(estimate(values, keys)) for values in (clouds.nfr_change, clouds.top1_change))
    return [
        judge(3, "A_t has a lower NFR than A_c of equal size", nfr, keys, below=0),
        judge(3, "A_t has a higher Top-1 than A_c of equal size", top1, keys, above=0),
        judge(
            2,
            "In A_t, Top-1 and NFR are uncorrelated (Pearson's r within 0.2)",
            estimate(clouds.r, keys),
            keys,
            within=0.2,
        ),
    ]


def fig4b(bench: Workbench) -> pd.DataFrame:
    """Fig. 4b: everything that searches with R0, R1 and R2 visit, as they saw it (search images).

    One search of each a training, with the first seed. One row a visit: reward, training, and the columns of
    the search's log.
    """
    logs = []
    for rep in firsts(bench):
        for reward in ("R0", "R1", "R2"):
            log = run_search(rep.bench, reward, reference=reference(rep), seed=rep.seed).log
            logs.append(log.assign(reward=reward, training=rep.training))
    return pd.concat(logs, ignore_index=True)


def fig4b_choices(table: pd.DataFrame) -> pd.DataFrame:
    """The best of every search in Fig. 4b, by its own reward: one row a (reward, training)."""
    best = table.loc[table.groupby(["reward", "training"])["score"].idxmax()]
    return best[["reward", "training", "cost", "top1_pct", "nfr_pct"]].reset_index(drop=True)


# ── Fig. 2b and App. A: what in a network decides about its flips ────────────────────────────────
def appendix_a(bench: Workbench, clouds: Clouds) -> pd.DataFrame:
    """App. A: how many of the reference's weights a network shares, and how often it flips.

    Args:
        bench: the preset brought to life.
        clouds: of :func:`fig4a`, whose two networks of a pair are of equal size.

    Returns:
        The first repetition's table with shared_fraction, N(W_a ∩ W_r) / N(W_r) (Sec. 3.3).
    """
    rep = repetitions(bench)[0]
    return clouds.table.assign(shared_fraction=_shared(rep, clouds.table["arch"]))


def _shared(rep: Repetition, archs: Iterable[str]) -> np.ndarray:
    space, ref = rep.bench.space, reference(rep)
    return np.array([space.shared_weights(space.parse(a), ref) for a in archs]) / space.params(ref)


def appendix_a_claims(clouds: Clouds) -> list[dict]:
    """Correlation of the shared fraction with NFR outside A_t, as it is and for networks of one accuracy.

    Correlations are over networks of a repetition; their intervals are over trainings, given the test images.
    """
    texts = (
        "Outside A_t, more shared weight goes with fewer flips (Pearson's r)",
        "… with Top-1 held constant (partial r)",
    )
    estimates = (estimate(r, clouds.keys) for r in clouds.shared_r.T)
    return [judge(0, text, found, clouds.keys, below=0) for text, found in zip(texts, estimates, strict=True)]


def _without(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What a straight line in x leaves of y; all but the mean where x does not vary."""
    dx, dy = x - x.mean(), y - y.mean()
    return dy - dx * (dx @ dy / max(dx @ dx, np.finfo(float).tiny))
