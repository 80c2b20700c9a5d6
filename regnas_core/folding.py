"""Operations as functions of activations alone, BatchNorm folded into the convolutions before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from .layers import Weights, kernel, read, run_op
from .steps import BatchNorm, Conv, Op, Residual

Layer = Callable[[Tensor], Tensor]
Moments = Iterator[tuple[Tensor, Tensor]]


def fold(ops: Sequence[Op], moments: Moments, weights: Weights, cast: Weights | None = None) -> list[Layer]:
    """Functions that do what ``ops`` do.

    Args:
        ops: operations, in order.
        moments: (mean, variance) of their BatchNorms, in order.
        weights: the super-network's tensors; folding is done in their dtype.
        cast: the same tensors in the dtype of the activations, where that is another one.
    """
    cast = weights if cast is None else cast
    layers: list[Layer] = []
    rest = list(ops)
    while rest:
        op = rest.pop(0)
        if isinstance(op, Conv) and rest and isinstance(rest[0], BatchNorm):
            layers.append(_folded(op, rest.pop(0), *next(moments), weights, cast[op.weight.tensor].dtype))
        elif isinstance(op, BatchNorm):
            layers.append(_unfolded(op, *next(moments), weights))
        elif isinstance(op, Residual):
            branches = (fold(branch, moments, weights, cast) for branch in (op.body, op.shortcut))
            layers.append(partial(_add, *branches))
        else:
            layers.append(partial(run_op, op, weights=cast, norm=None))
    return layers


def apply(layers: Sequence[Layer], x: Tensor) -> Tensor:
    """One function after another."""
    for layer in layers:
        x = layer(x)
    return x


def _folded(
    op: Conv, norm: BatchNorm, mean: Tensor, var: Tensor, weights: Weights, dtype: torch.dtype
) -> Layer:
    scale = read(weights, norm.scale) / (var + norm.eps).sqrt()
    weight = kernel(weights, op) * scale[:, None, None, None]
    return convolution(op, weight.to(dtype), (read(weights, norm.shift) - mean * scale).to(dtype))


def convolution(op: Conv, weight: Tensor, bias: Tensor | None = None) -> Layer:
    """A convolution whose weights lie ready as channels-last activations want them."""
    return partial(
        F.conv2d,
        weight=weight.contiguous(memory_format=torch.channels_last),
        bias=bias,
        stride=op.stride,
        padding=weight.shape[-1] // 2,
        groups=op.groups,
    )


def _unfolded(op: BatchNorm, mean: Tensor, var: Tensor, weights: Weights) -> Layer:
    scale, shift = read(weights, op.scale), read(weights, op.shift)
    return partial(F.batch_norm, running_mean=mean, running_var=var, weight=scale, bias=shift, eps=op.eps)


def _add(body: list[Layer], shortcut: list[Layer], x: Tensor) -> Tensor:
    return apply(body, x).add_(apply(shortcut, x))
