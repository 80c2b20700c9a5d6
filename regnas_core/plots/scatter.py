"""Clouds of networks: Figures 2b and 4, Appendix A."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from .style import COLOURS, LABELS, MARKERS, legend_below, new_figure, styled


@styled
def fig4a(table: pd.DataFrame) -> Figure:
    """NFR against Top-1 of random members of A_t and A_c, with the means."""
    figure, (ax,) = new_figure(height=3.4)
    clouds = {subset: table[table["subset"] == subset] for subset in ("A_c", "A_t")}
    for subset, rows in clouds.items():
        _dots(ax, rows, subset, s=12, alpha=0.6, lw=0, label=LABELS[subset])
    for subset, rows in clouds.items():
        means = rows[["top1_pct", "nfr_pct"]].mean()
        _dots(ax, means, subset, s=90, marker="P", ec="white", lw=1.2, zorder=3)
    ax.set(xlabel="Top-1 (%)", ylabel="NFR against the reference (%)")
    legend_below(figure, f"one reference, {len(table) // 2} pairs of equal size; + means")
    return figure


@styled
def fig4b(table: pd.DataFrame, choices: pd.DataFrame) -> Figure:
    """NFR against Top-1 of everything the searches visit; large markers show each search's choice."""
    figure, (ax,) = new_figure(height=3.4)
    small, large = {"s": 7, "alpha": 0.35, "lw": 0}, {"s": 60, "ec": "black", "lw": 0.9, "zorder": 3}
    for reward in ("R0", "R1", "R2"):
        look = {**small, "marker": MARKERS[reward], "label": LABELS[reward]}
        _dots(ax, table[table["reward"] == reward], reward, **look)
    for reward in ("R0", "R1", "R2"):
        _dots(ax, choices[choices["reward"] == reward], reward, **large, marker=MARKERS[reward])
    ax.set(xlabel="Top-1 on the search split (%)", ylabel="NFR on the search split (%)")
    legend = legend_below(figure, "reward (outlined: best of a search)", markerscale=2)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    return figure


def _dots(ax: Axes, rows: pd.DataFrame | pd.Series, colour: str, **look) -> None:
    ax.scatter(rows["top1_pct"], rows["nfr_pct"], color=COLOURS[colour], **look)


@styled
def fig2b(table: pd.DataFrame) -> Figure:
    """NFR against Top-1 of members of A_t, with the least-squares line and its 95 % band (bootstrap)."""
    rows = table[table["subset"] == "A_t"] if "subset" in table else table
    figure, (ax,) = new_figure(height=3.1)
    points = {"s": 14, "alpha": 0.6, "linewidths": 0}
    line = {"fit_reg": len(rows) > 2, "seed": 0, "line_kws": {"color": "black", "lw": 1.4}}
    sns.regplot(rows, x="top1_pct", y="nfr_pct", ax=ax, color=COLOURS["A_t"], scatter_kws=points, **line)
    ax.set(xlabel="Top-1 (%)", ylabel="NFR against the reference (%)", title=_pearson(rows))
    return figure


def _pearson(rows: pd.DataFrame) -> str:
    if len(rows) < 4:
        return r"members of $\mathcal{A}_t$"
    found = stats.pearsonr(rows["top1_pct"], rows["nfr_pct"])
    low, high = found.confidence_interval()
    text = f"r = {found.statistic:.2f} [{low:.2f}, {high:.2f}], {len(rows)} members".replace("-", "−")
    return f"{text} of $\\mathcal{{A}}_t$"


@styled
def appendix_a(table: pd.DataFrame) -> Figure:
    """NFR against the shared fraction of the reference's weights; A_c also in bins, with 95 % intervals."""
    figure, (ax,) = new_figure(height=3.5)
    for subset, look in (
        ("A_c", {"marker": "o", "s": 12, "lw": 0}),
        ("A_t", {"marker": "_", "s": 60, "lw": 0.9}),
    ):
        rows = table[table["subset"] == subset]
        place = 100 * rows["shared_fraction"], rows["nfr_pct"]
        ax.scatter(*place, color=COLOURS[subset], alpha=0.55, label=LABELS[subset], **look)
    outside = table[table["subset"] == "A_c"]
    bins = _bins(100 * outside["shared_fraction"], outside["nfr_pct"])
    if len(bins):
        look = {"color": "black", "marker": "o", "ms": 4, "capsize": 2, "lw": 1.2}
        ax.errorbar(
            bins["x"], bins["mean"], yerr=bins["half"], zorder=3, label="bins: mean, 95 % interval", **look
        )
    ax.set(xlabel="shared weights of the reference (%)", ylabel="NFR against the reference (%)")
    legend_below(figure, None, ncols=2)
    return figure


def _bins(x: pd.Series, y: pd.Series) -> pd.DataFrame:
    """Means over up to six bins of equally many, and half of Student's interval (nan for a single one)."""
    count = min(6, len(x) // 5, x.nunique())
    if count < 2:
        return pd.DataFrame(columns=["x", "mean", "half"])
    groups = pd.DataFrame({"x": x, "y": y}).groupby(pd.qcut(x, count, duplicates="drop"), observed=True)
    size, sem = groups["y"].count(), groups["y"].sem()
    half = stats.t.ppf(0.975, np.maximum(size - 1, 1)) * sem
    return pd.DataFrame({"x": groups["x"].mean(), "mean": groups["y"].mean(), "half": half})
