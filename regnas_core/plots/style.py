"""The project's style: colours, markers, figures that show themselves, files that are written."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from ..files import write_atomically, write_table

# Okabe and Ito's palette, told apart by colour-blind readers; one colour an idea throughout the project.
COLOURS = {
    "reference": "#000000",
    "independent": "#CC79A7",
    "FD-KL": "#0072B2",
    "FD-LM": "#003355",  # the other distillation: the same blue, darkened as far as its black outline lets it
    "R0": "#D55E00",
    "R1": "#56B4E9",
    "R2": "#E69F00",
    "R2+CAS": "#009E73",
    "REG-NAS": "#009E73",
    "A_t": "#009E73",
    "A_c": "#CC79A7",
    "kept": "#BBBBBB",
    "new": "#0072B2",
    "other": "#777777",
}
MARKERS = {
    "reference": "*",
    "independent": "p",
    "FD-KL": "v",
    "FD-LM": ">",
    "R0": "o",
    "R1": "s",
    "R2": "^",
    "R2+CAS": "D",
    "REG-NAS": "D",
}
LABELS = {
    "A_t": r"$\mathcal{A}_t$: contain the reference",
    "A_c": r"$\mathcal{A}_c$: do not",
    "independent": "trained independently",
    "FD-KL": "FD-KL (distilled)",
    "FD-LM": "FD-LM (distilled)",
    "R0": "R0: Top-1",
    "R1": "R1: −NFR",
    "R2": "R2: Top-1 − NFR",
    "R2+CAS": "R2 + CAS (REG-NAS)",
}
NFR_MAP = "flare"  # NFR as a colour: darker is more
STYLE = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper"),
    "figure.dpi": 110,
    "savefig.dpi": 200,
    "savefig.bbox": "tight",
    "svg.hashsalt": "regnas",  # the same drawing gives the same file
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Make a function draw in the project's style, whatever the caller's settings are.

    Of an empty table, such as that of a sweep without budgets, the figure says so.
    """

    @wraps(draw)
    def drawn(*args, **kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            if args and isinstance(args[0], pd.DataFrame) and args[0].empty:
                return _nothing()
            return draw(*args, **kwargs)

    return drawn


class Drawing(Figure):
    """A Figure that a notebook shows by itself, whatever its matplotlib backend."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        with mpl.rc_context(STYLE):
            self.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
        return buffer.getvalue()


def new_figure(width: float = 4.2, height: float = 3.0, **kwargs) -> tuple[Figure, np.ndarray]:
    """A Figure (sizes in inches) that no global state knows of, and its axes as an array."""
    figure = Drawing(figsize=(width, height), layout="constrained")
    return figure, np.atleast_1d(figure.subplots(**kwargs))


def _nothing() -> Figure:
    figure, (ax,) = new_figure(4.2, 1)
    ax.set_axis_off()
    ax.text(0.5, 0.5, "nothing to draw", ha="center", va="center", transform=ax.transAxes)
    return figure


def legend_below(figure: Figure, title: str, *, ncols: int = 3, **kwargs) -> Legend:
    """A legend that covers no data."""
    place = {"loc": "outside lower center", "ncols": ncols}
    return figure.legend(title=title, fontsize=8, title_fontsize=8, columnspacing=1.2, **place, **kwargs)


def whiskers(table: pd.DataFrame, rate: str) -> np.ndarray:
    """From ``<rate>_pct`` down and up to its interval's ends, (2, n), for errorbar; nan: no interval."""
    value, low, high = (
        table[f"{rate}_{end}"].to_numpy(dtype=float) for end in ("pct", "low_pct", "high_pct")
    )
    return np.clip([value - low, high - value], 0, None)


def dots(ax: Axes, x, y, design: str, shift: tuple[float, float] = (0, 0), **kwargs) -> ErrorbarContainer:
    """Means in the colour and marker of a design; intervals as ``xerr`` and ``yerr`` of errorbar.

    ``shift`` moves what is drawn by points, so that equal values do not hide each other.
    """
    size = 12 if design == "reference" else 6
    look = {"color": COLOURS[design], "marker": MARKERS[design], "ms": size, "mec": "black", "mew": 0.8}
    bars = ax.errorbar(x, y, **{"ls": "", "elinewidth": 1, "capsize": 2, **look, **kwargs})
    if any(shift):
        move = ScaledTranslation(shift[0] / 72, shift[1] / 72, ax.figure.dpi_scale_trans)
        for artist in bars.get_children():
            artist.set_transform(ax.transData + move)
    return bars


def key(design: str, label: str | None = None, **kwargs) -> Line2D:
    """What a legend shows of a design: its marker, without error bars."""
    look = {"color": COLOURS[design], "marker": MARKERS[design], "ms": 6.5, "mec": "black", "mew": 0.8}
    label = LABELS.get(design, design) if label is None else label
    return Line2D([], [], **{"ls": "", "label": label, **look, **kwargs})


def label_points(ax: Axes, x: Sequence[float], y: Sequence[float], texts: Sequence[str], **kwargs):
    """Write a text beside each point, where it covers least of points and texts, with a thin line to it.

    To be called last, when the axes have their limits and the figure its legends.
    """
    ax.figure.draw_without_rendering()
    written = [ax.text(*at, in_layout=False, **kwargs) for at in zip(x, y, texts, strict=True)]
    line = {"arrowstyle": "-", "color": COLOURS["other"], "lw": 0.6, "shrinkB": 4}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # points without a place, which it leaves out
        adjust_text(
            written, x, y, ax=ax, iter_lim=1000, expand=(1.8, 2.0), force_text=(0.4, 0.6), arrowprops=line
        )


def save_figure(figure: Figure, table: pd.DataFrame, path: str | Path) -> Figure:
    """Write ``path``.svg, .png, and the .csv that was drawn; returns the figure, so that a cell shows it."""
    path = Path(path)
    with mpl.rc_context(STYLE):
        write_atomically(path.with_suffix(".svg"), lambda part: figure.savefig(part, metadata={"Date": None}))
        write_atomically(
            path.with_suffix(".png"), lambda part: figure.savefig(part, metadata={"Software": None})
        )
    write_table(table.round(4), path.with_suffix(".csv"))
    return figure
