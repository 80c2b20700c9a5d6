"""The mini ResNet super-network: an elastic network of bottleneck blocks for small images.

Three stages of residual blocks, with genes named as in once-for-all's ResNet-50: ``d`` (layers a stage),
``w`` (width of the stem and of each stage, as a share of the largest) and ``e`` (one value a layer: the
share of a block's output channels that are in its middle). Fewer channels are the leading ones, fewer
layers the first ones, so every smaller choice is contained in every larger one, but for one thing that
is ResNet-50's too: a block's middle is ``w`` times ``e``, so that more width makes up for less expansion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import prod
from typing import Any

from ..errors import GeneError
from .arch import Arch, Gene, Value
from .options import changed, check_choices, check_image, check_stages, configure
from .space import Space
from .steps import (
    Activation,
    AveragePool,
    BatchNorm,
    Conv,
    GlobalPool,
    Linear,
    Op,
    PixelUnshuffle,
    Region,
    Residual,
    Shape,
    Step,
)


@dataclass(frozen=True)
class MiniResNetConfig:
    """The fixed part of a mini ResNet super-network.

    Attributes:
        image: (channels, height, width) of the input.
        classes: number of classes.
        unshuffle: factor of the space-to-depth before the stem.
        stem: channels of the stem, at most.
        widths, strides: output channels of each stage, at most, and its stride.
        multipliers, expansions, depths: choices of the elastic genes.
    """

    image: Shape = (1, 32, 32)
    classes: int = 20
    unshuffle: int = 2
    stem: int = 32
    widths: tuple[int, ...] = (40, 48, 96)
    strides: tuple[int, ...] = (2, 1, 2)
    multipliers: tuple[float, ...] = (0.75, 0.875, 1.0)
    expansions: tuple[float, ...] = (0.25, 0.375, 0.5)
    depths: tuple[int, ...] = (1, 2, 3)


CONFIGS = {
    "mini-resnet": MiniResNetConfig(),
    "mini-resnet-cifar10": MiniResNetConfig(image=(3, 32, 32), classes=10, stem=48, widths=(64, 72, 144)),
}


class MiniResNetSpace(Space):
    """Search space of a mini ResNet super-network."""

    by_genes = False

    def __init__(self, name: str = "mini-resnet", **changes: Any) -> None:
        self.name = name
        self.config = c = configure(name, CONFIGS[name], changes)
        self.options = changed(c, CONFIGS[name])
        check_image(name, c.image, c.unshuffle, c.classes)
        check_stages(name, c.widths, c.strides)
        check_choices(name, multipliers=c.multipliers, expansions=c.expansions, depths=c.depths)
        self.genes = tuple(self._genes())
        self.normalisation = ((0.5,) * c.image[0], (0.25,) * c.image[0])
        places = range(1 + len(c.widths))
        counts = [[self._channels(place, w) for w in c.multipliers] for place in places]
        counts += [[self._middle(s, w, e) for e in c.expansions] for s in places[:-1] for w in c.multipliers]
        if any(len({0, *row}) <= len(row) for row in counts):
            raise GeneError(f"{name}: stem={c.stem}, widths={c.widths}: too few channels for all choices.")

    def _genes(self) -> Iterator[Gene]:
        c = self.config
        stages = range(len(c.widths))
        yield from (Gene("d", c.depths, depth_of=stage, rule="layers") for stage in stages)
        yield from (Gene("w", c.multipliers) for _ in (c.stem, *c.widths))
        yield from (Gene("e", c.expansions, layer=at) for at in product(stages, range(c.depths[-1])))

    def input_shape(self, arch: Arch | None = None) -> Shape:
        return self.config.image

    def steps(self, arch: Arch) -> tuple[Step, ...]:
        self.check_own(arch)
        deepest, channels = self.config.depths[-1], self._channels(0, arch.w[0])
        steps = [self._stem(channels)]
        for stage, (depth, width) in enumerate(zip(arch.d, arch.w[1:], strict=True)):
            inp, channels = channels, self._channels(1 + stage, width)
            for i in range(depth):
                mid = self._middle(stage, width, arch.e[stage * deepest + i])
                steps.append(self._block(stage, i, channels if i else inp, mid, channels))
        return (*steps, self._head(channels))

    def stage(self, slot: int) -> int:
        """The stem's width goes with the first stage's."""
        return super().stage(slot) if self.genes[slot].name != "w" else max(0, super().stage(slot) - 1)

    def size(self, containing: Arch | None = None) -> int:
        domains: tuple[Any, ...] = self.domains(containing)
        slots = self.slots
        total = len(domains[slots["w"][0]])
        for stage, (d, w) in enumerate(zip(slots["d"], slots["w"][1:], strict=True)):
            total *= sum(
                prod(len(self._expansions(stage, i, width, containing)) for i in range(depth))
                for depth, width in product(domains[d], domains[w])
            )
        return total

    def domain(self, slot: int, values: Sequence[Value], reference: Arch | None) -> tuple[Value, ...]:
        if (layer := self.genes[slot].layer) is None:  # all but e
            return super().domain(slot, values, reference)
        stage, i = layer
        return self._expansions(stage, i, values[self.slots["w"][1 + stage]], reference)

    def _expansions(self, stage: int, i: int, width: float, reference: Arch | None) -> tuple[Value, ...]:
        """Expansions with which a layer has the reference's middle channels, at a given width."""
        choices, layer = self.config.expansions, stage * self.config.depths[-1] + i
        if reference is None or reference.e[layer] is None:
            return choices
        least = self._middle(stage, reference.w[1 + stage], reference.e[layer])
        return tuple(e for e in choices if self._middle(stage, width, e) >= least)

    def _channels(self, place: int, width: float) -> int:
        """Channels that leave the stem (place 0) or a stage (1, 2, …)."""
        return round((self.config.stem, *self.config.widths)[place] * width)

    def _middle(self, stage: int, width: float, ratio: float) -> int:
        return round(self._channels(1 + stage, width) * ratio)

    # Steps are shared between architectures, so that equal prefixes are equal objects.
    @cache  # noqa: B019
    def _stem(self, out: int) -> Step:
        c = self.config
        inp = c.image[0] * c.unshuffle**2
        ops = (PixelUnshuffle(c.unshuffle), *_conv_norm("stem", out, inp, 3), Activation())
        return Step(("stem", out), ops)

    @cache  # noqa: B019
    def _block(self, stage: int, i: int, inp: int, mid: int, out: int) -> Step:
        """Reduce 1×1 → 3×3 → expand 1×1, beside the identity or a pooled projection; then the activation."""
        name, stride = f"stages.{stage}.{i}", 1 if i else self.config.strides[stage]
        body = (
            *(*_conv_norm(f"{name}.reduce", mid, inp), Activation()),
            *(*_conv_norm(f"{name}.conv", mid, mid, 3, stride), Activation()),
            *_conv_norm(f"{name}.expand", out, mid),
        )
        pool = (AveragePool(stride),) if stride > 1 else ()
        shortcut = () if i else (*pool, *_conv_norm(f"{name}.shortcut", out, inp))
        return Step((name, inp, mid, out), (Residual(body, shortcut), Activation()), (stage, i))

    @cache  # noqa: B019
    def _head(self, inp: int) -> Step:
        classes = self.config.classes
        weight = Region.leading("head.linear.weight", classes, inp)
        return Step(
            ("head", inp), (GlobalPool(), Linear(weight, Region.leading("head.linear.bias", classes)))
        )


def _conv_norm(name: str, out: int, inp: int, size: int = 1, stride: int = 1) -> tuple[Op, Op]:
    weight = Region.leading(f"{name}.weight", out, inp, size, size)
    return Conv(weight, stride), BatchNorm(f"{name}_norm", out)
