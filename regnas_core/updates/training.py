"""Plain torch networks: a small one to try with, trained, averaged, and run."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from ..data.datasets import ImageSet
from ..deploy.export import for_pictures
from ..files import digest
from ..supernets.distillation import Objective, focal_distillation
from ..supernets.training import Recipe, run_epochs

Loss = Callable[[Tensor, Tensor | None, Tensor], Tensor]  # logits, teacher's logits, labels → scalar
CROSS_ENTROPY = partial(focal_distillation, objective=Objective("CE"))
STATISTICS = 2048  # training pictures that BatchNorm's statistics are taken from
BATCH = 256


def plain_network(
    width: int, channels: int, classes: int, mean: Sequence[float], std: Sequence[float], seed: int = 0
) -> nn.Module:
    """Four 3 × 3 convolutions and a classifier, for uint8 pictures of 32 pixels (B, channels, 32, 32).

    Width 16 has 1.3 million MACs on colour pictures.
    """
    sizes = (
        (channels, width, 2),
        (width, 2 * width, 2),
        (2 * width, 2 * width, 1),
        (2 * width, 4 * width, 2),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [
            layer
            for inp, out, stride in sizes
            for layer in (
                nn.Conv2d(inp, out, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU(inplace=True),
            )
        ]
        head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, classes))
        return for_pictures(nn.Sequential(*layers, *head), mean, std).eval()


@dataclass(frozen=True)
class _Trained:
    """What :func:`run_epochs` asks of what it trains."""

    weights: dict[str, Tensor]
    device: torch.device

    @staticmethod
    def normalise(pictures: Tensor) -> Tensor:
        return pictures  # the network's first layer does


def fit(
    network: nn.Module,
    images: ImageSet,
    recipe: Recipe,
    loss: Loss = CROSS_ENTROPY,
    *,
    teacher: nn.Module | None = None,
    workdir: str | Path,
) -> nn.Module:
    """Train a copy of a network, or go on where a killed run stopped.

    Args:
        network: on the CPU; takes uint8 pictures (B, C, H, W), gives logits; it is left as it is.
        images: training pictures.
        recipe: how to train; ``random_nets`` is without meaning.
        loss: of logits, the teacher's logits and labels, such as ``partial(focal_distillation,
            objective=Objective("FD-KL"))`` or :func:`regnas_core.updates.logit_difference_inhibition`.
        teacher: a network whose logits on the same augmented pictures the loss is told; its BatchNorm works
            by the batch, as that of the network in training does.
        workdir: where state and log are kept.

    Returns:
        The trained network in evaluation mode, its BatchNorm statistics taken from training pictures.

    Raises:
        CheckpointError, DataError: as by :func:`regnas_core.supernets.training.run_epochs`.
    """
    run = {
        "start": _digest(network),
        "teacher": None if teacher is None else _digest(teacher),
        "loss": _named(loss),
        "images": images.digest,
        **asdict(recipe),
    }
    own = copy.deepcopy(network).train().to(memory_format=torch.channels_last)
    weights, tells = dict(own.named_parameters()), None if teacher is None else _by_the_batch(teacher)

    def step(x: Tensor, y: Tensor, rng: np.random.Generator) -> Tensor:
        with torch.no_grad():
            told = None if tells is None else tells(x)
        value = loss(own(x), told, y)
        value.backward()
        return value.detach()

    run_epochs(
        _Trained(weights, next(iter(weights.values())).device), images, recipe, step, run, Path(workdir)
    )
    return _with_statistics(own, images)


def mix_weights(old: nn.Module, new: nn.Module, share: float, images: ImageSet) -> nn.Module:
    """A network between two: ``share`` of the old one's weights, the rest of the new one's.

    The new one must have been fine-tuned from the old one, else there is nothing good between them
    (Schumann et al., "Backward Compatibility During Data Updates by Weight Interpolation", 2023).

    Args:
        old, new: of one architecture.
        share: 0 to 1.
        images: training pictures, for BatchNorm's statistics.
    """
    mixed = copy.deepcopy(new)
    with torch.no_grad():
        for weight, other in zip(mixed.parameters(), old.parameters(), strict=True):
            weight.lerp_(other, share)
    return _with_statistics(mixed, images)


class Ensemble(nn.Module):
    """Several networks as one: the mean of their logits (B, C)."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.stack([network(pictures) for network in self.networks]).mean(0)


@torch.no_grad()
def logits(network: nn.Module, pictures: np.ndarray) -> np.ndarray:
    """Logits float32 (N, C) of a network in evaluation mode, on the CPU, on uint8 pictures (N, …)."""
    return np.concatenate([network(batch).numpy() for batch in _batches(pictures)])


def _by_the_batch(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode but for BatchNorm, see :class:`regnas_core.supernets.Teacher`."""
    copied = copy.deepcopy(network).eval()
    for module in copied.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
    return copied


def _with_statistics(network: nn.Module, images: ImageSet) -> nn.Module:
    update_bn(_batches(images.images[:STATISTICS]), network)
    return network.eval()


def _batches(pictures: np.ndarray) -> list[Tensor]:
    starts = range(0, len(pictures), BATCH)
    return [torch.from_numpy(np.array(pictures[start : start + BATCH])) for start in starts]


def _named(loss: Any) -> str:
    """A function's name, with the arguments that ``partial`` gives it."""
    given = f" {loss.args} {loss.keywords}" if isinstance(loss, partial) else ""
    return f"{getattr(loss, 'func', loss).__qualname__}{given}"


def _digest(network: nn.Module) -> str:
    tensors = (part for name, w in network.state_dict().items() for part in (name, w.contiguous().numpy()))
    return digest(str(network), *tensors)
