"""REG-NAS reproduced: the computing core behind the notebooks.

A house of rooms, the lower ones first; a room knows of those below it, never of those above:

    flips, spaces, data, plots    what is counted, what is searched, pictures, drawings
    supernets, deploy             one set of weights, many networks; their training; ONNX files
    evaluation, search, updates   predictions of a whole generation at once; evolution; old and new networks
    costs, tabular                what a budget can be in; whole spaces, evaluated image by image
    workbench                     a preset brought to life, and what it has predicted so far
    experiments, reproduction     the paper's items; notebooks, report, lessons
    bench, cli                    measurements of speed; the command line

The names below are the front doors. Each is imported from its room when it is first used, so that
``import regnas_core`` costs nothing and the flip arithmetic runs where torch is not installed.

>>> import regnas_core as rc
>>> rc.nfr([0, 1, 2], [0, 0, 2], [0, 1, 1])
0.3333333333333333
"""

from .doors import open_doors

__version__ = "0.1.0"

__getattr__, __dir__, _names = open_doors(
    __name__,
    {
        "errors": (
            "RegnasError",
            "PresetError",
            "GeneError",
            "InfeasibleError",
            "PredictionError",
            "CheckpointError",
            "DataError",
            "NotebookError",
            "MissingExtraError",
        ),
        "flips": (
            "FlipCounts",
            "NegativeFlipRate",
            "compare_targets",
            "flip_counts",
            "nfr",
            "nfr_matrix",
            "per_class_nfr",
            "pfr",
            "rate_interval",
            "top1",
        ),
        "spaces": ("get_space", "register_space"),
        "data": ("load_dataset",),
        "supernets": ("SuperNet", "load_supernet"),
        "evaluation": ("Evaluator",),
        "search": ("evolve", "register_strategy", "search"),
        "tabular": ("TabularBenchmark", "load_tabular"),
        "workbench": ("load_preset", "open_workbench", "run_search"),
        "reproduction": ("load_lesson",),
        "resources": ("versions",),
    },
)
__all__ = ["__version__", *_names]
