"""Predictions of many sub-networks on one set of images.

The sub-networks of a generation begin with the same steps more often than not. They are arranged as
a trie of steps and walked depth first, batch by batch, so that every distinct prefix runs once: once
to recalibrate its BatchNorm statistics (which depend on the prefix alone) and once to predict. That
is arithmetic on the same numbers as running each sub-network by itself, only without repeating it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..errors import DataError, PredictionError, RegnasError
from ..spaces.arch import Arch
from ..spaces.counting import widest
from ..supernets.layers import apply, bind
from ..supernets.supernet import SuperNet
from .crew import Map, crew
from .folding import fold
from .recalibration import Spread, run_together
from .trie import Node, build_trie, portions

VERSION = 1  # of predictions: raised when the same weights and images come to give others, but for rounding
PIECE = 32 << 20  # bytes of the widest activation; a system reuses blocks of this size, larger ones come anew
CANDIDATES = (16, 32, 64, 128, 256, 512, 1024)  # batch sizes that "auto" tries


class Evaluator:
    """Predicts with sub-networks of one super-network, BatchNorm recalibrated for each.

    Args:
        net: the super-network.
        calibration_images: (K, C, H, W), uint8 (normalised by the net's mean and std) or floats
            (taken as they are); the statistics of every sub-network come from them.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, …
        calibration_batch: images a batch for the statistics, which are averaged over batches by the rule of
            the super-network's publishers (:attr:`Space.batchnorm_rule`).
        batch_size: images a batch for predictions; ``"auto"`` measures which is fastest. Predictions do not
            depend on it, but for ties within rounding.
        dtype: of activations in prediction, such as ``torch.bfloat16``; by default the weights'. Statistics
            are always taken, and folded, in the weights' dtype.
        memory: bytes that folded weights may take at a time; a generation is cut into portions of this size.
        tf32: whether a GPU may round float32 factors to TF32's ten bits, which is faster and less exact.
    """

    def __init__(
        self,
        net: SuperNet,
        calibration_images,
        *,
        device: str | torch.device = "auto",
        calibration_batch: int = 256,
        batch_size: int | str = 64,
        dtype: torch.dtype | None = None,
        memory: int = 2 << 30,
        tf32: bool = False,
    ) -> None:
        self.tf32 = tf32
        self.device = pick_device(device)
        self.net = net.to(self.device)
        self.calibration_images = self._checked(calibration_images)
        self.calibration_batch, self.batch_size = calibration_batch, batch_size
        self.dtype = dtype or next(iter(net.weights.values())).dtype
        self.memory = memory
        self._held: tuple = (None, None)

    @torch.no_grad()
    def predict(
        self,
        archs: Sequence[Arch],
        images,
        *,
        calibrated: Node | None = None,
        progress: bool = False,
    ) -> np.ndarray:
        """Predicted classes of every architecture on every image.

        Args:
            archs: M architectures; repeated ones cost nothing.
            images: (N, C, H, W), uint8 or normalised floats.
            calibrated: statistics of these architectures, or of more, that :meth:`calibrate` has taken.
            progress: whether to show a bar.

        Returns:
            int64 (M, N).

        Raises:
            DataError: the images do not fit the super-network.
            PredictionError: a sub-network's logits are not finite.
            RegnasError: ``calibrated`` lacks one of the architectures.
        """
        images = self._resident(images)
        with arithmetic(self.tf32), crew(self.device) as share_out:
            if calibrated is None:
                root = self._calibrated(archs, share_out, progress)
            elif not calibrated.lend(root := self._trie(archs)):
                raise RegnasError("calibrated= lacks statistics of some of these architectures.")
            classes = self._classes(root, len(archs), images, share_out, progress)
        if (broken := (classes < 0).any(1)).any():
            arch = archs[int(broken.nonzero()[0])]
            raise PredictionError(f"The logits of {arch} are not finite: weights or images are broken.")
        return classes.cpu().numpy()

    @torch.no_grad()
    def calibrate(self, archs: Sequence[Arch], *, progress: bool = False) -> Node:
        """Take the BatchNorm statistics of architectures, for several calls of :meth:`predict`.

        They are those of the weights at this time. Returns what ``predict(..., calibrated=...)`` takes.
        """
        with arithmetic(self.tf32), crew(self.device) as share_out:
            return self._calibrated(archs, share_out, progress)

    def _classes(self, root: Node, networks: int, images: Tensor, share_out: Map, progress: bool) -> Tensor:
        """Predicted classes (M, N), −1 where logits are not finite."""
        classes = torch.empty(networks, len(images), dtype=torch.int64, device=self.device)

        def write(node: Node, logits: Tensor, part: slice) -> None:
            finite = torch.isfinite(logits).all(1)  # asked at the end: a question now would halt a GPU
            found = torch.where(finite, logits.argmax(1), -1)
            for row in node.rows:  # to send a GPU a list of rows would halt it, too
                classes[row, part] = found

        def work(part: slice) -> None:
            self._descend(root, self._batch(images, part, self.dtype), partial(write, part=part))

        size = self._tuned(root, images, share_out) if self.batch_size == "auto" else self.batch_size
        for portion in portions(root, self.memory // self.dtype.itemsize):
            self._fold(portion)
            parts = _batches(len(images), size)
            for _ in tqdm(share_out(work, parts), "predict", len(parts), **_bar(progress)):
                pass
            for node in portion:
                node.layers = []
        return classes

    @torch.no_grad()
    def extract(self, arch: Arch) -> nn.Sequential:
        """A plain stand-alone network in evaluation mode, its BatchNorm statistics recalibrated."""
        module = self.net.extract(arch)
        moments = [m for node in self.calibrate([arch]).walk() for m in node.moments]
        norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
        for layer, (mean, var) in zip(norms, moments, strict=True):
            layer.running_mean.copy_(mean)
            layer.running_var.copy_(var)
        return module.eval()

    # ── images ───────────────────────────────────────────────────────────────────────────────────
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

    def _resident(self, images) -> Tensor:
        """The images, checked; on a GPU with room for them they are moved there once."""
        if self._held[0] is images:
            return self._held[1]
        tensor = self._checked(images)
        if self.device.type == "cuda" and tensor.nbytes < torch.cuda.mem_get_info(self.device)[0] // 3:
            tensor = tensor.to(self.device)
            self._held = (images, tensor)
        return tensor

    def _batch(self, images: Tensor, part: slice, dtype: torch.dtype | None = None) -> Tensor:
        x = self.net.normalise(images[part].to(self.device, non_blocking=True))
        return x.to(dtype).contiguous(memory_format=torch.channels_last)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────
    def _trie(self, archs: Sequence[Arch]) -> Node:
        return build_trie([self.net.space.steps(arch) for arch in archs])

    def _calibrated(self, archs: Sequence[Arch], share_out: Map = map, progress: bool = False) -> Node:
        """The trie of ``archs`` with every node's BatchNorm statistics."""
        root = self._trie(archs)
        total, size = len(self.calibration_images), self.calibration_batch
        weighted = self.net.space.batchnorm_rule == "weighted"
        less = 0 if weighted else 1  # unbiased variances in the other rule
        parts = _batches(total, size)
        for part, found in zip(
            tqdm(parts, "recalibrate", **_bar(progress)), self._measured(root, parts, share_out), strict=True
        ):
            share = (part.stop - part.start) / total if weighted else 1 / len(parts)
            for node, spreads in zip(root.walk(), found, strict=True):
                sums = node.moments or [(0.0, 0.0)] * len(spreads)
                node.moments = [
                    (m + share * mean, v + share / (count - less) * squares)
                    for (m, v), (count, mean, squares) in zip(sums, spreads, strict=True)
                ]
        return root

    def _measured(self, root: Node, parts: list[slice], share_out: Map) -> Iterator[list[list[Spread]]]:
        """For each calibration batch, the spreads at every node below ``root``, in the order of its walk.

        Small networks give a core a whole batch; of large ones, the cores share a batch's pieces.
        """

        def work(part: slice, share_out: Map = map) -> list[list[Spread]]:
            pieces = self._batch(self.calibration_images, part).split(self._piece)
            return list(self._spreads(root, pieces, share_out))

        if self._fitting < self.calibration_batch or len(parts) == 1:
            return (work(part, share_out) for part in parts)
        return share_out(work, parts)

    @cached_property
    def _fitting(self) -> int:
        """Images that a cache can hold, of the largest network's widest activation."""
        if self.device.type != "cpu":
            return self.calibration_batch
        space, weights = self.net.space, next(iter(self.net.weights.values()))
        arch = space.largest
        return PIECE // (widest(space.steps(arch), space.input_shape(arch)) * weights.itemsize)

    @property
    def _piece(self) -> int:
        """Images of a calibration batch that are worked through at a time: all, or what a cache can hold."""
        if self.device.type != "cpu":
            return self.calibration_batch
        share = max(8, -(-self.calibration_batch // 2))
        return max(1, min(self._fitting, share))

    def _spreads(self, node: Node, pieces: Sequence[Tensor], share_out: Map) -> Iterator[list[Spread]]:
        """Run a calibration batch through the trie, depth first."""
        for child in node.children.values():
            layers = bind(child.step.ops, self.net.weights)
            results, spreads = run_together(layers, pieces, share_out)
            yield spreads
            yield from self._spreads(child, results, share_out)

    def _fold(self, nodes) -> None:
        for node in nodes:
            layers = bind(node.step.ops, self.net.weights)
            node.layers = fold(layers, iter(node.moments), self.dtype)

    def _descend(self, node: Node, x: Tensor, visit: Callable[[Node, Tensor], None]) -> None:
        """Run a batch through the nodes that have their layers."""
        for child in node.children.values():
            if child.layers:
                y = apply(child.layers, x)
                if child.rows:
                    visit(child, y)
                self._descend(child, y, visit)

    def _tuned(self, root: Node, images: Tensor, share_out: Map) -> int:
        """The batch size with the most images a second on one sub-network; it grows while that helps."""
        path = next(root.paths())
        self._fold(path)
        busy = torch.get_num_threads() if self.device.type == "cpu" else 1

        def work(part: slice) -> None:
            self._descend(root, self._batch(images, part, self.dtype), lambda *_: None)

        best, best_size = float("inf"), CANDIDATES[0]
        for size in (size for size in CANDIDATES if size <= max(len(images), CANDIDATES[0])):
            seconds = []
            for _ in range(3):
                start = perf_counter()
                for _ in share_out(work, [slice(0, size)] * busy):
                    pass
                if self.device.type == "cuda":
                    torch.cuda.synchronize(self.device)
                seconds.append((perf_counter() - start) / min(size, len(images)))
            if min(seconds) > 1.1 * best:
                break
            if min(seconds) < best:
                best, best_size = min(seconds), size
        for node in path:
            node.layers = []
        return best_size


def pick_device(name: str | torch.device) -> torch.device:
    """``"auto"`` is CUDA where there is one, else the CPU."""
    if str(name) == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RegnasError(f"device={name!s}: this PyTorch sees no CUDA device; use 'cpu' or 'auto'.")
    return device


def manner(device: str | torch.device, precision: str = "float32") -> str:
    """How predictions are computed, in a word that names what is kept of them: device kind and so on."""
    return f"{pick_device(device).type}-{precision}-v{VERSION}"


@contextmanager
def arithmetic(tf32: bool = False) -> Iterator[None]:
    """For a while, let float32 be float32 on a GPU, too; or let it use TF32, as PyTorch does by default."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def _batches(n: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def _bar(progress: bool) -> dict:
    return {"unit": "batch", "leave": False} | ({} if progress else {"disable": True})
