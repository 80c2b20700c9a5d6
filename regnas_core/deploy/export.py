"""A torch network as an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import DataError, MissingExtraError
from ..files import write_atomically

INPUT, OUTPUT = "pictures", "logits"


class Normalise(nn.Module):
    """Pictures of 0 to 255 (B, C, H, W), uint8 or float, scaled to [0, 1] and standardised by channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        return (pictures.to(self.mean.dtype) / 255 - self.mean) / self.std


def for_pictures(network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> nn.Sequential:
    """A network that takes uint8 pictures, of one that takes normalised ones.

    What normalises is then part of the exported file: nobody can do it another way on the device.
    """
    return nn.Sequential(Normalise(mean, std), network)


def can_export() -> bool:
    """Whether this PyTorch exports batches of any size."""
    return "dynamic_shapes" in signature(torch.onnx.export).parameters


def to_onnx(network: nn.Module, pictures: np.ndarray | Tensor, path: str | Path) -> Path:
    """Write a network as an ONNX file of 32-bit floats that takes batches of any size.

    Args:
        network: in evaluation mode, on the CPU; takes one batch, gives logits (B, classes).
        pictures: two or more as it takes them (B, …); their type and shape are the file's.
        path: of the file, which is written atomically.

    Raises:
        DataError: a network in training mode, or fewer than two pictures.
        MissingExtraError: PyTorch is older than 2.6, which came to export batches of any size.
    """
    if not can_export():
        raise MissingExtraError(f"ONNX files need PyTorch 2.6 or newer; here is {torch.__version__}.")
    if network.training:
        raise DataError("The network is in training mode; call .eval() before it is exported.")
    if len(pictures) < 2:  # an exporter takes a batch of one for a constant
        raise DataError(f"{len(pictures)} pictures to export with; give two or more.")
    batch = torch.as_tensor(np.array(pictures[:2]))

    def write(part: Path) -> None:
        torch.onnx.export(
            network,
            (batch,),
            part,
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            verbose=False,
        )

    return write_atomically(path, write)
