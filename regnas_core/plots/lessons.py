"""The lessons' figures: nested weights, a claim among its repetitions, verdicts by number of items."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from .style import COLOURS, legend_below, new_figure, styled


@styled
def nested(channels: np.ndarray, kernel: np.ndarray, widths: Mapping[str, int], inner: int) -> Figure:
    """What smaller choices use of the largest one's weights, as boxes on the weights themselves.

    Args:
        channels: (outputs, inputs) of a 1 × 1 convolution; fewer channels are the leading ones.
        kernel: (k, k) of a depthwise convolution.
        widths: name of each choice → its outputs, ascending.
        inner: size of the smaller kernel.
    """
    figure, (left, right) = new_figure(6.0, 2.5, ncols=2, width_ratios=(1.9, 1))
    colours = [COLOURS[design] for design in ("R1", "R2+CAS", "R0")]
    _weights(left, channels.T)
    named = list(zip(widths.items(), colours[-len(widths) :], strict=True))
    for (name, outputs), colour in reversed(named):  # the small boxes above the large ones
        _box(left, 0, 0, outputs, channels.shape[1], colour)
        left.text(outputs - 0.5, -1.2, name, ha="right", va="bottom", color=colour, fontsize=8)
    left.set(xlabel="output channels", ylabel="input channels", aspect="auto")
    _weights(right, kernel)
    low, size = (len(kernel) - inner) // 2, len(kernel)
    for side, at, colour in ((size, 0, colours[2]), (inner, low, colours[1])):
        _box(right, at, at, side, side, colour)
    right.set_title(f"kernel: {size} × {size}, inside it {inner} × {inner}", fontsize=8)
    right.set(xticks=[], yticks=[])
    return figure


def _weights(ax: Axes, values: np.ndarray) -> None:
    limit = np.abs(values).max()
    ax.imshow(values, cmap="Greys", vmin=-limit, vmax=limit, interpolation="nearest")


def _box(ax: Axes, x: int, y: int, width: int, height: int, colour: str) -> None:
    box = Rectangle((x - 0.5, y - 0.5), width, height, fill=False, ec=colour, lw=2.2, clip_on=False)
    ax.add_patch(box)


@styled
def repeated(table: pd.DataFrame, claimed: float) -> Figure:
    """Every repetition of a comparison as a dot, a row a setting, their mean as a bar, and what was claimed.

    Args:
        table: columns training, setting, diff_pct (points): one row a repetition.
        claimed: points.
    """
    settings, trainings = (list(dict.fromkeys(table[name])) for name in ("setting", "training"))
    figure, axes = new_figure(6.4, 1.1 + 0.25 * len(settings), ncols=len(trainings), sharex=True, sharey=True)
    for ax, training in zip(axes, trainings, strict=True):
        of = table[table["training"] == training]
        places = of["setting"].map(settings.index)
        ax.axvline(0, color="#666666", lw=0.8)
        ax.axvline(claimed, color=COLOURS["R0"], lw=1.2, ls="--", label="what was claimed")
        grey = {"s": 14, "color": COLOURS["other"], "alpha": 0.45, "lw": 0}
        ax.scatter(of["diff_pct"], places, label="one search", **grey)
        means = of.groupby(places)["diff_pct"].mean()
        bar = {"marker": "|", "s": 150, "lw": 2.2, "color": COLOURS["R2+CAS"], "zorder": 3}
        ax.scatter(means, means.index, label="mean", **bar)
        ax.set_title(f"training {training}", fontsize=9)
        ax.set_xlabel("NFR of R2 minus R0 (points)")
        ax.tick_params(axis="y", length=0)
    axes[0].set_yticks(range(len(settings)), settings, fontsize=8)
    axes[0].set_ylim(len(settings) - 0.5, -0.5)
    axes[0].set_ylabel("reference → budget (MACs)")
    handles, labels = axes[0].get_legend_handles_labels()
    legend_below(figure, "", handles=handles, labels=labels)
    return figure


@styled
def decided(table: pd.DataFrame, limit: float) -> Figure:
    """Bounds of a rate against the number of items: where the limit is outside of them, it is decided.

    Args:
        table: columns items, rate_pct, low_pct, high_pct: one-sided bounds.
        limit: in %.
    """
    figure, (ax,) = new_figure(5.0, 2.9)
    ax.fill_between(
        table["items"], table["low_pct"], table["high_pct"], color=COLOURS["R1"], alpha=0.35, lw=0
    )
    ax.plot(table["items"], table["high_pct"], color=COLOURS["FD-KL"], lw=1.5, label="upper bound")
    ax.plot(table["items"], table["rate_pct"], color="black", lw=1, label="rate found")
    ax.plot(table["items"], table["low_pct"], color=COLOURS["FD-KL"], lw=1.5, ls=":", label="lower bound")
    ax.axhline(limit, color=COLOURS["R0"], lw=1.5, ls="--", label=f"limit, {limit:g} %")
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda items, _: f"{items:,.0f}"))
    ax.set(xlabel="pictures", ylabel="negative flips (%)", ylim=(0, None))
    ax.margins(x=0)
    legend_below(figure, "", ncols=4)
    return figure
