"""Tables in the formats of regnas_core.experiments, and what is read off their drawings."""

from __future__ import annotations

from io import BytesIO
from itertools import combinations, product

import matplotlib as mpl
import numpy as np
import pandas as pd
import tables
from matplotlib.container import ErrorbarContainer

from regnas_core.experiments import whole_space
from regnas_core.plots.style import STYLE

LEVELS = {  # Top-1 and NFR (%) of each design, about as the searches find them
    "reference": (81.56, np.nan),
    "independent": (82.9, 4.35),
    "FD-LM": (82.4, 3.6),
    "FD-KL": (83.1, 3.3),
    "R0": (84.1, 2.89),
    "R0, CE": (84.6, 3.5),
    "R0, FD": (84.0, 2.3),
    "R1": (82.5, 2.17),
    "R2": (83.6, 2.55),
    "R2+CAS": (84.08, 2.46),
    "R2+CAS, CE": (84.7, 3.2),
    "R2+CAS, FD": (83.9, 1.9),
}
TABLE1 = ("reference", "independent", "FD-LM", "FD-KL", "R0", "R2+CAS")
TABLE2 = ("reference", "R0", "R1", "R2", "R2+CAS")
TABLE3 = ("reference", "R0", "R0, CE", "R0, FD", "R2+CAS", "R2+CAS, CE", "R2+CAS, FD")
FAMILIES = {
    "REG-NAS": 2.2,
    "REG-NAS, each against its predecessor": 2.1,
    "R0": 2.7,
    "independent": 4.4,
}


# ── tables ───────────────────────────────────────────────────────────────────────────────────────
def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def rate(name: str, value: float, half: float = 0.4) -> dict[str, float]:
    return {f"{name}_pct": value, f"{name}_low_pct": value - half, f"{name}_high_pct": value + half}


def means(*designs: str, shift: float = 0.0, half: float = 0.4, mmacs: float = 2.5) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": f"Mini-{design}-2.6",
            "design": design,
            "trainings": 3,
            "networks": 60,
            "mmacs": (1.29 if design == "reference" else mmacs) + 0.01 * number,
            **rate("top1", LEVELS[design][0] + shift, half),
            **rate("nfr", LEVELS[design][1] - 0.5 * shift, half),
        }
        for number, design in enumerate(designs)
    )


def networks(*designs: str, shift: float = 0.0, count: int = 3) -> pd.DataFrame:
    spread = rng(1)
    rows = [
        {
            "design": design,
            "training": number,
            "seed": 0,
            "top1_pct": LEVELS[design][0] + shift + spread.normal(0, 0.25),
            "nfr_pct": LEVELS[design][1] - 0.5 * shift + spread.normal(0, 0.2),
        }
        for design in designs
        for number in range(count)
    ]
    return pd.DataFrame(rows)


def panel(title: str, *designs: str, **kwargs) -> tuple[str, pd.DataFrame, pd.DataFrame]:
    return title, means(*designs, **kwargs), networks(*designs, shift=kwargs.get("shift", 0.0))


def pairs(family: str = "REG-NAS", members: int = 3, level: float = 2.2, names=None) -> pd.DataFrame:
    names, spread = names or [f"{1.3 + 0.65 * m:.3g}M" for m in range(members)], rng(members)
    return pd.DataFrame(
        {
            "family": family,
            "small": names[a],
            "large": names[b],
            "steps_apart": b - a,
            "small_top1_pct": 81.6 + 1.2 * a,
            "large_top1_pct": 81.6 + 1.2 * b,
            **rate("nfr", level + spread.normal(0, 0.3)),
        }
        for a, b in combinations(range(members), 2)
    )


def all_families(members: int) -> pd.DataFrame:
    return pd.concat([pairs(name, members, level) for name, level in FAMILIES.items()], ignore_index=True)


def clouds(members: int = 60) -> pd.DataFrame:
    spread = rng(2)
    inside = pd.DataFrame({"subset": "A_t", "top1_pct": spread.normal(83.1, 0.5, members)})
    inside["nfr_pct"] = 3.0 - 0.25 * (inside["top1_pct"] - 83.1) + spread.normal(0, 0.3, members)
    outside = pd.DataFrame({"subset": "A_c", "shared_fraction": spread.uniform(0.45, 0.98, members)})
    outside["top1_pct"] = spread.normal(82.0, 0.6, members)
    outside["nfr_pct"] = 6.2 - 2.4 * outside["shared_fraction"] + spread.normal(0, 0.4, members)
    return pd.concat([inside.assign(shared_fraction=1.0), outside], ignore_index=True)


