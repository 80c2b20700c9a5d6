"""Once-for-all's published accuracy predictors: the Top-1 of a sub-network from its genes, without images.

Each is a multilayer perceptron on one-hot genes. Its authors fit such a predictor to the accuracies of
16,000 sub-networks on 10,000 images that they set aside from ImageNet's training set (Cai et al., ICLR 2020,
Sec. 3.4), so predictions lie above accuracies on the validation set. As a search's score they stand for
reward R0, Top-1 alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from ..download import Source, fetch
from ..errors import CheckpointError, GeneError, RegnasError
from ..resources import data_root
from ..spaces.arch import Arch, Value
from ..spaces.space import Space
from ..supernets.archive import read_state_dict

HIDDEN = 400  # units of every hidden layer
MOBILENET_RESOLUTIONS = (160, 176, 192, 208, 224)
RESNET_RESOLUTIONS = (128, 144, 160, 176, 192, 224, 240, 256)
PAGE = "https://github.com/mit-han-lab/once-for-all"


@dataclass(frozen=True)
class Published:
    """A predictor that once-for-all publishes.

    Attributes:
        source: its file.
        features: the one-hot genes of an architecture.
        inputs: how many they are.
        resolutions: those of the sub-networks that it was fitted to.
        layers: names of its four layers in the file.
        offset: name of what is added to the last layer's output.
    """

    source: Source
    features: Callable[[Arch], list[bool]]
    inputs: int
    resolutions: tuple[int, ...]
    layers: tuple[str, ...]
    offset: str

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors by name."""
        *hidden, last = self.layers
        shapes: dict[str, tuple[int, ...]] = {f"{name}.weight": (HIDDEN, HIDDEN) for name in hidden}
        shapes |= {f"{name}.bias": (HIDDEN,) for name in hidden}
        return shapes | {
            f"{hidden[0]}.weight": (HIDDEN, self.inputs),
            f"{last}.weight": (1, HIDDEN),
            self.offset: (1,),
        }


def _one_hot(values: Sequence[Value | None], choices: Sequence[Value]) -> list[bool]:
    """One entry for every value and choice; all are off for a layer that the depth switches off."""
    return [value == choice for value in values for choice in choices]


def _mobilenet_features(arch: Arch) -> list[bool]:
    """128 entries: kernels (20 x 3), expansions (20 x 3), and resolution (8: 112, 128, … 224).

    The weights of 112, 128 and 144 are still as they were initialised: none of them was in the fit.
    """
    kernels, expansions = _one_hot(arch.ks, (3, 5, 7)), _one_hot(arch.e, (3, 4, 6))
    return kernels + expansions + _one_hot([arch.r], range(112, 225, 16))


def _resnet_features(arch: Arch) -> list[bool]:
    """82 entries: resolution (8), the stem's residual layer (2), widths (6 x 3), and expansions (18 x 3)."""
    resolution = _one_hot([arch.r], RESNET_RESOLUTIONS)
    stem, widths = _one_hot([arch.d[0] > 0], (False, True)), _one_hot(arch.w, (0, 1, 2))
    return resolution + stem + widths + _one_hot(arch.e, (0.2, 0.25, 0.35))


PREDICTORS = {
    "ofa-mbv3-w1.2": Published(
        Source(
            "https://raw.githubusercontent.com/han-cai/files/master/ofa/acc_predictor.pth",
            "acc_predictor.pth",
            "sha256:48685122a3540636b06699af66cd816456b25f29b69563e2fda9bed4018eeba0",
            PAGE,
        ),
        _mobilenet_features,
        128,
        MOBILENET_RESOLUTIONS,
        ("0", "2", "4", "6"),
        "6.bias",
    ),
    "ofa-resnet50": Published(
        Source(
            "https://hanlab.mit.edu/files/OnceForAll/tutorial/ofa_resnet50_acc_predictor.pth",
            "ofa_resnet50_acc_predictor.pth",
            "sha256:68912b4b4be38feb504c5b773dc847af23a637984d5eaabf548de72cd0f79529",
            PAGE,
        ),
        _resnet_features,
        82,
        RESNET_RESOLUTIONS,
        ("layers.0.0", "layers.1.0", "layers.2.0", "layers.3"),
        "base_acc",
    ),
}


