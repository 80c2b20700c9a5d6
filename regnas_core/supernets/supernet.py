"""The weights of a super-network: made, loaded, saved, and run as any of its sub-networks."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..download import Source, fetch
from ..errors import CheckpointError
from ..files import digest, sha256, write_atomically
from ..resources import cache_root, data_root, find_path
from ..spaces import get_space, space_names
from ..spaces.arch import Arch, identity
from ..spaces.space import Space
from .archive import read_state_dict
from .layers import Norm, batch_statistics, bind, module, run

FORMAT, UNSEALED = "regnas-supernet/2", "regnas-supernet/1"  # of earlier versions, without a checksum
TRAINED_ON = "trained_on"  # in a checkpoint, beside the weights: int64, of the same bits
PACKAGED = Path(__file__).parent / "checkpoints"  # <space>-<training>.safetensors


@dataclass(frozen=True)
class SuperNet:
    """A super-network: a search space and the one set of weights that its sub-networks share.

    Attributes:
        space: the search space.
        weights: tensor name → tensor, of the largest sub-network.
        mean, std: per-channel normalisation of images scaled to [0, 1].
        info: where the weights come from (preset, seed, data set, command), as plain data.
        trained_on: fingerprints of the pictures that they were trained on (:mod:`regnas_core.data.copies`),
            uint64, ascending; None where that is not known.
    """

    space: Space
    weights: dict[str, Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    info: dict = field(default_factory=dict)
    trained_on: np.ndarray | None = field(default=None, repr=False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(iter(self.weights.values())).device

    def to(self, *args, **kwargs) -> SuperNet:
        """A copy on another device or of another dtype (arguments of ``Tensor.to``)."""
        return replace(self, weights={name: w.to(*args, **kwargs) for name, w in self.weights.items()})

    def normalise(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W): uint8 are scaled to [0, 1] and standardised; floats are taken as they are."""
        dtype = next(iter(self.weights.values())).dtype
        if images.dtype != torch.uint8:
            return images.to(dtype)
        return standardised(images, self.mean, self.std, dtype)

    def forward(self, arch: Arch, x: Tensor, norm: Norm = batch_statistics) -> Tensor:
        """Logits (B, classes) of one sub-network on normalised images (B, C, H, W)."""
        return run(self.space.steps(arch), x, self.weights, norm)

    def extract(self, arch: Arch) -> nn.Sequential:
        """A plain stand-alone network with copies of the sub-network's weights.

        BatchNorm statistics differ between sub-networks. What a published super-network keeps (those of its
        largest sub-network) is copied; a mini super-network keeps none. Use
        :meth:`regnas_core.Evaluator.extract` for a network whose statistics are recalibrated.
        """
        return nn.Sequential(*(module(bind(step.ops, self.weights)) for step in self.space.steps(arch)))

    def digest(self) -> str:
        """16 hexadecimal digits that name these weights."""
        return _checksum(self.weights, f"{self.space.identity} {self.mean} {self.std}")

    def save(self, path: str | Path) -> Path:
        """Write a safetensors checkpoint atomically; what :func:`load_supernet` reads."""
        tensors = {name: w.detach().cpu().contiguous() for name, w in self.weights.items()}
        if self.trained_on is not None:
            tensors[TRAINED_ON] = torch.from_numpy(self.trained_on.view(np.int64))
        head = {
            "space": self.space.name,
            "options": self.space.options,
            "mean": self.mean,
            "std": self.std,
            "info": self.info,
        }
        whole = {**head, "checksum": _checksum(tensors, json.dumps(head))}
        meta = {"format": FORMAT, "regnas": json.dumps(whole)}
        return write_atomically(path, lambda part: part.write_bytes(save(tensors, meta)))


def _checksum(tensors: dict[str, Tensor], *about: str) -> str:
    """16 hexadecimal digits that name tensors, their names included."""
    return digest(*about, *(part for name in sorted(tensors) for part in (name, as_array(tensors[name]))))


def as_array(weight: Tensor) -> np.ndarray:
    """A tensor's numbers, row-major, on the CPU."""
    return weight.detach().cpu().contiguous().numpy()


