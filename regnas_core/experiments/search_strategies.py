"""Strategies of search on tables: who comes near the exact optimum, and after how many evaluations.

Every strategy searches for R2 on the search images within four times the MACs of the smallest network; the
reference is the best R0 within twice. Regret is the distance, in points of R2, from the optimum of the whole
space within that budget. Searches end where they have seen the best of what they may propose.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from tqdm import tqdm

from ..files import write_table
from ..resources import read_record
from ..search.strategies import search
from ..spaces.arch import Arch
from ..tabular.benchmark import TabularBenchmark, load_tabular, trainings

STEPS = (25, 50, 100, 150, 250, 500, 1000, 1525)  # evaluations
NEAR = 0.1  # points of R2: near the optimum
EVALUATIONS = {  # that a search may ask for; those that learn models are given a sixth of the paper's
    "random": 1525,
    "evolution": 1525,
    "local": 1525,
    "nsga2": 1525,
    "nsga3": 1525,
    "surrogate": 250,
    "moboga": 250,
    "dpp-net": 250,
    "monas": 250,
    "tpe": 250,
    "pnag": 150,
}
KEYS = ["strategy", "training", "cas"]


class _Enough(Exception):
    """The best that a search may propose was seen."""


def task(table: TabularBenchmark) -> tuple[Arch, float]:
    """The reference, and the budget in MACs."""
    smallest = float(table.macs.min())
    return table.best("R0", max_cost=2 * smallest), 4 * smallest


def course(
    table: TabularBenchmark, strategy: str, seed: int, *, cas: bool, evaluations: int | None = None
) -> NDArray[np.float64]:
    """R2 in points of the networks that a search evaluates, in order, until it has seen the best."""
    reference, budget = task(table)
    inside = reference if cas else None
    rewards = 100 * table.rewards("R2", reference)
    best = rewards[table.within(budget, containing=inside, exclude=(reference,))].max()
    score, seen = table.score("R2", reference), list[float]()

    def asked(archs: list[Arch]) -> list[float]:
        found = score(archs)
        seen.extend(100 * value for value in found)
        if max(seen) >= best - 1e-9:
            raise _Enough
        return found

    limits = {"max_cost": budget, "reference": inside, "exclude": (reference,)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a space that was seen whole
        with suppress(_Enough):
            search(table.space, asked, strategy, evaluations or EVALUATIONS[strategy], seed, **limits)
    return np.array(seen)


def compare(
    table: TabularBenchmark, strategy: str, seeds: Iterable[int], *, cas: bool, evaluations: int | None = None
) -> pd.DataFrame:
    """One row a search: seed, regret_<n>_pct after n evaluations (of STEPS), near and best.

    A search that has seen the best of what it may propose stays there; of others, regret is nan after their
    last evaluation.

    ``near`` and ``best`` are the evaluations until it came within 0.1 points of the optimum, and to it; nan
    where it did not.
    """
    reference, budget = task(table)
    rewards = 100 * table.rewards("R2", reference)
    optimum = rewards[table.within(budget, exclude=(reference,))].max()
    inside = reference if cas else None
    least = optimum - rewards[table.within(budget, containing=inside, exclude=(reference,))].max()
    allowed = evaluations or EVALUATIONS[strategy]
    rows = []
    for seed in seeds:
        regret = optimum - np.maximum.accumulate(course(table, strategy, seed, cas=cas, evaluations=allowed))
        row: dict[str, float] = {"seed": seed}
        for step in STEPS:
            known = step <= allowed or regret[-1] <= least + 1e-9
            row[f"regret_{step}_pct"] = regret[min(step, len(regret)) - 1] if known else np.nan
        for name, bar in (("near", NEAR), ("best", 1e-9)):
            arrived = np.flatnonzero(regret <= bar)
            row[name] = arrived[0] + 1 if len(arrived) else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def record(preset: str, path: Path, *, seeds: int = 100, strategies: Sequence[str] = ()) -> pd.DataFrame:
    """Compare on every training's table; what the file has already is not searched again.

    Args:
        preset: of the tables.
        path: .parquet, written after each strategy.
        seeds: of each.
        strategies: names; all of EVALUATIONS by default.
    """
    known = pd.read_parquet(path) if path.exists() else pd.DataFrame(columns=KEYS)
    tables = {k: load_tabular(preset, k) for k in trainings(preset)}
    jobs = [(s, k, cas) for s in strategies or EVALUATIONS for cas in (True, False) for k in tables]
    there = set(known[KEYS].itertuples(index=False, name=None))
    for strategy, training, cas in tqdm([job for job in jobs if job not in there], "strategies"):
        found = compare(tables[training], strategy, range(seeds), cas=cas)
        found = found.assign(strategy=strategy, training=training, cas=cas)
        known = pd.concat([known, found], ignore_index=True) if len(known) else found
        write_table(known, path)
    return known


def recorded(preset: str) -> pd.DataFrame:
    """The comparison that comes with the project, by :func:`record`.

    Raises:
        DataError: there is none of this preset.
    """
    return read_record(
        f"figures/{preset}/search_strategies.parquet",
        "comparison of strategies",
        "Record one",
        f"regnas bench strategies --preset {preset}",
    )


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """By strategy and constraint, over seeds and trainings.

    Columns: strategy, cas, searches; near_pct, the share that came within 0.1 points of the optimum, with
    Wilson's interval; near, the median number of evaluations until then (inf where fewer than half did), with
    a 95 % interval by order statistics; regret_<n>_pct, means, nan where any search had ended before.
    """
    rows = []
    for (strategy, cas), group in found.groupby(["strategy", "cas"], sort=False):
        near = np.sort(group["near"].fillna(np.inf).to_numpy(float))
        n = len(near)
        interval = stats.binomtest(int(np.isfinite(near).sum()), n).proportion_ci(method="wilson")
        low, high = stats.binom.ppf((0.025, 0.975), n, 0.5).astype(int)
        row = {
            "strategy": strategy,
            "cas": cas,
            "searches": n,
            "near_pct": 100 * np.isfinite(near).mean(),
            "near_low_pct": 100 * interval.low,
            "near_high_pct": 100 * interval.high,
            "near": near[(n - 1) // 2],
            "near_low": near[max(low - 1, 0)],
            "near_high": near[min(high, n - 1)],
        }
        regrets = [name for name in group if str(name).startswith("regret")]
        rows.append(row | {name: group[name].mean(skipna=False) for name in regrets})  # of all, or of none
    return pd.DataFrame(rows)


def winners(found: pd.DataFrame) -> pd.DataFrame:
    """By constraint and number of evaluations the strategy of least mean regret, and who is as good.

    One row each: cas, evaluations, winner, regret_pct with a 95 % interval (Student, over searches), level:
    others whose regret, paired by seed and training, does not differ (p > 0.05).
    """
    rows = []
    for cas, group in found.groupby("cas", sort=False):
        for step in STEPS:
            wide = group.pivot(
                index=["training", "seed"], columns="strategy", values=f"regret_{step}_pct"
            ).dropna(axis=1)
            if wide.empty:
                continue
            means = wide.mean()
            soon = group.groupby("strategy")["near"].median()  # of equal regrets, who was near first
            order = sorted(means.index, key=lambda name: (round(means[name], 6), soon[name]))
            means = means[order]
            best = wide[means.index[0]]
            half = stats.t.ppf(0.975, len(best) - 1) * best.sem() if len(best) > 1 else np.nan
            level = [other for other in means.index[1:] if _level((wide[other] - best).to_numpy())]
            rows.append(
                {
                    "cas": cas,
                    "evaluations": step,
                    "winner": means.index[0],
                    "regret_pct": means.iloc[0],
                    "regret_low_pct": means.iloc[0] - half,
                    "regret_high_pct": means.iloc[0] + half,
                    "level": ", ".join(level),
                }
            )
    return pd.DataFrame(rows)


def _level(differences: NDArray[np.float64]) -> bool:
    """Whether paired differences do not differ from 0."""
    if np.ptp(differences) < 1e-9:
        return abs(differences[0]) < 1e-9
    return bool(stats.ttest_1samp(differences, 0).pvalue > 0.05)
