"""Independently trained ImageNet networks of torchvision, as baselines beside the super-networks.

    >>> from regnas_core.evaluation.baselines import REGNETS, load_baseline
    >>> REGNETS  # the family of Fig. 1a
    ('regnet_y_400mf', 'regnet_y_800mf', 'regnet_y_1_6gf')
    >>> load_baseline("efficientnet_b0").mmacs  # doctest: +SKIP
    385.81

The weights are those that torchvision calls IMAGENET1K_V1: trained by the plain recipes of the networks'
time, with the Top-1 that papers of that time quote. (V2 weights come of a later, longer recipe, which lifts
Top-1 by 1 to 5 points.) A baseline's outputs are the 1,000 classes in the order of their WordNet numbers.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.hub import download_url_to_file
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import get_model, get_weight
from tqdm import tqdm

from ..errors import CheckpointError, DataError, PredictionError, RegnasError
from ..files import digest, sha256
from ..resources import data_root
from ..supernets.archive import read_state_dict
from ..supernets.supernet import parse_random, standardised
from .evaluator import arithmetic, pick_device

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

# Name of the network → name of its weights, which torchvision.models.get_weight knows.
BASELINES = {
    network.lower(): f"{network}_Weights.IMAGENET1K_V1"
    for network in (
        *("RegNet_Y_400MF", "RegNet_Y_800MF", "RegNet_Y_1_6GF", "RegNet_Y_3_2GF"),
        *("RegNet_X_400MF", "RegNet_X_800MF", "RegNet_X_1_6GF", "RegNet_X_3_2GF"),
        *("EfficientNet_B0", "EfficientNet_B1", "ResNet50", "ResNet101"),
        *("MobileNet_V3_Small", "MobileNet_V3_Large"),
    )
}
REGNETS = ("regnet_y_400mf", "regnet_y_800mf", "regnet_y_1_6gf")
CLASSES = 1000


@dataclass(frozen=True, eq=False)
class Baseline:
    """A trained network, and how pictures are prepared for it.

    Attributes:
        name: one of :data:`BASELINES`.
        network: in evaluation mode; takes normalised floats (B, 3, size, size), gives logits (B, 1000).
        size: side of its pictures in pixels, cut out of the centre.
        resize: pixels of the shorter side before that.
        interpolation: of that, "bilinear" or "bicubic".
        mean, std: per-channel normalisation of images scaled to [0, 1].
        mmacs: multiply-accumulates of one picture, in mega.
        params: number of trained parameters.
        top1_published: Top-1 of torchvision's weights on the validation pictures, in percent; of those,
            whatever weights are loaded here.
    """

    name: str
    network: nn.Module = field(repr=False)
    size: int
    resize: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mmacs: float
    params: int
    top1_published: float

    def normalise(self, images: Tensor) -> Tensor:
        """Images uint8 (B, 3, size, size) as the network takes them: scaled to [0, 1] and standardised."""
        return standardised(images, self.mean, self.std, torch.float32)

    def digest(self) -> str:
        """16 hexadecimal digits that name the network, its weights and its normalisation."""
        tensors = sorted(_tensors(self.network.state_dict()).items())
        parts = (part for key, w in tensors for part in (key, w.cpu().contiguous().numpy()))
        return digest(f"{self.name} {self.mean} {self.std}", *parts)


def load_baseline(name: str, weights: str | Path = "pretrained") -> Baseline:
    """A baseline with its weights, on the CPU.

    Args:
        name: one of :data:`BASELINES`.
        weights: ``"pretrained"`` (torchvision's, downloaded if need be to ``<data root>/baselines`` and
            checked), the path of a state dict that ``torch.save`` wrote, or ``"random:SEED"`` (untrained).

    Raises:
        RegnasError: unknown name.
        CheckpointError: missing, truncated, or of another network; never executes code.
    """
    entry = check_baseline(name)
    if (seed := parse_random(weights)) is not None:
        network = _build(name, seed)
    else:
        path = published_file(name) if str(weights) == "pretrained" else Path(weights)
        network = _build(name)
        _fill(network, name, path)
    view = entry.transforms()
    return Baseline(
        name,
        network,
        size=view.crop_size[0],
        resize=view.resize_size[0],
        interpolation=view.interpolation.value,
        mean=tuple(view.mean),
        std=tuple(view.std),
        mmacs=_mmacs(network, view.crop_size[0]),
        params=sum(w.numel() for w in network.parameters()),
        top1_published=entry.meta["_metrics"]["ImageNet-1K"]["acc@1"],
    )


def baseline_path(name: str) -> Path:
    """Where torchvision's weights are kept, whether they are there yet or not."""
    return data_root() / "baselines" / check_baseline(name).url.rpartition("/")[2]


