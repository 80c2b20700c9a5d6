"""What steps do to tensors: as functions of the super-network's weights, and as plain torch.nn layers.

One interpreter (:func:`run`) executes the steps of any search space on slices of the super-network's
tensors; :func:`module` builds the same function from stand-alone layers that own copies of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import isqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init

from .steps import (
    Activation,
    AveragePool,
    BatchNorm,
    Conv,
    GlobalPool,
    Linear,
    MaxPool,
    Op,
    PixelUnshuffle,
    Region,
    Residual,
    Resize,
    SqueezeExcite,
    Step,
)

Weights = Mapping[str, Tensor]
Norm = Callable[[BatchNorm, Tensor, Weights], Tensor]
_ACTIVATIONS = {"relu": F.relu, "h_swish": F.hardswish, "swish": F.silu}
_ACTIVATION_LAYERS = {"relu": nn.ReLU, "h_swish": nn.Hardswish, "swish": nn.SiLU}


# ── weights ──────────────────────────────────────────────────────────────────────────────────────
def read(weights: Weights, region: Region) -> Tensor:
    """The slice of the super-network's tensor that ``region`` names (a view)."""
    return weights[region.tensor][tuple(slice(*bound) for bound in region.bounds)]


def kernel(weights: Weights, op: Conv) -> Tensor:
    """The weight (out, in / groups, k, k) of a convolution: a slice, transformed where the op says so."""
    if not op.transforms:
        return read(weights, op.weight)
    out, inp = op.weight.shape[:2]
    w = weights[op.weight.tensor][:out, :inp]
    for name in op.transforms:
        matrix = weights[name]
        size = isqrt(len(matrix))
        low = (w.shape[-1] - size) // 2
        centre = w[..., low : low + size, low : low + size]
        w = F.linear(centre.reshape(-1, size * size), matrix).view(out, inp, size, size)
    return w


# ── functions ────────────────────────────────────────────────────────────────────────────────────
def batch_statistics(op: BatchNorm, x: Tensor, weights: Weights) -> Tensor:
    """BatchNorm as in training: normalise by the statistics of this very batch."""
    return F.batch_norm(
        x, None, None, read(weights, op.scale), read(weights, op.shift), training=True, eps=op.eps
    )


