"""Latencies recorded in tables: once-for-all's of a phone, and those of any device where steps were timed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import GeneError, RegnasError
from ..files import digest
from ..spaces.arch import Arch
from ..spaces.steps import (
    Activation,
    Conv,
    GlobalPool,
    Linear,
    Residual,
    Shape,
    SqueezeExcite,
    Step,
    step_cost,
)

if TYPE_CHECKING:
    from ..spaces.space import Cost, Space

TABLES = Path(__file__).parent / "latencies"
COLUMNS = dict(step=str, input=str, batch=int, median_ms=float, q25_ms=float, q75_ms=float, repeats=int)
LONGEST = 1e9  # ms
Key = tuple[str, str]  # a step's key, and the shape of its input
NOTE10 = TABLES / "note10.csv"
NOTE10_SPACE = "ofa-mbv3-w1.2"
Row = tuple[str, ...]  # layer, input, output, and of a block expand, kernel, stride, idskip, se, hs


# ── any device's ─────────────────────────────────────────────────────────────────────────────────
def recorded_latency(space: Space, path: str | Path) -> Cost:
    """Latency in ms of a batch on the machine where a table was recorded: the sum of its steps' medians.

    ``regnas bench latency`` records one. Nothing is timed here, so a search by it can be repeated anywhere.

    Args:
        space: the search space.
        path: the table; a name alone may also be one that comes with the package, in ``latencies``.

    Raises:
        RegnasError: there is no such table, it is not whole, or of another space; or, of the returned
            function, it lacks a step of the architecture.
    """
    path = Path(path).expanduser()
    found = next((p for p in (path, TABLES / path.name) if p.is_file()), None)
    if found is None:
        known = ", ".join(recorded_tables(space)) or "none of this space"
        raise RegnasError(
            f"There is no latency table {path}. Record one with `regnas bench latency --csv {path}`, "
            f"or take one that comes with the package: {known}."
        )
    conditions, rows = read_latencies(found)
    if conditions.get("space") != space.identity:
        raise RegnasError(
            f"The latencies in {found} are of {conditions.get('space')}, not of {space.identity}. "
            "Record a table of this space with `regnas bench latency`."
        )
    median = list(COLUMNS).index("median_ms") - len(COLUMNS)
    medians = {key: row[median] for key, row in rows.items()}
    return _Recorded(space, found, digest(found.read_bytes()), medians)


@dataclass(frozen=True)
class _Recorded:
    """What :func:`recorded_latency` returns. Those of one file are equal: one's answers serve all."""

    space: Space
    path: Path
    digest: str
    medians: dict[Key, float] = field(compare=False, repr=False)

    def __call__(self, arch: Arch) -> float:
        keys = [latency_key(*place) for place in self.space.places(arch)]
        if missing := [key for key in keys if key not in self.medians]:
            raise RegnasError(
                f"{self.path} lacks the step {missing[0][0]!r} on an input of {missing[0][1]}. "
                "Record it again."
            )
        return sum(self.medians[key] for key in keys)


def recorded_tables(space: Space) -> list[str]:
    """Names of the recorded tables of a space that come with the package."""
    tables = [path for path in sorted(TABLES.glob("*.csv")) if path != NOTE10]
    return [path.name for path in tables if read_latencies(path)[0].get("space") == space.identity]


def latency_key(step: Step, shape: Shape) -> Key:
    """What a table of latencies calls a step and the shape of its input (C x H x W)."""
    return " ".join(map(str, step.key)), "x".join(map(str, shape))


def read_latencies(path: Path) -> tuple[dict[str, Any], dict[Key, tuple]]:
    """Conditions and rows (batch, median, quartiles, repeats) of a file by :class:`LatencyTable`.

    Raises:
        RegnasError: it is no such file, or not whole.
    """
    head, _, table = path.read_bytes().decode(errors="replace").partition("\n")
    try:
        found = dict(json.loads(head.removeprefix("# ")))
        names, *lines = csv.reader(table.splitlines())
        if names != list(COLUMNS) or not table.endswith("\n"):
            raise ValueError("columns are missing, or the end")
        rows = [[kind(v) for kind, v in zip(COLUMNS.values(), line, strict=True)] for line in lines]
        if not all(0 <= value < LONGEST for row in rows for value in row[2:]):
            raise ValueError("numbers that are no times")
        known: dict[Key, tuple] = {(step, inp): tuple(values) for step, inp, *values in rows}
        if len(known) < len(rows):
            raise ValueError("steps that occur twice")
    except (ValueError, TypeError, csv.Error) as error:
        raise RegnasError(f"{path} is no whole latency table ({error}). Give another path.") from None
    return found, known