def published_file(name: str) -> Path:
    """Path of torchvision's weights, downloaded if the file is not there or has another checksum.

    Raises:
        RegnasError: unknown name.
        CheckpointError: it cannot be had, with how to fetch it by hand.
    """
    url, path = check_baseline(name).url, baseline_path(name)
    checksum = path.stem.rpartition("-")[2]  # the first digits of its SHA-256
    there = path.is_file()
    if there and sha256(path).startswith(checksum):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        download_url_to_file(url, str(path), checksum)
    except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: what came has another checksum
        state = f"has another SHA-256 than {checksum}…" if there else "is missing"
        raise CheckpointError(
            f"{path} {state}, and downloading it from {url} failed: {error}. Fetch that file on a machine "
            f"with a network and save it as {path}, or give the path of your copy as weights=…"
        ) from None
    return path


def predict(
    baseline: Baseline,
    images: np.ndarray,
    device: str = "auto",
    batch_size: int = 64,
    *,
    progress: bool = False,
) -> np.ndarray:
    """Predicted class of every image.

    Args:
        baseline: its network stays where it is; a copy runs.
        images: uint8 (N, 3, size, size), decoded at the baseline's size, resize and interpolation.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, …
        batch_size: images a batch.
        progress: whether to show a bar.

    Returns:
        int64 (N,).

    Raises:
        DataError: the images do not fit the baseline.
        PredictionError: logits are not finite.
    """
    images, side = np.asarray(images), baseline.size
    if images.dtype != np.uint8 or images.shape[1:] != (3, side, side) or not len(images):
        raise DataError(
            f"Images are {images.dtype} {images.shape}; {baseline.name} takes uint8 (N, 3, {side}, {side})."
        )
    device, layout = pick_device(device), torch.channels_last
    network = copy.deepcopy(baseline.network).eval().to(device, memory_format=layout)
    found = []
    starts = range(0, len(images), batch_size)
    for start in tqdm(starts, desc=baseline.name, unit="batch", leave=False) if progress else starts:
        batch = torch.from_numpy(images[start : start + batch_size].copy()).to(device, non_blocking=True)
        with torch.no_grad(), arithmetic():
            logits = network(baseline.normalise(batch).contiguous(memory_format=layout))
        finite = torch.isfinite(logits).all(1)  # asked at the end: a question now would halt a GPU
        found.append(torch.where(finite, logits.argmax(1), -1))
    classes = torch.cat(found).cpu().numpy()
    if (classes < 0).any():
        raise PredictionError(f"The logits of {baseline.name} are not finite: its weights are broken.")
    return classes


def check_baseline(name: str) -> WeightsEnum:
    """What torchvision tells of a baseline's weights: address, pre-processing, published numbers.

    Raises:
        RegnasError: unknown name.
    """
    if name not in BASELINES:
        raise RegnasError(f"Unknown baseline {name!r}; known: {', '.join(BASELINES)}.")
    return get_weight(BASELINES[name])


def _build(name: str, seed: int = 0) -> nn.Module:
    """The network with random weights, in evaluation mode; the global random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return get_model(name, weights=None).eval()


def _fill(network: nn.Module, name: str, path: Path) -> None:
    """Copy the weights in a file into the network."""
    found, expected = _tensors(read_state_dict(path)), _tensors(network.state_dict())
    wrong = [f"{key} is missing" for key in expected if key not in found]
    wrong += [f"{key} does not belong to it" for key in found if key not in expected]
    wrong += [
        f"{key} has shape {tuple(found[key].shape)}, not {tuple(w.shape)}"
        for key, w in expected.items()
        if key in found and found[key].shape != w.shape
    ]
    if wrong:
        raise CheckpointError(
            f"{path} holds no weights of {name}: {len(wrong)} of {len(expected)} tensors differ: "
            f"{', '.join(wrong[:3])}{', …' if len(wrong) > 3 else ''}. Give a state dict of this network."
        )
    network.load_state_dict(found, strict=False)  # not the counters


def _tensors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without BatchNorm's counters of batches, which no prediction depends on."""
    return {key: w for key, w in state.items() if not key.endswith("num_batches_tracked")}


def _mmacs(network: nn.Module, size: int) -> float:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, size, size))
    return counter.get_total_flops() / 2e6  # a multiply-accumulate counts there as two
