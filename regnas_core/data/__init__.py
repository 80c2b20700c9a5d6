"""Data: names and folders come in, pictures in four disjoint splits go out, decoded on first use.

Train, calibration, search and test never share a picture. It knows of no network: what a preset trains or
searches with these pictures is decided above.
"""

from .datasets import DATASETS, Dataset, ImageSet, load_dataset
from .splits import SPLITS, Split, draw_split, read_split

__all__ = [
    "DATASETS",
    "SPLITS",
    "Dataset",
    "ImageSet",
    "Split",
    "draw_split",
    "load_dataset",
    "read_split",
]
