"""Predictions of many sub-networks on one set of images.

The sub-networks of a generation begin with the same steps more often than not. They are arranged as
a trie of steps and walked depth first, batch by batch, so that every distinct prefix runs once: once
to recalibrate its BatchNorm statistics (which depend on the prefix alone) and once to predict. That
is arithmetic on the same numbers as running each sub-network by itself, only without repeating it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from .arch import Arch
from .errors import DataError, PredictionError, RegnasError
from .layers import kernel, read, run_op, run_ops
from .steps import BatchNorm, Conv, Op, Residual, Step
from .supernet import SuperNet

Moments = list[tuple[Tensor, Tensor]]  # (mean, variance), each (C,), of every BatchNorm of a step, in order
Layer = Callable[[Tensor], Tensor]


@dataclass(eq=False)
class Node:
    """A step behind one particular prefix, with the statistics that belong to it."""

    step: Step | None = None
    children: dict[Step, Node] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)  # sub-networks that end here
    moments: Moments = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        """All nodes below this one, parents first."""
        for child in self.children.values():
            yield child
            yield from child.walk()


def build_trie(paths: Sequence[Sequence[Step]]) -> Node:
    """Arrange sub-networks, given as their steps, by common prefixes."""
    root = Node()
    for row, steps in enumerate(paths):
        node = root
        for step in steps:
            node = node.children.setdefault(step, Node(step))
        node.rows.append(row)
    return root


class Evaluator:
    """Predicts with sub-networks of one super-network, BatchNorm recalibrated for each.

    Args:
        net: the super-network.
        calibration_images: (K, C, H, W), uint8 (normalised by the net's mean and std) or floats
            (taken as they are); the statistics of every sub-network come from them.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, …
        calibration_batch: images a batch for the statistics, which are averaged over batches by the rule of
            the super-network's publishers (:attr:`Space.batchnorm_rule`).
        batch_size: images a batch for predictions.
    """

    def __init__(
        self,
        net: SuperNet,
        calibration_images,
        *,
        device: str | torch.device = "auto",
        calibration_batch: int = 256,
        batch_size: int = 64,
    ) -> None:
        self.device = pick_device(device)
        self.net = net.to(self.device)
        self.calibration_images = self._checked(calibration_images)
        self.calibration_batch, self.batch_size = calibration_batch, batch_size

    @torch.no_grad()
    def predict(self, archs: Sequence[Arch], images, *, progress: bool = False) -> np.ndarray:
        """Predicted classes of every architecture on every image.

        Args:
            archs: M architectures; repeated ones cost nothing.
            images: (N, C, H, W), uint8 or normalised floats.
            progress: whether to show a bar.

        Returns:
            int64 (M, N).

        Raises:
            DataError: the images do not fit the super-network.
            PredictionError: a sub-network's logits are not finite.
        """
        images = self._checked(images)
        root = self._calibrated(archs, progress)
        for node in root.walk():
            node.layers = fold(node.step.ops, iter(node.moments), self.net.weights)
        classes = torch.empty(len(archs), len(images), dtype=torch.int64, device=self.device)

        def write(node: Node, logits: Tensor, part: slice) -> None:
            if not torch.isfinite(logits).all():
                raise PredictionError(
                    f"The logits of {archs[node.rows[0]]} are not finite: weights or images are broken."
                )
            classes[node.rows, part] = logits.argmax(1)

        for part in _batches(len(images), self.batch_size, progress, "predict"):
            self._descend(root, self._batch(images, part), partial(write, part=part))
        return classes.cpu().numpy()

    @torch.no_grad()
    def extract(self, arch: Arch) -> nn.Sequential:
        """A plain stand-alone network in evaluation mode, its BatchNorm statistics recalibrated."""
        module = self.net.extract(arch)
        moments = [m for node in self._calibrated([arch]).walk() for m in node.moments]
        norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
        for layer, (mean, var) in zip(norms, moments, strict=True):
            layer.running_mean.copy_(mean)
            layer.running_var.copy_(var)
        return module.eval()

    # ── inside ───────────────────────────────────────────────────────────────────────────────────
    def _checked(self, images) -> Tensor:
        if not isinstance(images, Tensor):
            images = np.ascontiguousarray(images)  # torch warns of read-only ones
            images = torch.from_numpy(images if images.flags.writeable else images.copy())
        space = self.net.space
        expected = space.input_shape(space.smallest)
        fixed = slice(1, 2 if space.any_size else 4)  # which dimensions must be as expected
        if images.ndim != 4 or images.shape[fixed] != (1, *expected)[fixed] or not len(images):
            raise DataError(
                f"Images have shape {tuple(images.shape)}; {space.name} takes (N, *{expected}). "
                "Choose another size or other options of the super-network."
            )
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise DataError(
                f"Images are {images.dtype}; give uint8 (0 to 255), or floats that are normalised."
            )
        return images

    def _batch(self, images: Tensor, part: slice) -> Tensor:
        x = self.net.normalise(images[part].to(self.device, non_blocking=True))
        return x.contiguous(memory_format=torch.channels_last)

    def _calibrated(self, archs: Sequence[Arch], progress: bool = False) -> Node:
        """The trie of ``archs`` with every node's BatchNorm statistics."""
        root = build_trie([self.net.space.steps(arch) for arch in archs])
        total, size = len(self.calibration_images), self.calibration_batch
        weighted = self.net.space.batchnorm_rule == "weighted"
        for part in _batches(total, size, progress, "recalibrate"):
            share = (part.stop - part.start) / total if weighted else 1 / -(-total // size)
            self._measure(root, self._batch(self.calibration_images, part), share)
        return root

    def _measure(self, node: Node, x: Tensor, share: float) -> None:
        """Run one calibration batch through the trie; add ``share`` of its statistics to every node's."""
        for child in node.children.values():
            batch: Moments = []
            norm = partial(_measured, keep=batch, unbiased=self.net.space.batchnorm_rule == "cumulative")
            y = run_ops(child.step.ops, x, self.net.weights, norm)
            sums = child.moments or [(0.0, 0.0)] * len(batch)
            child.moments = [
                (m + share * mean, v + share * var) for (m, v), (mean, var) in zip(sums, batch, strict=True)
            ]
            self._measure(child, y, share)

    def _descend(self, node: Node, x: Tensor, visit: Callable[[Node, Tensor], None]) -> None:
        if node.rows:
            visit(node, x)
        for child in node.children.values():
            self._descend(child, _apply(child.layers, x), visit)


def fold(
    ops: Sequence[Op], moments: Iterator[tuple[Tensor, Tensor]], weights: dict[str, Tensor]
) -> list[Layer]:
    """Functions that do what ``ops`` do, with BatchNorm folded into the convolutions before it."""
    layers: list[Layer] = []
    rest = list(ops)
    while rest:
        op = rest.pop(0)
        if isinstance(op, Conv) and rest and isinstance(rest[0], BatchNorm):
            layers.append(_folded(op, rest.pop(0), *next(moments), weights))
        elif isinstance(op, BatchNorm):
            mean, var = next(moments)
            scale, shift = read(weights, op.scale), read(weights, op.shift)
            layers.append(
                partial(
                    F.batch_norm, running_mean=mean, running_var=var, weight=scale, bias=shift, eps=op.eps
                )
            )
        elif isinstance(op, Residual):
            layers.append(
                partial(
                    _add, body=fold(op.body, moments, weights), shortcut=fold(op.shortcut, moments, weights)
                )
            )
        else:
            layers.append(partial(run_op, op, weights=weights, norm=None))
    return layers


def _folded(op: Conv, norm: BatchNorm, mean: Tensor, var: Tensor, weights: dict[str, Tensor]) -> Layer:
    scale = read(weights, norm.scale) / (var + norm.eps).sqrt()
    weight = kernel(weights, op) * scale[:, None, None, None]
    return partial(
        F.conv2d,
        weight=weight.contiguous(memory_format=torch.channels_last),
        bias=read(weights, norm.shift) - mean * scale,
        stride=op.stride,
        padding=weight.shape[-1] // 2,
        groups=op.groups,
    )


def _apply(layers: list[Layer], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


def _add(x: Tensor, body: list[Layer], shortcut: list[Layer]) -> Tensor:
    return _apply(body, x).add_(_apply(shortcut, x))


def pick_device(name: str | torch.device) -> torch.device:
    """``"auto"`` is CUDA where there is one, else the CPU."""
    if str(name) == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RegnasError(f"device={name!s}: this PyTorch sees no CUDA device; use 'cpu' or 'auto'.")
    return device


def _measured(op: BatchNorm, x: Tensor, weights, *, keep: Moments, unbiased: bool) -> Tensor:
    """Normalise by the batch's statistics and keep them."""
    mean, var = x.new_zeros(op.channels), x.new_zeros(op.channels)
    y = F.batch_norm(x, mean, var, read(weights, op.scale), read(weights, op.shift), True, 1.0, op.eps)
    n = x.numel() // op.channels
    keep.append((mean, var if unbiased else var * ((n - 1) / n)))  # torch keeps the unbiased variance
    return y


def _batches(n: int, size: int, progress: bool, what: str) -> Iterator[slice]:
    starts = range(0, n, size)
    if progress:
        starts = tqdm(starts, desc=what, unit="batch", leave=False)
    return (slice(start, min(start + size, n)) for start in starts)
