"""What evaluation costs, how that grows, and what racing saves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from .style import COLOURS, new_figure, styled

GROWTH = {
    "population": "networks evaluated together",
    "generation": "generation of a search",
    "images": "images",
    "resolution": "resolution (pixels)",
}


@styled
def benchmark(table: pd.DataFrame) -> Figure:
    """Seconds a network by route, one panel a super-network; lower is better."""
    spaces = table["space"].unique()
    figure, axes = new_figure(3.4 * len(spaces), 2.8, ncols=len(spaces))
    colours = {"ofa": COLOURS["kept"], "one by one": COLOURS["R1"], "generation": COLOURS["R2+CAS"]}
    for ax, space in zip(axes, spaces, strict=True):
        rows = table[table["space"] == space]
        style = {"hue": "route", "hue_order": list(colours), "palette": colours, "saturation": 1}
        sns.barplot(rows, x="group", y="seconds_per_network", ax=ax, legend=False, **style)
        for bars in ax.containers:
            ax.bar_label(bars, fmt="%.1f", fontsize=7)
        ax.set(title=f"{space}, {rows['resolution'].iloc[0]} px", xlabel="generation of a search", ylabel="")
    axes[0].set_ylabel("seconds a network")
    names = {
        "ofa": "once-for-all's route",
        "one by one": "ours, one by one",
        "generation": "ours, by generation",
    }
    handles = [Patch(color=colour, label=names[route]) for route, colour in colours.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    return figure


@styled
def growth(table: pd.DataFrame) -> Figure:
    """Seconds a network (left axes) and peak memory (right axes) as one thing grows and the others stay."""
    kinds = [axis for axis in GROWTH if (table["axis"] == axis).any()]
    ncols = min(2, len(kinds))
    size = 3.0 * ncols, 0.6 + 1.9 * -(-len(kinds) // ncols)
    figure, axes = new_figure(*size, nrows=-(-len(kinds) // ncols), ncols=ncols, squeeze=False)
    memory = table["peak_gbytes"].astype(float)
    for ax in axes.flat[len(kinds) :]:
        ax.set_axis_off()
    for number, (ax, axis) in enumerate(zip(axes.flat, kinds, strict=False)):
        rows = table[table["axis"] == axis].sort_values("value")
        ax.plot(rows["value"], rows["seconds_per_network"], "o-", ms=4.5, color=COLOURS["new"])
        ax.set(xlabel=GROWTH[axis], ylim=(0, 1.12 * table["seconds_per_network"].max()))
        if axis in ("population", "images"):
            ax.set_xscale("log")
        ax.set_xticks(rows["value"], [f"{value:g}" for value in rows["value"]])
        ax.xaxis.set_minor_locator(NullLocator())
        first, last = number % ncols == 0, number % ncols == ncols - 1 or number == len(kinds) - 1
        ax.tick_params(labelleft=first)
        if first:
            ax.set_ylabel("seconds a network", color=COLOURS["new"])
        if memory.notna().any():
            right = ax.twinx()
            right.plot(rows["value"], memory[rows.index], "s--", ms=4, lw=1, color=COLOURS["other"])
            right.set_ylim(0, 1.12 * memory.max())
            right.spines["right"].set_visible(True)
            right.tick_params(labelright=last)
            if last:
                right.set_ylabel("peak memory (GB)", color=COLOURS["other"])
    return figure


@styled
def racing(table: pd.DataFrame) -> Figure:
    """Share of the predictions that races still make, by level: one dot a search, a bar for the mean.

    Under each level: how many searches found the same network as without racing.
    """
    levels = sorted(table["level"].unique())
    figure, (ax,) = new_figure(height=3.0)
    labels = []
    for place, level in enumerate(levels):
        rows = table[table["level"] == level]
        spread = np.linspace(-0.18, 0.18, len(rows)) if len(rows) > 1 else [0.0]
        ax.scatter(
            place + np.asarray(spread), 100 * rows["work"], s=16, lw=0, alpha=0.7, color=COLOURS["new"]
        )
        ax.hlines(100 * rows["work"].mean(), place - 0.28, place + 0.28, color="black", lw=1.8, zorder=1)
        name = "0 (exact)" if level == 0 else f"{level:g}"
        labels.append(f"{name}\n{int(rows['same'].sum())} of {len(rows)}")
    ax.set_xticks(range(len(levels)), labels)
    ax.set_xlim(-0.5, len(levels) - 0.5)
    ax.set_ylim(0, max(100, 105 * table["work"].max()))
    ax.set(xlabel="level of the race, and searches with the same outcome", ylabel="predictions made (%)")
    return figure
