"""Baselines of ImageNet on a workbench's test pictures.

>>> from regnas_core.workbench.baselines import baseline_predictions
>>> baseline_predictions(bench, REGNETS).shape  # doctest: +SKIP
(3, 50000)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ..data.datasets import Dataset, ImageSet
from ..data.sources import IMAGENET_ENDS
from ..errors import DataError
from ..evaluation.baselines import CLASSES, check_baseline, load_baseline, predict
from ..evaluation.evaluator import manner
from .checks import open_data
from .store import PredictionStore
from .workbench import Workbench


def baseline_predictions(
    bench: Workbench, names: Sequence[str], weights: str | Path = "pretrained"
) -> np.ndarray:
    """Predicted classes of baselines on a workbench's test pictures; run once, afterwards read from disk.

    Each baseline sees the pictures as it was trained to, at its own size, resize and interpolation; columns
    are those of :meth:`Workbench.predictions`, so that flips can be counted between the two.

    Args:
        bench: with an image tree (data set "imagenet" or "folder") of ImageNet's 1,000 classes.
        names: M names of :data:`BASELINES`.
        weights: as for :func:`load_baseline`.

    Returns:
        Unsigned integers (M, N).

    Raises:
        DataError: the data set has other classes.
        RegnasError, CheckpointError, PredictionError: see :func:`load_baseline` and :func:`predict`.
    """
    for name in names:  # before anything runs
        check_baseline(name)
    _check_classes(bench.data)
    rows = dict(bench.share_out(partial(_run, weights=weights), {name: [name] for name in names}, ["test"]))
    return np.concatenate([rows[name] for name in names])


def _check_classes(data: Dataset) -> None:
    if len(data.classes) != CLASSES:
        raise DataError(
            f"Baselines tell ImageNet's {CLASSES:,} classes apart; {data.name} ({data.source}) has "
            f"{len(data.classes)}. Use a tree with all {CLASSES:,} class folders, of however few pictures."
        )
    if (data.classes[0], data.classes[-1]) != IMAGENET_ENDS:
        raise DataError(
            f"The classes of {data.name} ({data.source}) go from {data.classes[0]} to {data.classes[-1]}; "
            f"baselines need WordNet numbers from {' to '.join(IMAGENET_ENDS)}. Rename the class folders."
        )


def _test_images(bench: Workbench, size: int, resize: int, interpolation: str) -> ImageSet:
    """The workbench's test pictures, decoded in another way."""
    images = open_data(bench.preset, size=size, resize=resize, interpolation=interpolation).test
    if not np.array_equal(images.labels, bench.images("test").labels):
        raise DataError(
            f"{images.name} at {size} pixels has other labels than the workbench's test pictures: the folder "
            "has changed since they were opened. Open the workbench again."
        )
    return images


def _run(bench: Workbench, names: Sequence[str], weights: str | Path) -> np.ndarray:
    """Predictions of one baseline (1, N) out of the store; made if they are not there."""
    (name,) = names
    baseline = load_baseline(name, weights)
    images = _test_images(bench, baseline.size, baseline.resize, baseline.interpolation)
    made_of = f"{baseline.digest()}-{images.digest}-{manner(bench.preset.device)}"
    store = PredictionStore(bench.runs.parent / "predictions" / made_of, len(images))
    if store.missing([name]):
        batch_size = bench.preset.evaluation.batch_size  # "auto" is for sub-networks
        sizes = {} if batch_size == "auto" else {"batch_size": batch_size}
        classes = predict(baseline, images.images, bench.preset.device, **sizes, progress=True)
        store.write([name], classes[None])
    return store.read([name])
