"""Costs: a name comes in, a function of architectures goes out: MACs, parameters, or milliseconds.

What a budget can be in. Latencies come from recorded tables, or are timed on this machine step by step
(:mod:`.timing`, which needs torch and is imported by its own name). It knows of no preset.
"""

from .complexity import bit_operations, hcm
from .cost import NAMES, get_cost, is_recorded, unit
from .tables import NOTE10_SPACE, note10, recorded_latency, recorded_tables

__all__ = [
    "NAMES",
    "NOTE10_SPACE",
    "bit_operations",
    "get_cost",
    "hcm",
    "is_recorded",
    "note10",
    "recorded_latency",
    "recorded_tables",
    "unit",
]
