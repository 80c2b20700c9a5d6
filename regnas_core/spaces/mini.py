"""The mini super-network: an elastic MobileNet-style network for small images.

Three stages of inverted-residual blocks with elastic kernel, expansion and depth, named as in
once-for-all: ``ks`` and ``e`` (one value a layer) and ``d`` (layers a stage). Smaller kernels are
the innermost part of larger ones, fewer channels the leading ones, fewer layers the first ones, so
every smaller choice is contained in every larger one. No squeeze-and-excite, no learned kernel
transform: what a text on CAS assumes, this network is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ..errors import GeneError
from .arch import Arch, Gene
from .options import changed, check_choices, check_image, check_stages, configure
from .space import Space
from .steps import (
    Activation,
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
class MiniConfig:
    """The fixed part of a mini super-network.

    Attributes:
        image: (channels, height, width) of the input.
        classes: number of classes.
        unshuffle: factor of the space-to-depth before the stem.
        stem, head: channels of the stem and of the layer before the classifier.
        widths, strides: output channels and stride of each stage.
        kernels, expansions, depths: choices of the elastic genes.
    """

    image: Shape = (1, 32, 32)
    classes: int = 20
    unshuffle: int = 2
    stem: int = 12
    head: int = 96
    widths: tuple[int, ...] = (16, 24, 40)
    strides: tuple[int, ...] = (2, 1, 2)
    kernels: tuple[int, ...] = (3, 5, 7)
    expansions: tuple[int, ...] = (2, 3, 4)
    depths: tuple[int, ...] = (2, 3, 4)


_MINI = MiniConfig()
_COLOUR = MiniConfig(
    image=(3, 32, 32), classes=10, stem=16, head=128, widths=(20, 32, 56), expansions=(3, 4, 6)
)
# The wide ones' largest network is 9 to 11 times the smallest, the others' 5 to 6 times.
_WIDE: dict[str, Any] = {"kernels": (3, 5), "expansions": (1, 2, 4), "depths": (1, 2, 3, 4)}
CONFIGS = {
    "mini": _MINI,
    "mini-wide": replace(_MINI, **_WIDE),
    "mini-cifar10": _COLOUR,
    "mini-cifar10-wide": replace(_COLOUR, **_WIDE, widths=(24, 40, 64)),
}


class MiniSpace(Space):
    """Search space of a mini super-network."""

    def __init__(self, name: str = "mini", **changes: Any) -> None:
        self.name = name
        self.config = c = configure(name, CONFIGS[name], changes)
        self.options = changed(c, CONFIGS[name])
        check_image(name, c.image, c.unshuffle, c.classes)
        check_stages(name, c.widths, c.strides)
        check_choices(name, kernels=c.kernels, expansions=c.expansions, depths=c.depths)
        if any(k % 2 == 0 for k in c.kernels):
            raise GeneError(
                f"{name}: option kernels={c.kernels!r}: expected odd sizes, each the middle of the next, "
                "as (3, 5, 7)."
            )
        self.genes = tuple(self._genes())
        self.normalisation = ((0.5,) * self.config.image[0], (0.25,) * self.config.image[0])

    def _genes(self) -> Iterator[Gene]:
        c = self.config
        layers = [(stage, i) for stage in range(len(c.widths)) for i in range(c.depths[-1])]
        yield from (Gene("ks", c.kernels, layer=at, rule="kernels") for at in layers)
        yield from (Gene("e", c.expansions, layer=at) for at in layers)
        yield from (Gene("d", c.depths, depth_of=stage, rule="layers") for stage in range(len(c.widths)))

    def input_shape(self, arch: Arch | None = None) -> Shape:
        return self.config.image

    def steps(self, arch: Arch) -> tuple[Step, ...]:
        self.check_own(arch)
        c, deepest = self.config, self.config.depths[-1]
        blocks = [
            self._block(stage, i, arch.ks[stage * deepest + i], arch.e[stage * deepest + i])
            for stage, depth in enumerate(arch.d)
            for i in range(depth)
        ]
        return (self._stem(), *blocks, self._head(c.widths[-1]))

    # Steps are shared between architectures, so that equal prefixes are equal objects.
    @cache  # noqa: B019
    def _stem(self) -> Step:
        c = self.config
        inp = c.image[0] * c.unshuffle**2
        ops = (
            PixelUnshuffle(c.unshuffle),
            Conv(Region.leading("stem.conv.weight", c.stem, inp, 3, 3)),
            BatchNorm("stem.norm", c.stem),
            Activation(),
        )
        return Step(("stem",), ops)

    @cache  # noqa: B019
    def _block(self, stage: int, i: int, kernel: int, expand: int) -> Step:
        """Expand 1×1 → depthwise k×k → project 1×1, as in MobileNet-V2."""
        c, name = self.config, f"stages.{stage}.{i}"
        inp = c.widths[stage] if i else (c.widths[stage - 1] if stage else c.stem)
        mid, out, stride = inp * expand, c.widths[stage], 1 if i else c.strides[stage]
        ops: tuple[Op, ...] = (
            Conv(Region.leading(f"{name}.expand.weight", mid, inp, 1, 1)),
            BatchNorm(f"{name}.expand_norm", mid),
            Activation(),
            Conv(
                Region.kernel(f"{name}.depthwise.weight", mid, 1, kernel, c.kernels[-1]), stride, groups=mid
            ),
            BatchNorm(f"{name}.depthwise_norm", mid),
            Activation(),
            Conv(Region.leading(f"{name}.project.weight", out, mid, 1, 1)),
            BatchNorm(f"{name}.project_norm", out),
        )
        ops = (Residual(ops),) if stride == 1 and inp == out else ops
        return Step((name, kernel, expand), ops, (stage, i))

    @cache  # noqa: B019
    def _head(self, inp: int) -> Step:
        c = self.config
        ops = (
            Conv(Region.leading("head.conv.weight", c.head, inp, 1, 1)),
            BatchNorm("head.norm", c.head),
            Activation(),
            GlobalPool(),
            Linear(
                Region.leading("head.linear.weight", c.classes, c.head),
                Region.leading("head.linear.bias", c.classes),
            ),
        )
        return Step(("head",), ops)
