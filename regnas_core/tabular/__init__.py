"""Tabular benchmarks: a file comes in; out goes a whole search space, right or wrong on every image.

So optima are exact, a search takes a blink, and hundreds of seeds cost nothing. It knows bits and
search spaces, not torch and no images. (:mod:`regnas_core.workbench.tabulation` makes the files.)
"""

from .benchmark import Lookup, TabularBenchmark, load_tabular, trainings

__all__ = ["Lookup", "TabularBenchmark", "load_tabular", "trainings"]
