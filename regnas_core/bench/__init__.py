"""Bench: a workload comes in; seconds, memory and ratios go out, with the conditions they were taken in.

Routes side by side, how costs grow, what trained networks make of shortcuts, and what ways of lowering flips
cost. It does not know how its tables are drawn.
"""

from .recorded import recorded, recorded_summaries, recorded_table
from .routes import (
    OfaRoute,
    Workload,
    compare,
    evaluate,
    generations,
    peak,
    random_workload,
    sharing,
    workload,
)
from .scaling import flips_at_scale, growth
from .shortcuts import compiled, precision, racing
from .tables import tabulate
from .updates import updates

__all__ = [
    "OfaRoute",
    "Workload",
    "compare",
    "compiled",
    "evaluate",
    "flips_at_scale",
    "generations",
    "growth",
    "peak",
    "precision",
    "racing",
    "random_workload",
    "recorded",
    "recorded_summaries",
    "recorded_table",
    "sharing",
    "tabulate",
    "updates",
    "workload",
]
