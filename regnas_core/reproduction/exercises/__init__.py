"""Checks of the lessons' exercises: an answer comes in, a sentence is printed.

An answer is a number, an array or a function; ``None``, or a function that returns it, is no answer yet. The
truth is computed anew from the same data, in another way than the lesson asks for. A file a lesson.
"""

from .counting import chance_of_classes, flip_rate, four_places, images_needed, only_one_flips, oriented
from .judging import exercise
from .regnas import containing, crossover, evolution, mutation, optimum, reward
from .releases import (
    pictures_needed,
    put_in_order,
    released,
    slice_chance,
    upper_bound,
    verdict,
    which_first,
)
from .supernet import batch_norm, contained, few_images, middle, moments, overlap, same_beginning
from .truth import (
    both_differences,
    corrected,
    discoveries,
    false_alarms,
    matched,
    mean_interval,
    trainings_needed,
)

__all__ = [
    "batch_norm",
    "both_differences",
    "chance_of_classes",
    "contained",
    "containing",
    "corrected",
    "crossover",
    "discoveries",
    "evolution",
    "exercise",
    "false_alarms",
    "few_images",
    "flip_rate",
    "four_places",
    "images_needed",
    "matched",
    "mean_interval",
    "middle",
    "moments",
    "mutation",
    "only_one_flips",
    "optimum",
    "oriented",
    "overlap",
    "pictures_needed",
    "put_in_order",
    "released",
    "reward",
    "same_beginning",
    "slice_chance",
    "trainings_needed",
    "upper_bound",
    "verdict",
    "which_first",
]
