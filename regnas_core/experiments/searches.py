"""What searches do: their course, other budgets, other weights of the reward (Sec. 4.3, App. B and C)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..costs.cost import is_recorded, unit
from ..workbench.protocol import run_search
from ..workbench.workbench import Workbench
from .base import DESIGNS, judge, once, paired, pearson, reference, seeds, sweep_seeds, targets
from .comparison import Comparison, group, row
from .strategies import reference_group, table2


# ── Fig. 5a: generation by generation ────────────────────────────────────────────────────────────
def fig5a(bench: Workbench) -> pd.DataFrame:
    """Fig. 5a: the best architecture so far, generation by generation, for R2 and R2 + CAS (search split).

    One row a (design, seed, generation): evaluated (architectures so far), reward_pct, top1_pct, nfr_pct.
    """
    ref, parts = reference(bench), []
    for design in ("R2", "R2+CAS"):
        weights, cas = DESIGNS[design]
        for seed in seeds(bench):
            log = run_search(bench, weights, reference=ref, cas=cas, seed=seed).log
            best = log["score"].cummax().eq(log["score"])  # where the best so far was found
            course = log.where(best)[["score", "top1_pct", "nfr_pct"]].ffill()
            course = course.groupby(log["generation"]).last()
            parts.append(
                pd.DataFrame(
                    {
                        "design": design,
                        "seed": seed,
                        "generation": course.index,
                        "evaluated": log.groupby("generation").size().cumsum().to_numpy(),
                        "reward_pct": 100 * course["score"].to_numpy(),
                        "top1_pct": course["top1_pct"].to_numpy(),
                        "nfr_pct": course["nfr_pct"].to_numpy(),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def fig5a_claims(course: pd.DataFrame) -> pd.DataFrame:
    """Claim 5: NFR of the best so far, after a third of the generations and on average, paired over seeds."""
    wide = course.pivot_table(index="seed", columns=["design", "generation"], values="nfr_pct").ffill(axis=1)
    last = int(course["generation"].max())
    early = max(1, round(last / 3))
    difference = wide["R2+CAS"] - wide["R2"]
    return pd.DataFrame(
        [
            judge(
                f"CAS has a lower NFR than R2 after {early} of {last} generations (points)",
                paired(difference[early]),
                below=0,
            ),
            judge("… and on average over all generations", paired(difference.mean(axis=1)), below=0),
        ]
    )


# ── Fig. 5b and the first generalisation: other budgets ──────────────────────────────────────────
def sweep(bench: Workbench) -> dict[float, Comparison]:
    """R0 and R2 + CAS at every budget of the sweep (``search.sweep``), against the one reference."""
    ref = reference(bench)
    base, chosen = reference_group(bench, ref), sweep_seeds(bench)
    budgets = bench.preset.search.sweep or (bench.preset.search.target_mmacs,)
    return {
        budget: Comparison(
            base,
            tuple(
                group(
                    bench,
                    f"{design} {budget:g}",
                    design,
                    targets(bench, ref, design, budget=budget, seeds=chosen),
                    chosen,
                )
                for design in ("R0", "R2+CAS")
            ),
        )
        for budget in budgets
    }


def fig5b(found: dict[float, Comparison]) -> pd.DataFrame:
    """Fig. 5b: one row a (budget, design), the reference first, as :meth:`Comparison.means` gives them."""
    parts = [c.means().assign(budget=budget) for budget, c in found.items()]
    table = pd.concat(parts, ignore_index=True).drop_duplicates(["model", "design"])
    return table[["budget", *(c for c in table if c != "budget")]].reset_index(drop=True)


def sweep_differences(found: dict[float, Comparison]) -> pd.DataFrame:
    """R2 + CAS minus R0 at every budget, paired."""
    parts = [c.differences([("R2+CAS", "R0")]).assign(budget=budget) for budget, c in found.items()]
    return pd.concat(parts, ignore_index=True)


def fig5b_claims(found: dict[float, Comparison]) -> pd.DataFrame:
    """Claim 6: R2 + CAS beats R0 at every size; and a smaller gap in accuracy does not mean fewer flips."""
    rows = [_regnas_wins(c, f" at {budget:g} M{once(c['R0'].seeds)}") for budget, c in found.items()]
    points = pd.concat(
        [c.by_seed().iloc[1:].assign(base=c.reference.right.mean() * 100) for c in found.values()]
    )
    gap, nfr = points["top1_pct"] - points["base"], points["nfr_pct"]
    if len(points) > 3:
        rows.append(
            judge(
                "NFR falls as the gap in Top-1 falls, which the paper denies (r)", pearson(gap, nfr), above=0
            )
        )
    return pd.DataFrame(rows)


# ── App. B: the weights of the reward ────────────────────────────────────────────────────────────
def appendix_b(bench: Workbench) -> pd.DataFrame:
    """App. B: what searches with R = Top-1 − λ · NFR find, λ from 0 (R0) over 1 (R2) to ∞ (R1).

    One row a λ: ratio (λ2 / λ1), and the columns of :meth:`Comparison.means`, on the test split.
    """
    ref, chosen = reference(bench), sweep_seeds(bench)
    weights = {0.0: "R0", 1.0: "R2", np.inf: "R1"} | {x: (1.0, x) for x in bench.preset.search.ratios}
    groups = []
    for ratio in sorted(weights):
        archs = [run_search(bench, weights[ratio], reference=ref, seed=seed).best for seed in chosen]
        groups.append(group(bench, f"λ = {ratio:g}", f"{ratio:g}", archs, chosen))
    table = Comparison(reference_group(bench, ref), tuple(groups)).means()
    return table.iloc[1:].assign(ratio=sorted(weights)).reset_index(drop=True)


# ── App. C: relative reduction ───────────────────────────────────────────────────────────────────
def appendix_c(bench: Workbench, found: dict[float, Comparison]) -> pd.DataFrame:
    """App. C: how much R2 + CAS lowers NFR against R0, relative to it, and what it changes in Top-1.

    One row a super-network's target budget (all seeds), and one a budget of the sweep: where, budget,
    relative_reduction_pct, top1_change_pct with its interval, and within_1_pct.
    """
    rows = []
    whole = {
        (other.name, other.preset.search.target_mmacs): table2(other, ("R0", "R2+CAS"))
        for other in (bench, *bench.companions)
    }
    several = whole | {
        (bench.name, budget): c for budget, c in found.items() if (bench.name, budget) not in whole
    }
    for (where, budget), c in several.items():
        difference = c.differences([("R2+CAS", "R0")]).iloc[0]
        rows.append(
            {
                "where": where,
                "budget": budget,
                "seeds": len(c["R0"].seeds),
                "relative_reduction_pct": -difference["relative_nfr_change_pct"],
                "nfr_change_pct": difference["nfr_pct"],
                "nfr_change_low_pct": difference["nfr_low_pct"],
                "nfr_change_high_pct": difference["nfr_high_pct"],
                "top1_change_pct": difference["top1_pct"],
                "top1_change_low_pct": difference["top1_low_pct"],
                "top1_change_high_pct": difference["top1_high_pct"],
                "within_1_pct": abs(difference["top1_pct"]) < 1,
            }
        )
    return pd.DataFrame(rows)


# ── the other generalisations ────────────────────────────────────────────────────────────────────
def supernets(bench: Workbench) -> pd.DataFrame:
    """R0 and R2 + CAS in super-networks of several kinds, each against its own reference."""
    parts = []
    for other in (bench, *bench.companions):
        c = table2(other, ("R0", "R2+CAS"))
        parts.append(c.means().assign(supernet=other.name))
    table = pd.concat(parts, ignore_index=True)
    return table[["supernet", *(c for c in table if c != "supernet")]]


def supernet_claims(bench: Workbench) -> pd.DataFrame:
    """Whether R2 + CAS has a lower NFR than R0 in each super-network."""
    every = (bench, *bench.companions)
    return pd.DataFrame([_regnas_wins(table2(other, ("R0", "R2+CAS")), f": {other.name}") for other in every])


def _regnas_wins(found: Comparison, where: str) -> dict:
    table = found.differences([("R2+CAS", "R0")])
    return judge(f"R2 + CAS has a lower NFR than R0{where}", row(table, "R2+CAS − R0", "nfr"), below=0)


def platforms(bench: Workbench) -> pd.DataFrame:
    """R0 and R2 + CAS under budgets of platforms (``search.platforms``) in place of MACs.

    A platform's budget is half way, in ratios, from the reference to the largest network: the geometric mean
    of their costs. One row a (platform, design), as :meth:`Comparison.means` gives it, with budget and cost
    (mean over seeds) in unit.
    """
    ref, chosen = reference(bench), sweep_seeds(bench)
    parts = []
    for platform in bench.preset.search.platforms:
        (scale, symbol), cost = unit(platform), bench.cost(platform)
        budget = float(np.sqrt(cost(ref) * cost(bench.space.largest))) / scale
        found = {
            design: targets(bench, ref, design, budget=budget, cost=platform, seeds=chosen)
            for design in ("R0", "R2+CAS")
        }
        named = Path(platform).stem if is_recorded(platform) else platform
        groups = [group(bench, f"{d}, {named}", d, archs, chosen) for d, archs in found.items()]
        table = Comparison(reference_group(bench, ref), tuple(groups)).means()
        cost = bench.cost(platform)  # with what the searches have measured
        costs = [np.mean([cost(arch) for arch in archs]) / scale for archs in ([ref], *found.values())]
        parts.append(table.assign(platform=named, budget=budget, cost=costs, unit=symbol))
    table = pd.concat(parts, ignore_index=True)
    front = ["platform", "budget", "cost", "unit"]
    return table[[*front, *(c for c in table if c not in front)]]
