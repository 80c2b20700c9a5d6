"""The networks of the package ofa, with weights that are given; for the tests of several rooms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache

import numpy as np
import torch
from ofa.imagenet_classification.elastic_nn.networks import OFAMobileNetV3, OFAResNets
from torch import Tensor, nn

from regnas_core import SuperNet, get_space
from regnas_core.spaces.space import Arch

MOBILE, RESNET = ("ofa-mbv3-w1.0", "ofa-mbv3-w1.2"), "ofa-resnet50"
NAMES = (*MOBILE, RESNET)
space = cache(get_space)


def published(name: str) -> nn.Module:
    """The network that ofa.model_zoo makes (a module that needs one more package), on the meta device."""
    with torch.device("meta"):
        if name == RESNET:
            return OFAResNets(
                dropout_rate=0,
                depth_list=[0, 1, 2],
                expand_ratio_list=[0.2, 0.25, 0.35],
                width_mult_list=[0.65, 0.8, 1.0],
            )
        return OFAMobileNetV3(
            dropout_rate=0,
            width_mult=float(name[-3:]),
            ks_list=[3, 5, 7],
            expand_ratio_list=[3, 4, 6],
            depth_list=[2, 3, 4],
        )


def holding(name: str, tensors: dict[str, Tensor]) -> nn.Module:
    """That network with these tensors, which must be all that it has, beside its counters of batches."""
    net = published(name).to(next(iter(tensors.values())).dtype).to_empty(device="cpu")
    counters = {key: torch.tensor(0) for key in net.state_dict() if key.endswith("num_batches_tracked")}
    nn.Module.load_state_dict(net, {**tensors, **counters})
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0  # running statistics stay as they are, in training mode too
    return net.eval()


@contextmanager
def default(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def alone(net: nn.Module, arch: Arch) -> nn.Module:
    """The sub-network as ofa copies it out of its network, in evaluation mode."""
    net.set_active_subnet(**arch.genes)
    weight = next(net.parameters())
    with default(weight.dtype), torch.device(weight.device):
        return net.get_active_subnet().eval()


@cache
def members(name: str) -> tuple[Arch, ...]:
    """The extremes, random architectures, and random architectures that contain those."""
    rng, own = np.random.default_rng(0), space(name)
    free = [own.sample(rng) for _ in range(1 if name == RESNET else 2)]
    return own.smallest, own.largest, *free, *(own.sample(rng, containing=a) for a in free[:2])


def lively(key: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    w = torch.randn(shape, generator=generator).double()
    if key.endswith("_matrix"):  # a kernel transform, the identity before training
        return torch.eye(*shape, dtype=w.dtype) + 0.1 * w
    if len(shape) > 1:
        return w * (2 / np.prod(shape[1:])) ** 0.5
    if key.endswith("running_var"):
        return 0.5 + w.abs()
    return key.endswith("weight") + 0.1 * w


@lru_cache(maxsize=1)
def random_net(name: str) -> SuperNet:
    """Random weights as float64; statistics and kernel transforms are not those of untrained networks."""
    own, generator = space(name), torch.Generator().manual_seed(0)
    weights = {key: lively(key, shape, generator) for key, shape in own.tensors.items()}
    return SuperNet(own, weights, *own.normalisation)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pictures(n: int, size: int, seed: int) -> Tensor:
    """Random bytes, coarse enough to be told apart by a network."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.integers(0, 256, (n, 3, size // 8, size // 8), np.uint8))
    return coarse.repeat_interleave(8, 2).repeat_interleave(8, 3)


def assert_same(found: Tensor, expected: Tensor) -> None:
    assert found.dtype == expected.dtype == torch.float64
    assert (found - expected).abs().max() < 1e-10 * expected.std()


def norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]


def state(net: nn.Module) -> list:
    """Everything that ofa's methods set: what is active in which layer, and modes."""
    tops = [dict(module.__dict__) for module in net.modules()]
    hidden = ("_parameters", "_buffers", "_modules")
    return [{k: repr(v) for k, v in top.items() if k not in hidden} for top in tops]


def hollow(name: str) -> dict[str, Tensor]:
    """Tensors of the right names and shapes that take no room: one number each."""
    return {key: torch.ones(1).expand(shape) for key, shape in space(name).tensors.items()}


def in_old_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As in the files that were published before ofa's layers were renamed."""
    named = {}
    for key, tensor in state.items():
        key = re.sub(r"^(blocks\.\d+)\.conv\.(?!conv)", r"\1.mobile_inverted_conv.", key)
        for word in ("bn", "conv", "linear"):
            key = re.sub(rf"\.{word}\.{word}\.(?!{word})", f".{word}.", key)
        named[key] = tensor
    return named
