"""Strategies of search: how soon they come near the optimum."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from .style import key, legend_below, new_figure, styled

FLOOR = 0.01  # points; a mean regret below it is drawn there


@styled
def search_strategies(summary: pd.DataFrame) -> Figure:
    """Mean regret after so many evaluations, without and with the constraint: one line a strategy.

    Columns: strategy, cas, regret_<n>_pct.
    """
    figure, axes = new_figure(7.4, 3.2, ncols=2, sharey=True)
    names = list(dict.fromkeys(summary["strategy"]))
    looks = dict(zip(names, sns.color_palette("husl", len(names)), strict=True))
    dashes = dict(zip(names, ["-", "--", "-.", ":"] * len(names), strict=False))
    columns = [name for name in summary if str(name).startswith("regret_")]
    steps = np.array([int(name.split("_")[1]) for name in columns])
    for ax, (cas, title) in zip(axes, ((False, "whole space"), (True, "with CAS")), strict=True):
        for _, row in summary[summary["cas"] == cas].iterrows():
            regret = row[columns].to_numpy(float)
            name = row["strategy"]
            ax.plot(steps, np.maximum(regret, FLOOR), dashes[name], color=looks[name], marker="o", ms=2.5)
        ax.set(xscale="log", yscale="log", xlabel="evaluations", title=title)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"≤ {v:g}" if v == FLOOR else f"{v:g}"))
    axes[0].set_ylabel("mean regret (points of R2)")
    handles = [key("reference", n, color=looks[n], marker="", ls=dashes[n]) for n in names]
    legend_below(figure, "strategy", handles=handles, ncols=6)
    return figure


@styled
def fronts(table: pd.DataFrame) -> Figure:
    """Hypervolume of what was found, as a share of the exact front's: a dot a search.

    Columns: strategy, volume_pct.
    """
    figure, (ax,) = new_figure(4.2, 2.4)
    order = table.groupby("strategy")["volume_pct"].mean().sort_values().index
    for place, name in enumerate(order):
        values = table.loc[table["strategy"] == name, "volume_pct"]
        ax.plot(values, [place] * len(values), "o", ms=4, color="0.25", alpha=0.7)
    ax.set_yticks(range(len(order)), order)
    ax.set_xlabel("hypervolume (% of the exact front's)")
    return figure
