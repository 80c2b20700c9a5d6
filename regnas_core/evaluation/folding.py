"""BatchNorm folded into the convolutions before it: layers that are functions of activations alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ..supernets.layers import Branches, Convolution, Layer, Normalisation

Moments = Iterator[tuple[Tensor, Tensor]]


def fold(
    layers: Sequence[Layer], moments: Moments, dtype: torch.dtype | None = None
) -> list[Callable[[Tensor], Tensor]]:
    """Functions that do what ``layers`` do.

    Args:
        layers: in order.
        moments: (mean, variance), each (C,), of their BatchNorms, in order.
        dtype: of activations, where it is another than the weights'; folding is done in theirs.
    """
    done: list[Callable[[Tensor], Tensor]] = []
    rest = list(layers)
    while rest:
        layer = rest.pop(0)
        if isinstance(layer, Convolution) and rest and isinstance(rest[0], Normalisation):
            done.append(_folded(layer, rest.pop(0), *next(moments)).ready(dtype))
        elif isinstance(layer, Normalisation):
            done.append(_unfolded(layer, *next(moments)))
        elif isinstance(layer, Branches):
            done.append(Branches(*(fold(branch, moments, dtype) for branch in (layer.body, layer.shortcut))))
        else:
            done.append(layer.ready(dtype))
    return done


def _folded(conv: Convolution, norm: Normalisation, mean: Tensor, var: Tensor) -> Convolution:
    weight, bias = fuse_conv_bn_weights(conv.weight, conv.bias, mean, var, norm.eps, norm.scale, norm.shift)
    return Convolution(weight.detach(), bias.detach(), conv.stride, conv.groups)


def _unfolded(norm: Normalisation, mean: Tensor, var: Tensor) -> Callable[[Tensor], Tensor]:
    values = {"running_mean": mean, "running_var": var, "weight": norm.scale, "bias": norm.shift}
    return partial(F.batch_norm, **values, eps=norm.eps)
