"""Drawings: a DataFrame of :mod:`regnas_core.experiments` in, a matplotlib Figure out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import NullLocator

from .drawing import COLOURS, LABELS, MARKERS, legend_below, new_figure, save_figure, styled

__all__ = [
    "benchmark",
    "contingency",
    "fig3",
    "fig4a",
    "fig4b",
    "flip_gallery",
    "laptop",
    "save_figure",
    "search_spaces",
    "table2",
]


@styled
def fig3(table: pd.DataFrame) -> Figure:
    """Layers as bars (length: channels; label: kernel); what CAS adds is coloured."""
    titles = {
        "layers": "(a) add layers",
        "channels": "(b) add channels",
        "kernels": "(c) extend kernels",
        "all": "found by R2 + CAS",
    }
    titles = {panel: title for panel, title in titles.items() if panel in set(table["panel"])}
    deepest, stages = table["layer"].max(), table["stage"].max()
    figure, axes = new_figure(9, 1.1 + 0.17 * stages * deepest, ncols=len(titles), sharey=True)
    for ax, (panel, title) in zip(axes, titles.items(), strict=True):
        rows = table[table["panel"] == panel]
        for row in rows.itertuples():
            _layer(ax, row, -((row.stage - 1) * (deepest + 0.7) + row.layer))
        first = rows.iloc[0]
        share = first["shared_weights"] / first["reference_weights"]
        grown = first["weights"] / first["reference_weights"]
        ax.set_title(f"{title}\n{grown:.2f}× the weights, keeps {share:.0%}", fontsize=8)
        ax.set(xlim=(-0.03, 1.2), yticks=[], xticks=[0, 0.5, 1], xlabel="channels / super-network's")
        ax.spines["left"].set_visible(False)
    axes[0].set_ylim(-((table["stage"].max() - 1) * (deepest + 0.7) + deepest + 0.4), 0.2)
    for stage in sorted(table["stage"].unique()):
        top = -((stage - 1) * (deepest + 0.7) + 0.4)
        axes[0].text(
            -0.08, top - deepest / 2, f"stage {stage}", rotation=90, ha="right", va="center", fontsize=8
        )
    keys = [
        Patch(color=COLOURS["kept"], label="in the reference"),
        Patch(color=COLOURS["new"], label="added by CAS (layer or channels)"),
        Line2D([], [], marker=r"$k$", color=COLOURS["new"], ls="", label="larger kernel"),
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _layer(ax, row, y: float) -> None:
    kept = min(row.channels, row.reference_channels)
    ax.add_patch(Rectangle((0, y), kept, 0.8, color=COLOURS["kept"], lw=0))
    ax.add_patch(Rectangle((kept, y), row.channels - kept, 0.8, color=COLOURS["new"], lw=0))
    grown = row.reference_kernel and row.kernel > row.reference_kernel
    text = f"{row.reference_kernel}→{row.kernel}" if grown else f"{row.kernel}×{row.kernel}"
    style = {"color": COLOURS["new"], "fontweight": "bold"} if grown else {"color": "black"}
    ax.text(row.channels + 0.02, y + 0.4, text, va="center", fontsize=7, **style)


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


@styled
def search_spaces(sizes: pd.DataFrame, inside: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Left: costs of random architectures, from smallest to largest network. Right: |A_t| / |A| by reference.

    Args:
        sizes, inside, summary: of :func:`regnas_core.space_report.spread`, ``references`` and ``compare``.
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
def flip_gallery(
    images: np.ndarray,
    labels: Sequence[str],
    reference: Sequence[str],
    target: Sequence[str],
    columns: int = 8,
) -> Figure:
    """Pictures that the reference gets right and the target wrong, each with its label and both answers.

    Args:
        images: uint8 (n, C, H, W).
        labels, reference, target: n class names.
        columns: pictures in a row.
    """
    rows = max(1, -(-len(images) // columns))
    figure, axes = new_figure(columns * 1.05, rows * 1.5, nrows=rows, ncols=columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    if not len(images):
        figure.text(0.5, 0.5, "no negative flips", ha="center")
    for ax, image, label, small, big in zip(axes.flat, images, labels, reference, target, strict=False):
        ax.imshow(np.moveaxis(image, 0, -1).squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        ax.set_title(f"{label}", fontsize=8, pad=2)
        small_colour, big_colour = ("#009E73" if answer == label else "#D55E00" for answer in (small, big))
        ax.text(
            0, -0.04, f"small: {small}", transform=ax.transAxes, va="top", fontsize=6.5, color=small_colour
        )
        ax.text(0, -0.2, f"large: {big}", transform=ax.transAxes, va="top", fontsize=6.5, color=big_colour)
    return figure


@styled
def contingency(counts) -> Figure:
    """The 2 × 2 table of two models as bars: both right, negative flips, positive flips, both wrong."""
    figure, (ax,) = new_figure(4.6, 1.9)
    cells = [
        ("both right", counts.both_correct, COLOURS["kept"]),
        ("negative flips", counts.negative, COLOURS["R0"]),
        ("positive flips", counts.positive, COLOURS["A_t"]),
        ("both wrong", counts.both_wrong, "#666666"),
    ]
    names, values, colours = zip(*cells, strict=True)
    bars = ax.barh(names, values, color=colours, height=0.7)
    ax.bar_label(bars, [f" {value:,} ({value / counts.n:.1%})" for value in values], fontsize=8)
    ax.invert_yaxis()
    ax.set(xlim=(0, 1.25 * max(values)), xlabel=f"images (of {counts.n:,})")
    return figure
