"""One function for each item of the paper: a workbench in, a DataFrame out.

Searches see the search split alone; every number in a table is measured on the test split. Percent
columns end in ``_pct``; intervals are 95 % and stand in ``_low_pct`` and ``_high_pct``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from .arch import Arch
from .errors import InfeasibleError
from .intervals import mean_over_seeds
from .space import Space
from .steps import Conv, Residual
from .workbench import Workbench

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


# ── Table 2: rewards ─────────────────────────────────────────────────────────────────────────────
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
                **_percent("top1", top1),
                **(dict.fromkeys(_percent("nfr", nfr), np.nan) if is_ref else _percent("nfr", nfr)),
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
                **_percent("nfr", mean_over_seeds(flips)),
                "relative_nfr_change_pct": 100 * flips.mean() / base if base else np.nan,
                **_percent("top1", mean_over_seeds(a.astype(float) - b)),
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


def _percent(name: str, mean) -> dict[str, float]:
    return {
        f"{name}_pct": 100 * mean.mean,
        f"{name}_low_pct": 100 * mean.low,
        f"{name}_high_pct": 100 * mean.high,
        f"{name}_seed_sd_pct": 100 * mean.seed_sd,
    }


# ── Figure 4: the constraint and the rewards ─────────────────────────────────────────────────────
def fig4a(bench: Workbench) -> pd.DataFrame:
    """Fig. 4a: random members of A_t (contain the reference) and of A_c (do not), on the test split.

    Every member of A_c has, within 2 %, the MACs of the member of A_t beside it, so that the two clouds
    differ in the constraint and not in size. Columns: subset, and those of :meth:`Workbench.measure`.
    """
    ref, rng = reference(bench), np.random.default_rng(bench.preset.seed)
    inside, outside = map(list, zip(*_pairs(bench, ref, rng), strict=True))
    both = [
        bench.measure(archs, ref, "test").assign(subset=s) for archs, s in ((inside, "A_t"), (outside, "A_c"))
    ]
    return pd.concat(both, ignore_index=True)


def _pairs(bench: Workbench, ref: Arch, rng: np.random.Generator) -> Iterator[tuple[Arch, Arch]]:
    """Random pairs (member of A_t, member of A_c) of equal size."""
    space, budget = bench.space, bench.preset.search.target_mmacs * 1e6
    for _ in range(bench.preset.samples):
        a = space.sample(rng, containing=ref, max_cost=budget)
        for _ in range(1000):
            c = space.sample(
                rng, min_cost=0.98 * space.macs(a), max_cost=min(budget, 1.02 * space.macs(a)), tries=1000
            )
            if not space.contains(c, ref):
                yield a, c
                break
        else:
            raise InfeasibleError(
                f"{space.name}: nearly all networks of {space.macs(a):,} MACs contain the reference."
            )


def fig4a_claims(table: pd.DataFrame) -> pd.DataFrame:
    """Claims 2 and 3 on Fig. 4a's samples: paired differences A_t − A_c, and the correlation inside A_t."""
    a, c = (table[table["subset"] == s].reset_index(drop=True) for s in ("A_t", "A_c"))
    found = stats.pearsonr(a["top1_pct"], a["nfr_pct"])
    low, high = found.confidence_interval()
    return pd.DataFrame(
        [
            judge(
                "A_t has lower NFR than A_c of equal size (points)",
                *_paired(a["nfr_pct"] - c["nfr_pct"]),
                below=0,
            ),
            judge(
                "A_t has higher Top-1 than A_c of equal size (points)",
                *_paired(a["top1_pct"] - c["top1_pct"]),
                above=0,
            ),
            judge(
                "In A_t, Top-1 and NFR are uncorrelated (Pearson's r)", found.statistic, low, high, within=0.2
            ),
        ]
    )


def _paired(differences: pd.Series) -> tuple[float, float, float]:
    mean, spread = differences.mean(), stats.sem(differences)
    return (mean, *stats.t.interval(0.95, len(differences) - 1, mean, spread))


