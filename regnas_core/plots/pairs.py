"""Families of networks: the NFR of every pair of them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Arc

from .style import COLOURS, MARKERS, NFR_MAP, new_figure, styled


@styled
def fig1(independent: pd.DataFrame, regnas: pd.DataFrame) -> Figure:
    """Two families of three: members from small to large, every pair joined and labelled with its NFR.

    Colour and width of a line are the NFR, on one scale for both families.

    Args:
        independent, regnas: of :meth:`regnas_core.experiments.Family.pairs`, in that order of rows.
    """
    most = max(len(_members(pairs)[0]) for pairs in (independent, regnas))
    figure, axes = new_figure(6.2, 0.7 + 0.65 * most, ncols=2, sharey=True)
    norm = Normalize(0, max(independent["nfr_pct"].max(), regnas["nfr_pct"].max()))
    panels = [("independent", "(a) trained independently", independent), ("REG-NAS", "(b) REG-NAS", regnas)]
    for ax, (design, title, pairs) in zip(axes, panels, strict=True):
        small, large = _places(pairs)
        for a, b, row in zip(small, large, pairs.itertuples(), strict=True):
            _join(ax, a, b, row, norm)
        names, top1 = _members(pairs)
        look = {"color": COLOURS[design], "marker": MARKERS[design], "mec": "black"}
        ax.plot(range(len(names)), np.zeros(len(names)), ls="", ms=11, zorder=4, **look)
        ax.set(title=title, xlabel="member, and its Top-1 (%)", yticks=[], xlim=(-0.5, len(names) - 0.5))
        labels = [f"{_short(name)}\n{value:.1f}" for name, value in zip(names, top1, strict=True)]
        ax.set_xticks(range(len(names)), labels, fontsize=8)
        ax.tick_params(bottom=False)
        ax.spines[["left", "bottom"]].set_visible(False)
    axes[0].set_ylim(-0.15, 0.3 * (most - 1) ** 2 + 0.2 * most)
    figure.supylabel("NFR of a pair (%), 95 % interval", fontsize=9)
    return figure


def _join(ax, a: int, b: int, row, norm: Normalize) -> None:
    """A line between neighbours, an arc between others, labelled where it is highest."""
    high = 0.0 if b - a == 1 else 0.3 * (b - a) ** 2
    style = {"color": colormaps[NFR_MAP](norm(row.nfr_pct)), "lw": 1 + 4 * norm(row.nfr_pct)}
    if high:
        ax.add_patch(Arc(((a + b) / 2, 0), b - a, 2 * high, theta1=0, theta2=180, **style))
    else:
        ax.plot([a, b], [0, 0], solid_capstyle="butt", **style)
    known = not np.isnan(row.nfr_low_pct)
    lines = [(f"[{row.nfr_low_pct:.2f}, {row.nfr_high_pct:.2f}]", 7, "normal")] if known else []
    lift = 5
    for text, size, weight in (*lines, (f"{row.nfr_pct:.2f}", 9, "bold")):
        place = {"xytext": (0, lift), "textcoords": "offset points", "ha": "center", "va": "bottom"}
        ax.annotate(text, ((a + b) / 2, high), fontsize=size, fontweight=weight, **place)
        lift += size + 1


@styled
def families(pairs: pd.DataFrame) -> Figure:
    """One triangle a family: the NFR of every pair as a colour and a number, ± half of its 95 % interval.

    Args:
        pairs: of :func:`regnas_core.experiments.family_pairs`, in that order of rows.
    """
    groups = list(pairs.groupby("family", sort=False))
    most = max(int(rows["steps_apart"].max()) for _, rows in groups)
    cell = 0.42 if most < 5 else 0.38
    ncols = len(groups) if len(groups) * (cell * most + 0.8) < 8.6 else 2
    nrows = -(-len(groups) // ncols)
    width, height = ncols * max(cell * most + 0.8, 1.7) + 0.9, max(2.3, nrows * (cell * most + 1.15))
    figure, axes = new_figure(width, height, nrows=nrows, ncols=ncols, squeeze=False)
    norm = Normalize(0, pairs["nfr_pct"].max())
    for ax in axes.flat[len(groups) :]:
        ax.set_axis_off()
    for ax, (name, rows) in zip(axes.flat, groups, strict=False):
        _triangle(ax, rows, norm)
        ax.set_title(f"{textwrap.fill(name, 22)}\nmean {rows['nfr_pct'].mean():.2f}", fontsize=8.5)
    for row in axes:
        row[0].set_ylabel("larger member, and its Top-1 (%)")
    for ax in axes.flat[max(0, len(groups) - ncols) : len(groups)]:
        ax.set_xlabel("smaller member")
    bar = figure.colorbar(ScalarMappable(norm, NFR_MAP), ax=axes, fraction=0.05, aspect=25)
    bar.set_label("NFR (%)\n± half of its 95 % interval", fontsize=8.5)
    bar.outline.set_visible(False)
    return figure


def _triangle(ax, rows: pd.DataFrame, norm: Normalize) -> None:
    small, large = _places(rows)
    names, top1 = _members(rows)
    grid = np.full((len(names) - 1, len(names) - 1), np.nan)
    grid[large - 1, small] = rows["nfr_pct"]
    ax.pcolormesh(grid, cmap=NFR_MAP, norm=norm, ec="white", lw=1)
    for a, b, row in zip(small, large, rows.itertuples(), strict=True):
        half = (row.nfr_high_pct - row.nfr_low_pct) / 2
        light = np.dot(np.power(colormaps[NFR_MAP](norm(row.nfr_pct))[:3], 2.2), [0.21, 0.72, 0.07])
        dark = light < 0.22
        text = {"ha": "center", "va": "center", "linespacing": 1.05, "color": "white" if dark else "black"}
        value = f"{row.nfr_pct:.1f}" if np.isnan(half) else f"{row.nfr_pct:.1f}\n±{half:.1f}"
        ax.text(a + 0.5, b - 0.5, value, fontsize=7, **text)
    middles, labels = np.arange(len(names) - 1) + 0.5, [_short(name) for name in names]
    rows_labels = [f"{name}\n{value:.1f}" for name, value in zip(labels, top1, strict=True)]
    wide = max(map(len, labels[:-1])) > 5
    ax.set_xticks(middles, labels[:-1], fontsize=7, rotation=90 if wide or len(names) > 6 else 0)
    ax.set_yticks(middles, rows_labels[1:], fontsize=7)
    ax.tick_params(length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set_aspect("equal")
    ax.invert_yaxis()


def _places(pairs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Places of the two members of each pair; names may occur twice, so they come from the rows' order."""
    steps = pairs["steps_apart"].to_numpy()
    small = np.cumsum(steps == 1) - 1
    return small, small + steps


def _members(pairs: pd.DataFrame) -> tuple[Sequence[str], Sequence[float]]:
    """Names and Top-1 of the members, from small to large."""
    first, rest = pairs.iloc[0], pairs.iloc[: int(pairs["steps_apart"].max())]
    names = [first["small"], *rest["large"]]
    return names, [first["small_top1_pct"], *rest["large_top1_pct"]]


def _short(name: str) -> str:
    """A long name on two lines."""
    if len(name) <= 9 or "_" not in name:
        return name
    cut = min((i for i, sign in enumerate(name) if sign == "_"), key=lambda i: abs(i - len(name) / 2 - 0.1))
    return f"{name[:cut]}\n{name[cut:]}"
