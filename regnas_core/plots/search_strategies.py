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
