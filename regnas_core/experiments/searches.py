"""What searches do: their course, other budgets, other weights of the reward (Sec. 4.3, App. B and C)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..costs.cost import is_recorded, unit
from ..flips.right import flips_between
from ..workbench.protocol import run_search
from ..workbench.workbench import Workbench
from .base import DESIGNS, SIZES, Repetition, correlation, judge, reference, repetitions, targets
from .comparison import Comparison, estimate, group
from .strategies import less_nfr, little_top1, reference_group, table2

BOTH = ("R0", "R2+CAS")


# ── Fig. 5a: generation by generation ────────────────────────────────────────────────────────────
def fig5a(bench: Workbench) -> pd.DataFrame:
    """Fig. 5a: the best architecture so far, generation by generation, for R2 and R2 + CAS.

    One row a (design, training, seed, generation): evaluated (architectures so far), reward_pct (on the
    search images, by which the best is chosen), top1_pct, nfr_pct (test split). A search that ended early
    stays where it was.
    """
    parts, last = [], bench.preset.search.generations
    for rep in repetitions(bench):
        for design in ("R2", "R2+CAS"):
            weights, cas = DESIGNS[design]
            log = run_search(rep.bench, weights, reference=reference(rep), cas=cas, seed=rep.seed).log
            new = log["score"] > log["score"].cummax().shift(fill_value=-np.inf)  # of equals the first stays
            course = log.where(new)[["score", "arch"]].ffill()
            course = course.assign(evaluated=np.arange(1, len(log) + 1)).groupby(log["generation"]).last()
            course = course.reindex(range(1, last + 1)).ffill()
            top1, nfr = _tested(rep, course["arch"])
            parts.append(
                pd.DataFrame(
                    {
                        "design": design,
                        "training": rep.training,
                        "seed": rep.seed,
                        "generation": course.index,
                        "evaluated": course["evaluated"].astype(int).to_numpy(),
                        "reward_pct": 100 * course["score"].to_numpy(),
                        "top1_pct": 100 * top1,
                        "nfr_pct": 100 * nfr,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def _tested(rep: Repetition, archs: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Top-1 and NFR against the repetition's reference of architectures, on the test split (fractions)."""
    names = archs.unique().tolist()
    right = rep.bench.correct([rep.bench.space.parse(name) for name in names], "test")
    own = np.broadcast_to(rep.bench.correct([reference(rep)], "test"), right.shape)
    rates = pd.DataFrame({"top1": right.mean(1), "nfr": flips_between(own, right).mean(1)}, index=names).loc[
        archs
    ]
    return rates["top1"].to_numpy(), rates["nfr"].to_numpy()


def fig5a_claims(course: pd.DataFrame) -> list[dict]:
    """Claim 5: NFR of the best so far, after a third of the generations and on average (points)."""
    rates = course.pivot_table(index=["training", "seed"], columns=["design", "generation"], values="nfr_pct")
    last = int(course["generation"].max())
    early, difference = max(1, round(last / 3)), rates["R2+CAS"] - rates["R2"]
    keys = list(difference.index)
    claims = {
        f"CAS has a lower NFR than R2 after {early} of {last} generations": difference[early],
        "CAS has a lower NFR than R2 on average over all generations": difference.mean(axis=1),
    }
    return [
        judge(5, claim, estimate(values.to_numpy(), keys), keys, below=0) for claim, values in claims.items()
    ]


# ── Fig. 5b and the first generalisation: other budgets ──────────────────────────────────────────
Sweep = dict[tuple[str, float], Comparison]  # by sizes (a key of SIZES) and budget


def sweep(bench: Workbench) -> Sweep:
    """R0 and R2 + CAS at every budget of ``search.sweep``, as an upper bound and at equal size."""
    budgets = bench.preset.search.sweep or (bench.preset.search.target_mmacs,)
    return {
        (sizes, budget): table2(bench, BOTH, matched=matched, budget=budget)
        for sizes, matched in SIZES.items()
        for budget in budgets
    }


def fig5b(found: Sweep) -> pd.DataFrame:
    """Fig. 5b: one row a (sizes, budget, design), the reference first, as ``Comparison.means`` has them."""
    parts = [c.means().assign(sizes=sizes, budget=budget) for (sizes, budget), c in found.items()]
    table = pd.concat(parts, ignore_index=True)
    table = table[(table["design"] != "reference") | ~table.duplicated(["model", "design"])]
    return _fronted(table, ["sizes", "budget"])


def sweep_differences(found: Sweep) -> pd.DataFrame:
    """R2 + CAS minus R0 at every budget, paired."""
    parts = [c.differences([("R2+CAS", "R0")]).assign(sizes=s, budget=b) for (s, b), c in found.items()]
    return _fronted(pd.concat(parts, ignore_index=True), ["sizes", "budget"])


def sweep_claims(found: Sweep, but: float | None = None) -> list[dict]:
    """Claims 4 and 6 at every budget: fewer flips, at little cost in Top-1; ``but`` one, tested elsewhere."""
    rows = []
    for (sizes, budget), c in found.items():
        if budget == but:
            continue
        where = f" at {budget:g} M" + (", equal size" if SIZES[sizes] else "")
        rows += [less_nfr(c, "R2+CAS", "R0", where, number=6), little_top1(c, where)]
    return rows


