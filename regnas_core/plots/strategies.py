"""Tables 1 to 3 as pictures: designs by their NFR and Top-1."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from .style import COLOURS, LABELS, MARKERS, dots, key, legend_below, new_figure, styled, whiskers

TUNED = {"CE": "X", "FD": "P"}  # markers of fine-tuned networks


@styled
def designs(*panels: tuple[str, pd.DataFrame, pd.DataFrame]) -> Figure:
    """NFR against Top-1 of every design: mean with its 95 % intervals, and the single networks.

    Fine-tuned designs ("R0, CE") are hollow, with an arrow from the untouched one.

    Args:
        panels: one or several of title, and :meth:`regnas_core.experiments.Comparison.means` and
            ``networks``.
    """
    width = 4.2 if len(panels) == 1 else 3.7 * len(panels)
    figure, axes = new_figure(width, 3.7, ncols=len(panels))
    keys = {}
    for ax, (title, means, networks) in zip(axes, panels, strict=True):
        found = means[means["design"] != "reference"].set_index("design", drop=False)
        for design, row in found.iterrows():
            base, _, way = design.partition(", ")
            look = _look(base, way)
            single = networks[networks["design"] == design]
            small = {
                "s": 13,
                "alpha": min(0.5, 10 / max(len(single), 1)),
                "marker": look["marker"],
                "color": COLOURS[base],
                "lw": 0,
            }
            ax.scatter(single["top1_pct"], single["nfr_pct"], **small)
            one = row.to_frame().T
            error = {"xerr": whiskers(one, "top1"), "yerr": whiskers(one, "nfr")}
            dots(ax, row["top1_pct"], row["nfr_pct"], base, zorder=4, elinewidth=0.8, **error, **look)
            label = f"… tuned with {way}" if way else None
            keys[design] = key(base, label, **look)
            if way and base in found.index:
                _arrow(ax, found.loc[base], row)
        ax.set(title=title, xlabel=_top1_label(means))
    axes[0].set_ylabel("NFR on the test split (%)")
    legend_below(figure, "mean and 95 % interval (small: single networks)", ncols=2, handles=_in_order(keys))
    return figure


def _look(base: str, way: str) -> dict:
    if not way:
        return {"marker": MARKERS[base]}
    return {"marker": TUNED[way], "ms": 7.5, "mfc": "white", "mec": COLOURS[base], "mew": 1.2}


def _arrow(ax, start: pd.Series, end: pd.Series) -> None:
    style = {
        "arrowstyle": "-|>",
        "color": COLOURS[start["design"]],
        "lw": 1.8,
        "alpha": 0.6,
        "mutation_scale": 11,
    }
    ends = {"xytext": (start["top1_pct"], start["nfr_pct"]), "xy": (end["top1_pct"], end["nfr_pct"])}
    ax.annotate("", **ends, arrowprops={**style, "shrinkA": 5, "shrinkB": 6}, zorder=3)


def _top1_label(means: pd.DataFrame) -> str:
    reference = means.loc[means["design"] == "reference", "top1_pct"]
    known = f"\n(reference: {reference.iloc[0]:.1f})" if len(reference) else ""
    return f"Top-1 on the test split (%){known}"


def _in_order(keys: dict) -> list:
    """Keys in the order of the project's labels, whichever panel they come from; tuned after untouched."""
    names = list(LABELS)
    return [keys[design] for design in sorted(keys, key=lambda d: names.index(d.partition(", ")[0]))]
