"""Drawings: a DataFrame of :mod:`regnas_core.experiments` in, a matplotlib Figure out."""

from ..drawing import save_figure
from .flips import contingency, flip_gallery
from .recipe import fig3
from .scatter import fig4a, fig4b, table2
from .spaces import benchmark, laptop, search_spaces

__all__ = [
    "benchmark",
    "contingency",
    "fig3",
    "fig4a",
    "fig4b",
    "flip_gallery",
    "laptop",
    "save_figure",
    "search_spaces",
    "table2",
]
