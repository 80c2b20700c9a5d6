"""Super-networks: a search space comes in, the one set of weights that all its sub-networks share goes out.

Made, trained, read from published files, saved; and run as any sub-network. It knows of no search, no
reward and no preset.
"""

from .archive import read_state_dict
from .distillation import Objective, focal_distillation
from .layers import batch_statistics
from .single import Teacher, train_network
from .supernet import SuperNet, load_supernet, random_weights
from .training import Recipe, train_supernet

__all__ = [
    "Objective",
    "Recipe",
    "SuperNet",
    "Teacher",
    "batch_statistics",
    "focal_distillation",
    "load_supernet",
    "random_weights",
    "read_state_dict",
    "train_network",
    "train_supernet",
]
