"""The project's style: colours, markers, figures that show themselves, files that are written."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from .files import write_atomically, write_table

# Okabe and Ito's palette, told apart by colour-blind readers; one colour an idea throughout the project.
COLOURS = {
    "reference": "#000000",
    "R0": "#D55E00",
    "R1": "#56B4E9",
    "R2": "#E69F00",
    "R2+CAS": "#009E73",
    "A_t": "#009E73",
    "A_c": "#CC79A7",
    "kept": "#BBBBBB",
    "new": "#0072B2",
}
MARKERS = {"reference": "*", "R0": "o", "R1": "s", "R2": "^", "R2+CAS": "D"}
LABELS = {
    "A_t": r"$\mathcal{A}_t$: contain the reference",
    "A_c": r"$\mathcal{A}_c$: do not",
    "R0": "R0: Top-1",
    "R1": "R1: −NFR",
    "R2": "R2: Top-1 − NFR",
    "R2+CAS": "R2 + CAS",
}
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
    """Make a function draw in the project's style, whatever the caller's settings are."""

    @wraps(draw)
    def drawn(*args, **kwargs) -> Figure:
        with mpl.rc_context(STYLE):
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


def legend_below(figure: Figure, title: str, *, ncols: int = 3, **kwargs) -> Legend:
    """A legend that covers no data."""
    place = {"loc": "outside lower center", "ncols": ncols}
    return figure.legend(title=title, fontsize=8, title_fontsize=8, columnspacing=1.2, **place, **kwargs)


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
