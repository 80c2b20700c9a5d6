"""Once-for-all's super-networks, read off the ``ofa`` package: MobileNet-V3 (w1.0, w1.2) and ResNet-50.

The package builds its network on the meta device (shapes, no numbers); its layers say how many
channels, which stride, which activation, and what their tensors are called, and nothing else of it is
used: no sub-network is ever made active. Channels were sorted by importance in training, so fewer
channels are the leading ones; fewer layers are the first ones.

What "contains" means for kernels: once-for-all computes a 5 × 5 kernel from the innermost 5 × 5 of the
7 × 7 by a learned matrix, and the 3 × 3 from that. A larger kernel contains a smaller one by place (it
has its own weights where the smaller one has), not by value; the matrices count for neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property, partial
from itertools import product
from math import prod
from typing import Any

import torch
from ofa.imagenet_classification.elastic_nn.networks import OFAMobileNetV3, OFAResNets
from ofa.utils import make_divisible
from ofa.utils.layers import IdentityLayer
from torch import nn

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
    MaxPool,
    Op,
    Region,
    Residual,
    Resize,
    Shape,
    SqueezeExcite,
    Step,
)

RESOLUTIONS = tuple(range(128, 225, 4))  # once-for-all was trained with these
FIXED = 224
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
MOBILENET = {"ks_list": [3, 5, 7], "expand_ratio_list": [3, 4, 6], "depth_list": [2, 3, 4]}
PAGE = "https://github.com/mit-han-lab/once-for-all"


class OfaSpace(Space):
    """What the spaces of once-for-all have in common.

    Images are taken at the size they have, as ofa does, where the resolution is the one that random draws
    keep (224); an architecture with another resolution, or of a space with ``resolutions``, resizes them.

    Args:
        name: of the space.
        net: the ofa network, on the meta device.
        resolutions: what random draws choose the gene ``r`` from; by default it stays at 224.

    Attributes:
        build: makes ofa's own network, untrained, on the current device.
    """

    any_size = True
    normalisation = IMAGENET

    def __init__(self, name: str, net: Any, resolutions: Sequence[int] | None = None) -> None:
        self.name, self.net = name, net
        self.options = {} if resolutions is None else {"resolutions": self.check_resolutions(resolutions)}
        self._names: dict[nn.Parameter, str] = {tensor: key for key, tensor in net.named_parameters()}
        if resolutions is None:
            self._resolution = Gene("r", RESOLUTIONS, rule=None, fixed=FIXED)
        else:
            self._resolution = Gene("r", self.options["resolutions"], rule=None)

    @cached_property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        state = self.net.state_dict().items()
        return {key: tuple(w.shape) for key, w in state if not key.endswith("num_batches_tracked")}

    @staticmethod
    def publishers_name(key: str) -> str:
        """One name for a tensor's old and new names in ofa's checkpoints."""
        key = key.replace(".mobile_inverted_conv.", ".conv.")
        for word in ("conv", "bn", "linear"):
            while f".{word}.{word}." in key:
                key = key.replace(f".{word}.{word}.", f".{word}.")
        return key

    def input_shape(self, arch: Arch) -> Shape:
        self.check_own(arch)
        return (3, arch.r, arch.r)

    def _resize(self, arch: Arch) -> tuple[Step, ...]:
        if arch.r == self._resolution.fixed:
            return ()
        return (Step(("resize", arch.r), (Resize(arch.r, "bilinear", antialias=True),)),)

    # ── ofa's layers as operations; dynamic layers wrap plain ones ───────────────────────────────
    def _conv(
        self, layer: Any, out: int | None = None, inp: int | None = None, size: int | None = None
    ) -> Conv:
        conv = getattr(layer, "conv", layer)
        full, depthwise = conv.kernel_size[0], conv.groups > 1
        out, inp, size = out or conv.out_channels, 1 if depthwise else inp or conv.in_channels, size or full
        name = self._names[conv.weight]
        matrices = [
            self._names[layer.get_parameter(f"{large}to{small}_matrix")]
            for large, small in ((7, 5), (5, 3))
            if size <= small < full
        ]
        region = Region.kernel(name, out, inp, size, full)
        return Conv(region, conv.stride[0], out if depthwise else 1, tuple(matrices))

    def _norm(self, layer: Any, channels: int | None = None) -> BatchNorm:
        norm = getattr(layer, "bn", layer)
        name = self._names[norm.weight].removesuffix(".weight")
        return BatchNorm(name, channels or norm.num_features, norm.eps)

    def _conv_norm(
        self, layers: Any, out: int | None = None, inp: int | None = None, size: int | None = None
    ) -> tuple[Op, Op]:
        return self._conv(layers.conv, out, inp, size), self._norm(layers.bn, out)

    def _linear(self, linear: Any, inp: int) -> Linear:
        weight, bias = self._names[linear.weight], self._names[linear.bias]
        return Linear(
            Region.leading(weight, linear.out_features, inp), Region.leading(bias, linear.out_features)
        )

    def _excite(self, layer: Any, channels: int) -> SqueezeExcite:
        mid = make_divisible(channels // layer.reduction, 8)
        reduce, expand = layer.fc.reduce, layer.fc.expand
        return SqueezeExcite(
            Region.leading(self._names[reduce.weight], mid, channels, 1, 1),
            Region.leading(self._names[reduce.bias], mid),
            Region.leading(self._names[expand.weight], channels, mid, 1, 1),
            Region.leading(self._names[expand.bias], channels),
        )


class OfaMobileNetSpace(OfaSpace):
    """MobileNet-V3 of once-for-all: ``ks`` and ``e`` (20 layers), ``d`` (5 stages), ``r``."""

    def __init__(self, name: str, width: float, resolutions: Sequence[int] | None = None) -> None:
        self.build = partial(OFAMobileNetV3, dropout_rate=0, width_mult=width, **MOBILENET)
        with torch.device("meta"):
            net = self.build()
        super().__init__(name, net, resolutions)
        file = f"ofa_mbv3_d234_e346_k357_w{width}"
        url = f"https://raw.githubusercontent.com/han-cai/files/master/ofa/ofa_nets/{file}"
        self.sources = {"ofa": Source(url, file, page=PAGE)}
        stages = range(len(net.block_group_info))
        layers = [(stage, i) for stage in stages for i in range(len(net.block_group_info[stage]))]
        self.genes = (
            *(Gene("ks", tuple(MOBILENET["ks_list"]), layer=at, rule="kernels") for at in layers),
            *(Gene("e", tuple(MOBILENET["expand_ratio_list"]), layer=at) for at in layers),
            *(Gene("d", tuple(MOBILENET["depth_list"]), depth_of=stage, rule="layers") for stage in stages),
            self._resolution,
        )

    def steps(self, arch: Arch) -> tuple[Step, ...]:
        self.check_own(arch)
        blocks = [
            self._block(i, arch.ks[i - 1], arch.e[i - 1])
            for stage, depth in zip(self.net.block_group_info, arch.d, strict=True)
            for i in stage[:depth]
        ]
        return (*self._resize(arch), self._stem(), self._block(0), *blocks, self._head())

    @cache  # noqa: B019
    def _stem(self) -> Step:
        layer = self.net.first_conv
        return Step(("stem",), (*self._conv_norm(layer), Activation(layer.act_func)))

    @cache  # noqa: B019
    def _block(self, i: int, size: int | None = None, expand: int = 1) -> Step:
        """Expand 1×1 → depthwise k×k (→ squeeze-and-excite) → project 1×1."""
        layer, shortcut = self.net.blocks[i].conv, self.net.blocks[i].shortcut
        inp, act = layer.in_channels, Activation(layer.act_func)
        mid = make_divisible(round(inp * expand), 8)
        ops: list[Op] = []
        if layer.inverted_bottleneck is not None:
            ops += [*self._conv_norm(layer.inverted_bottleneck, mid, inp), act]
        ops += [*self._conv_norm(layer.depth_conv, mid, size=size), act]
        if layer.use_se:
            ops.append(self._excite(layer.depth_conv.se, mid))
        ops += self._conv_norm(layer.point_linear, layer.out_channels, mid)
        chain = tuple(ops) if shortcut is None else (Residual(tuple(ops)),)
        return Step((f"blocks.{i}", size, mid), chain, _place(self.net.block_group_info, i))

    @cache  # noqa: B019
    def _head(self) -> Step:
        net, linear = self.net, self.net.classifier.linear
        ops = (
            *self._conv_norm(net.final_expand_layer),
            Activation(net.final_expand_layer.act_func),
            GlobalPool(),
            self._conv(net.feature_mix_layer.conv),
            Activation(net.feature_mix_layer.act_func),
            self._linear(linear, linear.in_features),
        )
        return Step(("head",), ops)


class OfaResNetSpace(OfaSpace):
    """ResNet-50 of once-for-all: ``d`` (5), ``w`` (6), ``e`` (18 blocks), ``r``.

    ``d`` and ``w`` begin with the stem (one and two values), then comes one a stage. ``d[0]`` is 2 for the
    stem's residual layer and 0 without it, the others count blocks beyond a stage's least; ``w`` are
    places in the list of width multipliers; ``e`` is the share of a block's output channels that are in
    its middle. So more width makes up for less expansion, and a block contains another if its output and
    its middle have at least as many channels.
    """

    by_genes = False
    sources = {  # noqa: RUF012
        "ofa": Source(
            drive("1xy6VIPEHXqbbqNu3xEZUxhp5FbTVs5cQ"),
            "ofa_resnet50_d0-1-2_e0.2-0.25-0.35_w0.65-0.8-1.0",
            page=PAGE,
        )
    }

    def __init__(self, name: str, resolutions: Sequence[int] | None = None) -> None:
        depths, ratios, widths = [0, 1, 2], [0.2, 0.25, 0.35], [0.65, 0.8, 1.0]
        choices = {"depth_list": depths, "expand_ratio_list": ratios, "width_mult_list": widths}
        self.build = partial(OFAResNets, dropout_rate=0, **choices)
        with torch.device("meta"):
            net = self.build()
        super().__init__(name, net, resolutions)
        self._stages, more = net.grouped_block_index, depths[-1]
        self._least = [len(stage) - more for stage in self._stages]
        stages = range(len(self._stages))
        self.genes = (
            Gene("d", (0, more), rule="layers", aliases=tuple((d, 0) for d in depths[1:-1])),
            *(Gene("d", tuple(depths), depth_of=stage, rule="layers") for stage in stages),
            *(_widths(layer.out_channel_list) for layer in (net.input_stem[0], net.input_stem[2])),
            *(_widths(net.blocks[blocks[0]].out_channel_list) for blocks in self._stages),
            *(
                Gene("e", tuple(ratios), layer=(stage, i - self._least[stage]))
                for stage in stages
                for i in range(len(self._stages[stage]))
            ),
            self._resolution,
        )

    def steps(self, arch: Arch) -> tuple[Step, ...]:
        self.check_own(arch)
        stem = self.net.input_stem
        half, channels = stem[0].out_channel_list[arch.w[0]], stem[2].out_channel_list[arch.w[1]]
        steps = [*self._resize(arch), self._stem(0, 3, half)]
        if arch.d[0]:
            steps.append(self._stem(1, half, half))
        steps.append(self._stem(2, half, channels))
        for stage, more, least, width in zip(self._stages, arch.d[1:], self._least, arch.w[2:], strict=True):
            for i in stage[: least + more]:
                out = self.net.blocks[i].out_channel_list[width]
                steps.append(self._block(i, channels, self._middle(out, arch.e[i]), out))
                channels = out
        return (*steps, self._head(channels))

    def size(self, containing: Arch | None = None) -> int:
        domains = self.domains(containing)
        slots = self.slots
        alone = prod(len(domains[slot]) for slot in (slots["d"][0], *slots["w"][:2], *slots["r"]))
        return alone * prod(self._stage_size(stage, containing) for stage in range(len(self._stages)))

    def _stage_size(self, stage: int, reference: Arch | None) -> int:
        domains: tuple[Any, ...] = self.domains(reference)
        slots = self.slots
        widths, depths = domains[slots["w"][2 + stage]], domains[slots["d"][1 + stage]]
        return sum(
            prod(
                len(self._ratios(stage, i, width, reference))
                for i in self._stages[stage][: self._least[stage] + more]
            )
            for width, more in product(widths, depths)
        )

    def domain(self, slot: int, values: Sequence[Value], reference: Arch | None) -> tuple[Value, ...]:
        gene = self.genes[slot]
        if gene.layer is None or reference is None:
            return super().domain(slot, values, reference)
        width: Any = values[self.slots["w"][2 + gene.layer[0]]]
        return self._ratios(gene.layer[0], slot - self.slots["e"][0], width, reference)

    def _ratios(self, stage: int, i: int, width: int, reference: Arch | None) -> tuple[float, ...]:
        """Expansions of block ``i`` that have the reference's middle channels, at a given width."""
        layer, ratios = self.net.blocks[i], self.genes[self.slots["e"][i]].choices
        if reference is None or reference.e[i] is None:
            return ratios
        least = self._middle(layer.out_channel_list[reference.w[2 + stage]], reference.e[i])
        return tuple(e for e in ratios if self._middle(layer.out_channel_list[width], e) >= least)

    @staticmethod
    def _middle(out: int, ratio: float) -> int:
        return make_divisible(round(out * ratio), 8)

    @cache  # noqa: B019
    def _stem(self, i: int, inp: int, out: int) -> Step:
        layer, residual = self.net.input_stem[i], i == 1
        layer = layer.conv if residual else layer
        ops: tuple[Op, ...] = (*self._conv_norm(layer, out, inp), Activation(layer.act_func))
        ops = (Residual(ops),) if residual else ops
        return Step((f"input_stem.{i}", inp, out), (*ops, MaxPool()) if i == 2 else ops)

    @cache  # noqa: B019
    def _block(self, i: int, inp: int, mid: int, out: int) -> Step:
        """Reduce 1×1 → 3×3 → expand 1×1, beside the identity or a pooled projection; then the activation."""
        layer = self.net.blocks[i]
        shortcut: tuple[Op, ...] = ()
        act = Activation(layer.act_func)
        if not isinstance(layer.downsample, IdentityLayer):
            pool = (AveragePool(layer.stride),) if layer.stride > 1 else ()
            shortcut = (*pool, *self._conv_norm(layer.downsample, out, inp))
        body = (
            *(*self._conv_norm(layer.conv1, mid, inp), act),
            *(*self._conv_norm(layer.conv2, mid, mid), act),
            *self._conv_norm(layer.conv3, out, mid),
        )
        ops = (Residual(body, shortcut), act)
        return Step((f"blocks.{i}", inp, mid, out), ops, _place(self._stages, i))

    @cache  # noqa: B019
    def _head(self, inp: int) -> Step:
        return Step(("head", inp), (GlobalPool(), self._linear(self.net.classifier.linear.linear, inp)))


def _widths(channels: list[int]) -> Gene:
    """A gene of places in a list of channels; places with equal channels are one choice."""
    first = {place: channels.index(count) for place, count in enumerate(channels)}
    return Gene("w", tuple(dict.fromkeys(first.values())), aliases=tuple(first.items()))


def _place(stages: list[list[int]], i: int) -> tuple[int, int] | None:
    """(stage, place within it) of block ``i``; None for a block that belongs to no stage."""
    return next(((s, blocks.index(i)) for s, blocks in enumerate(stages) if i in blocks), None)
