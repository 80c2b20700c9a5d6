"""Single flips: pictures, and the table of two models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import COLOURS, new_figure, styled


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
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    return figure
