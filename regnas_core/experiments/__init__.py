"""One function for each item of the paper: a workbench in, a DataFrame out."""

from .base import DESIGNS, judge, model_name, reference, seeds, targets
from .recipe import fig3
from .rewards import table2, table2_claims, table2_differences, table2_means
from .space import fig4a, fig4a_claims, fig4b, fig4b_choices

__all__ = [
    "DESIGNS",
    "fig3",
    "fig4a",
    "fig4a_claims",
    "fig4b",
    "fig4b_choices",
    "judge",
    "model_name",
    "reference",
    "seeds",
    "table2",
    "table2_claims",
    "table2_differences",
    "table2_means",
    "targets",
]
