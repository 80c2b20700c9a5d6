"""The search spaces, and the laptop's search in one of them."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from .style import COLOURS, legend_below, new_figure, styled


@styled
def search_spaces(sizes: pd.DataFrame, inside: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Left: costs of random architectures, from smallest to largest network. Right: |A_t| / |A| by reference.

    Args:
        sizes, inside, summary: of :mod:`regnas_core.experiments.space_report`'s ``spread``, ``references``
            and ``compare``.
    """
    figure, (left, right) = new_figure(8.6, 3.2, ncols=2)
    names = summary["space"].tolist()
    palette = dict(zip(names, sns.color_palette("colorblind", len(names)), strict=True))
    for place, row in enumerate(summary.itertuples()):
        left.plot([row.min_mmacs, row.max_mmacs], [place, place], color="black", lw=0.8, marker="|")
    style = {"palette": palette, "hue": "space", "hue_order": names, "order": names, "inner": None}
    sns.violinplot(
        sizes,
        x="mmacs",
        y="space",
        ax=left,
        log_scale=True,
        cut=0,
        linewidth=0,
        saturation=1,
        legend=False,
        **style,
    )
    left.set(xlabel="MACs of one image (M)", ylabel="", title="random architectures")
    for name, rows in inside.groupby("space", sort=False):
        groups = rows.groupby("budget_mmacs")
        middle = groups[["mmacs", "share"]].median()
        ends = groups["share"].agg(["min", "max"])
        right.plot(middle["mmacs"], middle["share"], marker="o", ms=3, color=palette[name], label=name)
        right.fill_between(middle["mmacs"], ends["min"], ends["max"], color=palette[name], alpha=0.2, lw=0)
    right.set(
        xscale="log", yscale="log", xlabel="MACs of the reference (M)", ylabel="share inside $\\mathcal{A}_t$"
    )
    right.set_title("what a random reference leaves")
    ticks = [100, 200, 500, 1000, 2000, 5000]
    for ax in (left, right):
        ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        ax.xaxis.set_minor_locator(NullLocator())
    right.legend(fontsize=8)
    return figure


@styled
def laptop(cloud: pd.DataFrame, table: pd.DataFrame, reference: pd.DataFrame) -> Figure:
    """Predicted Top-1 of what searches find, against MACs and against latency; bands go over seeds."""
    figure, axes = new_figure(8.6, 3.3, ncols=2, sharey=True)
    colours = {"MACs": COLOURS["R0"], "MACs + CAS": COLOURS["R2+CAS"], "latency": COLOURS["new"]}
    panels = [("mmacs", "MACs of one image (M)"), ("note10_ms", "latency on a Samsung Note10 (ms)")]
    for ax, (column, label) in zip(axes, panels, strict=True):
        ax.scatter(cloud[column], cloud["top1_pct"], s=6, lw=0, color=COLOURS["kept"], label="random")
        for design, rows in table.groupby("design", sort=False):
            groups = rows.groupby("budget")[[column, "top1_pct"]]
            mean, ends = groups.mean(), rows.groupby("budget")["top1_pct"].agg(["min", "max"])
            ax.plot(mean[column], mean["top1_pct"], "o-", ms=3.5, lw=1, color=colours[design], label=design)
            ax.fill_between(mean[column], ends["min"], ends["max"], color=colours[design], alpha=0.25, lw=0)
        ax.plot(reference[column], reference["top1_pct"], "*", ms=11, color="black", label="reference")
        ax.set(xlabel=label)
    axes[0].set_ylabel("predicted Top-1 (%)")
    handles, labels = axes[0].get_legend_handles_labels()
    legend_below(figure, "best within a budget of …", ncols=5, handles=handles, labels=labels)
    return figure
