"""Objectives beside one reward, on a table: several at once, fairness over classes, several machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from ..costs import NOTE10_SPACE, hcm, note10, recorded_latency, recorded_tables
from ..search import search
from ..search.fairness import ClassWeights, worst_class
from ..search.fronts import front, hypervolume
from ..spaces.arch import Arch
from ..spaces.space import Cost, Space
from ..tabular.benchmark import TabularBenchmark
from .search_strategies import task

MACHINES = {
    "compute-bound": {"peak": 1e13, "bandwidth": 1e12},
    "memory-bound": {"peak": 1e15, "bandwidth": 1e10},
}
ROUNDS = 30  # searches of the minimax, each exact


def fronts(
    table: TabularBenchmark, strategies: Iterable[str], *, seeds: int = 3, evaluations: int = 250
) -> pd.DataFrame:
    """Searches for Top-1, NFR and MACs at once, against the exact front within the budget.

    One row a search: strategy, seed, networks on its front, volume_pct: its hypervolume as a share of the
    exact front's. The worst corner is the reference's Top-1, the highest NFR inside, and the budget.
    """
    reference, budget = task(table)
    allowed = np.flatnonzero(table.within(budget, exclude=(reference,)))
    nfr = table.nfr(reference, "search")
    points = np.column_stack([table.top1("search"), -nfr, -table.macs / budget])
    worst = [points[table.row(reference), 0], -nfr[allowed].max(), -1]
    whole = hypervolume(points[allowed], worst)
    rows = []
    for strategy in strategies:
        for seed in range(seeds):
            score = table.score("R2", reference, parts=True)
            limits = {"max_cost": budget, "exclude": (reference,)}
            found = front(search(table.space, score, strategy, evaluations, seed, **limits))
            own = np.column_stack([found["objective_1"], found["objective_2"], -found["cost"] / budget])
            share = 100 * hypervolume(own, worst) / whole
            rows.append({"strategy": strategy, "seed": seed, "networks": len(found), "volume_pct": share})
    return pd.DataFrame(rows)


def fairness(table: TabularBenchmark) -> pd.DataFrame:
    """Exact optima by mean NFR, by the worst class's, and by minimax weights μ over classes.

    Chosen on the search split, measured on the test split. One row an objective: objective, mmacs, top1_pct,
    nfr_pct, worst_class_nfr_pct; and the last on the search split, where it was chosen.
    """
    reference, budget = task(table)
    allowed = table.within(budget, exclude=(reference,))
    top1, by_class = table.top1("search"), table.class_nfr(reference, "search")
    chosen = {"R2": table.best("R2", reference, max_cost=budget)}
    chosen["worst class"] = _best(table, worst_class(top1, by_class), allowed)
    weights, least = ClassWeights.equal(by_class.shape[1]), np.inf
    for _ in range(ROUNDS):
        met = _best(table, weights.score(top1, by_class), allowed)
        risk = by_class[table.row(met)].max()
        if risk < least:
            chosen["minimax weights"], least = met, risk
        weights.update(by_class[table.row(met)])
    rates = table.class_nfr(reference, "test").max(1), by_class.max(1)
    measured = {"top1_pct": table.top1("test"), "nfr_pct": table.nfr(reference, "test")}
    measured |= {"worst_class_nfr_pct": rates[0], "worst_class_nfr_search_pct": rates[1]}
    return pd.DataFrame(
        [
            {"objective": name, "mmacs": table.macs[table.row(arch)] / 1e6}
            | {column: 100 * values[table.row(arch)] for column, values in measured.items()}
            for name, arch in chosen.items()
        ]
    )


def machines(space: Space, archs: Sequence[Arch]) -> pd.DataFrame:
    """How MACs, the complexity metric on two machines, and recorded clocks rank networks.

    Spearman's ρ between each two; clocks are all latency tables of the space that come with the package.
    """
    costs = {"MACs": space.macs, **_rooflines(space), **_clocks(space)}
    times = pd.DataFrame({name: [cost(arch) for arch in archs] for name, cost in costs.items()})
    return times.corr(lambda a, b: stats.spearmanr(a, b).statistic)


def _rooflines(space: Space) -> dict[str, Cost]:
    return {name: hcm(space, **machine) for name, machine in MACHINES.items()}


def _clocks(space: Space) -> dict[str, Cost]:
    tables = {Path(name).stem: recorded_latency(space, name) for name in recorded_tables(space)}
    return tables | ({"note10": note10(space)} if space.name == NOTE10_SPACE else {})


def on_every_machine(table: TabularBenchmark, *, evaluations: int = 400, seed: int = 0) -> pd.DataFrame:
    """One search by NSGA-II for R2 and the time on every machine at once: the rows of its front, times in ms.

    Machines are those with a recorded clock, or, where there is none, the two of the complexity metric.
    """
    reference, budget = task(table)
    costs = _clocks(table.space) or _rooflines(table.space)
    scale = {name: cost(table.space.largest) for name, cost in costs.items()}
    looked_up = table.score("R2", reference)

    def score(archs: list[Arch]) -> list[list[float]]:
        times = [[-costs[name](arch) / scale[name] for name in costs] for arch in archs]
        return [[reward, *time] for reward, time in zip(looked_up(archs), times, strict=True)]

    found = search(
        table.space, score, "nsga2", evaluations, seed, max_cost=budget, exclude=(reference,), population=60
    )
    rows = front(found)
    named = {f"objective_{i}": name for i, name in enumerate(costs, 2)}
    times = {f"{name}_ms": -rows[column] * scale[name] for column, name in named.items()}
    return pd.DataFrame({"r2_pct": 100 * rows["objective_1"], **times})


def _best(table: TabularBenchmark, values: np.ndarray, allowed: np.ndarray) -> Arch:
    return table.archs[int(np.argmax(np.where(allowed, values, -np.inf)))]
