"""The whole space at a glance: what a complete table says that no search can.

Every number is exact for one training of the super-network and these images: no search chose, no network was
left out. Optima are chosen on the search split and measured on the test split, as a search's would be.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from ..flips.intervals import crossed_mean
from ..flips.right import negative_flips
from ..search.evolution import evolve
from ..spaces.arch import Arch
from ..tabular.benchmark import TabularBenchmark
from .base import DESIGNS

RATIOS = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, np.inf)  # λ2 / λ1, from R0 to R1
BAND = 0.07  # a matched size is within 93 and 100 % of the budget
BIN = 1.02  # sizes within 2 % are equal
STEPS = (1, 2, 5, 10, 20, 50, 100, 150, 200, 300, 500, 700, 1000, 1525)  # evaluations
LEAST = 20  # networks on either side, below which a reference's A_t and A_c are not compared


def budgets(table: TabularBenchmark, smallest: float, count: int = 12) -> NDArray[np.float64]:
    """``count`` budgets above ``smallest`` up to the largest network, in MACs, by equal factors."""
    return np.geomspace(smallest, table.macs.max(), count + 1)[1:]


def regime_budgets(table: TabularBenchmark, count: int = 9) -> NDArray[np.float64]:
    """Budgets for a reference, in MACs: from 1.25 times the smallest network to half of the largest."""
    return np.geomspace(1.25 * table.macs.min(), table.macs.max() / 2, count)


def regime(table: TabularBenchmark, references: Iterable[float], factor: float = 2.0) -> pd.DataFrame:
    """What twice the MACs gain in Top-1, and cost in flips: the paper's 3.4 points for 2.5 (Table 2a).

    One row a budget for the reference (MACs): best R0 within it, against best R0 within ``factor`` times it.
    Columns: budget_mmacs, reference_mmacs, target_mmacs, reference_top1_pct, gain_pct, nfr_pct, ratio.
    """
    rows = []
    for budget in references:
        ref = table.best("R0", max_cost=budget)
        target = table.best("R0", ref, max_cost=factor * budget)
        a, b = table.row(ref), table.row(target)
        top1, nfr = 100 * table.top1("test"), 100 * table.nfr(ref, "test")[b]
        rows.append(
            {
                "budget_mmacs": budget / 1e6,
                "reference_mmacs": table.macs[a] / 1e6,
                "target_mmacs": table.macs[b] / 1e6,
                "reference_top1_pct": top1[a],
                "gain_pct": top1[b] - top1[a],
                "nfr_pct": nfr,
                "ratio": (top1[b] - top1[a]) / nfr,
            }
        )
    return pd.DataFrame(rows)


def optima(table: TabularBenchmark, reference: Arch, budgets: Iterable[float]) -> pd.DataFrame:
    """The best network by every reward and budget, with and without the constraint.

    Two rows of each design (a key of ``DESIGNS``) and budget: with the budget as an upper bound, as in the
    paper, and at matched size, 93 to 100 % of it. Columns: design, sizes ("up to", "matched"), budget_mmacs,
    mmacs, top1_pct, nfr_pct, arch. Where nothing fits, there is no row.
    """
    top1, nfr = table.top1("test"), table.nfr(reference, "test")
    rows = []
    for budget in budgets:
        for sizes, low in (("up to", None), ("matched", (1 - BAND) * budget)):
            for design, (weights, cas) in DESIGNS.items():
                inside = reference if cas else None
                if not table.within(budget, low, containing=inside, exclude=(reference,)).any():
                    continue
                best = table.best(weights, reference, max_cost=budget, min_cost=low, containing=inside)
                row = table.row(best)
                rows.append(
                    {
                        "design": design,
                        "sizes": sizes,
                        "budget_mmacs": budget / 1e6,
                        "mmacs": table.macs[row] / 1e6,
                        "top1_pct": 100 * top1[row],
                        "nfr_pct": 100 * nfr[row],
                        "arch": str(best),
                    }
                )
    return pd.DataFrame(rows)


def each(
    experiment: Callable[..., pd.DataFrame],
    tables: Sequence[TabularBenchmark],
    references: Sequence[Arch],
    *more: object,
) -> pd.DataFrame:
    """An experiment on the table of every training, against its reference: with a column training."""
    pairs = enumerate(zip(tables, references, strict=True))
    found = [experiment(table, ref, *more).assign(training=number) for number, (table, ref) in pairs]
    return pd.concat(found, ignore_index=True)


def effect(
    tables: Sequence[TabularBenchmark],
    references: Sequence[Arch],
    budget: float,
    *,
    matched: bool,
    designs: tuple[str, str] = ("R2+CAS", "R0"),
) -> dict[str, float]:
    """What one reward's optimum has more than another's, image by image, over trainings and images.

    Args:
        tables, references: one of each a training.
        budget: in MACs, an upper bound; with ``matched`` 93 to 100 % of it.
        designs: keys of ``DESIGNS``; the first minus the second.

    Returns:
        nfr_diff_pct and top1_diff_pct, points, each with _low, _high (95 %) and _p.
    """
    low = (1 - BAND) * budget if matched else None
    found: dict[str, list[NDArray[np.float64]]] = {"nfr": [], "top1": []}
    for table, reference in zip(tables, references, strict=True):
        best = []
        for weights, cas in (DESIGNS[design] for design in designs):
            inside = reference if cas else None
            best.append(table.best(weights, reference, max_cost=budget, min_cost=low, containing=inside))
        own, *right = table.right("test", [reference, *best])
        flips = [negative_flips(own, r).astype(float) for r in right]
        found["nfr"].append(flips[0] - flips[1])
        found["top1"].append(right[0].astype(float) - right[1])
    effects = {}
    for name, values in found.items():
        mean = crossed_mean(100 * np.array(values))
        low, high = mean.interval()
        parts = {"": mean.value, "_low": low, "_high": high, "_p": mean.p()}
        effects |= {f"{name}_diff_pct{part}": value for part, value in parts.items()}
    return effects


def collapse(
    table: TabularBenchmark, reference: Arch, budgets: Iterable[float], ratios: Sequence[float] = RATIOS
) -> pd.DataFrame:
    """How much of a budget the optimum of λ1 · Top-1 − λ2 · NFR uses: one row a budget and ratio λ2 / λ1.

    Columns: ratio, budget_mmacs, used_pct (of the budget), times_reference (its MACs over the reference's).
    """
    size, rows = table.macs[table.row(reference)], []
    for ratio in ratios:
        weights = (0.0, 1.0) if np.isinf(ratio) else (1.0, ratio)
        for budget in budgets:
            macs = table.macs[table.row(table.best(weights, reference, max_cost=budget))]
            rows.append(
                {
                    "ratio": ratio,
                    "budget_mmacs": budget / 1e6,
                    "used_pct": 100 * macs / budget,
                    "times_reference": macs / size,
                }
            )
    return pd.DataFrame(rows)


def constraint(table: TabularBenchmark, largest: float, *, progress: bool = True) -> pd.DataFrame:
    """A_t against A_c of equal size, for every reference up to ``largest`` MACs.

    Larger networks are compared within bins of 2 % in size, where a reference has both kinds; bins weigh as
    their members of A_t. One row a reference: mmacs, top1_pct, inside (members of A_t compared), nfr_diff_pct
    and top1_diff_pct, A_t minus A_c, on the test split. References with fewer than 20 of a kind are left out.
    """
    top1 = table.top1("test")
    bins = np.floor(np.log(table.macs) / np.log(BIN)).astype(int)
    bins -= bins.min()

    def compare(row: int) -> dict[str, float] | None:
        ref = table.archs[row]
        larger = table.macs > table.macs[row]
        inside = table.containing(ref) & larger
        outside = larger & ~inside
        counts = [np.bincount(bins[kind], minlength=bins.max() + 1) for kind in (inside, outside)]
        both = (counts[0] > 0) & (counts[1] > 0)
        if min(counts[0][both].sum(), counts[1][both].sum()) < LEAST:
            return None
        found = {"mmacs": table.macs[row] / 1e6, "top1_pct": 100 * top1[row], "inside": counts[0][both].sum()}
        for name, rate in (("nfr", table.nfr(ref, "test")), ("top1", top1)):
            means = [
                np.bincount(bins[kind], rate[kind], bins.max() + 1)[both] / count[both]
                for kind, count in zip((inside, outside), counts, strict=True)
            ]
            found[f"{name}_diff_pct"] = 100 * np.average(means[0] - means[1], weights=counts[0][both])
        return found

    rows = np.flatnonzero(table.macs <= largest).tolist()
    table.row(table.archs[0])  # made once, before threads ask for it
    with ThreadPoolExecutor() as pool:  # counting bits leaves Python to others
        found = list(
            tqdm(pool.map(compare, rows), "references", len(rows), leave=False, **_quiet(not progress))
        )
    return pd.DataFrame([row for row in found if row])


def genes(table: TabularBenchmark, reference: Arch) -> pd.DataFrame:
    """The landscape, gene by gene: means over all networks that have a gene's value.

    One row a gene and choice: gene (as ``ks 1``, with its stage from 1), value, mmacs, top1_pct, nfr_pct.
    """
    top1, nfr = table.top1("test"), table.nfr(reference, "test")
    rows = []
    for slot, gene in enumerate(table.space.genes):
        for place, value in enumerate(gene.choices):
            has = table.grid[:, slot] == place
            rows.append(
                {
                    "gene": f"{gene.name} {table.space.stage(slot) + 1}",
                    "value": value,
                    "mmacs": table.macs[has].mean() / 1e6,
                    "top1_pct": 100 * top1[has].mean(),
                    "nfr_pct": 100 * nfr[has].mean(),
                }
            )
    return pd.DataFrame(rows)


def searches(
    table: TabularBenchmark, reference: Arch, budget: float, *, seeds: int = 50, progress: bool = True
) -> pd.DataFrame:
    """How soon 1,525 evaluations come near the exact optimum of R2, with and without the constraint.

    Searches are evolution, as in the paper, and random draws without repetition, in the whole space and in
    A_t. One row a search and number of evaluations (of STEPS): method ("evolution", "random"), cas, seed,
    evaluations, regret_pct: points of R2 (search split) below the optimum of the whole space; found: whether
    that optimum was seen.
    """
    rewards = 100 * table.rewards("R2", reference)
    best = rewards[table.row(table.best("R2", reference, max_cost=budget))]
    rows: list[dict[str, object]] = []
    for cas in tqdm((False, True), "searches", leave=False, **_quiet(not progress)):
        inside = reference if cas else None
        allowed = np.flatnonzero(table.within(budget, containing=inside, exclude=(reference,)))
        for seed in range(seeds):
            score = table.score("R2", reference)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # where A_t has fewer than 1,525 networks, all are seen
                found = evolve(
                    table.space, score, seed=seed, max_cost=budget, reference=inside, exclude=(reference,)
                )
            drawn = np.random.default_rng(seed).permutation(allowed)[:1525]
            for method, visits in (
                ("evolution", np.array([table.row(arch) for arch in found.archs])),
                ("random", drawn),
            ):
                rows += _course(rewards[visits], best, {"method": method, "cas": cas, "seed": seed})
    return pd.DataFrame(rows)


def _quiet(silent: bool) -> dict[str, bool]:
    """Keywords of a bar; where it is wanted, the environment has its say (TQDM_DISABLE)."""
    return {"disable": True} if silent else {}


def _course(
    values: NDArray[np.float64], best: float, named: dict[str, object]
) -> Iterator[dict[str, object]]:
    """The regret of the best so far at every step; a search that saw all there is stays where it ended."""
    so_far = np.maximum.accumulate(values)
    for step in STEPS:
        regret = best - so_far[min(step, len(values)) - 1]
        yield {**named, "evaluations": step, "regret_pct": regret, "found": bool(regret <= 1e-9)}


def until_found(courses: pd.DataFrame) -> pd.DataFrame:
    """Of :func:`searches`, by method and constraint: the share that found the optimum by each step."""
    grouped = courses.groupby(["method", "cas", "evaluations"], sort=False)
    table = grouped.agg(found_pct=("found", "mean"), regret_pct=("regret_pct", "median")).reset_index()
    return table.assign(found_pct=100 * table["found_pct"])