def gap_claim(found: Sweep) -> list[dict]:
    """Claim 6: over a repetition's targets, gap in Top-1 and NFR against the reference (Pearson's r)."""
    gaps, flips = {}, {}
    for c in found.values():
        for g in c.groups:
            lead = g.right.mean(1) - c.reference.of(g.keys).mean(1)
            for key, gap, nfr in zip(g.keys, lead, c.flips(g).mean(1), strict=True):
                gaps.setdefault(key, []).append(gap)
                flips.setdefault(key, []).append(nfr)
    keys = [key for key, values in gaps.items() if len(values) > 2]
    if not keys:
        return []
    r = np.array([correlation(gaps[key], flips[key]) for key in keys])
    claim = "Targets nearer to the reference in Top-1 do not flip fewer images (r not above 0.2)"
    return [judge(6, claim, estimate(r, keys), keys, below=0.2)]


# ── App. B: the weights of the reward ────────────────────────────────────────────────────────────
def appendix_b(bench: Workbench) -> pd.DataFrame:
    """App. B: what searches with R = Top-1 − λ · NFR find, λ from 0 (R0) over 1 (R2) to ∞ (R1).

    One row a λ: ratio (λ2 / λ1), and the columns of :meth:`Comparison.means`, on the test split.
    """
    weights = {0.0: "R0", 1.0: "R2", np.inf: "R1"} | {x: (1.0, x) for x in bench.preset.search.ratios}
    groups = [
        group(f"λ = {ratio:g}", f"{ratio:g}", targets(bench, weights[ratio])) for ratio in sorted(weights)
    ]
    table = Comparison(reference_group(bench), tuple(groups)).means()
    return table.iloc[1:].assign(ratio=sorted(weights)).reset_index(drop=True)


# ── App. C: relative reduction ───────────────────────────────────────────────────────────────────
def appendix_c(bench: Workbench, found: Sweep) -> pd.DataFrame:
    """App. C: how much R2 + CAS lowers NFR against R0, relative to it, and what it changes in Top-1.

    One row a super-network's target budget, and one a budget of the sweep, for both kinds of sizes: where,
    sizes, budget, relative_reduction_pct, nfr_change_pct and top1_change_pct with intervals, within_1_pct.
    """
    several = {}
    for other in (bench, *bench.companions):
        for sizes, matched in SIZES.items():
            place = (other.name, sizes, other.preset.search.target_mmacs)
            several[place] = table2(other, BOTH, matched=matched)
    several |= {(bench.name, *place): c for place, c in found.items() if (bench.name, *place) not in several}
    rows = []
    for (where, sizes, budget), c in several.items():
        difference = c.differences([("R2+CAS", "R0")]).iloc[0]
        rows.append(
            {
                "where": where,
                "sizes": sizes,
                "budget": budget,
                "relative_reduction_pct": -difference["relative_nfr_change_pct"],
                **_changes(difference),
                "within_1_pct": abs(difference["top1_pct"]) < 1,
            }
        )
    return pd.DataFrame(rows)


# ── the other generalisations ────────────────────────────────────────────────────────────────────
def supernets(bench: Workbench) -> pd.DataFrame:
    """R0 and R2 + CAS in super-networks of several kinds, each against its own references."""
    parts = [table2(other, BOTH).means().assign(supernet=other.name) for other in (bench, *bench.companions)]
    return _fronted(pd.concat(parts, ignore_index=True), ["supernet"])


def supernet_claims(bench: Workbench) -> list[dict]:
    """Whether R2 + CAS has a lower NFR than R0 in each super-network, also at equal size."""
    return [
        less_nfr(table2(other, BOTH, matched=matched), "R2+CAS", "R0", f": {other.name}{named}")
        for other in (bench, *bench.companions)
        for matched, named in ((False, ""), (True, ", equal size"))
    ]


def platforms(bench: Workbench) -> pd.DataFrame:
    """R0 and R2 + CAS under budgets of platforms (``search.platforms``) in place of MACs.

    A platform's budget is half way, in ratios, from the reference to the largest network: the geometric mean
    of their costs, for the first repetition's reference. Columns: platform, budget and cost (mean of the
    found networks, both in ``unit``), those of :meth:`Comparison.means`, and, of R2 + CAS, nfr_change_pct and
    top1_change_pct: its paired differences from R0, with intervals.
    """
    parts, base = [], reference_group(bench)
    first = reference(repetitions(bench)[0])
    for platform in bench.preset.search.platforms:
        (scale, symbol), cost = unit(platform), bench.cost(platform)
        budget = float(np.sqrt(cost(first) * cost(bench.space.largest))) / scale
        found = {design: targets(bench, design, budget=budget, cost=platform) for design in BOTH}
        named = Path(platform).stem if is_recorded(platform) else platform
        groups = [group(f"{d}, {named}", d, archs) for d, archs in found.items()]
        compared = Comparison(base, tuple(groups))
        table, changes = compared.means(), _changes(compared.differences([("R2+CAS", "R0")]).iloc[0])
        table.loc[table["design"] == "R2+CAS", [*changes]] = [*changes.values()]
        cost = bench.cost(platform)  # with what the searches have measured
        every = [[bench.space.parse(arch) for arch in g.networks["arch"]] for g in (base, *groups)]
        costs = [np.mean([cost(arch) for arch in archs]) / scale for archs in every]
        parts.append(table.assign(platform=named, budget=budget, cost=costs, unit=symbol))
    return _fronted(pd.concat(parts, ignore_index=True), ["platform", "budget", "cost", "unit"])


def _changes(difference: pd.Series) -> dict[str, float]:
    """Of a row of :meth:`Comparison.differences`: nfr_change_pct and top1_change_pct, with intervals."""
    ends = ("pct", "low_pct", "high_pct")
    return {f"{rate}_change_{end}": difference[f"{rate}_{end}"] for rate in ("nfr", "top1") for end in ends}


def _fronted(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The table with these columns first, its rows numbered anew."""
    return table[[*columns, *(c for c in table if c not in columns)]].reset_index(drop=True)
