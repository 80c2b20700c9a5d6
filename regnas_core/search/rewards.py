"""The paper's rewards: R = λ1 · Top-1 − λ2 · NFR (Sec. 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import RegnasError
from ..spaces.arch import Arch

Score = Callable[[list[Arch]], Iterable[Any]]  # numbers, or equally many objectives of each
Rates = TypeVar("Rates", float, NDArray[np.float64])
REWARDS = {"R0": (1.0, 0.0), "R1": (0.0, 1.0), "R2": (1.0, 1.0)}  # name → (λ1, λ2)


def reward(top1: Rates, nfr: Rates, weights: str | tuple[float, float] = "R2") -> Rates:
    """R = λ1 · Top-1 − λ2 · NFR (paper, Sec. 3.3).

    Args:
        top1, nfr: fractions or percentages, both in the same unit; numbers or arrays.
        weights: ``"R0"``, ``"R1"``, ``"R2"``, or (λ1, λ2).

    >>> round(reward(0.75, 0.02, "R2"), 2)
    0.73
    """
    top1_weight, nfr_weight = reward_weights(weights)
    return top1_weight * top1 - nfr_weight * nfr


def reward_weights(weights: str | tuple[float, float]) -> tuple[float, float]:
    """(λ1, λ2) of a reward given by name or by its weights.

    Raises:
        RegnasError: an unknown name.
    """
    if not isinstance(weights, str):
        return weights
    if weights not in REWARDS:
        raise RegnasError(f"Unknown reward {weights!r}; choose one of {', '.join(REWARDS)} or give (λ1, λ2).")
    return REWARDS[weights]


def check_reference(weights: str | tuple[float, float], reference: Arch | None) -> None:
    """Raises a RegnasError where a reward counts flips, but there is no reference."""
    if reference is None and reward_weights(weights)[1]:
        raise RegnasError(
            "A reward with NFR in it needs a reference to count negative flips against: give one."
        )


def parse_reward(text: str) -> tuple[float, float] | str:
    """A reward as written on the command line: ``"R2"`` stays, ``"1,0.5"`` becomes (1.0, 0.5).

    Raises:
        RegnasError: neither the name of a reward nor two numbers.
    """
    try:
        top1_weight, nfr_weight = map(float, text.split(","))
    except ValueError:
        reward_weights(text)
        return text
    return top1_weight, nfr_weight