# ── once-for-all's table of a Samsung Note10 ─────────────────────────────────────────────────────
def note10(space: Space) -> Cost:
    """Latency in ms of OFA MobileNet-V3 w1.2 on a Samsung Note10: the sum of its layers' published means.

    Table and sum are once-for-all's (``latencies/note10.csv``; ``ofa/tutorial/latency_table.py``). A
    sub-network is taken at its own resolution r: 160, 176, 192, 208 or 224.

    Raises:
        RegnasError: another space than ``ofa-mbv3-w1.2``.
        GeneError: the space draws a resolution that the table lacks. The returned function raises it, too,
            for an architecture of such a resolution or of another space.
    """
    if space.name != NOTE10_SPACE:
        raise RegnasError(
            f"The latency table of the Note10 holds the layers of {NOTE10_SPACE} only, none of {space.name}. "
            f"Search {NOTE10_SPACE}, or choose another cost."
        )
    table = _note10_table()
    known = tuple(sorted(table))

    def check(resolutions: Iterable[int]) -> None:
        if unknown := sorted(set(resolutions) - set(known)):
            raise GeneError(
                f"The latency table of the Note10 has no resolution {unknown[0]}, only "
                f"{', '.join(map(str, known))}. Draw from these: "
                f"get_space({NOTE10_SPACE!r}, resolutions={known})."
            )

    @cache
    def step_ms(resolution: int, step: Step, shape: Shape) -> float:
        return sum(table[resolution][row] for row in _note10_rows(step, shape))

    def latency_ms(arch: Arch) -> float:
        steps = list(space.places(arch))
        check([arch.r])
        return sum(step_ms(arch.r, step, shape) for step, shape in steps)

    check(next(gene.drawn for gene in space.genes if gene.name == "r"))
    return latency_ms


@cache
def _note10_table() -> dict[int, dict[Row, float]]:
    """Mean latency in ms by resolution and row."""
    frame = pd.read_csv(NOTE10, comment="#", dtype=str, keep_default_na=False)
    table: dict[int, dict[Row, float]] = {int(resolution): {} for resolution in frame["resolution"]}
    for resolution, *row, mean_ms in frame.drop(columns=["std_ms", "count"]).itertuples(index=False):
        table[int(resolution)][tuple(filter(None, row))] = float(mean_ms)
    return table


def _note10_rows(step: Step, shape: Shape) -> Iterator[Row]:
    """What the table calls the layers of a step; nothing for the resizing of images."""
    kind = step.key[0]
    if kind == "stem":
        yield "Conv", _hwc(shape), _hwc(step_cost(step, shape)[1])
    elif kind == "head":
        names = iter(("Conv_1", "AvgPool2D", "Conv_2", "Logits"))
        for op in step.ops:
            out = op.out_shape(shape)
            if isinstance(op, Conv | GlobalPool | Linear):
                yield next(names), _hwc(shape), _hwc(out)
            shape = out
    elif kind != "resize":
        yield "expanded_conv", _hwc(shape), _hwc(step_cost(step, shape)[1]), *_details(step)


def _details(block: Step) -> Row:
    """expand (middle channels), kernel, stride, idskip, se and hs of an inverted-residual block."""
    skip = isinstance(block.ops[0], Residual)
    ops = block.ops[0].body if skip else block.ops
    deep = next(op for op in ops if isinstance(op, Conv) and op.groups > 1)
    excite = any(isinstance(op, SqueezeExcite) for op in ops)
    swish = any(isinstance(op, Activation) and op.kind == "h_swish" for op in ops)
    numbers = (deep.groups, deep.weight.shape[-1], deep.stride, skip, excite, swish)
    return tuple(str(int(number)) for number in numbers)


def _hwc(shape: Shape) -> str:
    return f"{shape[1]}x{shape[2]}x{shape[0]}"