class AccuracyPredictor:
    """Predicted Top-1 of architectures: a score for :func:`regnas_core.evolve`.

    Args:
        space: ``ofa-mbv3-w1.2`` or ``ofa-resnet50``.
        weights: the predictor's tensors by name, as in its file.

    Raises:
        RegnasError: there is no predictor for this space.
        GeneError: the space draws a resolution that the predictor does not know.
        CheckpointError: the tensors are not those of this space's predictor.
    """

    def __init__(self, space: Space, weights: Mapping[str, Tensor]) -> None:
        self.space, self.published = space, _published(space)
        self._check(next(gene.drawn for gene in space.genes if gene.name == "r"))
        found, expected = {name: tuple(w.shape) for name, w in weights.items()}, self.published.shapes
        if found != expected:
            wrong = sorted(name for name in found | expected if found.get(name) != expected.get(name))
            raise CheckpointError(
                f"These are not the weights of the accuracy predictor of {space.name}: {len(wrong)} tensors "
                f"differ, such as {wrong[0]}. Give the file {self.published.source.file} from {PAGE}."
            )
        arrays = {name: w.double().numpy() for name, w in weights.items()}
        *hidden, last = self.published.layers
        self._hidden = [(arrays[f"{name}.weight"].T, arrays[f"{name}.bias"]) for name in hidden]
        self._last, self._offset = arrays[f"{last}.weight"][0], arrays[self.published.offset]

    def __call__(self, archs: Sequence[Arch]) -> np.ndarray:
        """Predicted Top-1 as fractions, calculated in float64.

        Args:
            archs: n architectures of the space.

        Returns:
            float64 (n,).

        Raises:
            GeneError: an architecture of another space, or of a resolution that the predictor does not know.
        """
        for arch in archs:
            if arch.space != self.space.identity:
                raise GeneError(
                    f"An architecture of {arch.space} was given to a predictor for {self.space.identity}."
                )
        self._check(arch.r for arch in archs)
        genes = [self.published.features(arch) for arch in archs]
        x = np.array(genes, dtype=np.float64).reshape(len(archs), self.published.inputs)
        for weight, bias in self._hidden:
            x = np.maximum(x @ weight + bias, 0)
        return x @ self._last + self._offset

    def _check(self, resolutions: Iterable[Value]) -> None:
        known = self.published.resolutions
        if unknown := sorted(set(resolutions) - set(known)):
            raise GeneError(
                f"The accuracy predictor of {self.space.name} does not know the resolution {unknown[0]}, "
                f"only {', '.join(map(str, known))}. Draw from these: "
                f"get_space({self.space.name!r}, resolutions={known})."
            )


def load_predictor(space: Space, path: str | Path | None = None) -> AccuracyPredictor:
    """Once-for-all's accuracy predictor for the architectures of ``space``.

    That of ``ofa-mbv3-w1.2`` was fitted to sub-networks of this very super-network; there is none for w1.0.
    That of ``ofa-resnet50`` saturates: 82.987 % is predicted for all of the best 1 % of random
    architectures at 224 pixels, so it cannot tell the largest ones apart.

    Args:
        space: the search space; if its architectures are drawn with several resolutions, the predictor must
            know them (MobileNet-V3: 160 to 224 by 16; ResNet-50: these, 128, 144, 240 and 256, not 208).
        path: the published file; by default ``ofa/acc_predictor.pth`` or
            ``ofa/ofa_resnet50_acc_predictor.pth`` in the data folder (``REGNAS_DATA``), downloaded into it
            if need be.

    Raises:
        RegnasError: there is no predictor for this space.
        GeneError: the space draws a resolution that the predictor does not know.
        CheckpointError: the file is missing and cannot be downloaded, or is another one.
    """
    source = _published(space).source
    return AccuracyPredictor(space, read_state_dict(path or fetch(source, data_root() / "ofa")))


def _published(space: Space) -> Published:
    if space.name not in PREDICTORS:
        raise RegnasError(
            f"There is no accuracy predictor for {space.name}, only for {' and '.join(PREDICTORS)}: each was "
            "fitted to the sub-networks of that one super-network."
        )
    return PREDICTORS[space.name]