def run_op(op: Op, x: Tensor, weights: Weights, norm: Norm | None) -> Tensor:
    """Apply one operation to activations (B, C, H, W).

    Without gradients, activations, squeeze-and-excite and additions work in place (a fresh buffer costs
    more than the operation); so none of the first two may be the first of a step or a branch.
    """
    grad = torch.is_grad_enabled()
    match op:
        case Conv():
            w = kernel(weights, op)
            return F.conv2d(x, w, stride=op.stride, padding=w.shape[-1] // 2, groups=op.groups)
        case BatchNorm():
            return norm(op, x, weights)
        case Activation():
            return _ACTIVATIONS[op.kind](x, inplace=not grad)
        case SqueezeExcite():
            y = x.mean((2, 3), keepdim=True)
            y = F.relu(F.conv2d(y, read(weights, op.reduce), read(weights, op.reduce_bias)))
            y = F.conv2d(y, read(weights, op.expand), read(weights, op.expand_bias))
            return x * F.hardsigmoid(y) if grad else x.mul_(F.hardsigmoid(y))
        case Residual():
            y = run_ops(op.body, x, weights, norm)
            s = run_ops(op.shortcut, x, weights, norm)
            return s + y if grad else y.add_(s)
        case Linear():
            return F.linear(x.flatten(1), read(weights, op.weight), read(weights, op.bias))
        case _:
            return _reshape(op, x)


def _reshape(op: Op, x: Tensor) -> Tensor:
    """Operations without weights that change height and width."""
    match op:
        case Resize():
            if x.shape[-2:] == (op.size, op.size):
                return x
            size = (op.size, op.size)
            return F.interpolate(x, size, mode=op.mode, align_corners=False, antialias=op.antialias)
        case PixelUnshuffle():
            return F.pixel_unshuffle(x, op.factor)
        case MaxPool():
            return F.max_pool2d(x, 3, 2, 1)
        case AveragePool():
            return F.avg_pool2d(x, op.stride, op.stride, ceil_mode=True)
        case GlobalPool():
            return x.mean((2, 3), keepdim=True)


def run_ops(ops: Iterable[Op], x: Tensor, weights: Weights, norm: Norm | None) -> Tensor:
    """Apply operations one after another."""
    for op in ops:
        x = run_op(op, x, weights, norm)
    return x


def run(steps: Iterable[Step], x: Tensor, weights: Weights, norm: Norm = batch_statistics) -> Tensor:
    """Apply all steps to normalised images (B, C, H, W); logits (B, classes) come out."""
    for step in steps:
        x = run_ops(step.ops, x, weights, norm)
    return x


# ── stand-alone layers ───────────────────────────────────────────────────────────────────────────
class Interpolate(nn.Module):
    """Resizing of (B, C, H, W), nothing where the size is right already."""

    def __init__(self, op: Resize) -> None:
        super().__init__()
        self.op = op

    def forward(self, x: Tensor) -> Tensor:
        return _reshape(self.op, x)

    def extra_repr(self) -> str:
        return repr(self.op)


class Shortcut(nn.Module):
    """shortcut(x) + body(x)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.body(x)


class Excite(nn.Module):
    """Squeeze-and-excite: x · hard-sigmoid(expand(relu(reduce(mean of x))))."""

    def __init__(self, reduce: nn.Module, expand: nn.Module) -> None:
        super().__init__()
        self.reduce, self.expand = reduce, expand

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * F.hardsigmoid(y)


def module(ops: Iterable[Op], weights: Weights) -> nn.Sequential:
    """Plain ``torch.nn`` layers with copies of the weights that ``ops`` use.

    BatchNorm has the super-network's running statistics, where it keeps any.
    """
    return nn.Sequential(*(layer for op in ops for layer in _layers(op, weights)))


def _layers(op: Op, weights: Weights) -> list[nn.Module]:
    match op:
        case Conv():
            return [_conv(kernel(weights, op), None, op.stride, op.groups)]
        case BatchNorm():
            return [_batchnorm(op, weights)]
        case Activation():
            return [_ACTIVATION_LAYERS[op.kind]()]
        case SqueezeExcite():
            pairs = ((op.reduce, op.reduce_bias), (op.expand, op.expand_bias))
            return [Excite(*(_conv(read(weights, w), read(weights, b)) for w, b in pairs))]
        case Residual():
            return [Shortcut(module(op.body, weights), module(op.shortcut, weights))]
        case Linear():
            w, b = read(weights, op.weight), read(weights, op.bias)
            return [nn.Flatten(), _filled(skip_init(nn.Linear, *reversed(w.shape)), weight=w, bias=b)]
        case Resize():
            return [Interpolate(op)]
        case PixelUnshuffle():
            return [nn.PixelUnshuffle(op.factor)]
        case MaxPool():
            return [nn.MaxPool2d(3, 2, 1)]
        case AveragePool():
            return [nn.AvgPool2d(op.stride, op.stride, ceil_mode=True)]
        case GlobalPool():
            return [nn.AdaptiveAvgPool2d(1)]


def _conv(weight: Tensor, bias: Tensor | None, stride: int = 1, groups: int = 1) -> nn.Module:
    out, inp, k, _ = weight.shape
    options = {"stride": stride, "padding": k // 2, "groups": groups, "bias": bias is not None}
    layer = skip_init(nn.Conv2d, inp * groups, out, k, **options)
    return _filled(layer, weight=weight, **({} if bias is None else {"bias": bias}))


def _batchnorm(op: BatchNorm, weights: Weights) -> nn.Module:
    values = {"weight": read(weights, op.scale), "bias": read(weights, op.shift)}
    for name in ("running_mean", "running_var"):
        if (statistic := weights.get(f"{op.name}.{name}")) is not None:
            values[name] = statistic[: op.channels]
    return _filled(nn.BatchNorm2d(op.channels, eps=op.eps), **values)


def _filled(layer: nn.Module, **values: Tensor) -> nn.Module:
    layer.to(values["weight"])
    with torch.no_grad():
        for name, value in values.items():
            getattr(layer, name).copy_(value)
    return layer
