"""One row each: super-networks, platforms, budgets, claims, comparisons, controls."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .style import COLOURS, dots, key, legend_below, new_figure, styled, whiskers

PLATFORMS = {"params": "parameters", "latency": "latency", "note10": "Note10 latency"}
VERDICTS = {
    "holds": {"marker": "o", "hollow": False},
    "does not hold": {"marker": "X", "hollow": False},
    "no effect": {"marker": "o", "hollow": True},  # … larger than what is said
    "undecided": {"marker": "s", "hollow": True},
    "one training": {"marker": "^", "hollow": True},
}
PRESETS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")  # what stands side by side in one panel
PAPER = {"marker": "d", "s": 30, "color": "#999999", "lw": 0, "zorder": 1}


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
        ax.set_xlabel(label)
    chosen = table["design"] == "reference"
    keys = [key("R0"), key("R2+CAS")]
    if chosen.any():
        rows = table[chosen]
        dots(axes[1], rows["top1_pct"], places[chosen], "reference", ms=10, xerr=whiskers(rows, "top1"))
        keys.append(key("reference", ms=10))
    _name_rows(axes, labels)
    legend_below(figure, "mean and 95 % interval, test split", handles=keys)
    return figure


def _name_rows(axes: Sequence[Axes], names: Sequence[str]) -> None:
    """Names beside the rows of panels that share them, from the top down, and lines between the rows."""
    for ax in axes:
        for place in range(1, len(names)):
            ax.axhline(place - 0.5, color="#DDDDDD", lw=0.8)
        ax.tick_params(axis="y", length=0)
    axes[0].set_yticks(range(len(names)), names, fontsize=8)
    axes[0].set_ylim(len(names) - 0.5, -0.5)


@styled
def appendix_c(table: pd.DataFrame) -> Figure:
    """How much R2 + CAS lowers R0's NFR, relative to it, and its change of Top-1, one row a budget.

    Intervals are the 95 % intervals of the differences; for NFR, R0's is taken as it is. In the grey band
    Top-1 changes by less than a point.
    """
    places = sorted(set(zip(table["where"], table["budget"], strict=True)))
    figure, (fall, change) = new_figure(5.8, 1.25 + 0.36 * len(places), ncols=2, sharey=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.abs(table["relative_reduction_pct"] / table["nfr_change_pct"])
    reach = whiskers(table, "nfr_change")[::-1] * np.where(np.isfinite(scale), scale, np.nan)
    reaches = {fall: reach, change: whiskers(table, "top1_change")}
    hollow = {"mfc": "white", "mec": COLOURS["R2+CAS"]}
    change.axvspan(-1, 1, color="#EEEEEE", lw=0, zorder=0)
    for ax, value in ((fall, "relative_reduction_pct"), (change, "top1_change_pct")):
        ax.axvline(0, color="black", lw=0.8, zorder=1)
        for sizes, lift, look in (("up to", -0.17, {}), ("matched", 0.17, hollow)):
            chosen = (table["sizes"] == sizes).to_numpy()
            rows = table[chosen]
            at = [places.index(place) + lift for place in zip(rows["where"], rows["budget"], strict=True)]
            dots(ax, rows[value], at, "R2+CAS", xerr=reaches[ax][:, chosen], **look)
    fall.set_xlabel("relative reduction of NFR (%)")
    change.set_xlabel("change of Top-1 (points)")
    _name_rows((fall, change), [f"{where}, {budget:g} M" for where, budget in places])
    handles = [key("R2+CAS", "up to the budget"), key("R2+CAS", "at equal size", **hollow)]
    legend_below(figure, "R2 + CAS against R0; 95 % interval, test split", handles=handles)
    return figure


@styled
def claims(recorded: Mapping[str, pd.DataFrame], titles: Mapping[int, str] | None = None) -> Figure:
    """A forest: one row a test of a claim, with estimate, 95 % interval and verdict; a colour a preset.

    Filled: the claim holds; crossed: it does not; hollow: undecided, no effect, or one training only. Bold:
    primary tests.

    Args:
        recorded: by the preset's name, columns number, test, primary, value, low, high, verdict.
        titles: what each number claims (``experiments.CLAIMS``), to stand above its tests.
    """
    titles, rows, line = titles or {}, [], 0.15
    tests = dict.fromkeys(
        pair for table in recorded.values() for pair in zip(table["number"], table["test"], strict=True)
    )
    y, number, heads = 0.0, None, []
    for test in sorted(tests, key=lambda test: test[0]):
        if test[0] != number:
            number, title = test[0], textwrap.wrap(titles.get(test[0], ""), 66)
            heads.append((y + 0.1, number, title))
            y += 0.14 + line * len(title)
        text = textwrap.wrap(test[1], 58)
        rows.append((y, test, text))
        y += line * max(len(text), len(recorded)) + 0.05
    figure, (words, ax) = new_figure(7.2, y + 0.75, ncols=2, width_ratios=[1.45, 1])
    words.set(xlim=(0, 4.2), ylim=(y, -0.05))
    ax.set_ylim(y, -0.05)
    words.set_axis_off()
    ax.axvline(0, color="black", lw=0.8, zorder=1)
    for top, number, title in heads:
        words.text(0.0, top, f"{number}", fontweight="bold", fontsize=8, va="baseline")
        for below, text in enumerate(title):
            words.text(0.22, top + below * line, text, fontweight="bold", fontsize=8, va="baseline")
        ax.axhline(top - 0.1, color="#DDDDDD", lw=0.7)
    primary = {
        test
        for table in recorded.values()
        for test in table.loc[table["primary"], ["number", "test"]].itertuples(index=False, name=None)
    }
    for top, test, text in rows:
        weight = "bold" if test in primary else "normal"
        for below, part in enumerate(text):
            words.text(0.22, top + 0.1 + below * line, part, fontsize=8, va="baseline", fontweight=weight)
    keys = []
    for place, (name, table) in enumerate(recorded.items()):
        colour, found = PRESETS[place % len(PRESETS)], table.set_index(["number", "test"])
        keys.append(Line2D([], [], color=colour, marker="o", ls="", label=name))
        for top, test, _ in rows:
            if test not in found.index:
                continue
            row, at = found.loc[test], top + 0.06 + place * line
            look = VERDICTS[row["verdict"].partition(" larger")[0]] | {"color": colour, "ms": 5}
            look["mfc"] = "white" if look.pop("hollow") else colour
            error = np.clip([[row["value"] - row["low"]], [row["high"] - row["value"]]], 0, None)
            ax.errorbar(row["value"], at, xerr=error, elinewidth=1, capsize=0, **look)
    ax.set(yticks=[], xlabel="points, or r")
    ax.spines["left"].set_visible(False)
    for verdict, look in VERDICTS.items():
        face = "white" if look["hollow"] else "#666666"
        style = {"color": "#666666", "mfc": face, "marker": look["marker"], "ls": ""}
        keys.append(Line2D([], [], label=verdict, **style))
    title = "estimate and 95 % interval; the bar is 0, but −0.3 for claim 4, and ± 0.2 for claim 2"
    legend_below(figure, title, ncols=4, handles=keys)
    return figure


@styled
def differences(*panels: tuple[str, pd.DataFrame], paper: pd.DataFrame | None = None) -> Figure:
    """Paired differences of NFR and Top-1 with 95 % intervals, one row a comparison; the paper's in grey.

    Args:
        panels: title, and :meth:`regnas_core.experiments.Comparison.differences`; one colour each.
        paper: columns space, comparison, nfr_pct, top1_pct; the first space's markers are filled.
    """
    names = list(dict.fromkeys(name for _, table in panels for name in table["comparison"]))
    figure, axes = new_figure(5.8, 1.25 + (0.2 + 0.16 * len(panels)) * len(names), ncols=2, sharey=True)
    labels = {"nfr": "difference of NFR (points)", "top1": "difference of Top-1 (points)"}
    for ax, (rate, label) in zip(axes, labels.items(), strict=True):
        ax.axvline(0, color="black", lw=0.8, zorder=1)
        for place, (_, table) in enumerate(panels):
            at = table["comparison"].map(names.index) + 0.36 * (place - (len(panels) - 1) / 2)
            look = {"ls": "", "marker": "o", "ms": 5, "elinewidth": 1, "capsize": 2}
            ax.errorbar(table[f"{rate}_pct"], at, xerr=whiskers(table, rate), color=PRESETS[place], **look)
        if paper is not None:
            for place, (_, rows) in enumerate(
                paper[paper["comparison"].isin(names)].groupby("space", sort=False)
            ):
                face = {"facecolors": "none", "lw": 1, "edgecolors": PAPER["color"]} if place else {}
                look = {key: value for key, value in PAPER.items() if not face or key not in ("color", "lw")}
                ax.scatter(rows[f"{rate}_pct"], rows["comparison"].map(names.index), **look, **face)
        ax.set_xlabel(label)
    _name_rows(axes, names)
    keys = [
        Line2D([], [], color=PRESETS[i], marker="o", ls="", label=title)
        for i, (title, _) in enumerate(panels)
    ]
    if paper is not None:
        for place, space in enumerate(paper["space"].unique()):
            face = {"mfc": "none"} if place else {}
            label = f"the paper, {space}"
            keys.append(Line2D([], [], ls="", marker="d", ms=6, color=PAPER["color"], label=label, **face))
    legend_below(figure, "paired difference, 95 % interval, test split", handles=keys)
    return figure


@styled
def controls(kinds: pd.DataFrame, steps: pd.DataFrame) -> Figure:
    """NFR of pairs of equal Top-1 by what they have in common, and what each step lowers it by.

    Args:
        kinds, steps: of :class:`regnas_core.experiments.Controls`.
    """
    groups = list(dict.fromkeys(kinds["beside"]))
    labels = [(beside, kind) for beside in groups for kind in kinds.loc[kinds["beside"] == beside, "kind"]]
    figure, (ax, fall) = new_figure(7.2, 1.4 + 0.22 * len(labels), ncols=2, width_ratios=[1.2, 1])
    for place, group in enumerate(groups):
        rows = kinds[kinds["beside"] == group]
        at = [labels.index((group, kind)) for kind in rows["kind"]]
        look = {"ls": "", "marker": "o", "ms": 5, "elinewidth": 1, "capsize": 2, "color": PRESETS[place]}
        top1 = rows.iloc[0][["small_top1_pct", "large_top1_pct"]]
        named = "Top-1 {:.1f} and {:.1f} %".format(*top1)
        ax.errorbar(rows["nfr_pct"], at, xerr=whiskers(rows, "nfr"), label=named, **look)
    for place, (beside, kind) in enumerate(labels):
        if place and kind == beside:
            ax.axhline(place - 0.5, color="#DDDDDD", lw=0.8)
    named = [kind if kind == beside else f"super-network, {kind}" for beside, kind in labels]
    ax.set_yticks(range(len(labels)), named, fontsize=8)
    ax.set(xlabel="NFR of the pair (%)", ylim=(len(labels) - 0.5, -0.5), xlim=(0, None))
    places = np.arange(len(steps))
    look = {"ls": "", "marker": "o", "ms": 5, "elinewidth": 1, "capsize": 2, "color": "black"}
    fall.axvline(0, color="black", lw=0.8)
    fall.errorbar(steps["nfr_fall_pct"], places, xerr=whiskers(steps, "nfr_fall"), **look)
    fall.set_yticks(places, steps["step"], fontsize=8)
    fall.set(xlabel="NFR falls by (points)", ylim=(len(steps) - 0.5, -0.5))
    legend_below(figure, "pairs of equal Top-1; 95 % interval over trainings and test images", ncols=3)
    return figure
