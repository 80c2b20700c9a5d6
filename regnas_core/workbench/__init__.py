"""Workbench: a preset comes in; its images, its super-network and all predictions made so far go out.

A sub-network runs once for its weights and images; what it predicted is kept, and searches, single networks
and baselines of a preset are arithmetic on that. It knows of no item of the paper.
"""

from ..doors import open_doors

__getattr__, __dir__, __all__ = open_doors(
    __name__,
    {
        "presets": (
            "Preset",
            "alongside",
            "figures_folder",
            "load_preset",
            "parse_overrides",
            "preset_names",
            "run_name",
        ),
        "workbench": ("Workbench", "open_workbench"),
        "training": ("train_preset",),
        "protocol": ("run_search",),
        "store": ("PredictionStore",),
        "devices": ("compare_devices",),
        "trained": ("Job", "job_predictions"),
        "baselines": ("baseline_predictions",),
    },
)
