"""Which weights a sub-network uses, found by differentiating; for the tests of several search spaces."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from regnas_core import SuperNet
from regnas_core.spaces.space import Arch, Space
from regnas_core.supernets import layers
from regnas_core.supernets.supernet import random_weights


@cache
def members(space: Space) -> tuple[Arch, ...]:
    """The extremes, random architectures, and random architectures that contain those."""
    rng = np.random.default_rng(0)
    free = [space.sample(rng) for _ in range(4)]
    return space.smallest, space.largest, *free, *(space.sample(rng, containing=a) for a in free)


@cache
def supernet(space: Space) -> SuperNet:
    """Random float64 weights, no entry of which is zero or one."""
    generator = torch.Generator().manual_seed(1)
    weights = {
        n: torch.randn(w.shape, generator=generator, dtype=torch.float64) * 0.5
        for n, w in random_weights(space, 0).items()
    }
    return SuperNet(space, weights, (0.5,), (0.25,))


def inputs(space: Space, n: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(n, *space.input_shape(), generator=generator, dtype=torch.float64)


def affine(norm, x: Tensor) -> Tensor:
    """BatchNorm whose statistics do not hide the shifts of earlier layers."""
    return x * norm.scale.view(1, -1, 1, 1) + norm.shift.view(1, -1, 1, 1)


@cache
def used(space: Space, arch: Arch, images: int = 4) -> dict[str, Tensor]:
    """Masks of the entries that the logits depend on: their gradient is not zero."""
    net = supernet(space)
    weights = {n: w.clone().requires_grad_() for n, w in net.weights.items()}
    with pytest.MonkeyPatch.context() as patch:
        smooth = {"relu": (lambda x, inplace: x + x.sin() / 2, torch.nn.ReLU)}  # and never flat for long
        patch.setattr(layers, "_ACTIVATIONS", smooth)
        logits = SuperNet(net.space, weights, net.mean, net.std).forward(arch, inputs(space, images), affine)
    (logits * torch.arange(1.0, 1 + logits.numel()).view_as(logits)).sum().backward()
    return {n: torch.zeros_like(w, dtype=bool) if w.grad is None else w.grad != 0 for n, w in weights.items()}
