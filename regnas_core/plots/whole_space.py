"""The whole space at a glance: exact optima, the constraint, genes, and how soon searches arrive."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from .style import COLOURS, LABELS, key, legend_below, new_figure, styled

DESIGNS = ("R0", "R1", "R2", "R2+CAS")
METHODS = {
    ("evolution", True): ("evolution, CAS", COLOURS["R2+CAS"], "-"),
    ("evolution", False): ("evolution", COLOURS["R2"], "-"),
    ("random", True): ("random, CAS", COLOURS["R2+CAS"], ":"),
    ("random", False): ("random", COLOURS["R2"], ":"),
}


def _log_macs(ax, values) -> None:
    ax.set_xscale("log")
    low, high = min(values), max(values)
    ticks = [t for t in (0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 25) if low <= t <= high]
    if len(ticks) > 4:  # neighbours would touch
        ticks = [t for t in ticks if t not in (0.4, 0.6)]
    ax.set_xticks(ticks)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    ax.xaxis.set_minor_locator(NullLocator())


@styled
def regimes(table: pd.DataFrame) -> Figure:
    """Gain in Top-1 over NFR at twice the MACs, by the reference's size: one line a recipe, or training.

    Columns: those of ``regime``, and recipe.
    """
    figure, axes = new_figure(7.4, 2.7, ncols=3)
    panels = {"gain_pct": "gain in Top-1 (points)", "nfr_pct": "NFR (%)", "ratio": "gain / NFR"}
    colours = sns.color_palette("crest", table["recipe"].nunique())
    for ax, (column, label) in zip(axes, panels.items(), strict=True):
        for (recipe, rows), colour in zip(table.groupby("recipe", sort=False), colours, strict=True):
            means = rows.groupby("budget_mmacs")[column].mean()
            ax.plot(means.index, means, marker="o", ms=3, color=colour, label=recipe)
        _log_macs(ax, table["budget_mmacs"])
        ax.set(xlabel="reference up to (M MACs)", ylabel=label)
    axes[2].axhline(1, color=COLOURS["other"], lw=0.8, ls="--")
    axes[2].axhline(1.35, color=COLOURS["other"], lw=0.8, ls=":")
    axes[2].annotate(
        "paper", (0.99, 1.35), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=7
    )
    handles, labels = axes[0].get_legend_handles_labels()
    legend_below(figure, "super-network", handles=handles, labels=labels)
    return figure


@styled
def optima(table: pd.DataFrame) -> Figure:
    """MACs, Top-1 and NFR of the exact optimum of every reward, by budget; above as a bound, below matched.

    Lines are means over trainings, faint ones the trainings.
    """
    figure, axes = new_figure(7.4, 4.6, nrows=2, ncols=3, sharex=True)
    panels = {"mmacs": "MACs of the optimum (M)", "top1_pct": "Top-1 (%)", "nfr_pct": "NFR (%)"}
    titles = {"up to": "budget as upper bound", "matched": "93 to 100 % of the budget"}
    for row, (sizes, title) in zip(axes, titles.items(), strict=True):
        part = table[table["sizes"] == sizes]
        for ax, (column, label) in zip(row, panels.items(), strict=True):
            for design in DESIGNS:
                own = part[part["design"] == design]
                for _, one in own.groupby("training"):
                    ax.plot(one["budget_mmacs"], one[column], color=COLOURS[design], lw=0.7, alpha=0.35)
                means = own.groupby("budget_mmacs")[column].mean()
                dashed = "--" if design == "R2" else "-"
                ax.plot(means.index, means, color=COLOURS[design], ls=dashed, lw=1.6)
            _log_macs(ax, table["budget_mmacs"])
            ax.set(ylabel=label)
        row[0].set_title(title, fontsize=9, loc="left")
    for ax in axes[1]:
        ax.set_xlabel("budget (M MACs)")
    handles = [key(d, LABELS[d], marker="", ls="--" if d == "R2" else "-") for d in DESIGNS]
    legend_below(figure, "optimum of", handles=handles, ncols=4)
    return figure


@styled
def collapse(table: pd.DataFrame) -> Figure:
    """Which share of its budget the optimum uses, by budget and λ2 / λ1."""
    grid = table.groupby(["ratio", "budget_mmacs"])["used_pct"].mean().unstack()
    figure, (ax,) = new_figure(5.6, 2.9)
    names = {0.0: "0 (R0)", 1.0: "1 (R2)", np.inf: "∞ (R1)"}
    sns.heatmap(
        grid,
        ax=ax,
        vmin=0,
        vmax=100,
        cmap="crest_r",
        annot=True,
        fmt=".0f",
        annot_kws={"size": 7},
        cbar_kws={"label": "of the budget used (%)"},
        xticklabels=[f"{b:.2g}" for b in grid.columns],
        yticklabels=[names.get(r, f"{r:g}") for r in grid.index],
    )
    ax.set(xlabel="budget (M MACs)", ylabel="λ₂ / λ₁")
    ax.tick_params(axis="y", rotation=0)
    return figure


@styled
def constraint(table: pd.DataFrame) -> Figure:
    """A_t − A_c of equal size, in NFR and in Top-1: every reference a point, the median a line."""
    figure, axes = new_figure(7.0, 2.9, ncols=2, sharex=True)
    panels = {"nfr_diff_pct": "NFR, $A_t − A_c$ (points)", "top1_diff_pct": "Top-1, $A_t − A_c$ (points)"}
    for ax, (column, label) in zip(axes, panels.items(), strict=True):
        ax.scatter(
            table["mmacs"], table[column], s=3, alpha=0.25, lw=0, color=COLOURS["A_t"], rasterized=True
        )
        cut = pd.qcut(table["mmacs"], min(12, max(1, len(table) // 8)), duplicates="drop")
        middle = table.groupby(cut, observed=True)[["mmacs", column]].median()
        ax.plot(middle["mmacs"], middle[column], color="black", lw=1.4)
        ax.axhline(0, color=COLOURS["other"], lw=0.8)
        _log_macs(ax, table["mmacs"])
        better = (table[column] < 0 if "nfr" in column else table[column] > 0).mean()
        side = "fewer flips" if "nfr" in column else "more accurate"
        ax.set_title(f"$A_t$ {side} for {100 * better:.0f} % of {len(table):,} references", fontsize=8)
        ax.set(xlabel="reference (M MACs)", ylabel=label)
    return figure


@styled
def genes(table: pd.DataFrame) -> Figure:
    """Means over all networks with a gene's value: Top-1 and NFR against MACs, one line a gene."""
    figure, axes = new_figure(7.2, 3.1, ncols=2)
    kinds = list(dict.fromkeys(name.split()[0] for name in table["gene"]))
    stages = sorted({name.split()[1] for name in table["gene"]})
    colours = dict(
        zip(kinds, (COLOURS["R0"], COLOURS["R2+CAS"], COLOURS["FD-KL"], COLOURS["R2"]), strict=False)
    )
    styles = dict(zip(stages, ("-", "--", ":", "-."), strict=False))
    for ax, (column, label) in zip(
        axes, {"top1_pct": "Top-1 (%)", "nfr_pct": "NFR (%)"}.items(), strict=True
    ):
        for gene, rows in table.groupby("gene", sort=False):
            kind, stage = gene.split()
            ax.plot(rows["mmacs"], rows[column], color=colours[kind], ls=styles[stage], marker="o", ms=3)
        ax.set(xlabel="MACs (M), mean", ylabel=f"{label}, mean")
    handles = [_line(kind, colours[kind], "-") for kind in kinds]
    handles += [_line(f"stage {stage}", "black", styles[stage]) for stage in stages]
    legend_below(figure, "gene", handles=handles, ncols=len(handles))
    return figure


@styled
def searches(table: pd.DataFrame) -> Figure:
    """Regret after so many evaluations (median, quartiles), and the share of searches at the optimum."""
    figure, axes = new_figure(7.2, 3.0, ncols=2, sharex=True)
    handles = []
    for (method, cas), (label, colour, style) in METHODS.items():
        rows = table[(table["method"] == method) & (table["cas"] == cas)].groupby("evaluations")
        low, middle, high = (rows["regret_pct"].quantile(q) for q in (0.25, 0.5, 0.75))
        axes[0].plot(middle.index, middle, color=colour, ls=style)
        axes[0].fill_between(middle.index, low, high, color=colour, alpha=0.12, lw=0)
        found = 100 * rows["found"].mean()
        axes[1].plot(found.index, found, color=colour, ls=style)
        handles.append(_line(label, colour, style))
    for ax, label in zip(axes, ("regret (points of R2)", "at the optimum (% of searches)"), strict=True):
        ax.set(xscale="log", xlabel="evaluations", ylabel=label)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    legend_below(figure, "search", handles=handles, ncols=4)
    return figure


def _line(label: str, colour: str, style: str):
    return key("reference", label, color=colour, marker="", ls=style)