def visits(n: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frames = [
        pd.DataFrame(
            {"reward": r, "training": k, "top1_pct": rng.normal(80, 2, n), "nfr_pct": rng.normal(3, 0.5, n)}
        )
        for r in ("R0", "R1", "R2")
        for k in range(2)
    ]
    return pd.concat(frames, ignore_index=True)


def course(trainings: int = 3, seeds: int = 4, generations: int = 6) -> pd.DataFrame:
    parts = []
    for design, start in (("R2", 3.4), ("R2+CAS", 2.9)):
        for training, seed in product(range(trainings), range(seeds)):
            own = [training, seed]
            fall = rng(own).exponential(0.18, generations) * (rng([*own, 9]).random(generations) < 0.7)
            parts.append(
                pd.DataFrame(
                    {
                        "design": design,
                        "training": training,
                        "seed": seed,
                        "generation": range(1, generations + 1),
                        "nfr_pct": start + 0.1 * training - np.cumsum(fall),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def sweep(*budgets: float, half: float = 0.4) -> pd.DataFrame:
    parts = []
    for sizes, lower in (("up to", 0.0), ("matched", 0.2)):
        for budget in budgets:
            found = means("R0", "R2+CAS", shift=0.8 * (budget - 2.6) - lower, half=half, mmacs=0.97 * budget)
            parts.append(found.assign(budget=budget, sizes=sizes))
    reference = means("reference", half=half).assign(budget=budgets[0], sizes="up to")
    return pd.concat([reference, *parts], ignore_index=True)


def comparisons(shift: float = 0.0) -> pd.DataFrame:
    found = [("R1 − R0", -0.72, -1.6), ("R2 − R0", -0.34, -0.5), ("R2+CAS − R0", -0.43 + shift, 0.02)]
    return pd.DataFrame(
        {"comparison": name, **rate("nfr", nfr), **rate("top1", top1)} for name, nfr, top1 in found
    )


def published_differences() -> pd.DataFrame:
    parts = [comparisons(shift).assign(space=space) for shift, space in ((-0.2, "OFA A"), (0.1, "OFA B"))]
    return pd.concat(parts, ignore_index=True)


def control_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    kinds = [
        *(("independent", kind, nfr) for kind, nfr in (("independent", 4.4), ("one training", 2.2))),
        *(("distilled", kind, nfr) for kind, nfr in (("distilled", 3.4), ("one training", 2.3))),
    ]
    top1 = {"small_top1_pct": 78.2, "large_top1_pct": 81.6}
    pairs = [{"beside": b, "kind": k, **top1, **rate("nfr", value)} for b, k, value in kinds]
    steps = [("a common teacher", 1.1), ("weights, recipe and order", 1.1), ("all together", 2.2)]
    return pd.DataFrame(pairs), pd.DataFrame({"step": s, **rate("nfr_fall", v)} for s, v in steps)


def several(column: str, shifts: dict[str, float], **more) -> pd.DataFrame:
    parts = [
        means("reference", "R0", "R2+CAS", shift=shift).assign(**{column: name})
        for name, shift in shifts.items()
    ]
    return pd.concat(parts, ignore_index=True).assign(**more)


def supernet_table() -> pd.DataFrame:
    return several("supernet", {"demo": 0.0, "demo-resnet": 1.1})


def platform_table() -> pd.DataFrame:
    table = several("platform", {"params": 0.0, "latency": -0.3}, cost=0.4)
    params = table["platform"] == "params"
    return table.assign(budget=np.where(params, 0.1234, 0.4178), unit=np.where(params, "M", "ms"))


def ratios(half: float = 0.4) -> pd.DataFrame:
    found = [(0.0, 2.89, 84.1), (0.5, 2.7, 83.9), (1.0, 2.55, 83.64), (2.0, 2.3, 83.2), (np.inf, 2.17, 82.5)]
    return pd.DataFrame(
        {"ratio": ratio, **rate("nfr", nfr, half), **rate("top1", top1, half)} for ratio, nfr, top1 in found
    )


def reductions(half: float = 0.6) -> pd.DataFrame:
    found = [
        ("demo", "up to", 2.6, -0.43, 2.89, -0.03),
        ("demo-resnet", "up to", 3.0, -0.6, 3.4, 0.25),
        ("demo", "up to", 2.0, -0.5, 2.7, -0.11),
        ("demo", "matched", 3.4, -0.45, 3.1, 0.02),
        ("cifar10", "up to", 6.0, 0.01, 3.16, -1.2),
    ]
    return pd.DataFrame(
        {
            "where": where,
            "sizes": sizes,
            "budget": budget,
            "relative_reduction_pct": -100 * nfr / base,
            **rate("nfr_change", nfr, half),
            **rate("top1_change", top1, half),
            "within_1_pct": abs(top1) < 1,
        }
        for where, sizes, budget, nfr, base, top1 in found
    )


def repetitions(seeds: int = 5) -> pd.DataFrame:
    """A comparison by several searches in two trainings and two settings."""
    cells = product((0, 1), ("0.5 → 0.75 M", "0.5 → 1.00 M"), range(seeds))
    return pd.DataFrame([(t, s, -0.3 * k) for t, s, k in cells], columns=["training", "setting", "diff_pct"])


def verdicts() -> pd.DataFrame:
    columns = ["number", "test", "value", "low", "high", "verdict"]
    found = [
        (1, "FD-KL has a lower NFR than independent training", -1.05, -1.6, -0.5, "holds"),
        (1, "R2 + CAS has a lower NFR than R0", -0.43, -1.74, 0.88, "undecided"),
        (
            2,
            "In A_t, Top-1 and NFR are uncorrelated (r within 0.2)",
            -0.37,
            -0.57,
            -0.13,
            "does not hold",
        ),
        (5, "CAS has a lower NFR than R2 early in the search", -0.03, -0.1, 0.1, "no effect larger than 0.1"),
        (7, "Pairs of targets have " + "no more NFR " * 5 + "at all", 0.12, -0.3, 0.5, "one training"),
    ]
    return pd.DataFrame(found, columns=columns).assign(primary=[True, False, False, False, True])


def growth_table() -> pd.DataFrame:
    points = {
        "population": (1, 4, 12, 48),
        "generation": (1, 5, 10, 20),
        "images": (64, 256, 1024),
        "resolution": (128, 160, 192, 224),
    }
    return pd.DataFrame(
        {
            "axis": axis,
            "value": value,
            "networks": 12,
            "seconds_per_network": 3 - 0.4 * place if axis != "images" else 1.5 + place,
            "distinct_macs": 0.7,
            "peak_gbytes": 0.9 + 0.1 * place,
        }
        for axis, values in points.items()
        for place, value in enumerate(values)
    )


def races(seeds: int = 10) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "level": level,
            "seed": seed,
            "work": base + 0.05 * rng(seed).normal(),
            "same": level == 0 or seed % 3 > 0,
        }
        for level, base in {0.0: 0.8, 0.001: 0.6, 0.01: 0.5, 0.05: 0.42}.items()
        for seed in range(seeds)
    )


def whole(part: str, trainings: int = 1) -> pd.DataFrame:
    """What experiments.whole_space says of a small table, or of several."""
    return pd.concat([_whole(part, k).assign(training=k) for k in range(trainings)], ignore_index=True)


def _whole(part: str, training: int) -> pd.DataFrame:
    table = tables.table(seed=training)
    reference = table.best("R0", max_cost=float(np.quantile(table.macs, 0.15)))
    budgets = whole_space.budgets(table, float(np.quantile(table.macs, 0.3)), 6)
    if part == "regimes":
        return whole_space.regime(table, budgets[:3]).assign(recipe="8")
    if part == "searches":
        return whole_space.searches(table, reference, budgets[3], seeds=2, progress=False)
    if part == "genes":
        return whole_space.genes(table, reference)
    return getattr(whole_space, part)(table, reference, budgets)


def differences(references: int = 300) -> pd.DataFrame:
    """A_t against A_c, as experiments.whole_space.constraint has them."""
    mmacs = np.geomspace(0.9, 4, references)
    return pd.DataFrame(
        {
            "mmacs": mmacs,
            "top1_pct": 80 + mmacs,
            "nfr_diff_pct": -1 + 0.3 * rng(0).normal(size=references),
            "top1_diff_pct": 0.5 + 0.3 * rng(1).normal(size=references),
        }
    )


# ── drawings ─────────────────────────────────────────────────────────────────────────────────────
def written(figure) -> bytes:
    file = BytesIO()
    with mpl.rc_context(
        {**STYLE, "savefig.bbox": None, "savefig.dpi": 100}
    ):  # drawn once, not twice to be cut
        figure.savefig(file, format="png")
    return file.getvalue()


def errorbars(ax) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """x and y of the error bars' points by colour."""
    found = {}
    for bars in ax.containers:
        if isinstance(bars, ErrorbarContainer):
            points = bars.lines[0]
            found.setdefault(points.get_color(), []).append(points.get_xydata())
    return {colour: np.concatenate(several) for colour, several in found.items()}


def texts(figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def centres(figure) -> list[np.ndarray]:
    """Centres of a scatter plot's clouds, in the order of drawing."""
    return [np.asarray(cloud.get_offsets()).mean(0) for cloud in figure.axes[0].collections]
