"""A hardware-aware complexity metric: bit operations, and the time that a roofline allows them.

After Karbachevsky et al., "Early-stage neural network hardware performance analysis" (Sustainability 2021).
A layer of m output and n input channels with k × k kernels, of weights and activations with b_w and b_a bits,
does m · n · k² · (b_a · b_w + b_a + b_w + log₂(n · k²)) bit operations for each output pixel. A machine does
them as fast as its units or its memory allow: min(peak, bandwidth × operations per bit moved).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import log2, prod
from typing import TYPE_CHECKING, NamedTuple

from ..errors import RegnasError
from ..spaces.steps import Conv, Linear, Op, Residual, Shape, SqueezeExcite, Step

if TYPE_CHECKING:
    from ..spaces.space import Cost, Space

PEAK = 1e14  # bit operations a second: a small edge accelerator, some 10¹² multiply-accumulates of 8 bits
BANDWIDTH = 2.56e10  # bits a second: 3.2 GB/s of memory


class Work(NamedTuple):
    """What a layer does and moves, of one image."""

    operations: float  # bit operations
    bits: float  # weights, inputs and outputs


def bit_operations(space: Space, *, weight_bits: int = 8, activation_bits: int = 8) -> Cost:
    """Bit operations of one image, in 10⁹, over all convolutions and fully connected layers."""
    works = _works(space, weight_bits, activation_bits)
    return lambda arch: sum(work.operations for work in works(arch)) / 1e9


def hcm(
    space: Space,
    *,
    weight_bits: int = 8,
    activation_bits: int = 8,
    peak: float = PEAK,
    bandwidth: float = BANDWIDTH,
) -> Cost:
    """Time of one image in ms on a machine of which only the roofline is known, layer after layer.

    Args:
        space: the search space.
        weight_bits, activation_bits: of its numbers.
        peak: bit operations a second.
        bandwidth: of the memory, bits a second.

    Raises:
        RegnasError: a number that is not above 0.
    """
    given = (weight_bits, activation_bits, peak, bandwidth)
    if min(given) <= 0:
        raise RegnasError(f"hcm: bits, peak and bandwidth are {given}; expected numbers above 0.")
    works = _works(space, weight_bits, activation_bits)

    def milliseconds(arch):  # type: ignore[no-untyped-def]
        return 1e3 * sum(max(ops / peak, bits / bandwidth) for ops, bits in works(arch))

    return milliseconds


def _works(space: Space, weight_bits: int, activation_bits: int):  # type: ignore[no-untyped-def]
    @lru_cache(maxsize=100_000)
    def of(step: Step, shape: Shape) -> tuple[Work, ...]:
        return tuple(_layers(step.ops, shape, weight_bits, activation_bits))

    return lambda arch: [work for place in space.places(arch) for work in of(*place)]


def _layers(ops: Iterable[Op], shape: Shape, weight_bits: int, activation_bits: int) -> Iterator[Work]:
    """The work of all layers among operations on an input of ``shape``."""

    def work(weights: int, fan_in: int, pixels: int, values: int) -> Work:
        product = activation_bits * weight_bits + activation_bits + weight_bits + log2(fan_in)
        return Work(weights * pixels * product, weights * weight_bits + values * activation_bits)

    for op in ops:
        out = op.out_shape(shape)
        if isinstance(op, Residual):
            for branch in (op.body, op.shortcut):
                yield from _layers(branch, shape, weight_bits, activation_bits)
        elif isinstance(op, Conv | Linear):
            size = op.weight.size
            yield work(size, size // op.weight.shape[0], prod(out[1:]), prod(shape) + prod(out))
        elif isinstance(op, SqueezeExcite):
            for region in (op.reduce, op.expand):
                wide, narrow = region.shape[0], region.size // region.shape[0]
                yield work(region.size, narrow, 1, wide + narrow)
        shape = out
