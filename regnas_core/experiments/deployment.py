"""Deployment: what becomes of a family's flips when its members are exported and quantised.

A frame of answers has a row an image: ``label``, and a column of classes for every network on every platform,
named "network on platform". Percent columns end in ``_pct``; intervals are 95 %, over images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from ..data.datasets import Dataset, ImageSet
from ..deploy import OnnxNetwork, for_pictures, to_float16, to_int8, to_onnx
from ..errors import PredictionError
from ..evaluation.evaluator import Evaluator
from ..flips import flip_counts
from ..spaces.arch import Arch
from ..supernets.supernet import SuperNet
from ..updates.training import logits

# torch is the network as it was trained; "int8, simulated" computes int8's arithmetic in floats
PLATFORMS = ("torch", "float32", "float16", "int8", "int8 by tensor", "int8, simulated")
CALIBRATION = 512  # images that scales of int8 are taken from, of the calibration split


def column(network: str, platform: str) -> str:
    return f"{network} on {platform}"


def answers(
    net: SuperNet,
    networks: Mapping[str, Arch],
    data: Dataset,
    folder: str | Path,
    *,
    images: ImageSet | None = None,
    platforms: Sequence[str] = PLATFORMS,
    threads: int = 0,
) -> pd.DataFrame:
    """Export sub-networks, quantise them, and ask all of them.

    BatchNorm is recalibrated, and int8 calibrated, on the calibration split, which no search sees and no
    number comes from.

    Args:
        net: the super-network.
        networks: architectures by name.
        data: its pictures.
        folder: where ``<name>.onnx``, ``<name>-float16.onnx``, ``<name>-int8.onnx`` and
            ``<name>-int8-by-tensor.onnx`` are written.
        images: to ask; the test split by default.
        platforms: of :data:`PLATFORMS`.
        threads: of onnxruntime; 0 takes all cores.

    Returns:
        A frame of answers.
    """
    folder, asked = Path(folder), data.test if images is None else images
    evaluator = Evaluator(net, data.calibration.images, device="cpu")
    found = {"label": asked.labels}
    for name, arch in tqdm(networks.items(), "deploy", leave=False):
        network = for_pictures(evaluator.extract(arch), net.mean, net.std).eval()
        plain = to_onnx(network, asked.images, folder / f"{name}.onnx")
        files: dict[str, Path] = {}
        for platform in platforms:
            if platform == "torch":
                found[column(name, platform)] = logits(network, asked.images).argmax(1)
                continue
            kind = platform.removesuffix(", simulated")  # the same file, run otherwise
            if kind not in files:
                files[kind] = _file(plain, kind, data.calibration.images[:CALIBRATION])
            run = OnnxNetwork(files[kind], threads=threads, simulated=kind != platform)
            found[column(name, platform)] = run.predict(asked.images)
    frame = pd.DataFrame(found)
    return frame.astype(np.uint8 if frame.max(axis=None) < 256 else np.uint16)


def _file(plain: Path, platform: str, calibration: np.ndarray) -> Path:
    """The network for a platform, made of the one in 32-bit floats."""
    if platform == "float32":
        return plain
    if platform == "float16":
        return to_float16(plain, plain.with_name(f"{plain.stem}-float16.onnx"))
    by_channel = platform != "int8 by tensor"
    path = plain.with_name(f"{plain.stem}-int8{'' if by_channel else '-by-tensor'}.onnx")
    return to_int8(plain, path, calibration, per_channel=by_channel)


def _networks(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Networks and platforms of a frame of answers, in its order."""
    pairs = [name.rsplit(" on ", 1) for name in frame if " on " in name]
    return [list(dict.fromkeys(part)) for part in zip(*pairs, strict=True)]


def alone(frame: pd.DataFrame, before: str = "float32") -> pd.DataFrame:
    """What deployment does to each network by itself: flips from one platform to the others.

    Returns:
        A row a network and platform: network, platform, top1_pct, top1_change_pct, nfr_pct with its interval,
        pfr_pct, churn_pct.
    """
    networks, platforms = _networks(frame)
    rows = []
    for network, platform in product(networks, (p for p in platforms if p != before)):
        old, new = frame[column(network, before)], frame[column(network, platform)]
        counts = flip_counts(old, new, frame["label"])
        low, high = counts.nfr_interval()
        rows.append(
            {
                "network": network,
                "platform": platform,
                "top1_pct": 100 * counts.target_top1,
                "top1_change_pct": 100 * (counts.target_top1 - counts.reference_top1),
                "nfr_pct": 100 * counts.nfr,
                "nfr_low_pct": 100 * low,
                "nfr_high_pct": 100 * high,
                "pfr_pct": 100 * counts.pfr,
                "churn_pct": 100 * float((old != new).mean()),
            }
        )
    return pd.DataFrame(rows)


def gains(
    frame: pd.DataFrame,
    reference: str,
    plain: Sequence[str],
    better: Sequence[str],
    platforms: Sequence[str] = ("float32", "float16", "int8"),
) -> pd.DataFrame:
    """What is left of a gain in NFR, for the reference on one platform and its targets on another.

    Args:
        frame: of answers.
        reference: φ1.
        plain, better: targets, such as those of R0 and of REG-NAS; several searches are averaged.
        platforms: every one of the reference's with every one of the targets'.

    Returns:
        A row a pair of platforms: reference_on, target_on, plain_pct and better_pct (mean NFR), and gain_pct
        (plain minus better) with its interval, given these networks.

    Raises:
        PredictionError: the frame has no such network.
    """
    known, _ = _networks(frame)
    if unknown := [name for name in (reference, *plain, *better) if name not in known]:
        raise PredictionError(f"There are no answers of {unknown[0]}; there are those of {', '.join(known)}.")
    rows, label = [], frame["label"].to_numpy()
    for on, other in product(platforms, platforms):
        right = frame[column(reference, on)].to_numpy() == label

        def flips(names: Sequence[str], other: str = other, right: np.ndarray = right) -> np.ndarray:
            wrong = [frame[column(name, other)].to_numpy() != label for name in names]
            return np.mean([right & one for one in wrong], axis=0)  # (N,)

        by_plain, by_better = flips(plain), flips(better)
        gain = by_plain - by_better
        half = stats.norm.ppf(0.975) * gain.std(ddof=1) / np.sqrt(len(gain))
        rows.append(
            {
                "reference_on": on,
                "target_on": other,
                "plain_pct": 100 * by_plain.mean(),
                "better_pct": 100 * by_better.mean(),
                "gain_pct": 100 * gain.mean(),
                "gain_low_pct": 100 * (gain.mean() - half),
                "gain_high_pct": 100 * (gain.mean() + half),
            }
        )
    return pd.DataFrame(rows)
