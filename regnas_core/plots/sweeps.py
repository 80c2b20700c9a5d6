"""Courses of searches, and sweeps over budgets and weights: Figure 5, Appendix B."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import COLOURS, LABELS, dots, key, legend_below, new_figure, styled, whiskers

RATES = {"nfr": "NFR (%)", "top1": "Top-1 (%)"}


@styled
def fig5a(course: pd.DataFrame) -> Figure:
    """NFR of the best so far by generation: mean, the middle 80 % of searches, and every training's mean."""
    figure, (ax,) = new_figure(height=3.2)
    for design, rows in course.groupby("design", sort=False):
        wide = rows.pivot(index="generation", columns=["training", "seed"], values="nfr_pct").ffill()
        colour = COLOURS[design]
        ax.plot(wide.index, wide.T.groupby(level="training").mean().T, color=colour, lw=0.7, alpha=0.6)
        low, high = wide.quantile(0.1, axis=1), wide.quantile(0.9, axis=1)
        ax.fill_between(wide.index, low, high, color=colour, alpha=0.18, lw=0)
        mean = wide.mean(axis=1)
        ax.plot(mean.index, mean, color=colour, lw=2.2, label=LABELS[design])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="generation", ylabel="NFR of the best so far,\ntest images (%)")
    count = len(course.drop_duplicates(["training", "seed"]))
    title = f"mean, and the middle 80 % of {count} searches; thin: trainings"
    legend_below(figure, title if count > 1 else "one search each", ncols=2)
    return figure


@styled
def fig5b(table: pd.DataFrame) -> Figure:
    """NFR and Top-1 against MACs, R0 beside R2 + CAS, with 95 % intervals; hollow: at equal size.

    The star is the reference.
    """
    figure, axes = new_figure(height=4.8, nrows=2, sharex=True)
    hollow = {"mfc": "white", "ls": ":", "lw": 1}
    for ax, (rate, label) in zip(axes, RATES.items(), strict=True):
        for design, shift in (("R0", -1.5), ("R2+CAS", 1.5)):
            for sizes, look in (
                ("up to", {"ls": "-", "lw": 1}),
                ("matched", hollow | {"mec": COLOURS[design]}),
            ):
                rows = table[(table["design"] == design) & (table["sizes"] == sizes)].sort_values("budget")
                error = whiskers(rows, rate)
                dots(ax, rows["mmacs"], rows[f"{rate}_pct"], design, yerr=error, shift=(shift, 0), **look)
        ax.set_ylabel(label)
    keys = [key("R0"), key("R2+CAS")]
    keys += [key(d, "… at equal size", mfc="white", mec=COLOURS[d]) for d in ("R0", "R2+CAS")]
    reference = table[table["design"] == "reference"]
    if len(reference):
        where = reference["mmacs"], reference["top1_pct"]
        dots(axes[1], *where, "reference", yerr=whiskers(reference, "top1"))
        keys.append(key("reference", ms=10))
    axes[1].set_xlabel("MACs of one image (M)")
    legend_below(figure, "mean and 95 % interval, test split", ncols=2, handles=keys)
    return figure


@styled
def appendix_b(table: pd.DataFrame) -> Figure:
    """NFR and Top-1 by λ₂ / λ₁, the weight of NFR in the reward, with 95 % intervals."""
    table = table.sort_values("ratio").reset_index(drop=True)
    figure, axes = new_figure(height=3.9, nrows=2, sharex=True)
    named = {0.0: "R0", 1.0: "R2", np.inf: "R1"}
    for ax, (rate, label) in zip(axes, RATES.items(), strict=True):
        ax.plot(table.index, table[f"{rate}_pct"], color=COLOURS["kept"], lw=1, zorder=1)
        errors = whiskers(table, rate)
        for place, row in table.iterrows():
            design = named.get(row["ratio"])
            look = {} if design else {"color": COLOURS["other"], "marker": "o"}
            error = errors[:, [place]]
            dots(ax, place, row[f"{rate}_pct"], design or "R0", yerr=error, **look)
        ax.set_ylabel(label)
        ax.margins(x=0.08)
    ratios = [f"{ratio:g}".replace("inf", "∞") for ratio in table["ratio"]]
    names = [named.get(ratio) for ratio in table["ratio"]]
    labels = [f"{r}\n({n})" if n else r for r, n in zip(ratios, names, strict=True)]
    axes[0].set_title("mean and 95 % interval, test split", fontsize=8)
    axes[1].set_xticks(table.index, labels)
    axes[1].set_xlabel(r"$\lambda_2\,/\,\lambda_1$, weight of NFR against Top-1")
    return figure
