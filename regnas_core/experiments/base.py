"""What the experiments have in common: reference, targets, names, verdicts.

Searches see the search split alone; every number in a table is measured on the test split. Percent
columns end in ``_pct``; intervals are 95 % and stand in ``_low_pct`` and ``_high_pct``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import stats

from ..errors import GeneError, InfeasibleError
from ..flips.intervals import Mean
from ..spaces.arch import Arch
from ..spaces.space import Space
from ..workbench.protocol import run_search
from ..workbench.workbench import Workbench

DESIGNS = {"R0": ("R0", False), "R1": ("R1", False), "R2": ("R2", False), "R2+CAS": ("R2", True)}
PREFIX = {
    "mini": "Mini",
    "mini-cifar10": "Mini",
    "mini-wide": "Mini",
    "mini-cifar10-wide": "Mini",
    "mini-resnet": "MiniRN",
    "mini-resnet-cifar10": "MiniRN",
    "ofa-mbv3-w1.0": "MB",
    "ofa-mbv3-w1.2": "MB",
    "ofa-resnet50": "RN",
    "fbnetv3": "FB",
}


def reference(bench: Workbench) -> Arch:
    """The small model that flips are counted against: best R0 within the reference budget (Sec. 4.1)."""
    budget = bench.preset.search.reference_mmacs
    return run_search(bench, "R0", budget=budget, seed=bench.preset.seed, label="reference").best


def model_name(bench: Workbench, design: str, mmacs: float) -> str:
    """AA-BB-CC: super-network, reward, budget in mega multiply-accumulates (Sec. 4.1)."""
    reward = f"({design})" if "+" in design else design
    return f"{PREFIX.get(bench.space.name, bench.space.name)}-{reward}-{mmacs:g}"


def seeds(bench: Workbench) -> range:
    """The preset's consecutive seeds."""
    return _consecutive(bench, bench.preset.seeds)


def sweep_seeds(bench: Workbench) -> range:
    """The seeds where budgets, λ or platforms are swept."""
    return _consecutive(bench, bench.preset.sweep_seeds)


def _consecutive(bench: Workbench, count: int) -> range:
    return range(bench.preset.seed, bench.preset.seed + count)


def targets(
    bench: Workbench,
    ref: Arch,
    design: str,
    *,
    budget: float | None = None,
    cost: str = "macs",
    seeds: Iterable[int] | None = None,
) -> list[Arch]:
    """What searches with a design (a key of DESIGNS) find within a budget, one a seed.

    Args:
        bench: the preset brought to life.
        ref: what flips are counted against.
        design: of DESIGNS.
        budget: in the unit of ``cost``; the preset's target budget by default.
        cost: what the budget is in.
        seeds: by default all of the preset's.
    """
    weights, cas = DESIGNS[design]
    chosen = _consecutive(bench, bench.preset.seeds) if seeds is None else seeds
    given = {"reference": ref, "cas": cas, "budget": budget, "cost": cost}
    return [run_search(bench, weights, **given, seed=seed).best for seed in chosen]


def uniform(space: Space, max_macs: float) -> Arch:
    """The largest network within a budget that has one value of each gene throughout: a hand's design.

    Raises:
        InfeasibleError: none is small enough.
    """
    names, found = list(space.slots), []
    choices = [
        dict.fromkeys(v for slot in space.slots[name] for v in space.genes[slot].drawn) for name in names
    ]
    for values in product(*choices):
        try:
            found.append(space.arch(**dict(zip(names, values, strict=True))))
        except GeneError:  # not a choice in every layer
            continue
    fitting = [arch for arch in found if space.macs(arch) <= max_macs]
    if not fitting:
        raise InfeasibleError(f"{space.name}: no uniform network has at most {max_macs:,.0f} MACs.")
    return max(fitting, key=lambda arch: (space.macs(arch), str(arch)))


class Effect(NamedTuple):
    """An estimate with its 95 % interval, and the two-sided p-value of no effect (or nan)."""

    value: float
    low: float
    high: float
    p: float


def judge(
    claim: str,
    effect: Effect,
    *,
    below: float | None = None,
    above: float | None = None,
    within: float | None = None,
) -> dict:
    """A claim beside its estimate and interval: does it hold?

    It holds where the whole interval satisfies it (is below, above, or within ± a bar), does not where none
    of the interval does (for ``within``: where the interval excludes 0), and else there is not enough data.
    The p-value is of no effect, so a claim about another bar than 0 has none; it is not corrected for the
    number of claims.
    """
    value, low, high, p = effect
    if below is not None:
        holds, fails = high < below, low > below
    elif above is not None:
        holds, fails = low > above, high < above
    else:
        holds, fails = -within < low and high < within, low > 0 or high < 0
    verdict = "holds" if holds else "does not hold" if fails else "not enough data"
    p = np.nan if below or above else p
    return {"claim": claim, "value": value, "low": low, "high": high, "p": p, "verdict": verdict}


def percent(name: str, mean: Mean) -> dict[str, float]:
    """A mean as columns: ``<name>_pct``, its interval, and its standard deviation over seeds."""
    return {
        f"{name}_pct": 100 * mean.mean,
        f"{name}_low_pct": 100 * mean.low,
        f"{name}_high_pct": 100 * mean.high,
        f"{name}_seed_sd_pct": 100 * mean.seed_sd,
    }


ONCE = " (one search each)"


def once(seeds: Sequence[int]) -> str:
    """What a claim says of itself whose interval, after a single search, knows nothing of a search's luck."""
    return ONCE if len(seeds) == 1 else ""


def paired(differences) -> Effect:
    """Mean of paired differences (n,) with Student's 95 % interval and t-test; of a single one, nan."""
    values = np.asarray(differences, dtype=float)
    if len(values) < 2:
        return Effect(float(values.mean()), np.nan, np.nan, np.nan)
    found = stats.ttest_1samp(values, 0)
    return Effect(float(values.mean()), *map(float, found.confidence_interval()), float(found.pvalue))


def pearson(x, y) -> Effect:
    """Pearson's r with its 95 % interval and test."""
    found = stats.pearsonr(x, y)
    return Effect(float(found.statistic), *map(float, found.confidence_interval()), float(found.pvalue))
