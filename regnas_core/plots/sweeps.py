"""Courses of searches, and sweeps over budgets and weights: Figure 5, Appendices B and C."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from .style import COLOURS, LABELS, dots, key, label_points, legend_below, new_figure, styled, whiskers

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


@styled
def appendix_c(table: pd.DataFrame) -> Figure:
    """How much R2 + CAS lowers R0's NFR, relative to it, against its change in Top-1; labels are budgets.

    Intervals are the 95 % intervals of the differences; vertically R0's NFR is taken as it is. In the grey
    band Top-1 changes by less than a point.
    """
    figure, (ax,) = new_figure(height=3.7)
    x, y = table["top1_change_pct"], table["relative_reduction_pct"]
    across = whiskers(table, "top1_change")
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.abs(y / table["nfr_change_pct"])
    up = whiskers(table, "nfr_change")[::-1] * np.where(np.isfinite(scale), scale, np.nan)
    ax.axvspan(-1, 1, color="#EEEEEE", lw=0, zorder=0)
    ax.axhline(0, color="black", lw=0.8, zorder=1)
    keys = []
    markers = dict(zip(dict.fromkeys(table["where"]), cycle("Dos^vPX"), strict=False))
    for (where, sizes), rows in table.groupby(["where", "sizes"], sort=False):
        at, hollow = table.index.get_indexer(rows.index), {"mfc": "white", "mec": COLOURS["R2+CAS"]}
        look = {"marker": markers[where], **(hollow if sizes == "matched" else {})}
        error = {"xerr": across[:, at], "yerr": up[:, at], "elinewidth": 0.7, "capsize": 0}
        dots(ax, x.iloc[at], y.iloc[at], "R2+CAS", **error, **look)
        name = f"{where}, equal size" if sizes == "matched" else str(where)
        keys.append(key("R2+CAS", name, **look))
    ax.set(xlabel="change of Top-1 (points)", ylabel="relative reduction of NFR (%)")
    legend_below(figure, "R2 + CAS against R0, by budget (M); grey: within a point", ncols=2, handles=keys)
    texts = [f"{budget:g}" for budget in table["budget"]]
    label_points(ax, x, y, texts, _bars(ax, x, y, across, up), fontsize=8)
    return figure


def _bars(ax, x, y, across: np.ndarray, up: np.ndarray) -> list[Bbox]:
    """Error bars as thin boxes in pixels."""
    ax.figure.draw_without_rendering()
    across, up = np.nan_to_num(across), np.nan_to_num(up)
    pairs = [
        (np.column_stack([x - across[0], y]), np.column_stack([x + across[1], y])),
        (np.column_stack([x, y - up[0]]), np.column_stack([x, y + up[1]])),
    ]
    corners = [(ax.transData.transform(a) - 1, ax.transData.transform(b) + 1) for a, b in pairs]
    return [Bbox([a, b]) for first, last in corners for a, b in zip(first, last, strict=True)]
