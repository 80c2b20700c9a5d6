"""Search: a space and a score come in, the best architecture and the log of all that were seen go out.

It knows of no image and no network: a score is any function of architectures. (:mod:`.predictor` is one
that a file of trained weights makes; it needs torch and is imported by its own name.)
"""

import sys
from types import ModuleType
from typing import Any

from .course import Course, SearchResult
from .evolution import evolve, survivors
from .racing import Race
from .rewards import REWARDS, Score, parse_reward, reward, reward_weights
from .strategies import register_strategy, search, strategy_names

__all__ = [
    "REWARDS",
    "Course",
    "Race",
    "Score",
    "SearchResult",
    "evolve",
    "parse_reward",
    "register_strategy",
    "reward",
    "reward_weights",
    "search",
    "strategy_names",
    "survivors",
]


class _Room(ModuleType):
    """This room is a front door, too: ``regnas_core.search(space, score, …)`` is :func:`search`."""

    def __call__(self, *args: Any, **kwargs: Any) -> SearchResult:
        return search(*args, **kwargs)


sys.modules[__name__].__class__ = _Room