def random_weights(space: Space, seed: int) -> dict[str, Tensor]:
    """Weights for training to start from: He-normal convolutions, unit BatchNorm, small classifier."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _initial(name, shape, generator) for name, shape in space.tensors.items()}


def _initial(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if name.endswith("_matrix"):  # a kernel transform
        return torch.eye(*shape)
    if len(shape) == 1:
        return torch.ones(shape) if name.endswith(("weight", "running_var")) else torch.zeros(shape)
    if len(shape) == 2:
        return torch.randn(shape, generator=generator) * 0.01
    depthwise = shape[1] == 1
    fan_out = shape[2] * shape[3] * (1 if depthwise else shape[0])
    return torch.randn(shape, generator=generator) * (2 / fan_out) ** 0.5


def parse_random(weights: str | Path) -> int | None:
    """The seed in ``"random:SEED"``; None for weights that are named otherwise.

    Raises:
        CheckpointError: it begins so, but gives no whole number.
    """
    kind, colon, seed = str(weights).partition(":")
    if kind != "random":
        return None
    if not (colon and seed.isdecimal()):
        raise CheckpointError(f"weights={weights!r}: expected random:SEED with a whole number, as random:0.")
    return int(seed)


def standardised(
    images: Tensor, mean: tuple[float, ...], std: tuple[float, ...], dtype: torch.dtype
) -> Tensor:
    """Images uint8 (B, C, H, W) scaled to [0, 1] and standardised by their channels' mean and deviation."""
    means, deviations = (  # sent without waiting, which would halt a GPU at every batch
        torch.tensor(values, dtype=dtype).view(1, -1, 1, 1).to(images.device, non_blocking=True)
        for values in (mean, std)
    )
    return images.to(dtype).div_(255).sub_(means).div_(deviations)


def load_supernet(name: str, weights: str | Path = "pretrained", **options) -> SuperNet:
    """A super-network of the search space ``name``.

    Args:
        name: a name that :func:`regnas_core.get_space` knows.
        weights: ``"pretrained"`` (comes with the package, or is downloaded from its publishers, checked and
            kept), ``"pretrained:alphanet"`` (of a publisher among several), ``"pretrained:1"`` (of the
            trainings that come with the package), a path, or ``"random:SEED"`` (untrained). A publisher's
            PyTorch file is converted once, to safetensors in the data folder.
        **options: options of the space, as for :func:`regnas_core.get_space`.

    Raises:
        CheckpointError: missing, truncated, or made for another search space; never executes code.
    """
    space = get_space(name, **options)
    if (seed := parse_random(weights)) is not None:
        return SuperNet(space, random_weights(space, seed), *space.normalisation, {"seed": seed})
    kind, _, detail = str(weights).partition(":")
    path = pretrained_checkpoint(space, detail) if kind == "pretrained" else find_path(weights)
    if not path.is_file():
        raise CheckpointError(
            f"No checkpoint at {path}. Give the path of one, or make it with `regnas train-supernet`."
        )
    if path.suffix == ".safetensors":
        return _read_checkpoint(path, space)
    return _read_checkpoint(convert(path, space), space)


def pretrained_checkpoint(space: Space, publisher: str = "") -> Path:
    """Path of a space's trained weights: packaged, or else a publisher's, downloaded if need be."""
    if not space.sources:
        return _packaged(space.name, publisher)
    return fetch(_source(space, publisher), data_root() / "supernets")


def checkpoint_path(space: Space, weights: str | Path) -> Path:
    """Where the weights lie that :func:`load_supernet` is asked for, whether they are there yet or not.

    Raises:
        CheckpointError: no training or publisher of that name.
    """
    kind, _, detail = str(weights).partition(":")
    if kind != "pretrained":
        return find_path(weights)
    if not space.sources:
        return _packaged(space.name, detail)
    return data_root() / "supernets" / _source(space, detail).file


def _source(space: Space, publisher: str) -> Source:
    """Where a publisher, by default the first, offers a space's weights."""
    if publisher and publisher not in space.sources:
        raise CheckpointError(
            f"{space.name}: no pretrained weights called {publisher!r}; known: {', '.join(space.sources)}."
        )
    return space.sources[publisher or next(iter(space.sources))]


def _packaged(name: str, training: str) -> Path:
    """Path of a training that comes with the package, the first by default."""
    path = PACKAGED / f"{name}-{training or 0}.safetensors"
    if not path.is_file():
        there = sorted(file.stem.rpartition("-")[2] for file in PACKAGED.glob(f"{name}-[0-9]*.safetensors"))
        raise CheckpointError(
            f"{name}: no training {training or 0} comes with the package; "
            + (f"there are: {', '.join(there)}." if there else "train one with `regnas train-supernet`.")
        )
    return path


