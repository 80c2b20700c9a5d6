"""What operations do to tensors, defined once: in :func:`bind`.

An operation of a search space, with its slices of the super-network's tensors at hand, is a *layer*. There
are four kinds of layers, and all that is done with them walks these four: running a sub-network, folding its
BatchNorm, recalibrating it in pieces, extracting it. So a new operation is one case of :func:`bind`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isqrt
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init

from ..spaces.steps import (
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


# ── the four kinds of layers ─────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution, zero-padded to keep the size; its weight is (out, in / groups, k, k)."""

    weight: Tensor
    bias: Tensor | None = None
    stride: int = 1
    groups: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        padding = self.weight.shape[-1] // 2
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)

    def ready(self, dtype: torch.dtype | None = None) -> Convolution:
        """The same with its weight laid out as channels-last activations want it, to be called often."""
        weight = self.weight.to(dtype).contiguous(memory_format=torch.channels_last)
        return replace(self, weight=weight, bias=None if self.bias is None else self.bias.to(dtype))

    def modules(self) -> list[nn.Module]:
        out, inp, k, _ = self.weight.shape
        options = {"stride": self.stride, "padding": k // 2, "groups": self.groups}
        layer = skip_init(nn.Conv2d, inp * self.groups, out, k, bias=self.bias is not None, **options)
        return [_filled(layer, weight=self.weight, bias=self.bias)]


@dataclass(frozen=True, eq=False)
class Normalisation:
    """A BatchNorm, all (C,). What it normalises by is its caller's choice: see :func:`walk`.

    ``statistics`` are the running mean and variance that a published super-network keeps, or None.
    """

    scale: Tensor
    shift: Tensor
    eps: float
    statistics: tuple[Tensor | None, Tensor | None] = (None, None)

    def ready(self) -> Normalisation:
        return self

    def modules(self) -> list[nn.Module]:
        mean, var = self.statistics
        values = {"weight": self.scale, "bias": self.shift, "running_mean": mean, "running_var": var}
        return [_filled(nn.BatchNorm2d(len(self.scale), eps=self.eps), **values)]


@dataclass(frozen=True, eq=False)
class Function:
    """Anything else: x ↦ ``apply(x, *weights)``, and what makes stand-alone modules of its weights."""

    apply: Callable[..., Tensor]
    build: Callable[..., list[nn.Module]]
    weights: tuple[Tensor, ...] = ()

    def __call__(self, x: Tensor) -> Tensor:
        return self.apply(x, *self.weights)

    def ready(self, dtype: torch.dtype | None = None) -> Function:
        return replace(self, weights=tuple(w.to(dtype) for w in self.weights))

    def modules(self) -> list[nn.Module]:
        return self.build(*self.weights)


@dataclass(frozen=True, eq=False)
class Branches:
    """body(x) + shortcut(x); callable where no :class:`Normalisation` is left in them."""

    body: Sequence[Layer]
    shortcut: Sequence[Layer]

    def __call__(self, x: Tensor) -> Tensor:
        return apply(self.body, x).add_(apply(self.shortcut, x))

    def ready(self) -> Branches:
        return Branches(*([layer.ready() for layer in branch] for branch in (self.body, self.shortcut)))

    def modules(self) -> list[nn.Module]:
        return [Shortcut(module(self.body), module(self.shortcut))]


Layer = Convolution | Normalisation | Function | Branches
Norm = Callable[[Normalisation, Tensor], Tensor]


# ── what an operation does ───────────────────────────────────────────────────────────────────────
def bind(ops: Iterable[Op], weights: Weights) -> list[Layer]:
    """The layers of operations, in order; their weights are views of the super-network's tensors."""
    return [_bound(op, weights) for op in ops]


def _bound(op: Op, weights: Weights) -> Layer:
    """The meaning of every operation, on activations (B, C, H, W)."""

    def own(*regions: Region) -> tuple[Tensor, ...]:
        return tuple(read(weights, region) for region in regions)

    match op:
        case Conv():
            return Convolution(kernel(weights, op), None, op.stride, op.groups)
        case BatchNorm():
            kept = (weights.get(f"{op.name}.{name}") for name in ("running_mean", "running_var"))
            statistics = tuple(None if value is None else value[: op.channels] for value in kept)
            return Normalisation(*own(op.scale, op.shift), op.eps, statistics)
        case Residual():
            return Branches(bind(op.body, weights), bind(op.shortcut, weights))
        case Activation():
            function, layer = _ACTIVATIONS[op.kind]
            return Function(partial(_in_place, function), lambda: [layer()])
        case SqueezeExcite():
            return Function(_excite, _excite_modules, own(*op.regions))
        case Linear():
            return Function(lambda x, w, b: F.linear(x.flatten(1), w, b), _linear, own(op.weight, op.bias))
        case Resize():
            return Function(partial(_resize, op), lambda: [Interpolate(op)])
        case PixelUnshuffle():
            layer = nn.PixelUnshuffle(op.factor)
        case MaxPool():
            layer = nn.MaxPool2d(3, 2, 1)
        case AveragePool():
            layer = nn.AvgPool2d(op.stride, op.stride, ceil_mode=True)
        case GlobalPool():
            return Function(lambda x: x.mean((2, 3), keepdim=True), lambda: [nn.AdaptiveAvgPool2d(1)])
    return Function(layer, lambda: [layer])


# Without gradients, activations and squeeze-and-excite work in place (a fresh buffer costs more than the
# operation); so neither may be the first of a step or a branch, which Step sees to.
_ACTIVATIONS = {
    "relu": (F.relu, nn.ReLU),
    "h_swish": (F.hardswish, nn.Hardswish),
    "swish": (F.silu, nn.SiLU),
}


def _in_place(function: Callable[..., Tensor], x: Tensor) -> Tensor:
    return function(x, inplace=not torch.is_grad_enabled())


def _excite(x: Tensor, reduce: Tensor, reduce_bias: Tensor, expand: Tensor, expand_bias: Tensor) -> Tensor:
    y = F.relu(F.conv2d(x.mean((2, 3), keepdim=True), reduce, reduce_bias))
    y = F.hardsigmoid(F.conv2d(y, expand, expand_bias))
    return x * y if torch.is_grad_enabled() else x.mul_(y)


def _excite_modules(reduce: Tensor, reduce_bias: Tensor, expand: Tensor, expand_bias: Tensor) -> list:
    pairs = ((reduce, reduce_bias), (expand, expand_bias))
    return [Excite(*(Convolution(*pair).modules()[0] for pair in pairs))]


def _linear(weight: Tensor, bias: Tensor) -> list[nn.Module]:
    layer = skip_init(nn.Linear, *reversed(weight.shape))
    return [nn.Flatten(), _filled(layer, weight=weight, bias=bias)]


def _resize(op: Resize, x: Tensor) -> Tensor:
    size = (op.size, op.size)
    if x.shape[-2:] == size:
        return x
    return F.interpolate(x, size, mode=op.mode, align_corners=False, antialias=op.antialias)


# ── running layers ───────────────────────────────────────────────────────────────────────────────
class Pause(NamedTuple):
    """Where :func:`walk` waits for what a BatchNorm makes of ``x``, which may be overwritten if ``own``."""

    norm: Normalisation
    x: Tensor
    own: bool


def walk(layers: Iterable[Layer], x: Tensor) -> Generator[Pause, Tensor, Tensor]:
    """Run layers on ``x``; at every BatchNorm it pauses and is sent the normalised activation.

    Who walks decides what BatchNorm normalises by: the batch (:func:`run`), or that of all pieces which
    wait at the same place (:mod:`regnas_core.evaluation.recalibration`).
    """
    start = x
    for layer in layers:
        match layer:
            case Normalisation():
                x = yield Pause(layer, x, x is not start)
            case Branches():
                y = yield from walk(layer.body, x)
                s = yield from walk(layer.shortcut, x)
                x = s + y if torch.is_grad_enabled() else y.add_(s)
            case _:
                x = layer(x)
    return x


def run_layers(layers: Iterable[Layer], x: Tensor, norm: Norm) -> Tensor:
    """Run layers with one function for every BatchNorm."""
    flow = walk(layers, x)
    try:
        pause = next(flow)
        while True:
            pause = flow.send(norm(pause.norm, pause.x))
    except StopIteration as end:
        return end.value


def batch_statistics(norm: Normalisation, x: Tensor) -> Tensor:
    """BatchNorm as in training: normalise by the statistics of this very batch."""
    return F.batch_norm(x, None, None, norm.scale, norm.shift, training=True, eps=norm.eps)


def run(steps: Iterable[Step], x: Tensor, weights: Weights, norm: Norm = batch_statistics) -> Tensor:
    """Apply all steps to normalised images (B, C, H, W); logits (B, classes) come out."""
    for step in steps:
        x = run_layers(bind(step.ops, weights), x, norm)
    return x


def apply(layers: Iterable[Callable[[Tensor], Tensor]], x: Tensor) -> Tensor:
    """One layer after another, of layers without BatchNorm."""
    for layer in layers:
        x = layer(x)
    return x


def norms(layers: Iterable[Layer]) -> Iterator[Normalisation]:
    """Every BatchNorm, in the order in which :func:`walk` pauses."""
    for layer in layers:
        if isinstance(layer, Normalisation):
            yield layer
        elif isinstance(layer, Branches):
            yield from norms((*layer.body, *layer.shortcut))


# ── stand-alone layers ───────────────────────────────────────────────────────────────────────────
class Interpolate(nn.Module):
    """Resizing of (B, C, H, W), nothing where the size is right already."""

    def __init__(self, op: Resize) -> None:
        super().__init__()
        self.op = op

    def forward(self, x: Tensor) -> Tensor:
        return _resize(self.op, x)

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


def module(layers: Iterable[Layer]) -> nn.Sequential:
    """Plain ``torch.nn`` layers with copies of the layers' weights.

    BatchNorm has the super-network's running statistics, where it keeps any.
    """
    return nn.Sequential(*(part for layer in layers for part in layer.modules()))


def _filled(layer: nn.Module, **values: Tensor | None) -> nn.Module:
    """The layer with copies of these values, those that are there, in their dtype and on their device."""
    layer.to(values["weight"])
    with torch.no_grad():
        for name, value in values.items():
            if value is not None:
                getattr(layer, name).copy_(value)
    return layer
