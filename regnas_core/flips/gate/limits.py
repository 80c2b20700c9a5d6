"""What a release may do, and whether it does: limits, bounds, verdicts.

A limit is judged by one-sided bounds at a confidence, since a rate on some items is a sample: *pass* where
the upper bound of the rate is within the limit, *fail* where the lower bound is beyond it, else
*inconclusive*.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from ...errors import PredictionError
from ..intervals import holm

Verdict = Literal["pass", "fail", "golden failure", "inconclusive"]
EXIT: dict[Verdict, int] = {"pass": 0, "fail": 1, "golden failure": 2, "inconclusive": 3}
USAGE = 4  # exit code of bad input
BROKEN = 70  # exit code of errors of the program itself, as sysexits.h has it
GRAVITY: tuple[Verdict, ...] = ("pass", "inconclusive", "fail", "golden failure")


@dataclass(frozen=True)
class Limits:
    """What is demanded of a candidate; what is None is not demanded.

    Attributes:
        max_nfr: negative flips, as a fraction of all items.
        max_nfr_slice: the same, of every slice.
        min_top1_gain: Top-1 of the candidate minus the baseline's, as a fraction.
        golden: ids that must not flip.
        confidence: of the one-sided bounds.
    """

    max_nfr: float | None = None
    max_nfr_slice: float | None = None
    min_top1_gain: float | None = None
    golden: frozenset[Any] = frozenset()
    confidence: float = 0.95

    def __post_init__(self) -> None:
        for name in ("max_nfr", "max_nfr_slice"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise PredictionError(f"{name} is {value}; expected a rate from 0 to 100 %, as 1% or 0.01.")
        if self.min_top1_gain is not None and not -1 <= self.min_top1_gain <= 1:
            raise PredictionError(f"min_top1_gain is {self.min_top1_gain}; expected -100 to 100 %, as 0.5%.")
        if not 0.5 < self.confidence < 1:
            raise PredictionError(f"confidence is {self.confidence}; expected above 50 and below 100 %.")

    def __bool__(self) -> bool:
        asked = (self.max_nfr, self.max_nfr_slice, self.min_top1_gain)
        return any(limit is not None for limit in asked) or bool(self.golden)


def rate(text: str | float) -> float:
    """A rate as people write it: "1%" and 0.01 are one hundredth.

    >>> rate("1.5%"), rate(0.015)
    (0.015, 0.015)

    Raises:
        PredictionError: no number; or 1 and more without a "%", which may mean per cent or not.
    """
    given = str(text).strip()
    try:
        value = float(given.removesuffix("%"))
    except ValueError:
        raise PredictionError(f"{text!r} is no rate; expected a number, as 1% or 0.01.") from None
    if given.endswith("%"):
        return value / 100
    if abs(value) >= 1:
        ways = f"{value:g}% or {value / 100:g}" if abs(value) <= 100 else "a rate, as 1% or 0.01"
        raise PredictionError(f"{given} is {100 * value:g} % where no % is written: say {ways}.")
    return value


RATES = ("max_nfr", "max_nfr_slice", "min_top1_gain", "confidence")
KEYS = (*RATES, "golden", "slice", "weight", "min_slice")


def read_policy(path: str | Path) -> dict[str, Any]:
    """A policy file (YAML): limits by name, as ``max_nfr: 1%``, and what they are judged on.

    ``golden`` is a file of ids, or a list of them; ``slice`` a column, or a list of columns; ``weight`` a
    column; ``min_slice`` a number of items.

    Raises:
        PredictionError: missing, no YAML, an unknown key, one that stands twice, or a wrong value.
    """
    import yaml

    path = Path(path)
    try:
        text = path.read_text("utf-8")
        tree = yaml.safe_load(text)
        _once(path, yaml.compose(text, yaml.SafeLoader))
    except (OSError, yaml.YAMLError, ValueError) as error:  # ValueError: no text, or a date that there is not
        raise PredictionError(f"{path}: cannot be read ({error}); expected YAML, as max_nfr: 1%.") from None
    if not isinstance(tree, dict) or (unknown := set(tree) - set(KEYS)):
        named = ", ".join(map(str, unknown)) if isinstance(tree, dict) else type(tree).__name__
        raise PredictionError(f"{path}: {named} is no limit; there are {', '.join(KEYS)}.")
    golden = tree.get("golden")
    values: dict[str, Any] = {key: rate(value) for key, value in tree.items() if key in RATES}
    columns = {"slice": tree.get("slice", []), "weight": tree.get("weight", "")}
    if isinstance(columns["slice"], str):
        columns["slice"] = [columns["slice"]]
    if not isinstance(columns["slice"], list) or not all(isinstance(c, str) for c in columns["slice"]):
        raise PredictionError(
            f"{path}: slice is {columns['slice']!r:.80}; expected a column, or a list of them."
        )
    if not isinstance(columns["weight"], str):
        raise PredictionError(f"{path}: weight is {columns['weight']!r:.80}; expected a column.")
    values |= {key: column for key, column in columns.items() if column}
    if "min_slice" in tree:
        if type(tree["min_slice"]) is not int:
            raise PredictionError(
                f"{path}: min_slice is {tree['min_slice']!r:.80}; expected a number of items."
            )
        values["min_slice"] = tree["min_slice"]
    if isinstance(golden, str):
        values["golden"] = read_ids(path.parent / golden)
    elif isinstance(golden, list) and all(type(id) in (int, str) for id in golden):
        values["golden"] = frozenset(golden)
    elif golden is not None:
        raise PredictionError(f"{path}: golden is {golden!r:.80}; expected a list of ids, or a file of them.")
    return values


def _once(path: Path, tree: Any) -> None:
    """YAML's readers take the last of keys that stand twice; a limit is not to be lost like that."""
    keys = [key.value for key, _ in tree.value] if getattr(tree, "id", "") == "mapping" else []
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise PredictionError(f"{path}: {twice} stands there twice; expected each limit once.")


