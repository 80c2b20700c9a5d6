"""What the experiments have in common: repetitions of the protocol, reference, targets, names, verdicts.

Searches see the search split alone; numbers in tables are measured on the test split, but for what searches
visit (Fig. 4b), which is told as they saw it. Percent columns end in ``_pct``; intervals are 95 % and stand
in ``_low_pct`` and ``_high_pct``.

Four things are left to chance: the training of the super-network, the images that a search sees, the
search itself, for the reference as for the targets, and the test images. A :class:`Repetition` draws the
first three; intervals are over trainings and test images (:func:`regnas_core.flips.crossed_mean`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from ..errors import InfeasibleError
from ..flips.intervals import Estimate, holm
from ..spaces.arch import Arch
from ..spaces.space import Space
from ..workbench.protocol import run_search
from ..workbench.workbench import Workbench

DESIGNS = {"R0": ("R0", False), "R1": ("R1", False), "R2": ("R2", False), "R2+CAS": ("R2", True)}
# The budget as an upper bound, as in the paper, or 93 to 100 % of it.
SIZES = {"up to": False, "matched": True}
SMALL = 0.1  # points; the paper's differences between rewards are 0.1 to 0.4, so more than this is an effect
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


# ── repetitions ──────────────────────────────────────────────────────────────────────────────────
class Repetition(NamedTuple):
    """The whole protocol once: with one training of the super-network, and one seed for all else."""

    bench: Workbench
    training: int
    seed: int


def repetitions(bench: Workbench) -> list[Repetition]:
    """Every training that the preset takes, with every seed."""
    return [
        Repetition(trained, number, seed)
        for number, trained in enumerate(bench.trainings)
        for seed in range(bench.preset.seed, bench.preset.seed + bench.preset.seeds)
    ]


def firsts(bench: Workbench) -> list[Repetition]:
    """Of every training the first seed."""
    return [rep for rep in repetitions(bench) if rep.seed == bench.preset.seed]


def accompanied(reps: Sequence[Repetition]) -> list[Repetition]:
    """Those of trainings beside which networks are trained one by one, which is dear.

    These are all, or the first ``networks.trainings`` of the preset.
    """
    return [rep for rep in reps if rep.training < (rep.bench.preset.networks.trainings or rep.training + 1)]


def reference(rep: Repetition) -> Arch:
    """The small model that flips are counted against: best R0 within the reference budget (Sec. 4.1)."""
    budget = rep.bench.preset.search.reference_mmacs
    return run_search(rep.bench, "R0", budget=budget, seed=rep.seed, label="reference").best


def target(rep: Repetition, design: str | tuple[float, float], **how: Any) -> Arch:
    """What a search with a design (a key of DESIGNS, or λ1 and λ2) finds against the reference.

    Args:
        rep: which training, which seed.
        design: its reward, and whether the target must contain the reference.
        how: ``budget``, ``cost``, ``matched`` and ``label`` of :func:`regnas_core.workbench.run_search`.
    """
    weights, cas = (design, False) if isinstance(design, tuple) else DESIGNS[design]
    given = {"reference": reference(rep), "cas": cas, **how}
    return run_search(rep.bench, weights, **given, seed=rep.seed).best


def targets(
    bench: Workbench,
    design: str | tuple[float, float],
    *,
    reps: Sequence[Repetition] | None = None,
    **how: Any,
) -> dict[Repetition, Arch]:
    """The targets of all repetitions, or of ``reps``, but where no network is within the limits."""
    return repeated(bench, partial(target, design=design, **how), reps)


def repeated(
    bench: Workbench, find: Callable[[Repetition], Arch], reps: Sequence[Repetition] | None = None
) -> dict[Repetition, Arch]:
    """What all repetitions find, or ``reps``, but where no network is within the limits."""
    found: dict[Repetition, Arch] = {}
    error: InfeasibleError | None = None
    for rep in tqdm(repetitions(bench) if reps is None else reps, desc="repetitions", leave=False):
        try:
            found[rep] = find(rep)
        except InfeasibleError as infeasible:
            error = infeasible
    if not found and error:
        raise error
    return found


def model_name(bench: Workbench, design: str, mmacs: float) -> str:
    """AA-BB-CC: super-network, reward, budget in mega multiply-accumulates (Sec. 4.1)."""
    reward = f"({design})" if "+" in design else design
    return f"{PREFIX.get(bench.space.name, bench.space.name)}-{reward}-{mmacs:g}"


def uniform(space: Space, max_macs: float) -> Arch:
    """The largest network within a budget that has one value of each gene throughout: a hand's design.

    Where layers have other choices, as the widths of FBNet-V3, it has values at the same place among them.

    Raises:
        InfeasibleError: none is small enough.
    """
    drawn = {name: [space.genes[slot].drawn for slot in slots] for name, slots in space.slots.items()}
    most = [max(map(len, choices)) for choices in drawn.values()]
    found = []
    for places in product(*map(range, most)):
        shares = (place / max(1, count - 1) for place, count in zip(places, most, strict=True))
        genes = {
            name: [values[round(share * (len(values) - 1))] for values in choices]
            for (name, choices), share in zip(drawn.items(), shares, strict=True)
        }
        found.append(space.arch(**genes))
    fitting = [arch for arch in found if space.macs(arch) <= max_macs]
    if not fitting:
        raise InfeasibleError(f"{space.name}: no uniform network has at most {max_macs:,.0f} MACs.")
    return max(fitting, key=lambda arch: (space.macs(arch), str(arch)))


# ── claims ───────────────────────────────────────────────────────────────────────────────────────
LITTLE = 0.3  # points of Top-1: what the paper calls little


def judge(
    number: int,
    claim: str,
    found: Estimate,
    keys: Sequence[tuple[int, int]],
    *,
    below: float | None = None,
    above: float | None = None,
    within: float | None = None,
) -> dict:
    """A test of the claim of that number beside its estimate: value, low, high (95 %), and p.

    Args:
        number, claim: of the paper's claims, and what is tested, in words.
        found: the estimate.
        keys: (training, seed) of the repetitions that it is over.
        below, above, within: the claim's bar; the value is to be below, above, or (``within``) inside ± it.

    Returns:
        The estimate with ``trainings``, ``repetitions``, and ``agree``, of how many trainings the mean is on
        the same side of the bar as the value ("3 of 3"; of a single training, seeds); ``p``, two-sided, of
        the hypothesis that the value is at the bar (of ``within``: outside ± the bar, where the value is
        inside); ``inside``, whether the value is where the claim says.
    """
    low, high = found.interval()
    bar = next(bar for bar in (below, above, within) if bar is not None)

    def is_inside(value: float) -> bool:
        if within is not None:
            return abs(value) < bar
        return value < bar if above is None else value > bar

    inside = is_inside(found.value)
    if within is not None:
        p = found.p_within(bar) if inside else found.p(np.copysign(bar, found.value))
    else:
        p = found.p(bar)
    agree = sum(is_inside(mean) == inside for mean in found.means)
    return {
        "number": number,
        "claim": claim,
        "value": found.value,
        "low": low,
        "high": high,
        "trainings": len({training for training, _ in keys}),
        "repetitions": len(keys),
        "agree": f"{agree} of {len(found.means)}",
        "p": p,
        "inside": inside,
        "bar": bar if within is None else np.nan,
    }


def decided(claims: pd.DataFrame) -> pd.DataFrame:
    """Tests with ``p_holm`` and their verdicts.

    p is corrected for the number of *primary* tests, or for that of all others. A claim *holds* or *does
    not hold* where ``p_holm`` is below 5 %. Else, where 0 is the bar and in the 95 % interval, there is *no
    effect larger than* the interval's farther end, if that is at most :data:`SMALL`; or it is *undecided*.
    With one training nothing is decided about others: *one training*.
    """
    p_holm = claims.groupby("primary")["p"].transform(lambda p: holm(p.to_numpy()))
    table = claims.assign(p_holm=p_holm)
    none = (table["bar"] == 0) & (table["low"] <= 0) & (table["high"] >= 0)
    farther = table[["low", "high"]].abs().max(axis=1)
    none &= farther <= SMALL
    extent = farther.map("no effect larger than {:.2g}".format)
    verdicts = np.select(
        [table["trainings"] < 2, table["p_holm"] >= 0.05, table["inside"].astype(bool)],
        ["one training", extent.where(none, "undecided"), "holds"],
        "does not hold",
    )
    return table.assign(verdict=verdicts).drop(columns=["inside", "bar"])


def percent(name: str, found: Estimate, *, rate: bool = False) -> dict[str, float]:
    """An estimate as columns: ``<name>_pct``, its interval, and its standard deviation over trainings.

    The interval of a ``rate`` stays within 0 and 100 %.
    """
    low, high = found.interval()
    if rate:
        low, high = max(low, 0.0), min(high, 1.0)
    values = {"pct": found.value, "low_pct": low, "high_pct": high, "sd_pct": found.sd}
    return {f"{name}_{key}": 100 * value for key, value in values.items()}


def points(found: Estimate) -> Estimate:
    """A difference of fractions in percentage points."""
    means = tuple(100 * mean for mean in found.means)
    scaled = {"value": 100 * found.value, "error": 100 * found.error, "sd": 100 * found.sd, "means": means}
    return found._replace(**scaled)


def correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Pearson's r; 0 where one of them does not vary."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    return float(stats.pearsonr(x, y).statistic) if len(x) > 2 and np.ptp(x) and np.ptp(y) else 0.0
