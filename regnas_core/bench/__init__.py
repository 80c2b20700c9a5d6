"""Measurements of speed: routes side by side, how costs grow, and what trained networks make of shortcuts."""

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
    "workload",
]
