"""BatchNorm statistics of a batch that is worked through in small pieces.

A batch of activations does not fit into a processor's cache, and fresh memory for it costs more than the
arithmetic. So a batch is cut into pieces, and each piece goes from one BatchNorm to the next while it is
in the cache: it is normalised, activated and convolved, and leaves its own mean and spread. At each
BatchNorm all pieces wait for the statistics of the whole batch, which are combined from theirs (Chan et
al., 1979). The result is that of the batch in one piece, but for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor

from ..supernets.layers import Layer, Normalisation, Pause, run_layers, walk
from .crew import Map

Spread = tuple[int, Tensor, Tensor]  # values a channel, their mean (C,), their summed squared deviations (C,)
Moments = tuple[Tensor, Tensor]  # mean and biased variance, each (C,)


def run_together(
    layers: Sequence[Layer], pieces: Sequence[Tensor], share_out: Map = map
) -> tuple[list[Tensor], list[Spread]]:
    """Run layers on the pieces of a batch, BatchNorm as in training.

    Args:
        layers: in order.
        pieces: activations (b, C, H, W), the batch cut along its first dimension.
        share_out: ``map``, or what does several pieces at a time.

    Returns:
        The pieces of the result, and the spread of the whole batch at each BatchNorm, in order.
    """
    layers = [layer.ready() for layer in layers]
    if len(pieces) == 1:
        return _run_alone(layers, pieces[0])
    flows = [_Flow(layers, piece) for piece in pieces]
    spreads: list[Spread] = []
    answer: Moments | None = None
    while any(list(share_out(partial(_Flow.go_on, answer=answer), flows))):
        spreads.append(_combined([flow.spread for flow in flows]))
        count, mean, squares = spreads[-1]
        answer = mean, squares / count
    return [flow.result for flow in flows], spreads


def _run_alone(layers: Sequence[Layer], x: Tensor) -> tuple[list[Tensor], list[Spread]]:
    """A batch in one piece, by torch's own BatchNorm."""
    spreads: list[Spread] = []

    def norm(norm: Normalisation, x: Tensor) -> Tensor:
        mean, var = x.new_zeros(x.shape[1]), x.new_zeros(x.shape[1])
        y = F.batch_norm(x, mean, var, norm.scale, norm.shift, True, 1.0, norm.eps)
        count = x.numel() // x.shape[1]
        spreads.append((count, mean, var * (count - 1)))  # torch gives the unbiased variance
        return y

    return [run_layers(layers, x, norm)], spreads


class _Flow:
    """One piece on its way: it leaves its spread at a BatchNorm, and goes on with the batch's moments."""

    def __init__(self, layers: Sequence[Layer], piece: Tensor) -> None:
        self._walk, self._pause = walk(layers, piece), None
        self.spread: Spread | None = None
        self.result: Tensor | None = None

    def go_on(self, answer: Moments | None) -> bool:
        """Run to the next BatchNorm, or to the end; whether there was one."""
        try:
            sent = None if self._pause is None else _normalised(self._pause, *answer)
            self._pause = self._walk.send(sent)
        except StopIteration as end:
            self.result, self._pause = end.value, None
            return False
        self.spread = _spread(self._pause.x)
        return True


def _normalised(pause: Pause, mean: Tensor, var: Tensor) -> Tensor:
    norm, x, shape = pause.norm, pause.x, (1, -1, 1, 1)
    scale = norm.scale / (var + norm.eps).sqrt()
    shift = norm.shift - mean * scale
    x = x.mul_(scale.view(shape)) if pause.own else x * scale.view(shape)
    return x.add_(shift.view(shape))


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
