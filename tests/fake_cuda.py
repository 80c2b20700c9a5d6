"""A CUDA device on a machine without one: its tensors have shape, type and device, and no numbers.

Code that runs under PyTorch's ``FakeTensorMode`` goes the way that it goes on a GPU. An operation on tensors
of two devices is an error there, and so is one whose result's shape depends on numbers. What crosses between
the host and the device is seen, and whether the host waits for it: then a GPU has nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorConverter, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from regnas_core.evaluation import baselines, evaluator

CUDA, CPU, META = (torch.device(name) for name in ("cuda:0", "cpu", "meta"))
MULTIPLY = ("convolution", "linear", "addmm", "mm")
aten, prim = torch.ops.aten, torch.ops.prim


def works() -> bool:
    """Whether this PyTorch computes on fake CUDA tensors without a GPU; the oldest do not."""
    with FakeTensorMode():
        try:
            mean, var = torch.empty(2, 1, device=CUDA)
            nn.functional.batch_norm(torch.empty(2, 1, device=CUDA), mean, var, training=True)
        except Exception:
            return False
    return True


class Crossing(NamedTuple):
    """Numbers on their way: ``"in"`` to the device or ``"out"``, their shape, and whether the host waits."""

    way: str
    shape: tuple[int, ...]
    waits: bool


class FakeCuda(TorchDispatchMode):
    """Sees every operation on fake tensors.

    Attributes:
        crossings: in order. Whatever comes out is waited for; what goes in is not if it is sent with
            ``non_blocking=True``.
        arithmetic: of all convolutions and matrix products on the device: (type, whether convolutions may be
            in TF32, PyTorch's precision of float32 matrix products).
        synchronised: how often ``torch.cuda.synchronize`` was called.
        free: bytes that ``torch.cuda.mem_get_info`` says are free.
    """

    def __init__(self) -> None:
        super().__init__()
        self.crossings: list[Crossing] = []
        self.arithmetic: set[tuple[torch.dtype, bool, str]] = set()
        self.synchronised, self.free = 0, 1 << 40

    @property
    def waits(self) -> list[Crossing]:
        """Crossings that the host waits for."""
        return [crossing for crossing in self.crossings if crossing.waits]

    def __torch_dispatch__(self, func, types, args=(), kwargs=None) -> Any:
        kwargs = dict(kwargs or {})
        if func is prim.device.default:
            # PyTorch's own C++ is told "meta": its backward pass would ask CUDA for streams
            return META if args[0].fake_device == CUDA else args[0].fake_device
        if kwargs.get("device") == META:
            kwargs["device"] = CUDA
        if func is aten._local_scalar_dense.default:  # item(), float(), bool()
            self._cross(args[0], CPU)
            return False if args[0].dtype == torch.bool else 0
        if func is aten.lift_fresh.default and _device(args[0]) == META:  # a list of places, x[[0, 2]]
            self.crossings.append(Crossing("in", tuple(args[0].shape), waits=True))
        elif func is aten._to_copy.default:
            self._cross(args[0], kwargs.get("device"), kwargs.get("non_blocking", False))
        elif func is aten.copy_.default:
            self._cross(args[1], _device(args[0]), len(args) > 2 and args[2])
        elif func.overloadpacket in (aten.index, aten.index_put, aten.index_put_):
            for places in args[1]:
                if places is not None and places.dtype == torch.bool:  # how many?
                    self._cross(places, CPU)
                elif places is not None:
                    self._cross(places, _device(args[0]))
        elif func.overloadpacket.__name__ in MULTIPLY and _device(args[0]) == CUDA:
            tf32 = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
            self.arithmetic.add((args[0].dtype, *tf32))
        return func(*args, **kwargs)

    def _cross(self, x: Tensor, to: torch.device | None, non_blocking: bool = False) -> None:
        if {(start := _device(x)), to} == {CPU, CUDA}:
            way = "in" if start == CPU else "out"
            self.crossings.append(Crossing(way, tuple(x.shape), way == "out" or not non_blocking))


def _device(x: Tensor) -> torch.device:
    return x.fake_device if isinstance(x, FakeTensor) else x.device


def _copied(x: FakeTensor, memo: dict) -> Tensor:
    """What ``copy.deepcopy`` makes of it; PyTorch's own way asks where its numbers lie."""
    return nn.Parameter(x.detach().clone(), x.requires_grad) if isinstance(x, nn.Parameter) else x.clone()


def _numbers(x: FakeTensor) -> np.ndarray:
    """Zeros in place of numbers that there are none of."""
    if _device(x) != CPU:
        raise TypeError("NumPy takes no tensor of a device")
    return np.zeros(tuple(x.shape), str(x.dtype).removeprefix("torch."))


@contextmanager
def fake_cuda() -> Iterator[FakeCuda]:
    """For a while, "cuda:0" is there, and all tensors are fake; the others become so where they are used.

    They are also so on a machine with a CUDA device. What reads numbers gets zeros.
    """
    with pytest.MonkeyPatch.context() as patch:
        seen = FakeCuda()

        def synchronise(device: torch.device) -> None:
            seen.synchronised += 1

        patch.setattr(torch.cuda, "is_available", lambda: False)
        patch.setattr(torch.cuda, "mem_get_info", lambda device: (seen.free, seen.free))
        patch.setattr(torch.cuda, "synchronize", synchronise)
        patch.setattr(FakeTensor, "numpy", _numbers, raising=False)
        patch.setattr(FakeTensor, "__deepcopy__", _copied, raising=False)
        # a tensor that is noted there cannot take another device in its module
        patch.setattr(FakeTensorConverter, "set_tensor_memo", lambda *_: None, raising=False)
        for module in (evaluator, baselines):
            patch.setattr(module, "pick_device", torch.device)
        overwrites = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        try:
            with FakeTensorMode(allow_non_fake_inputs=True), seen:
                yield seen
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(overwrites)