def convert(path: Path, space: Space) -> Path:
    """Path of a publisher's checkpoint as safetensors, written when it is first asked for.

    Raises:
        CheckpointError: unreadable, or not of this search space.
    """
    digest = sha256(path)
    target = cache_root(data_root()) / "supernets" / f"{space.name}-{digest[:16]}.safetensors"
    if not _is_whole(target):
        found = read_state_dict(path)
        if missing := _differences(found, space):
            others = [get_space(other) for other in space_names() if other != space.name]
            fits = [other.name for other in others if other.sources and not _differences(found, other)]
            raise CheckpointError(
                f"{path} holds no weights of {space.name}: {len(missing)} of {len(space.tensors)} tensors "
                f"are missing or of another shape, such as {missing[0]}. "
                + (f"It fits {fits[0]}." if fits else "Give the publishers' file of this super-network.")
            )
        named = {space.publishers_name(key): w for key, w in found.items()}
        tensors = {key: named[space.publishers_name(key)].float() for key in space.tensors}
        info = {"file": path.name, "sha256": digest}
        SuperNet(get_space(space.name), tensors, *space.normalisation, info).save(target)
    return target


def _is_whole(path: Path) -> bool:
    """Whether a safetensors file is there and as long as it says."""
    try:
        with safe_open(path, "pt"):
            return True
    except (SafetensorError, OSError):
        return False


def _differences(found: dict[str, Tensor], space: Space) -> list[str]:
    """Tensors of the space that ``found`` lacks or has in another shape."""
    shapes = {space.publishers_name(key): tuple(w.shape) for key, w in found.items()}
    return [key for key, shape in space.tensors.items() if shapes.get(space.publishers_name(key)) != shape]


def _read_checkpoint(path: Path, space: Space) -> SuperNet:
    try:
        with safe_open(path, "pt") as file:
            meta = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (not a dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is truncated or no safetensors file ({error}). Copy or make it again."
        ) from None
    if meta.get("format") not in (FORMAT, UNSEALED):
        raise CheckpointError(
            f"{path} is a safetensors file, but no super-network of this package ({FORMAT})."
        )
    head, checksum = _head(meta, path)
    whole = meta["format"] == UNSEALED or checksum == _checksum(tensors, json.dumps(head))
    seen = tensors.pop(TRAINED_ON, None)
    found = {name: tuple(w.shape) for name, w in tensors.items()}
    made_for = _trained_for(head["space"], head["options"])
    if made_for != _trained_for(space.name, space.options) or found != space.tensors:
        wrong = sorted(n for n in space.tensors | found if space.tensors.get(n) != found.get(n))
        raise CheckpointError(
            f"{path} holds a super-network of {made_for}, not of {space.identity} ({len(wrong)} tensors "
            f"differ{': ' if wrong else ''}{', '.join(wrong[:2])}). "
            "Give the checkpoint of this super-network, or the options that it was trained with."
        )
    if not whole or {len(head["mean"]), len(head["std"])} != {space.input_shape(space.smallest)[0]}:
        raise CheckpointError(
            f"{path} is damaged: its checksum is another, or mean and std do not fit. Copy or make it again."
        )
    trained_on = None if seen is None else seen.numpy().view(np.uint64)
    return SuperNet(space, tensors, tuple(head["mean"]), tuple(head["std"]), head["info"], trained_on)


def _head(meta: dict[str, str], path: Path) -> tuple[dict, str | None]:
    """What a checkpoint says of itself, and its checksum."""
    try:
        head = dict(json.loads(meta["regnas"]))
        moments = [float(value) for value in (*head["mean"], *head["std"])]
        named = isinstance(head["space"], str) and isinstance(head["options"], dict)
        if not (named and isinstance(head["info"], dict) and np.isfinite(moments).all()):
            raise ValueError("a value of another kind")
        return head, head.pop("checksum", None)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} has a damaged head ({error!r}). Copy or make it again.") from None


def _trained_for(name: str, options: dict) -> str:
    """Identity of the space as far as weights depend on it: not on what part of it is searched."""
    return identity(name, {key: v for key, v in options.items() if key not in ("resolutions", "tied")})
