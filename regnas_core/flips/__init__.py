"""Flips: predictions and labels come in, rates with their intervals, paired tests and tables go out.

Arithmetic on right and wrong. It knows of no network, no super-network and no preset, and runs where
torch is not installed.
"""

from importlib import import_module

from .classes import aligned, class_indices, predicted_classes
from .compare import McNemar, compare_targets
from .counts import FlipCounts, PerClass, flip_counts, nfr, orient, per_class_nfr, pfr, top1
from .intervals import Bounds, Estimate, crossed_mean, holm, rate_interval, rate_intervals
from .right import negative_flips, nfr_matrix, orient_right, right_nfr_matrix

__all__ = [
    "Bounds",
    "Estimate",
    "FlipCounts",
    "McNemar",
    "PerClass",
    "aligned",
    "class_indices",
    "compare_targets",
    "crossed_mean",
    "flip_counts",
    "holm",
    "negative_flips",
    "nfr",
    "nfr_matrix",
    "orient",
    "orient_right",
    "per_class_nfr",
    "pfr",
    "predicted_classes",
    "rate_interval",
    "rate_intervals",
    "right_nfr_matrix",
    "top1",
]


_LAZY = {"NegativeFlipRate": "metric", "assert_no_regression": "gate", "load_example": "examples"}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