def fig4b(bench: Workbench) -> pd.DataFrame:
    """Fig. 4b: everything that the searches with R0, R1 and R2 visit, as they saw it (search split).

    One row a visit: reward, seed, and the columns of the search's log.
    """
    ref = reference(bench)
    logs = [
        bench.search(reward, reference=ref, seed=seed).log.assign(reward=reward, seed=seed)
        for reward in ("R0", "R1", "R2")
        for seed in seeds(bench)
    ]
    return pd.concat(logs, ignore_index=True)


def fig4b_choices(table: pd.DataFrame) -> pd.DataFrame:
    """The best of every search in Fig. 4b, by its own reward: one row a (reward, seed)."""
    best = table.loc[table.groupby(["reward", "seed"])["score"].idxmax()]
    return best[["reward", "seed", "cost", "top1_pct", "nfr_pct"]].reset_index(drop=True)


# ── Figure 3: the CAS recipe ─────────────────────────────────────────────────────────────────────
def fig3(bench: Workbench) -> pd.DataFrame:
    """Fig. 3: the three rules of CAS on real architectures.

    Panels "layers", "channels" and "kernels" each take the reference and apply one rule as far as it
    goes (a space without elastic kernels has no such panel); "all" is the target found with R2 + CAS. One
    row a layer of a panel's target: panel, stage, layer, kernel, channels (of the layer's middle, as a share
    of the largest network's), and reference_kernel, reference_channels (0 where the reference has no such
    layer); weights, reference_weights and shared_weights are the panel's N(W_a), N(W_r), N(W_a ∩ W_r).
    """
    ref, space = reference(bench), bench.space
    rules = dict.fromkeys(gene.rule for gene in space.genes if gene.rule)
    grown = {rule: _grow(space, ref, rule) for rule in ("layers", "channels", "kernels") if rule in rules}
    grown["all"] = targets(bench, ref, "R2+CAS")[0]
    return pd.concat(
        [_layers(space, ref, arch).assign(panel=panel) for panel, arch in grown.items()], ignore_index=True
    )


def _grow(space: Space, ref: Arch, rule: str) -> Arch:
    """The reference after one rule at its utmost; layers that this adds are as small as can be."""
    values = {}
    for name, slots in space.slots.items():
        own = ref.genes[name] if len(slots) > 1 else [ref.genes[name]]
        genes = [space.genes[slot] for slot in slots]
        values[name] = [
            gene.drawn[-1] if gene.rule == rule else gene.drawn[0] if value is None else value
            for gene, value in zip(genes, own, strict=True)
        ]
    return space.arch(**values)


def _layers(space: Space, ref: Arch, arch: Arch) -> pd.DataFrame:
    middles = {which: _middles(space, net) for which, net in (("ref", ref), ("full", space.largest))}
    rows = []
    for (stage, i), (kernel, channels) in _middles(space, arch).items():
        had, full = middles["ref"].get((stage, i), (0, 0)), middles["full"][stage, i][1]
        rows.append(
            {
                "stage": stage + 1,
                "layer": i + 1,
                "kernel": kernel,
                "channels": channels / full,
                "reference_kernel": had[0],
                "reference_channels": had[1] / full,
            }
        )
    shared = {"shared_weights": space.shared_weights(arch, ref), "reference_weights": space.params(ref)}
    return pd.DataFrame(rows).assign(weights=space.params(arch), **shared)


def _middles(space: Space, arch: Arch) -> dict[tuple[int, int], tuple[int, int]]:
    """(stage, layer) → kernel and channels of the block's spatial convolution."""
    found = {}
    for step in space.steps(arch):
        if step.layer:
            body = step.ops[0].body if isinstance(step.ops[0], Residual) else step.ops
            shapes = [op.weight.shape for op in body if isinstance(op, Conv)]
            shape = max(shapes, key=lambda shape: shape[-1])
            found[step.layer] = (shape[-1], shape[0])
    return found
