"""The FBNet-V3 super-network of AttentiveNAS and AlphaNet (Wang et al., CVPR and ICML 2021).

Inverted-residual blocks in seven stages, with widths, depths, kernels and expansions that are shared by
all blocks of a stage. Fewer channels are the leading ones, smaller kernels the innermost part, fewer
layers the first ones. The network resizes its images to its own resolution.

Every block has a shortcut. Where a stage's first block changes the number of channels, that is a
convolution with weights of its own; where it does not, those weights are unused. So a network may be
larger than another in every gene and still lack some of its weights, if its neighbouring widths are
equal and the other's are not: such a network does not contain the other. Conversely, a block's middle has
its input's channels times the expansion, so that more width makes up for less expansion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise, product
from math import prod
from typing import Any

from ..download import Source, drive
from .arch import Arch, Gene, Value
from .space import Space
from .steps import (
    Activation,
    AveragePool,
    BatchNorm,
    Conv,
    GlobalPool,
    Linear,
    Op,
    Region,
    Residual,
    Resize,
    Shape,
    SqueezeExcite,
    Step,
)

RESOLUTIONS = (192, 224, 256, 288)
KERNELS = (3, 5)
CLASSES = 1000
STEM = (16, 24)
HEAD = (1792, 1984)
HEAD_EXPAND = 6


@dataclass(frozen=True)
class Stage:
    """Choices and fixed properties of a stage."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    expands: tuple[int, ...]
    stride: int
    excite: bool


STAGES = (
    Stage((16, 24), (1, 2), (1,), 1, False),
    Stage((24, 32), (3, 4, 5), (4, 5, 6), 2, False),
    Stage((32, 40), (3, 4, 5, 6), (4, 5, 6), 2, True),
    Stage((64, 72), (3, 4, 5, 6), (4, 5, 6), 2, False),
    Stage((112, 120, 128), (3, 4, 5, 6, 7, 8), (4, 5, 6), 1, True),
    Stage((192, 200, 208, 216), (3, 4, 5, 6, 7, 8), (6,), 2, True),
    Stage((216, 224), (1, 2), (6,), 1, True),
)
WIDTHS = (STEM, *(stage.widths for stage in STAGES), HEAD)


