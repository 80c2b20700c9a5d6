"""Plots: a DataFrame comes in, a matplotlib Figure or a printed table goes out, all in one style.

It knows columns, not where they come from: no experiment, no network, no preset.
"""

from .flips import contingency, flip_gallery
from .lessons import decided, nested, repeated
from .pairs import families, fig1
from .recipe import fig3
from .releases import deployment, updates
from .rewards import chosen
from .rows import appendix_c, claims, controls, differences, platforms, supernets
from .scatter import appendix_a, fig2b, fig4a, fig4b
from .search_strategies import fronts, search_strategies
from .spaces import laptop, search_spaces
from .speed import benchmark, growth, racing
from .strategies import designs
from .style import save_figure
from .sweeps import appendix_b, fig5a, fig5b
from .whole_space import collapse, constraint, genes, optima, regimes, searches

__all__ = [
    "appendix_a",
    "appendix_b",
    "appendix_c",
    "benchmark",
    "chosen",
    "claims",
    "collapse",
    "constraint",
    "contingency",
    "controls",
    "decided",
    "deployment",
    "designs",
    "differences",
    "families",
    "fig1",
    "fig2b",
    "fig3",
    "fig4a",
    "fig4b",
    "fig5a",
    "fig5b",
    "flip_gallery",
    "fronts",
    "genes",
    "growth",
    "laptop",
    "nested",
    "optima",
    "platforms",
    "racing",
    "regimes",
    "repeated",
    "save_figure",
    "search_spaces",
    "search_strategies",
    "searches",
    "supernets",
    "updates",
]
