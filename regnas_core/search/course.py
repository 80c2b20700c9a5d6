"""The course of a search: what may be proposed, what was seen, how many evaluations are left, and the log."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from ..errors import RegnasError
from ..spaces.arch import Arch, Value
from ..spaces.space import Cost, Space
from .rewards import Score

REMEMBERED = 1 << 16  # costs of architectures that are kept for the next search
ATTEMPTS = 100  # draws before a search concedes that no new architecture is left


@dataclass(frozen=True)
class SearchResult:
    """What a search saw.

    Attributes:
        best: the architecture with the highest score.
        log: one row an architecture, in the order of evaluation: generation (from 1), origin
            (random, mutation, crossover, …), arch, cost, score; and objective_1, … where a score has parts.
        archs: the architectures of the log's rows.
        stopped: why the search ended before its last generation, or None.
    """

    best: Arch
    log: pd.DataFrame
    archs: Sequence[Arch]
    stopped: str | None = None


class Course:
    """What all strategies share. They propose; here it is seen to that every proposal is new and inside.

    Attributes:
        space, rng, limits: where and how to draw; ``limits`` are keywords of :meth:`Space.sample`.
        cost: what budgets are in, a function of an architecture, asked once for each.
        left: evaluations that may still be asked for.
        archs, scores: what was evaluated, in order, and its scores.
        parts: the objectives of each, higher is better; their sum is the score. One column by default.
        seen: what is not proposed any more.
        stopped: why it ended early.
    """

    def __init__(
        self,
        space: Space,
        score: Score,
        *,
        evaluations: int,
        seed: int = 0,
        max_cost: float | None = None,
        min_cost: float | None = None,
        cost: Cost | None = None,
        reference: Arch | None = None,
        exclude: Iterable[Arch] = (),
        progress: bool = False,
    ) -> None:
        given = None if cost is None else asked_once(cost)
        self.space, self.cost, self.rng = space, given or space.macs, np.random.default_rng(seed)
        self.limits: dict[str, Any] = {
            "containing": reference,
            "max_cost": max_cost,
            "min_cost": min_cost,
            "cost": given,
        }
        self.left = evaluations
        self.seen: set[Arch | None] = {reference, *exclude}
        self.archs: list[Arch] = []
        self.scores: list[float] = []
        self._score, self._rows, self._parts = score, list[dict[str, Any]](), list[NDArray[np.float64]]()
        quiet = {} if progress else {"disable": True}  # where it is wanted, the environment has its say
        self._bar = tqdm(total=evaluations, desc="evaluations", leave=False, **quiet)
        self.stopped: str | None = None

    # ── drawing inside the limits ────────────────────────────────────────────────────────────────
    def sample(self) -> Arch:
        return self.space.sample(self.rng, **self.limits)

    def mutate(self, arch: Arch, prob: float = 0.1) -> Arch:
        return self.space.mutate(arch, self.rng, prob, **self.limits)

    def crossover(self, a: Arch, b: Arch) -> Arch:
        return self.space.crossover(a, b, self.rng, **self.limits)

    def near(self, values: Sequence[Value | None], anchor: Arch | None = None) -> Arch:
        """See :func:`regnas_core.spaces.variation.near`; the anchor is a random architecture by default."""
        return self.space.near(values, self.rng, anchor or self.sample(), **self.limits)

    def new(self, drawn: Iterator[Arch], attempts: int | None = ATTEMPTS) -> Arch | None:
        """The next that was not seen yet, from now on seen; None where none is found in so many.

        Of what comes to an end all may be looked at: ``attempts=None``.
        """
        for arch in islice(drawn, attempts):
            if arch not in self.seen:
                self.seen.add(arch)
                return arch
        return None

    def take(
        self, drawn: Iterator[Arch], count: int, origin: str, attempts: int | None = None
    ) -> list[tuple[Arch, str]]:
        """So many new ones with their origin, for :meth:`evaluate`; fewer where fewer are found or left."""
        found = (self.new(drawn, attempts) for _ in range(min(count, self.left)))
        return [(arch, origin) for arch in found if arch is not None]

    def draw(self, count: int) -> list[tuple[Arch, str]]:
        """So many new random architectures, or as many as are found and left."""
        return self.take(iter(self.sample, None), count, "random", ATTEMPTS)

    @property
    def exhausted(self) -> bool:
        """Whether everything inside was seen, as far as is known."""
        return self.space.exhausted(self.seen, **self.limits)

    # ── asking ───────────────────────────────────────────────────────────────────────────────────
    def evaluate(self, born: Sequence[tuple[Arch, str]]) -> list[float]:
        """Scores of new architectures, each with its origin: one call of the score, a generation of the log.

        Raises:
            RegnasError: a score is not a number, or their count is wrong.
        """
        if not born:
            return []
        archs = [arch for arch, _ in born]
        parts = _checked(self._score(archs), len(born))
        scores = [float(value) for value in parts.sum(1)]
        generation = self._rows[-1]["generation"] + 1 if self._rows else 1
        for (arch, origin), value in zip(born, scores, strict=True):
            row = {"generation": generation, "origin": origin, "arch": str(arch), "cost": self.cost(arch)}
            self._rows.append({**row, "score": value})
        self.archs += archs
        self.seen.update(archs)
        self.scores += scores
        self._parts.append(parts)
        self.left -= len(born)
        self._bar.update(len(born))
        return scores

    @property
    def parts(self) -> NDArray[np.float64]:
        return np.concatenate(self._parts)

    @property
    def costs(self) -> NDArray[np.float64]:
        return np.array([row["cost"] for row in self._rows], float)

    def result(self) -> SearchResult:
        """What was seen.

        Raises:
            RegnasError: nothing was.
        """
        self._bar.close()
        if not self.archs:
            raise RegnasError(
                f"{self.space.name}: the reference is the only architecture within the constraint and the "
                "budget."
            )
        log = pd.DataFrame(self._rows)
        if self.parts.shape[1] > 1:
            log[[f"objective_{i + 1}" for i in range(self.parts.shape[1])]] = self.parts
        first: Any = log["score"].idxmax()  # a row's number
        return SearchResult(self.archs[int(first)], log, tuple(self.archs), self.stopped)


def _checked(scores: Iterable[Any], expected: int) -> NDArray[np.float64]:
    """(n, objectives)"""
    given = list(scores)
    try:
        found = np.array(given, float)
    except ValueError:
        found = np.empty(0)
    if len(found) != expected or found.ndim > 2 or not np.isfinite(found).all():
        raise RegnasError(
            f"score() returned {given[:5]} …; expected {expected} finite numbers, one an architecture, or "
            "equally many objectives of each."
        )
    return found.reshape(expected, -1)


def asked_once(cost: Cost) -> Cost:
    """A cost that remembers its answers; for equal costs, such as of one recorded table, the same one."""
    return _remembered(cost) if isinstance(cost, Hashable) else cache(cost)


@lru_cache(maxsize=8)
def _remembered(cost: Cost) -> Cost:
    return lru_cache(maxsize=REMEMBERED)(cost)