def round8(value: int) -> int:
    """The nearest multiple of 8, at least 8 and not below nine tenths of ``value``."""
    rounded = max(8, (value + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * value else rounded + 8


class FBNetV3Space(Space):
    """Search space of AttentiveNAS: ``resolution``, ``width`` (9), and seven each of ``depth``,
    ``kernel_size`` and ``expand_ratio``, one a stage.
    """

    by_genes = False
    any_size = True
    normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    batchnorm_rule = "cumulative"
    sources = {  # noqa: RUF012
        "attentivenas": Source(
            drive("1cCla-OQNIAn-rjsY2b832DuP59ZKr8uh"),
            "attentive_nas_pretrained.pth.tar",
            "md5:52741b01f92e680254bfa55c29ebdb71",
            "https://github.com/facebookresearch/AttentiveNAS",
        ),
        "alphanet": Source(
            drive("1CyZoPyiCoGJ0qv8bqi7s7TQRUum_8FeG"),
            "alphanet_pretrained.pth.tar",
            page="https://github.com/facebookresearch/AlphaNet",
        ),
    }

    def __init__(self, name: str = "fbnetv3", resolutions: Sequence[int] | None = None) -> None:
        self.name = name
        self.options = {} if resolutions is None else {"resolutions": self.check_resolutions(resolutions)}
        self.genes = (
            Gene("resolution", self.options.get("resolutions", RESOLUTIONS), rule=None),
            *(Gene("width", choices) for choices in WIDTHS),
            *(Gene("depth", stage.depths, depth_of=i, rule="layers") for i, stage in enumerate(STAGES)),
            *(Gene("kernel_size", KERNELS, rule="kernels") for _ in STAGES),
            *(Gene("expand_ratio", stage.expands) for stage in STAGES),
        )

    def input_shape(self, arch: Arch) -> Shape:
        self.check_own(arch)
        return (3, arch.resolution, arch.resolution)

    def size(self, containing: Arch | None = None) -> int:
        domains: tuple[Any, ...] = self.domains(containing)
        counted = {*self.slots["width"], *self.slots["expand_ratio"]}
        others = prod(len(domain) for slot, domain in enumerate(domains) if slot not in counted)
        convs = set() if containing is None else _shortcut_convs(containing.width)
        widths = product(*(domains[slot] for slot in self.slots["width"]))
        return others * sum(
            prod(len(self._expands(stage, width, containing)) for stage in range(len(STAGES)))
            for width in widths
            if convs <= _shortcut_convs(width)
        )

    def domain(self, slot: int, values: Sequence[Value], reference: Arch | None) -> tuple[Value, ...]:
        if self.genes[slot].name != "expand_ratio":
            return super().domain(slot, values, reference)
        width = tuple(values[place] for place in self.slots["width"])
        return self._expands(slot - self.slots["expand_ratio"][0], width, reference)

    @cache  # noqa: B019
    def _expands(self, stage: int, width: tuple[int, ...], reference: Arch | None) -> tuple[int, ...]:
        """Expansions with which a stage's blocks have the reference's middle channels, at given widths."""
        choices = STAGES[stage].expands
        if reference is None:
            return choices
        inputs = slice(stage, stage + min(2, reference.depth[stage]))  # of the first block, of all later ones
        pairs = list(zip(width[inputs], reference.width[inputs], strict=True))
        least = reference.expand_ratio[stage]
        return tuple(e for e in choices if all(own * e >= other * least for own, other in pairs))

    @cached_property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Of the largest network, with the shortcut convolution that every block has, used or not."""
        shapes = super().tensors
        first = 0
        for (inp, stage), start in zip(pairwise((STEM, *(s.widths for s in STAGES))), range(7), strict=True):
            for i in range(STAGES[start].depths[-1]):
                shape = (stage[-1], inp[-1] if i == 0 else stage[-1], 1, 1)
                shapes[f"blocks.{first + i}.shortcut.conv.conv.weight"] = shape
            first += STAGES[start].depths[-1]
        norms = [name.removesuffix(".weight") for name in shapes if name.endswith(".bn.weight")]
        statistics = ("running_mean", "running_var")
        return shapes | {f"{norm}.{s}": shapes[f"{norm}.weight"] for norm in norms for s in statistics}

    def steps(self, arch: Arch) -> tuple[Step, ...]:
        self.check_own(arch)
        resize = Step(("resize", arch.resolution), (Resize(arch.resolution, "bicubic"),))
        steps, inp, first = [resize, self._stem(arch.width[0])], arch.width[0], 0
        genes = zip(STAGES, arch.width[1:], arch.depth, arch.kernel_size, arch.expand_ratio, strict=False)
        for number, (stage, width, depth, kernel, expand) in enumerate(genes):
            for i in range(depth):
                stride = 1 if i else stage.stride
                steps.append(self._block(first + i, (number, i), stride, inp, width, kernel, expand))
                inp = width
            first += stage.depths[-1]
        return (*steps, self._head(inp, arch.width[-1]))

    @cache  # noqa: B019
    def _stem(self, out: int) -> Step:
        return Step(("first_conv", out), (*_conv_norm("first_conv", out, 3, 3, 2), Activation("swish")))

    @cache  # noqa: B019
    def _block(
        self, i: int, layer: tuple[int, int], stride: int, inp: int, out: int, size: int, expand: int
    ) -> Step:
        """Expand 1×1 (where the stage expands) → depthwise k×k (→ squeeze-and-excite) → project 1×1."""
        name, mid, act = f"blocks.{i}.mobile_inverted_conv", inp * expand, Activation("swish")
        stage = STAGES[layer[0]]
        ops: list[Op] = []
        if stage.expands[-1] > 1:
            ops += [*_conv_norm(f"{name}.inverted_bottleneck", mid, inp), act]
        ops += [*_conv_norm(f"{name}.depth_conv", mid, 1, size, stride, groups=mid, full=KERNELS[-1]), act]
        if stage.excite:
            ops.append(_excite(f"{name}.depth_conv.se.fc", mid))
        ops += _conv_norm(f"{name}.point_linear", out, mid)
        shortcut: list[Op] = [AveragePool(stride)] if stride > 1 else []
        if inp != out:
            shortcut.append(_conv(f"blocks.{i}.shortcut", out, inp))
        residual = Residual(tuple(ops), tuple(shortcut))
        return Step((f"blocks.{i}", inp, out, size, mid), (residual,), layer)

    @cache  # noqa: B019
    def _head(self, inp: int, out: int) -> Step:
        mid, linear = inp * HEAD_EXPAND, "classifier.linear.linear"
        ops = (
            *_conv_norm("last_conv.final_expand_layer", mid, inp),
            Activation("swish"),
            GlobalPool(),
            _conv("last_conv.feature_mix_layer", out, mid),
            Activation("swish"),
            Linear(
                Region.leading(f"{linear}.weight", CLASSES, out), Region.leading(f"{linear}.bias", CLASSES)
            ),
        )
        return Step(("last_conv", inp, out), ops)


def _shortcut_convs(widths: tuple[int, ...]) -> set[int]:
    """The stages whose first block changes the number of channels."""
    return {stage for stage, (inp, out) in enumerate(pairwise(widths[:-1])) if inp != out}


def _conv(
    name: str, out: int, inp: int, size: int = 1, stride: int = 1, groups: int = 1, full: int = 0
) -> Conv:
    return Conv(Region.kernel(f"{name}.conv.conv.weight", out, inp, size, full or size), stride, groups)


def _conv_norm(name: str, out: int, inp: int, *args: int, **kwargs: int) -> tuple[Op, Op]:
    return _conv(name, out, inp, *args, **kwargs), BatchNorm(f"{name}.bn.bn", out)


def _excite(name: str, channels: int) -> SqueezeExcite:
    mid = round8(channels // 4)
    return SqueezeExcite(
        Region.leading(f"{name}.reduce.weight", mid, channels, 1, 1),
        Region.leading(f"{name}.reduce.bias", mid),
        Region.leading(f"{name}.expand.weight", channels, mid, 1, 1),
        Region.leading(f"{name}.expand.bias", channels),
    )
