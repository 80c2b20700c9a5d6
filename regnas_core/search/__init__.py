"""Search: a space and a score come in, the best architecture and the log of all that were seen go out.

It knows of no image and no network: a score is any function of architectures. (:mod:`.predictor` is one
that a file of trained weights makes; it needs torch and is imported by its own name.)
"""

from .evolution import SearchResult, evolve, survivors
from .racing import Race
from .rewards import REWARDS, Score, parse_reward, reward, reward_weights

__all__ = [
    "REWARDS",
    "Race",
    "Score",
    "SearchResult",
    "evolve",
    "parse_reward",
    "reward",
    "reward_weights",
    "survivors",
]
