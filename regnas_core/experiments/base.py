"""What the experiments have in common: reference, targets, names, verdicts.

Searches see the search split alone; every number in a table is measured on the test split. Percent
columns end in ``_pct``; intervals are 95 % and stand in ``_low_pct`` and ``_high_pct``.
"""

from __future__ import annotations

from ..arch import Arch
from ..workbench import Workbench

DESIGNS = {"R0": ("R0", False), "R1": ("R1", False), "R2": ("R2", False), "R2+CAS": ("R2", True)}
PREFIX = {
    "mini": "Mini",
    "mini-cifar10": "Mini",
    "ofa-mbv3-w1.0": "MB",
    "ofa-mbv3-w1.2": "MB",
    "ofa-resnet50": "RN",
    "fbnetv3": "FB",
}


def reference(bench: Workbench) -> Arch:
    """The small model that flips are counted against: best R0 within the reference budget (Sec. 4.1)."""
    budget = bench.preset.search.reference_mmacs
    return bench.search("R0", budget=budget, seed=bench.preset.seed, label="reference").best


def model_name(bench: Workbench, design: str, mmacs: float) -> str:
    """AA-BB-CC: super-network, reward, budget in mega multiply-accumulates (Sec. 4.1)."""
    reward = f"({design})" if "+" in design else design
    return f"{PREFIX.get(bench.space.name, bench.space.name)}-{reward}-{mmacs:g}"


def seeds(bench: Workbench) -> range:
    """The preset's consecutive seeds."""
    return range(bench.preset.seed, bench.preset.seed + bench.preset.seeds)


def targets(bench: Workbench, ref: Arch, design: str) -> list[Arch]:
    """What the searches with a design (a key of DESIGNS) find within the target budget, one a seed."""
    weights, cas = DESIGNS[design]
    return [bench.search(weights, reference=ref, cas=cas, seed=seed).best for seed in seeds(bench)]


def judge(
    claim: str,
    value: float,
    low: float,
    high: float,
    *,
    below: float | None = None,
    above: float | None = None,
    within: float | None = None,
) -> dict:
    """A claim beside its estimate and interval: does it hold?

    It holds where the whole interval satisfies it (is below, above, or within ± a bar), does not where none
    of the interval does (for ``within``: where the interval excludes 0), and else there is not enough data.
    """
    if below is not None:
        holds, fails = high < below, low > below
    elif above is not None:
        holds, fails = low > above, high < above
    else:
        holds, fails = -within < low and high < within, low > 0 or high < 0
    verdict = "holds" if holds else "does not hold" if fails else "not enough data"
    return {"claim": claim, "value": value, "low": low, "high": high, "verdict": verdict}


def percent(name: str, mean) -> dict[str, float]:
    return {
        f"{name}_pct": 100 * mean.mean,
        f"{name}_low_pct": 100 * mean.low,
        f"{name}_high_pct": 100 * mean.high,
        f"{name}_seed_sd_pct": 100 * mean.seed_sd,
    }
