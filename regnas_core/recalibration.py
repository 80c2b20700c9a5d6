"""BatchNorm statistics of a batch that is worked through in small pieces.

A batch of activations does not fit into a processor's cache, and fresh memory for it costs more than the
arithmetic. So a batch is cut into pieces, and each piece goes from one BatchNorm to the next while it is
in the cache: it is normalised, activated and convolved, and leaves its own mean and spread. At each
BatchNorm all pieces wait for the statistics of the whole batch, which are combined from theirs (Chan et
al., 1979). The result is that of the batch in one piece, but for rounding.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F
from torch import Tensor

from .crew import Map
from .folding import Layer, convolution
from .layers import Weights, kernel, read, run_op, run_ops
from .steps import BatchNorm, Conv, Op, Residual

Spread = tuple[int, Tensor, Tensor]  # values a channel, their mean (C,), their summed squared deviations (C,)
Moments = tuple[Tensor, Tensor]  # mean and biased variance, each (C,)


def run_together(
    ops: Sequence[Op], pieces: Sequence[Tensor], weights: Weights, share_out: Map = map
) -> tuple[list[Tensor], list[Spread]]:
    """Apply operations to the pieces of a batch, BatchNorm as in training.

    Args:
        ops: operations, in order.
        pieces: activations (b, C, H, W), the batch cut along its first dimension.
        weights: the super-network's tensors.
        share_out: ``map``, or what does several pieces at a time.

    Returns:
        The pieces of the result, and the spread of the whole batch at each BatchNorm, in order.
    """
    if len(pieces) == 1:
        return _run_alone(ops, pieces[0], weights)
    layers = _prepared(ops, weights)
    flows = [_flow(layers, piece) for piece in pieces]
    spreads: list[Spread] = []
    answer: Moments | None = None
    while True:
        ended, found = zip(*share_out(partial(_go_on, answer=answer), flows), strict=True)
        if all(ended):
            return list(found), spreads
        spreads.append(_combined(found))
        count, mean, squares = spreads[-1]
        answer = mean, squares / count


def _go_on(flow: Generator[Spread, Moments, Tensor], answer: Moments | None) -> tuple[bool, Spread | Tensor]:
    """Let a flow run to its next BatchNorm, or its end; says which of the two."""
    try:
        return False, flow.send(answer)
    except StopIteration as end:
        return True, end.value


def _run_alone(ops: Sequence[Op], x: Tensor, weights: Weights) -> tuple[list[Tensor], list[Spread]]:
    """A batch in one piece, by torch's own BatchNorm."""
    spreads: list[Spread] = []

    def norm(op: BatchNorm, x: Tensor, weights: Weights) -> Tensor:
        mean, var = x.new_zeros(op.channels), x.new_zeros(op.channels)
        y = F.batch_norm(x, mean, var, read(weights, op.scale), read(weights, op.shift), True, 1.0, op.eps)
        count = x.numel() // op.channels
        spreads.append((count, mean, var * (count - 1)))  # torch gives the unbiased variance
        return y

    return [run_ops(ops, x, weights, norm)], spreads


@dataclass(frozen=True, eq=False)
class _Norm:
    scale: Tensor
    shift: Tensor
    eps: float


@dataclass(frozen=True, eq=False)
class _Branches:
    body: list
    shortcut: list


def _prepared(ops: Sequence[Op], weights: Weights) -> list[Layer | _Norm | _Branches]:
    """Operations with their weights read, once for all pieces."""
    layers: list[Layer | _Norm | _Branches] = []
    for op in ops:
        match op:
            case BatchNorm():
                layers.append(_Norm(read(weights, op.scale), read(weights, op.shift), op.eps))
            case Residual():
                layers.append(_Branches(_prepared(op.body, weights), _prepared(op.shortcut, weights)))
            case Conv():
                layers.append(convolution(op, kernel(weights, op)))
            case _:
                layers.append(partial(run_op, op, weights=weights, norm=None))
    return layers


def _flow(layers: Sequence[Layer | _Norm | _Branches], start: Tensor) -> Generator[Spread, Moments, Tensor]:
    """One piece; it hands out its spread at a BatchNorm and goes on with the moments of the batch."""
    x = start
    for layer in layers:
        match layer:
            case _Norm():
                mean, var = yield _spread(x)
                scale = layer.scale / (var + layer.eps).sqrt()
                shift = layer.shift - mean * scale
                shape = (1, -1, 1, 1)
                x = x * scale.view(shape) if x is start else x.mul_(scale.view(shape))
                x.add_(shift.view(shape))
            case _Branches():
                y = yield from _flow(layer.body, x)
                s = yield from _flow(layer.shortcut, x)
                x = y.add_(s)
            case _:
                x = layer(x)
    return x


def _spread(x: Tensor) -> Spread:
    rows = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])  # a view of channels-last activations
    mean = rows.sum(0) / len(rows)
    return len(rows), mean, (rows - mean).square_().sum(0)  # var_mean is ten times slower here


def _combined(spreads: Sequence[Spread]) -> Spread:
    """The spread of all pieces together."""
    count, mean, squares = spreads[0]
    for n, m, s in spreads[1:]:
        delta, total = m - mean, count + n
        mean = mean + delta * (n / total)
        squares = squares + s + delta.square() * (count * n / total)
        count = total
    return count, mean, squares
