"""What lists of steps cost and share: multiply-accumulates, weights, activations."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import prod

from .steps import Op, Region, Residual, Shape, Step, step_cost


def macs(steps: Iterable[Step], shape: Shape) -> int:
    """Multiply-accumulates of one image of ``shape`` (the field's "FLOPs")."""
    total = 0
    for step in steps:
        cost, shape = step_cost(step, shape)
        total += cost
    return total


def regions(steps: Iterable[Step]) -> dict[str, Region]:
    """The weights that ``steps`` use: tensor name → region (each tensor belongs to one step)."""
    return {region.tensor: region for step in steps for region in step.regions}


def params(steps: Iterable[Step]) -> int:
    """Number of learned weights, BatchNorm's scales and shifts included."""
    return sum(step.params for step in steps)


def shared_weights(a: Iterable[Step], b: Iterable[Step]) -> int:
    """N(W_a ∩ W_b), the number of super-network weights that both use (paper, Eq. 2)."""
    users = {name: step for step in a for name in step.tensors}
    pairs = {(users[name], step) for step in b for name in step.tensors if name in users}
    return sum(_overlap(*pair) for pair in pairs)


@lru_cache(maxsize=100_000)
def _overlap(a: Step, b: Step) -> int:
    used = regions((a,))
    return sum(used[name].overlap(region) for name, region in regions((b,)).items() if name in used)


def widest(steps: Iterable[Step], shape: Shape) -> int:
    """Values of the largest activation of one image of ``shape``, between any two operations."""
    largest = prod(shape)

    def follow(ops: Iterable[Op], shape: Shape) -> Shape:
        nonlocal largest
        for op in ops:
            if isinstance(op, Residual):
                follow(op.body, shape)
            shape = op.out_shape(shape)
            largest = max(largest, prod(shape))
        return shape

    for step in steps:
        shape = follow(step.ops, shape)
    return largest
