"""REG-NAS reproduced: the computing core behind the notebooks.

The names below are the front doors. Each is imported from its module when it is first used, so that
``import regnas_core`` costs nothing and the flip arithmetic runs where torch is not installed.

>>> import regnas_core as rc
>>> rc.nfr([0, 1, 2], [0, 0, 2], [0, 1, 1])
0.3333333333333333
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_MODULES = {
    "errors": (
        "RegnasError",
        "PresetError",
        "GeneError",
        "InfeasibleError",
        "PredictionError",
        "CheckpointError",
        "DataError",
        "NotebookError",
    ),
    "flips": (
        "FlipCounts",
        "bootstrap_difference",
        "compare_targets",
        "flip_counts",
        "nfr",
        "nfr_matrix",
        "per_class_nfr",
        "pfr",
        "rate_interval",
        "top1",
    ),
    "flip_metric": ("NegativeFlipRate",),
    "presets": ("load_preset",),
    "spaces": ("get_space",),
    "supernet": ("SuperNet", "load_supernet"),
    "data": ("load_dataset",),
    "evaluate": ("Evaluator",),
    "search": ("evolve",),
    "workbench": ("open_workbench",),
    "protocol": ("run_search",),
    "lesson": ("load_lesson",),
    "resources": ("versions",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value  # the next access is an ordinary one
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
