"""Releases: what deployment flips, what ways of breaking less bring and cost."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .style import COLOURS, label_points, legend_below, new_figure, styled

PLATFORM_COLOURS = {
    "float32": COLOURS["reference"],
    "float16": COLOURS["R1"],
    "int8": COLOURS["new"],
    "int8 by tensor": COLOURS["independent"],
    "int8, simulated": COLOURS["kept"],
}


@styled
def deployment(flips: pd.DataFrame, gains: pd.DataFrame) -> Figure:
    """Left: flips that deployment alone causes; right: NFR of plain and better targets, by platforms.

    Args:
        flips: of :func:`regnas_core.experiments.deployment.alone`.
        gains: of :func:`regnas_core.experiments.deployment.gains`.
    """
    platforms = [name for name in PLATFORM_COLOURS if name in set(flips["platform"])]
    figure, (left, right) = new_figure(7.6, 3.2, ncols=2)
    networks = list(dict.fromkeys(flips["network"]))
    for offset, platform in zip(np.linspace(-0.2, 0.2, len(platforms)), platforms, strict=True):
        rows = flips[flips["platform"] == platform].set_index("network").loc[networks]
        reach = np.abs(rows[["nfr_low_pct", "nfr_high_pct"]].to_numpy().T - rows["nfr_pct"].to_numpy())
        look = {"color": PLATFORM_COLOURS[platform], "ls": "", "marker": "o", "capsize": 2, "label": platform}
        left.errorbar(rows["nfr_pct"], np.arange(len(networks)) + offset, xerr=reach, **look)
    left.set_yticks(range(len(networks)), networks)
    left.invert_yaxis()
    left.set(xlabel="negative flips from float32 (%)", xlim=(0, None), title="one network, deployed")
    pairs = [f"{a} → {b}" for a, b in zip(gains["reference_on"], gains["target_on"], strict=True)]
    places = np.arange(len(pairs))
    right.hlines(places, gains["better_pct"], gains["plain_pct"], color=COLOURS["kept"], zorder=0)
    right.scatter(gains["plain_pct"], places, color=COLOURS["R0"], label="R0")
    right.scatter(
        gains["better_pct"], places, color=COLOURS["REG-NAS"], marker="D", label="R2 + CAS (REG-NAS)"
    )
    right.set_yticks(places, pairs)
    right.invert_yaxis()
    right.set(xlabel="NFR against the reference (%)", xlim=(0, None), title="reference → target")
    legend_below(figure, "", ncols=len(platforms) + 2)
    return figure


@styled
def updates(table: pd.DataFrame) -> Figure:
    """Top-1 and NFR of every way, a faint dot a seed, a large one their mean; grey lines: equal Top-1 − NFR.

    Filled dots cost one run an answer, open ones more.
    """
    figure, (ax,) = new_figure(6.4, 4.2)
    means = table.groupby("way", sort=False)[["top1_pct", "nfr_pct", "trainings", "passes"]].mean()
    ax.scatter(table["nfr_pct"], table["top1_pct"], s=9, lw=0, alpha=0.35, color=COLOURS["new"])
    dear = means["passes"] > 1.001
    for rows, face in ((means[~dear], COLOURS["new"]), (means[dear], "white")):
        ax.scatter(rows["nfr_pct"], rows["top1_pct"], s=42, fc=face, ec=COLOURS["new"], lw=1.2, zorder=3)
    ax.set(xlabel="negative flips against the old network (%)", ylabel="Top-1 (%)")
    ax.set_title("in brackets: trainings · runs an answer", fontsize=8, loc="right", color=COLOURS["other"])
    low, high = ax.get_xlim()
    bottom, top = ax.get_ylim()
    for worth in np.arange(np.floor(bottom - high), top - low, 2):
        ax.plot([low, high], [worth + low, worth + high], color="0.9", lw=0.7, zorder=0)
    ax.set(xlim=(low, high), ylim=(bottom, top))
    texts = [f"{way} ({row.trainings:.1f} · {row.passes:.1f})" for way, row in means.iterrows()]
    label_points(ax, means["nfr_pct"], means["top1_pct"], texts, fontsize=7.5)
    return figure
