"""A sub-network is a list of steps; a step says which slices of the super-network it uses.

Everything else is derived from that one list: the forward pass, the extracted network, MACs, parameters,
shared weights, containment, and which prefix two sub-networks have in common. This module knows shapes and
names only, no tensors, so that a search space can be studied where torch is not installed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import prod
from typing import Literal

Shape = tuple[int, int, int]  # (channels, height, width) of one image's activation


@dataclass(frozen=True)
class Region:
    """The box of one super-network tensor that a sub-network uses: ``bounds[i] = (start, stop)``."""

    tensor: str
    bounds: tuple[tuple[int, int], ...]

    @classmethod
    def leading(cls, tensor: str, *sizes: int) -> Region:
        """The first ``sizes[i]`` entries along each dimension."""
        return cls(tensor, tuple((0, size) for size in sizes))

    @classmethod
    def kernel(cls, tensor: str, out: int, inp: int, size: int, full: int) -> Region:
        """The leading channels of a convolution, and the innermost ``size`` × ``size`` of its kernel."""
        low = (full - size) // 2
        return cls(tensor, ((0, out), (0, inp), (low, low + size), (low, low + size)))

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return tuple(stop - start for start, stop in self.bounds)

    @cached_property
    def size(self) -> int:
        return prod(self.shape)

    def overlap(self, other: Region) -> int:
        """Number of weights in both regions (0 for regions of different tensors)."""
        if self.tensor != other.tensor:
            return 0
        pairs = zip(self.bounds, other.bounds, strict=True)
        return prod(max(0, min(a[1], b[1]) - max(a[0], b[0])) for a, b in pairs)


@dataclass(frozen=True)
class Conv:
    """A bias-free convolution, zero-padded to keep the size: weight (out, in / groups, k, k).

    ``transforms`` names the matrices by which once-for-all computes a smaller kernel from the larger one
    around it, largest first: 7 × 7 → 5 × 5 by a (25, 25), 5 × 5 → 3 × 3 by a (9, 9). They belong to the
    super-network, not to a sub-network, which keeps the resulting kernel alone: ``weight`` is the kernel's
    place, and what counts as its weights.
    """

    weight: Region
    stride: int = 1
    groups: int = 1
    transforms: tuple[str, ...] = ()

    @property
    def regions(self) -> tuple[Region, ...]:
        return (self.weight,)

    def out_shape(self, shape: Shape) -> Shape:
        return (self.weight.shape[0], -(-shape[1] // self.stride), -(-shape[2] // self.stride))

    def macs(self, shape: Shape) -> int:
        return self.weight.size * prod(self.out_shape(shape)[1:])


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation of the leading ``channels`` of the layer named ``name``."""

    name: str
    channels: int
    eps: float = 1e-5

    @property
    def regions(self) -> tuple[Region, ...]:
        return (self.scale, self.shift)

    @property
    def scale(self) -> Region:
        return Region.leading(f"{self.name}.weight", self.channels)

    @property
    def shift(self) -> Region:
        return Region.leading(f"{self.name}.bias", self.channels)

    def out_shape(self, shape: Shape) -> Shape:
        return shape

    def macs(self, shape: Shape) -> int:
        return 0  # folded into the convolution before it


@dataclass(frozen=True)
class Activation:
    """``"relu"``, ``"h_swish"`` (x · relu6(x + 3) / 6), or ``"swish"`` (x · sigmoid(x))."""

    kind: Literal["relu", "h_swish", "swish"] = "relu"
    regions = ()

    def out_shape(self, shape: Shape) -> Shape:
        return shape

    def macs(self, shape: Shape) -> int:
        return 0


@dataclass(frozen=True)
class SqueezeExcite:
    """Channels scaled by hard-sigmoid(expand · relu(reduce · mean)), two 1 × 1 convolutions with bias.

    The weights are (middle, channels, 1, 1) and (channels, middle, 1, 1).
    """

    reduce: Region
    reduce_bias: Region
    expand: Region
    expand_bias: Region

    @property
    def regions(self) -> tuple[Region, ...]:
        return (self.reduce, self.reduce_bias, self.expand, self.expand_bias)

    def out_shape(self, shape: Shape) -> Shape:
        return shape

    def macs(self, shape: Shape) -> int:
        return self.reduce.size + self.expand.size


@dataclass(frozen=True)
class Resize:
    """Interpolation to ``size`` × ``size`` (align_corners off); nothing where the size is right already."""

    size: int
    mode: Literal["bilinear", "bicubic"]
    antialias: bool = False
    regions = ()

    def out_shape(self, shape: Shape) -> Shape:
        return (shape[0], self.size, self.size)

    def macs(self, shape: Shape) -> int:
        return 0


