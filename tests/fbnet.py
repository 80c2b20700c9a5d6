"""The network of AttentiveNAS and AlphaNet as recorded from the publishers' code.

Facts lie in the data folder's ``fbnetv3``; what is slow is checked on ``REGNAS_SLOW_TESTS=1`` only.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from regnas_core import Evaluator, SuperNet, get_space
from regnas_core.resources import data_root
from regnas_core.spaces.space import Arch, Space

on_demand = pytest.mark.skipif(
    os.environ.get("REGNAS_SLOW_TESTS") != "1", reason="not checked: slow; set REGNAS_SLOW_TESTS=1"
)
slow = (pytest.mark.slow, on_demand)
NETS = ("min", "a1", "edge_equal_channels")
OTHERS = (
    *("max", "a0", "a2", "a4", "a6", "alphanet_a5_small", "alphanet_a5_base"),
    *("rand0", "rand1", "rand2", "rand3"),
)
SIZE = 96  # so that a 5 × 5 kernel touches all of the last feature map of 3 × 3


@cache
def space(*resolutions: int) -> Space:
    """The space, or the same with other resolutions than the published ones."""
    return get_space("fbnetv3", resolutions=resolutions) if resolutions else get_space("fbnetv3")


def fill(name: str, shape: tuple[int, ...]) -> Tensor:
    """The recorded network's weights: random numbers of a seed that is the name's checksum."""
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    v = rng.standard_normal(int(np.prod(shape))).reshape(shape)
    if len(shape) > 1:
        v = v * np.sqrt(2 / np.prod(shape[1:])) if name.endswith(".weight") else v
    elif name.endswith("running_var"):
        v = 0.5 + np.abs(v)
    else:
        v = name.endswith(".weight") + 0.1 * v
    return torch.from_numpy(v.astype(np.float32))


@cache
def filled() -> dict[str, Tensor]:
    return {name: fill(name, shape) for name, shape in space().tensors.items()}


@cache
def net() -> SuperNet:
    return SuperNet(space(), filled(), *space().normalisation).to(torch.float64)


def small(size: int = SIZE) -> SuperNet:
    """The same weights at a resolution that costs little."""
    return SuperNet(space(size), net().weights, net().mean, net().std)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Single-precision numbers, as recorded, in double precision."""
    values = np.random.RandomState(seed).standard_normal(shape)
    return torch.from_numpy(values.astype(np.float32)).double()


def assert_logits(found: Tensor, expected: list, std: float) -> None:
    """Equal to a ten-millionth of the logits' standard deviation, as far as they were recorded."""
    expected = torch.tensor(expected, dtype=torch.float64)
    assert (found[:, : expected.shape[1]] - expected).abs().max() < 1e-7 * std


@torch.no_grad()
def logits(net: SuperNet, arch: Arch, x: Tensor) -> Tensor:
    return net.extract(arch).eval()(x)


def norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]


def recalibrated(net: SuperNet) -> nn.Module:
    """The smallest network with statistics of three batches."""
    batches = torch.cat([noise(4, 3, 192, 192, seed=seed) for seed in (100, 101, 102)])
    return Evaluator(net, batches, device="cpu", calibration_batch=4).extract(net.space.smallest)


def facts(file: str, what: str):
    """What was recorded in a file of the data folder."""
    path = data_root() / "fbnetv3" / file
    if not path.is_file():
        pytest.skip(f"not checked: {what}; {path} is missing")
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


def named(entries: list[dict], name: str) -> dict:
    return next(entry for entry in entries if entry["name"] == name)


@cache
def members(size: int = SIZE) -> tuple[Arch, ...]:
    """The extremes, equal neighbouring widths, random architectures, and some that contain others."""
    own, rng = space(size), np.random.default_rng(0)
    free = [own.sample(rng) for _ in range(2)]
    equal = own.arch(**own.smallest.genes | {"width": (24, 24, 24, 32, 64, 112, 216, 216, 1792)})
    others = (own.sample(rng, containing=free[0]), own.sample(rng, containing=equal))
    return own.smallest, own.largest, equal, *free, *others


def pictures(n: int, size: int, seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 3, size // 8, size // 8), np.uint8)
    return coarse.repeat(8, axis=2).repeat(8, axis=3)


def hollow() -> dict[str, Tensor]:
    """Tensors of the right names and shapes that take no room: one number each."""
    return {name: torch.ones(1).expand(shape) for name, shape in space().tensors.items()}


def with_extras(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """And what the publishers' BatchNorm keeps beside its statistics."""
    extras = {}
    for name in tensors:
        if name.endswith(".bn.bn.running_mean"):
            top = name.removesuffix(".bn.running_mean")
            extras[f"{top}.bn.num_batches_tracked"] = torch.tensor(0)
            for i in (0, 1):
                extras[f"{top}.bn_tracking.{i}.num_batches_tracked"] = torch.tensor(0)
                for statistic in ("running_mean", "running_var"):
                    extras[f"{top}.bn_tracking.{i}.{statistic}"] = torch.zeros_like(tensors[name])
    return {**tensors, **extras}
