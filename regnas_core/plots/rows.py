"""One row each: super-networks, platforms, claims."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .style import COLOURS, dots, key, legend_below, new_figure, styled, whiskers

PLATFORMS = {"params": "parameters", "latency": "latency", "note10": "Note10 latency"}
VERDICTS = {
    "holds": (COLOURS["R2+CAS"], "o"),
    "does not hold": (COLOURS["R0"], "X"),
    "not enough data": ("#666666", "s"),
}


@styled
def supernets(table: pd.DataFrame) -> Figure:
    """NFR and Top-1 of R0 and R2 + CAS with 95 % intervals, one row a super-network."""
    names = list(dict.fromkeys(table["supernet"]))
    return _dumbbells(table, table["supernet"].map(names.index), [textwrap.fill(n, 16) for n in names])


@styled
def platforms(table: pd.DataFrame) -> Figure:
    """NFR and Top-1 of R0 and R2 + CAS with 95 % intervals, one row a platform and its budget."""
    kinds = table.drop_duplicates(["platform", "budget"])[["platform", "budget", "unit"]]
    keys = list(zip(kinds["platform"], kinds["budget"], strict=True))
    labels = [
        f"{PLATFORMS.get(r.platform, r.platform)}\n(≤ {r.budget:.3g} {r.unit})" for r in kinds.itertuples()
    ]
    places = [keys.index(one) for one in zip(table["platform"], table["budget"], strict=True)]
    return _dumbbells(table, pd.Series(places, table.index), labels)


def _dumbbells(table: pd.DataFrame, places: pd.Series, labels: Sequence[str]) -> Figure:
    figure, axes = new_figure(5.4, 1.5 + 0.48 * len(labels), ncols=2, sharey=True)
    rates = {"nfr": "NFR against the reference (%)", "top1": "Top-1 (%)"}
    for ax, (rate, label) in zip(axes, rates.items(), strict=True):
        for design, shift in (("R0", 4), ("R2+CAS", -4)):
            chosen = table["design"] == design
            rows, where = table[chosen], {"shift": (0, shift)}
            dots(ax, rows[f"{rate}_pct"], places[chosen], design, xerr=whiskers(rows, rate), **where)
        for place in range(1, len(labels)):
            ax.axhline(place - 0.5, color="#DDDDDD", lw=0.8)
        ax.set_xlabel(label)
        ax.tick_params(axis="y", length=0)
    chosen = table["design"] == "reference"
    keys = [key("R0"), key("R2+CAS")]
    if chosen.any():
        rows = table[chosen]
        dots(axes[1], rows["top1_pct"], places[chosen], "reference", ms=10, xerr=whiskers(rows, "top1"))
        keys.append(key("reference", ms=10))
    axes[0].set_yticks(range(len(labels)), labels, fontsize=8)
    axes[0].set_ylim(len(labels) - 0.5, -0.5)
    legend_below(figure, "mean and 95 % interval, test split", handles=keys)
    return figure


@styled
def claims(table: pd.DataFrame, titles: Mapping[int, str] | None = None) -> Figure:
    """One row a test of a claim: what is claimed, the verdict, the estimate and its 95 % interval.

    Args:
        table: of :func:`regnas_core.experiments.claims`.
        titles: what each number claims (``experiments.CLAIMS``), to stand above its tests.
    """
    line, y, number, drawn = 0.15, 0.0, None, []
    for row in table.itertuples():
        if row.number != number:
            y += 0.1
            title = textwrap.wrap((titles or {}).get(row.number, ""), 102)
            drawn.append((y, row.number, title, None, []))
            y += line * len(title)
            number = row.number
        lines = textwrap.wrap(row.claim, 64)
        drawn.append((y, None, [], row, lines))
        y += line * len(lines) + 0.06
    figure, (ax,) = new_figure(7.2, y + 0.35)
    ax.set(xlim=(0, 7.2), ylim=(y, -0.3))
    ax.set_axis_off()
    heads = [(0.3, "claim", "left"), (4.44, "verdict", "left"), (6.1, "estimate", "right")]
    for x, text, ha in (*heads, (6.2, "95 % interval", "left")):
        ax.text(x, -0.06, text, ha=ha, fontsize=8, color="#555555", va="bottom")
    for top, number, title, row, lines in drawn:
        base, place = top + 0.1, {"fontsize": 8, "va": "baseline"}
        if row is None:
            ax.axhline(top - 0.06, color="#CCCCCC", lw=0.7)
            ax.text(0.05, base, f"{number}", fontweight="bold", **place)
            for below, text in enumerate(title):
                ax.text(0.3, base + below * line, text, fontweight="bold", **place)
            continue
        colour, marker = VERDICTS[row.verdict]
        for below, text in enumerate(lines):
            ax.text(0.3, base + below * line, text, **place)
        face = "white" if row.verdict == "not enough data" else colour
        ax.plot(4.32, top + 0.06, marker=marker, color=colour, mfc=face, ms=5)
        ax.text(4.44, base, row.verdict, color=colour, **place)
        ax.text(6.1, base, _signed(row.value), ha="right", **place)
        if not np.isnan(row.low):
            ax.text(6.2, base, f"[{_signed(row.low)}, {_signed(row.high)}]", **place)
    return figure


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
