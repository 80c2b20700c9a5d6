"""The weights of a super-network, and everything that runs them.

One interpreter (:func:`run`) executes the steps of any search space on slices of the super-network's
tensors; :meth:`SuperNet.extract` builds the same network from plain ``torch.nn`` layers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .arch import Arch, identity
from .errors import CheckpointError
from .files import write_atomically
from .space import Space
from .spaces import get_space
from .steps import BatchNorm, Conv, GlobalPool, Linear, Op, PixelUnshuffle, Region, Relu, Step, regions

Weights = Mapping[str, Tensor]
Norm = Callable[[BatchNorm, Tensor, Weights], Tensor]
FORMAT = "regnas-supernet/1"


def read(weights: Weights, region: Region) -> Tensor:
    """The slice of the super-network's tensor that ``region`` names (a view)."""
    return weights[region.tensor][tuple(slice(*bound) for bound in region.bounds)]


def batch_statistics(op: BatchNorm, x: Tensor, weights: Weights) -> Tensor:
    """BatchNorm as in training: normalise by the statistics of this very batch."""
    return F.batch_norm(
        x, None, None, read(weights, op.scale), read(weights, op.shift), training=True, eps=op.eps
    )


def run_op(op: Op, x: Tensor, weights: Weights, norm: Norm | None) -> Tensor:
    """Apply one operation to activations (B, C, H, W).

    Without gradients Relu works in place (a fresh buffer costs more than the operation), so it must not
    be the first operation of a step, whose input others still need.
    """
    match op:
        case Conv():
            weight = read(weights, op.weight)
            return F.conv2d(x, weight, stride=op.stride, padding=weight.shape[-1] // 2, groups=op.groups)
        case BatchNorm():
            return norm(op, x, weights)
        case Relu():
            return F.relu(x) if torch.is_grad_enabled() else F.relu_(x)
        case PixelUnshuffle():
            return F.pixel_unshuffle(x, op.factor)
        case GlobalPool():
            return x.mean((2, 3), keepdim=True)
        case Linear():
            return F.linear(x.flatten(1), read(weights, op.weight), read(weights, op.bias))


def run_step(step: Step, x: Tensor, weights: Weights, norm: Norm = batch_statistics) -> Tensor:
    """Apply one step to activations (B, C, H, W)."""
    y = x
    for op in step.ops:
        y = run_op(op, y, weights, norm)
    return x + y if step.skip else y


def run(steps: Iterable[Step], x: Tensor, weights: Weights, norm: Norm = batch_statistics) -> Tensor:
    """Apply all steps to normalised images (B, C, H, W); logits (B, classes) come out."""
    for step in steps:
        x = run_step(step, x, weights, norm)
    return x


class Residual(nn.Module):
    """x + body(x)."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _layer(op: Op, weights: Weights) -> list[nn.Module]:
    """Plain ``torch.nn`` layers with copies of the weights that ``op`` uses."""
    match op:
        case Conv():
            w = read(weights, op.weight)
            out, inp, k, _ = w.shape
            layer = nn.Conv2d(inp * op.groups, out, k, op.stride, k // 2, groups=op.groups, bias=False)
            params = {"weight": w}
        case BatchNorm():
            layer = nn.BatchNorm2d(op.channels, eps=op.eps)
            params = {"weight": read(weights, op.scale), "bias": read(weights, op.shift)}
        case Linear():
            params = {"weight": read(weights, op.weight), "bias": read(weights, op.bias)}
            layer = nn.Linear(*reversed(params["weight"].shape))
            return [nn.Flatten(), _filled(layer, params)]
        case Relu():
            return [nn.ReLU()]
        case PixelUnshuffle():
            return [nn.PixelUnshuffle(op.factor)]
        case GlobalPool():
            return [nn.AdaptiveAvgPool2d(1)]
    return [_filled(layer, params)]


def _filled(layer: nn.Module, params: dict[str, Tensor]) -> nn.Module:
    layer.to(params["weight"])
    with torch.no_grad():
        for name, value in params.items():
            getattr(layer, name).copy_(value)
    return layer


@dataclass(frozen=True)
class SuperNet:
    """A super-network: a search space and the one set of weights that its sub-networks share.

    Attributes:
        space: the search space.
        weights: tensor name → tensor, of the largest sub-network.
        mean, std: per-channel normalisation of images scaled to [0, 1].
        info: where the weights come from (preset, seed, data set, command), as plain data.
    """

    space: Space
    weights: dict[str, Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    info: dict = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        return next(iter(self.weights.values())).device

    def to(self, *args, **kwargs) -> SuperNet:
        """A copy on another device or of another dtype (arguments of ``Tensor.to``)."""
        return replace(self, weights={name: w.to(*args, **kwargs) for name, w in self.weights.items()})

    def normalise(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W): uint8 are scaled to [0, 1] and standardised; floats are taken as they are."""
        dtype, channels = next(iter(self.weights.values())).dtype, (1, -1, 1, 1)
        if images.dtype != torch.uint8:
            return images.to(dtype)
        mean = torch.tensor(self.mean, dtype=dtype, device=images.device).view(channels)
        std = torch.tensor(self.std, dtype=dtype, device=images.device).view(channels)
        return images.to(dtype).div_(255).sub_(mean).div_(std)

    def forward(self, arch: Arch, x: Tensor, norm: Norm = batch_statistics) -> Tensor:
        """Logits (B, classes) of one sub-network on normalised images (B, C, H, W)."""
        return run(self.space.steps(arch), x, self.weights, norm)

    def extract(self, arch: Arch) -> nn.Sequential:
        """A plain stand-alone network with copies of the sub-network's weights.

        A mini super-network stores no BatchNorm statistics, because they differ between sub-networks:
        use :meth:`regnas_core.Evaluator.extract` for a network whose statistics are recalibrated.
        """
        modules = []
        for step in self.space.steps(arch):
            body = nn.Sequential(*(layer for op in step.ops for layer in _layer(op, self.weights)))
            modules.append(Residual(body) if step.skip else body)
        return nn.Sequential(*modules)

    def digest(self) -> str:
        """16 hexadecimal digits that name these weights."""
        sha = hashlib.sha256(f"{self.space.identity} {self.mean} {self.std}".encode())
        for name in sorted(self.weights):
            sha.update(name.encode())
            sha.update(self.weights[name].detach().cpu().contiguous().numpy().tobytes())
        return sha.hexdigest()[:16]

    def save(self, path: str | Path) -> Path:
        """Write a safetensors checkpoint atomically; what :func:`load_supernet` reads."""
        head = {
            "space": self.space.name,
            "options": self.space.options,
            "mean": self.mean,
            "std": self.std,
            "info": self.info,
        }
        tensors = {name: w.detach().cpu().contiguous() for name, w in self.weights.items()}
        meta = {"format": FORMAT, "regnas": json.dumps(head)}
        return write_atomically(path, lambda part: save_file(tensors, part, meta))


def random_weights(space: Space, seed: int) -> dict[str, Tensor]:
    """Weights for training to start from: He-normal convolutions, unit BatchNorm, small classifier."""
    generator, weights = torch.Generator().manual_seed(seed), {}
    for step in space.steps(space.largest):
        for op in step.ops:
            for region in op.regions:
                weights[region.tensor] = _initial(op, region, generator)
    return weights


def _initial(op: Op, region: Region, generator: torch.Generator) -> Tensor:
    shape = region.shape
    if isinstance(op, Conv):
        fan_out = shape[0] * shape[2] * shape[3] // op.groups
        return torch.randn(shape, generator=generator) * (2 / fan_out) ** 0.5
    if isinstance(op, BatchNorm):
        return torch.ones(shape) if region == op.scale else torch.zeros(shape)
    return torch.randn(shape, generator=generator) * 0.01 if len(shape) == 2 else torch.zeros(shape)


def load_supernet(name: str, weights: str | Path = "pretrained", **options) -> SuperNet:
    """A super-network of the search space ``name``.

    Args:
        name: a name that :func:`regnas_core.get_space` knows.
        weights: ``"pretrained"`` (the checkpoint that comes with the package), a path, or
            ``"random:SEED"`` (untrained).
        **options: fields of the space's configuration, as for :func:`regnas_core.get_space`.

    Raises:
        CheckpointError: missing, truncated, or made for another search space; never executes code.
    """
    space = get_space(name, **options)
    if str(weights).startswith("random:"):
        seed = str(weights).removeprefix("random:")
        if not seed.isdigit():
            raise CheckpointError(
                f"weights={weights!r}: expected random:SEED with a whole number, as random:0."
            )
        channels = space.input_shape()[0]
        return SuperNet(
            space,
            random_weights(space, int(seed)),
            (0.5,) * channels,
            (0.25,) * channels,
            {"seed": int(seed)},
        )
    path = packaged_checkpoint(name) if weights == "pretrained" else Path(weights)
    return _read_checkpoint(path, space)


def packaged_checkpoint(name: str) -> Path:
    """Where the package keeps the trained super-network ``name``."""
    return Path(__file__).parent / "checkpoints" / f"{name}.safetensors"


def _read_checkpoint(path: Path, space: Space) -> SuperNet:
    if not path.is_file():
        raise CheckpointError(
            f"No checkpoint at {path}. Give the path of one, or make it with `regnas train-supernet`."
        )
    try:
        with safe_open(path, "pt") as file:
            meta = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (not a dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is truncated or no safetensors file ({error}). Copy or make it again."
        ) from None
    if meta.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is a safetensors file, but no super-network of this package ({FORMAT})."
        )
    head = json.loads(meta["regnas"])
    expected = {name: region.shape for name, region in regions(space.steps(space.largest)).items()}
    found = {name: tuple(w.shape) for name, w in tensors.items()}
    made_for = identity(head["space"], head["options"])
    if made_for != space.identity or found != expected:
        wrong = sorted(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
        raise CheckpointError(
            f"{path} holds a super-network of {made_for}, not of {space.identity} ({len(wrong)} tensors "
            f"differ{': ' if wrong else ''}{', '.join(wrong[:2])}). "
            "Give the checkpoint of this super-network, or the options that it was trained with."
        )
    return SuperNet(space, tensors, tuple(head["mean"]), tuple(head["std"]), head["info"])