def read_ids(path: str | Path) -> frozenset[Any]:
    """Ids, one a line, as texts.

    Raises:
        PredictionError: missing or empty.
    """
    return frozenset(read_lines(path, "id"))


def read_names(path: str | Path) -> list[str]:
    """Names of classes, one a line, in the order of scores.

    Raises:
        PredictionError: missing, empty, or a name twice.
    """
    names = read_lines(path, "name")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise PredictionError(f"{path} has the name {twice} twice; expected each class once.")
    return names


def read_lines(path: str | Path, what: str) -> list[str]:
    """Names or ids, one a line; empty lines count not.

    Raises:
        PredictionError: missing, no text, or empty.
    """
    try:
        lines = [line.strip() for line in Path(path).read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise PredictionError(f"{path}: cannot be read ({error}); expected {what}s, one a line.") from None
    if not any(lines):
        raise PredictionError(f"{path} holds no {what}; expected one a line.")
    return [line for line in lines if line]


# ── judging ──────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Bounded:
    """A rate with its one-sided bounds.

    Attributes:
        value, low, high: fractions; high is an upper bound at the confidence, low a lower one.
        n: items, or for weighted ones the number of equal ones that tell as much.
    """

    value: float
    low: float
    high: float
    n: float


def effective_items(values: NDArray[Any], weights: NDArray[np.float64]) -> float:
    """How many equal items would know the weighted mean of values (N,) as well as these do.

    Korn and Graubard (Survey Methodology 1998): the variance over the items, by that of their weighted mean.
    Where heavy items differ most that is less than what weights alone say (Kish), which is its bound.
    """
    share = weights / weights.sum()
    off = (values - float(share @ values)) ** 2
    kish = 1 / float((share**2).sum())
    spread = float(share**2 @ off)
    return min(kish, float(share @ off) / spread) if spread > 0 else kish


def flip_rate(flips: NDArray[np.bool_], weights: NDArray[np.float64] | None, confidence: float) -> Bounded:
    """Share of items that flip, with exact bounds (Clopper and Pearson); weighted: by effective number."""
    if weights is None:
        n, count = float(len(flips)), float(flips.sum())
    else:
        n = effective_items(flips, weights)
        count = n * float(weights[flips].sum() / weights.sum())
    return rate_bounds(count, n, confidence)


def rate_bounds(count: float, n: float, confidence: float) -> Bounded:
    """Of count among n items, which need not be whole numbers."""
    low = float(special.betaincinv(count, n - count + 1, 1 - confidence)) if count > 0 else 0.0
    high = float(special.betaincinv(count + 1, n - count, confidence)) if count < n else 1.0
    return Bounded(count / n, low, high, n)


def gain(
    old: NDArray[np.bool_],
    new: NDArray[np.bool_],
    weights: NDArray[np.float64] | None,
    confidence: float,
) -> Bounded:
    """Top-1 of the new minus the old, of paired items, with bounds by Bonett and Price (2012)."""
    share = np.full(len(old), 1 / len(old)) if weights is None else weights / weights.sum()
    n = float(len(old)) if weights is None else effective_items(new.astype(float) - old, weights)
    return gain_bounds(n * float(share[new & ~old].sum()), n * float(share[old & ~new].sum()), n, confidence)


def gain_bounds(up: float, down: float, n: float, confidence: float) -> Bounded:
    """Of n items of which some are mended and some broken, which need not be whole numbers."""
    p, q = (up + 1) / (n + 2), (down + 1) / (n + 2)
    half = float(stats.norm.ppf(confidence)) * sqrt((p + q - (p - q) ** 2) / (n + 2))
    return Bounded((up - down) / n, p - q - half, p - q + half, n)


def at_most(found: Bounded, limit: float) -> Verdict:
    """Whether a rate is within a limit."""
    return "pass" if found.high <= limit else "fail" if found.low > limit else "inconclusive"


def at_least(found: Bounded, limit: float) -> Verdict:
    """Whether a gain reaches a limit."""
    return "pass" if found.low >= limit else "fail" if found.high < limit else "inconclusive"


def slices_at_most(found: Sequence[Bounded], limit: float, confidence: float) -> list[Verdict]:
    """Whether the rates of several slices are within a limit, one verdict each.

    All must pass, so that each is asked at the plain confidence. One that fails fails the release, so that
    the more slices there are, the surer a failure must be (Holm).
    """
    p = holm(np.array([p_within(one, limit) for one in found]))
    return [in_slice(one, limit, float(at), confidence) for one, at in zip(found, p, strict=True)]


def in_slice(found: Bounded, limit: float, p: float, confidence: float) -> Verdict:
    """The verdict of one slice; p is corrected for the number of slices."""
    plain = at_most(found, limit)
    return "fail" if p < 1 - confidence else "inconclusive" if plain == "fail" else plain


def p_within(found: Bounded, limit: float) -> float:
    """Chance of as many flips as there are, or more, if the true rate were the limit."""
    count = found.value * found.n
    return float(special.betainc(count, found.n - count + 1, limit)) if count > 0 else 1.0


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The gravest of them; pass where there is none."""
    return max(verdicts, key=GRAVITY.index, default="pass")
