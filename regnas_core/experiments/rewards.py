"""Table 2: what the rewards R0, R1, R2 and R2 + CAS find."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..intervals import mean_over_seeds
from ..workbench import Workbench
from .base import DESIGNS, judge, model_name, percent, reference, seeds, targets


def table2(bench: Workbench) -> pd.DataFrame:
    """Table 2, seed by seed: what the rewards R0, R1, R2 and R2 + CAS find, measured on the test split.

    One row a (design, seed), the reference first: model, design, seed, and what
    :meth:`Workbench.measure` gives.
    """
    ref, search = reference(bench), bench.preset.search
    first = bench.measure([ref], ref, "test").assign(
        model=model_name(bench, "R0", search.reference_mmacs), design="reference", seed=bench.preset.seed
    )
    parts = [first]
    for design in DESIGNS:
        rows = bench.measure(targets(bench, ref, design), ref, "test")
        parts.append(
            rows.assign(
                model=model_name(bench, design, search.target_mmacs), design=design, seed=list(seeds(bench))
            )
        )
    table = pd.concat(parts, ignore_index=True)
    return table[["model", "design", "seed", *(c for c in table if c not in ("model", "design", "seed"))]]


def table2_means(bench: Workbench, table: pd.DataFrame) -> pd.DataFrame:
    """Table 2 as the paper prints it: means over seeds, with intervals over seeds and images."""
    rows = []
    for model, group in table.groupby("model", sort=False):
        right, ref = _right_and_reference(bench, table, group["arch"])
        top1, nfr = mean_over_seeds(right), mean_over_seeds(ref & ~right)
        is_ref = group["design"].iloc[0] == "reference"
        rows.append(
            {
                "model": model,
                "design": group["design"].iloc[0],
                "seeds": len(group),
                "mmacs": group["mmacs"].mean(),
                **percent("top1", top1),
                **(dict.fromkeys(percent("nfr", nfr), np.nan) if is_ref else percent("nfr", nfr)),
            }
        )
    return pd.DataFrame(rows)


def table2_differences(bench: Workbench, table: pd.DataFrame) -> pd.DataFrame:
    """Paired differences between designs (first minus second), in percentage points, with intervals."""
    rows = []
    for first, second in (("R1", "R0"), ("R2", "R0"), ("R2+CAS", "R0"), ("R2+CAS", "R2")):
        a, ref = _right_and_reference(bench, table, table.loc[table["design"] == first, "arch"])
        b, _ = _right_and_reference(bench, table, table.loc[table["design"] == second, "arch"])
        flips = (ref & ~a).astype(float) - (ref & ~b)
        base = (ref & ~b).mean()
        rows.append(
            {
                "comparison": f"{first} − {second}",
                **percent("nfr", mean_over_seeds(flips)),
                "relative_nfr_change_pct": 100 * flips.mean() / base if base else np.nan,
                **percent("top1", mean_over_seeds(a.astype(float) - b)),
            }
        )
    return pd.DataFrame(rows)


def table2_claims(differences: pd.DataFrame) -> pd.DataFrame:
    """Claims 1 and 4 on Table 2's paired differences (percentage points)."""
    rows = differences.set_index("comparison")

    def nfr(comparison: str) -> tuple[float, float, float]:
        return tuple(rows.loc[comparison, ["nfr_pct", "nfr_low_pct", "nfr_high_pct"]])

    top1 = tuple(rows.loc["R2+CAS − R0", ["top1_pct", "top1_low_pct", "top1_high_pct"]])
    return pd.DataFrame(
        [
            judge("R1 finds a lower NFR than R0", *nfr("R1 − R0"), below=0),
            judge("R2 finds a lower NFR than R0", *nfr("R2 − R0"), below=0),
            judge("R2 + CAS finds a lower NFR than R0", *nfr("R2+CAS − R0"), below=0),
            judge("R2 + CAS finds a lower NFR than R2", *nfr("R2+CAS − R2"), below=0),
            judge("R2 + CAS costs less than 0.3 points of Top-1 against R0", *top1, above=-0.3),
        ]
    )


def _right_and_reference(
    bench: Workbench, table: pd.DataFrame, archs: pd.Series
) -> tuple[np.ndarray, np.ndarray]:
    ref = bench.space.parse(table.loc[table["design"] == "reference", "arch"].iloc[0])
    parsed = [bench.space.parse(text) for text in archs]
    return bench.correct(parsed, "test"), bench.correct([ref], "test")
