"""NFR against Top-1: Figure 4 and Table 2."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from ..drawing import COLOURS, LABELS, MARKERS, legend_below, new_figure, styled


@styled
def fig4a(table: pd.DataFrame) -> Figure:
    """NFR against Top-1 of random members of A_t and A_c, with the means."""
    figure, (ax,) = new_figure(height=3.4)
    for subset in ("A_c", "A_t"):
        rows = table[table["subset"] == subset]
        ax.scatter(
            rows["top1_pct"],
            rows["nfr_pct"],
            s=12,
            alpha=0.6,
            lw=0,
            color=COLOURS[subset],
            label=LABELS[subset],
        )
    for subset in ("A_c", "A_t"):
        rows = table[table["subset"] == subset]
        ax.scatter(
            rows["top1_pct"].mean(),
            rows["nfr_pct"].mean(),
            s=90,
            marker="P",
            color=COLOURS[subset],
            ec="white",
            lw=1.2,
            zorder=3,
        )
    ax.set(xlabel="Top-1 (%)", ylabel="NFR against the reference (%)")
    legend_below(figure, f"{len(table) // 2} pairs of equal size; + means")
    return figure


@styled
def fig4b(table: pd.DataFrame) -> Figure:
    """NFR against Top-1 of everything the searches visit; large markers show each search's choice."""
    figure, (ax,) = new_figure(height=3.4)
    for reward in ("R0", "R1", "R2"):
        rows = table[table["reward"] == reward]
        ax.scatter(
            rows["top1_pct"],
            rows["nfr_pct"],
            s=7,
            alpha=0.35,
            lw=0,
            color=COLOURS[reward],
            marker=MARKERS[reward],
            label=LABELS[reward],
        )
    for reward in ("R0", "R1", "R2"):
        rows = table[table["reward"] == reward]
        best = rows.loc[rows.groupby("seed")["score"].idxmax()]
        ax.scatter(
            best["top1_pct"],
            best["nfr_pct"],
            s=60,
            color=COLOURS[reward],
            marker=MARKERS[reward],
            ec="black",
            lw=0.9,
            zorder=3,
        )
    ax.set(xlabel="Top-1 on the search split (%)", ylabel="NFR on the search split (%)")
    legend = legend_below(figure, "reward (outlined: best of a search)", markerscale=2)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    return figure


@styled
def table2(means: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """NFR against Top-1 of every design: mean with its 95 % interval, and the single seeds."""
    figure, (ax,) = new_figure(height=3.6)
    for row in means[means["design"] != "reference"].itertuples():
        seeds = table[table["design"] == row.design]
        colour, marker = COLOURS[row.design], MARKERS[row.design]
        ax.scatter(seeds["top1_pct"], seeds["nfr_pct"], s=14, color=colour, marker=marker, alpha=0.45, lw=0)
        ax.errorbar(
            row.top1_pct,
            row.nfr_pct,
            xerr=[[row.top1_pct - row.top1_low_pct], [row.top1_high_pct - row.top1_pct]],
            yerr=[[row.nfr_pct - row.nfr_low_pct], [row.nfr_high_pct - row.nfr_pct]],
            fmt=marker,
            ms=7,
            color=colour,
            mec="black",
            elinewidth=1,
            capsize=2,
            label=row.model,
        )
    ax.set(xlabel="Top-1 on the test split (%)", ylabel="NFR on the test split (%)")
    legend_below(figure, "mean and 95 % interval (small: seeds)", ncols=2)
    return figure
