"""Evaluation: architectures and images come in, predicted classes go out, a whole generation at once.

BatchNorm is recalibrated for every sub-network, and what several have in common runs once. It knows of no
reward and no search: predictions are all that anything above needs.
"""

from .baselines import BASELINES, REGNETS, load_baseline
from .evaluator import Evaluator, pick_device

__all__ = ["BASELINES", "REGNETS", "Evaluator", "load_baseline", "pick_device"]
