"""What a budget can be in: MACs, parameters, a phone's published latency, or latency measured here.

A cost is a function of an architecture. Whatever draws or searches takes one as ``cost=``, beside a
budget in its units, ``max_cost=``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from .arch import Arch
from .errors import GeneError, RegnasError
from .steps import Activation, Conv, GlobalPool, Linear, Residual, Shape, SqueezeExcite, Step, step_cost

if TYPE_CHECKING:
    from .space import Cost, Space
    from .supernet import SuperNet

NOTE10 = Path(__file__).parent / "tables" / "note10.csv"
NOTE10_SPACE = "ofa-mbv3-w1.2"
Row = tuple[str, ...]  # layer, input, output, and of a block expand, kernel, stride, idskip, se, hs


def get_cost(name: str, space: Space, net: SuperNet | None = None, path: str | Path | None = None) -> Cost:
    """The cost called ``name``, as a function of the architectures of ``space``.

    Args:
        name: ``"macs"`` (multiply-accumulates of one image), ``"params"`` (learned weights), ``"note10"``
            (ms, :func:`note10`), or ``"latency"`` (ms, :class:`~regnas_core.latency.LatencyTable`).
        space: the search space.
        net: for ``"latency"``: a super-network of that space; by default one with random weights.
        path: for ``"latency"``: the table's file; by default it is not kept.

    Raises:
        RegnasError: an unknown name, or a cost that this space does not have.

    >>> from regnas_core import get_space
    >>> space = get_space("mini")
    >>> get_cost("params", space)(space.smallest)
    24932
    """
    makers = {
        "macs": lambda: space.macs,
        "params": lambda: parameters(space),
        "note10": lambda: note10(space),
        "latency": lambda: _latency(space, net, path),
    }
    if name not in makers:
        raise RegnasError(f"Unknown cost {name!r}; choose one of {', '.join(makers)}.")
    return makers[name]()


def parameters(space: Space) -> Cost:
    """Number of learned weights of a sub-network, BatchNorm's scales and shifts included."""
    return space.params


def _latency(space: Space, net: SuperNet | None, path: str | Path | None) -> Cost:
    from .latency import LatencyTable  # needs torch
    from .supernet import SuperNet, random_weights

    return LatencyTable(net or SuperNet(space, random_weights(space, 0), *space.normalisation), path)


# ── once-for-all's table of a Samsung Note10 ─────────────────────────────────────────────────────
def note10(space: Space) -> Cost:
    """Latency in ms of OFA MobileNet-V3 w1.2 on a Samsung Note10: the sum of its layers' published means.

    Table and sum are once-for-all's (``tables/note10.csv``; ``ofa/tutorial/latency_table.py``). A
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
