"""Lesson 2: one super-network. Tensors are torch's, which is imported where it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...spaces.space import Space
from .judging import called, exercise, same


@exercise
def middle(function: Callable[..., Any]) -> str | None:
    weight = np.arange(2 * 3 * 49).reshape(2, 3, 7, 7)
    for rings, size in enumerate((7, 5, 3, 1)):
        truth = weight
        for _ in range(rings):
            truth = truth[:, :, 1:-1, 1:-1]
        found = np.asarray(called(function, weight, size))
        if found.shape != truth.shape:
            return f"of a (2, 3, 7, 7) weight, size {size} leaves {truth.shape}, not {found.shape}"
        if not np.array_equal(found, truth):
            return f"for size {size} these are not the innermost ones: as many are left out on either side"
    return None


@exercise
def same_beginning(function: Callable[..., Any], *, space: Space) -> str | None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = space.steps(space.sample(rng)), space.steps(space.sample(rng))
        common = max(k for k in range(len(a) + 1) if a[:k] == b[:k])
        if called(function, a, b) != common:
            return "stop at the first step that differs: what follows it sees another input"
    if called(function, a, a) != len(a):
        return "a network has all steps in common with itself"
    return None


@exercise
def overlap(function: Callable[..., Any]) -> str | None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = (tuple(tuple(sorted(rng.integers(0, 7, 2).tolist())) for _ in range(3)) for _ in range(2))
        places = [set(np.ndindex(7, 7, 7)) for _ in range(2)]
        for box, inside in zip((a, b), places, strict=True):
            inside -= {
                at for at in inside if any(not lo <= i < hi for i, (lo, hi) in zip(at, box, strict=True))
            }
        truth, found = len(places[0] & places[1]), called(function, a, b)
        if found != truth:
            hint = "; where boxes do not meet, a length must not be negative" if not truth else ""
            return f"the boxes {a} and {b} have {truth} entries in common, not {found}{hint}"
    return None


@exercise
def contained(function: Callable[..., Any], *, space: Space) -> str | None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        small = space.sample(rng)
        big, other = space.sample(rng, containing=small), space.sample(rng)
        for pair in ((big, small), (small, big), (other, small), (small, small)):
            if bool(called(function, *pair)) != _every_region(space, *pair):
                return "the big one has to use all weights of the small one: as many are shared as it has"
    return None


def _every_region(space: Space, big: Any, small: Any) -> bool:
    has = {region.tensor: region.bounds for step in space.steps(big) for region in step.regions}
    return all(
        region.tensor in has
        and all(
            x <= lo and hi <= y for (x, y), (lo, hi) in zip(has[region.tensor], region.bounds, strict=True)
        )
        for step in space.steps(small)
        for region in step.regions
    )


@exercise
def moments(function: Callable[..., Any]) -> str | None:
    import torch

    x = torch.randn(5, 3, 4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 1
    rows = x.numpy().transpose(1, 0, 2, 3).reshape(3, -1)
    mean, var = (np.asarray(value) for value in called(function, x))
    if mean.shape != (3,) or var.shape != (3,):
        return f"one value a channel is needed, (3,), not {mean.shape} and {var.shape}: dim=(0, 2, 3)"
    if not same(mean, rows.sum(1) / 40):
        return "the mean of a channel runs over all images and places"
    if same(var, rows.std(1)):
        return "that is the standard deviation; its square is needed"
    return None if same(var, rows.var(1)) else "divide by the number of values, not by one less: correction=0"


@exercise
def batch_norm(function: Callable[..., Any]) -> str | None:
    import torch

    draw = torch.Generator().manual_seed(0)
    x = torch.randn(5, 3, 4, 2, generator=draw, dtype=torch.float64)
    mean, var, scale, shift = torch.rand(4, 3, generator=draw, dtype=torch.float64)
    found = called(function, x, mean, var, scale, shift)
    truth = torch.nn.functional.batch_norm(x, mean, var, scale, shift)
    if same(found, truth):
        return None
    if tuple(found.shape) != tuple(x.shape):
        return "what comes out has the shape of x"
    mean, var, scale, shift = (value[None, :, None, None] for value in (mean, var, scale, shift))
    if same(found, (x - mean) / (var + 1e-5) * scale + shift):
        return "divide by the standard deviation, the root of var + eps"
    return "(x − mean) / √(var + eps) · scale + shift, with each channel's own four numbers"


@exercise
def few_images(answer: int, *, top1: Mapping[int, Any], points: float = 1.0) -> str | None:
    """``top1``: number of images, ascending → fractions (networks,)."""
    counts = list(top1)
    if answer not in counts:
        return f"one of {counts}"
    final = np.asarray(top1[counts[-1]])
    near = [bool((np.abs(np.asarray(top1[n]) - final) <= points / 100).all()) for n in counts]
    truth = next(n for k, n in enumerate(counts) if all(near[k:]))
    if answer < truth:
        return f"with {answer}, or a later one, a network is more than {points:g} points away"
    return None if answer == truth else "fewer will do"