@dataclass(frozen=True)
class PixelUnshuffle:
    """Space to depth: (c, h, w) → (c·f², h/f, w/f)."""

    factor: int
    regions = ()

    def out_shape(self, shape: Shape) -> Shape:
        c, h, w = shape
        return (c * self.factor**2, h // self.factor, w // self.factor)

    def macs(self, shape: Shape) -> int:
        return 0


@dataclass(frozen=True)
class MaxPool:
    """Maximum of 3 × 3 with stride 2 and a margin of 1."""

    regions = ()

    def out_shape(self, shape: Shape) -> Shape:
        return (shape[0], -(-shape[1] // 2), -(-shape[2] // 2))

    def macs(self, shape: Shape) -> int:
        return 0


@dataclass(frozen=True)
class AveragePool:
    """Mean of ``stride`` × ``stride``, with that stride; what juts out over the edge counts not."""

    stride: int
    regions = ()

    def out_shape(self, shape: Shape) -> Shape:
        return (shape[0], -(-shape[1] // self.stride), -(-shape[2] // self.stride))

    def macs(self, shape: Shape) -> int:
        return 0


@dataclass(frozen=True)
class GlobalPool:
    """Mean over height and width."""

    regions = ()

    def out_shape(self, shape: Shape) -> Shape:
        return (shape[0], 1, 1)

    def macs(self, shape: Shape) -> int:
        return 0


@dataclass(frozen=True)
class Linear:
    """A fully connected layer on (c, 1, 1): weight (out, in), bias (out,)."""

    weight: Region
    bias: Region

    @property
    def regions(self) -> tuple[Region, ...]:
        return (self.weight, self.bias)

    def out_shape(self, shape: Shape) -> Shape:
        return (self.weight.shape[0], 1, 1)

    def macs(self, shape: Shape) -> int:
        return self.weight.size


@dataclass(frozen=True)
class Residual:
    """body(x) + shortcut(x); an empty shortcut is the identity."""

    body: tuple[Op, ...]
    shortcut: tuple[Op, ...] = ()

    @property
    def regions(self) -> tuple[Region, ...]:
        return tuple(region for op in (*self.body, *self.shortcut) for region in op.regions)

    def out_shape(self, shape: Shape) -> Shape:
        return _cost(self.body, shape)[1]

    def macs(self, shape: Shape) -> int:
        return _cost(self.body, shape)[0] + _cost(self.shortcut, shape)[0]


Op = (
    Conv
    | BatchNorm
    | Activation
    | SqueezeExcite
    | Resize
    | PixelUnshuffle
    | MaxPool
    | AveragePool
    | GlobalPool
    | Linear
    | Residual
)
IN_PLACE = (Activation, SqueezeExcite)  # they write into their input, where no gradient is wanted


@dataclass(frozen=True)
class Step:
    """One layer or block. Equal ``key`` and equal input mean equal output, whatever else differs.

    Attributes:
        key: hashable name of the function that the step computes.
        ops: operations applied in order; the first makes a new activation, since others may need the input.
        layer: ``(stage, i)`` for a block of an elastic stage, None for the layers that all networks have.
    """

    key: tuple[Hashable, ...]
    ops: tuple[Op, ...] = field(hash=False)  # compared: two spaces may give different layers one key
    layer: tuple[int, int] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        chains = [
            self.ops,
            *(c for op in self.ops if isinstance(op, Residual) for c in (op.body, op.shortcut)),
        ]
        if any(chain and isinstance(chain[0], IN_PLACE) for chain in chains):
            raise ValueError(
                f"step {self.key} or a branch of it begins with an operation that works in place; "
                "end the step before with it."
            )

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        return tuple(region for op in self.ops for region in op.regions)

    @cached_property
    def tensors(self) -> tuple[str, ...]:
        return tuple(region.tensor for region in self.regions)

    @cached_property
    def params(self) -> int:
        """Learned weights."""
        return sum(region.size for region in self.regions)


def _cost(ops: Iterable[Op], shape: Shape) -> tuple[int, Shape]:
    total = 0
    for op in ops:
        total += op.macs(shape)
        shape = op.out_shape(shape)
    return total, shape


@lru_cache(maxsize=100_000)
def step_cost(step: Step, shape: Shape) -> tuple[int, Shape]:
    """MACs of ``step`` on one image's activation of ``shape``, and the shape that leaves it."""
    return _cost(step.ops, shape)
