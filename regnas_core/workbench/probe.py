"""How fast a preset's work goes here: short measurements on random images and random weights.

Time depends on shapes, not on what is learned; so neither images nor trained weights need be there.
"""

from __future__ import annotations

from collections.abc import Sequence
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from ..data.datasets import ImageSet
from ..evaluation.baselines import load_baseline, predict
from ..evaluation.evaluator import Evaluator, pick_device
from ..spaces.arch import Arch
from ..supernets.single import Teacher, train_network
from ..supernets.supernet import SuperNet, load_supernet
from ..supernets.training import Recipe, train_supernet
from .presets import Preset
from .trained import Job

LEAST = 1.0  # seconds that a measurement takes, at least
STEPS = 2  # of a training that is timed


def evaluation_rate(preset: Preset, archs: Sequence[Arch]) -> float:
    """Images a second and network, calibration counted like prediction; ``archs`` run together."""
    net, settings, count = _untrained(preset), preset.evaluation, 2
    while True:
        images = _images(net, preset, count).images
        evaluator = Evaluator(
            net,
            images,
            device=preset.device,
            calibration_batch=settings.calibration_batch,
            batch_size=128 if settings.batch_size == "auto" else settings.batch_size,
            memory=int(settings.memory_gb * 1e9),
        )
        if count == 2:
            evaluator.predict(archs[:1], images)  # the first run of all sets things up
        start = perf_counter()
        evaluator.predict(archs, images)
        seconds = perf_counter() - start
        if seconds >= LEAST or count >= 4096:
            return len(archs) * 2 * count / seconds
        count *= 4


def job_rate(preset: Preset, job: Job) -> float:
    """Training images a second of a network that is trained on its own."""
    net, device = _untrained(preset), pick_device(preset.device)
    recipe = Recipe(**(preset.training.model_dump() | {"epochs": 1}))
    teacher = None if job.distils_from is None else Teacher(net, job.distils_from, device)

    def run(images: ImageSet, workdir: str) -> None:
        train_network(
            net, job.arch, images, recipe, job.objective, reference=teacher, workdir=workdir, device=device
        )

    return _rate(preset, net, run)


def baseline_rate(name: str, device: str) -> float:
    """Images a second of a published network."""
    baseline = load_baseline(name, "random:0")
    images = np.random.default_rng(0).integers(0, 256, (16, 3, baseline.size, baseline.size), np.uint8)
    predict(baseline, images[:1], device)  # the first run of all sets things up
    start = perf_counter()
    predict(baseline, images, device)
    return len(images) / (perf_counter() - start)


def supernet_rate(preset: Preset) -> float:
    """Training images a second of the preset's super-network, by its recipe."""
    net, device = _untrained(preset), pick_device(preset.device)
    recipe = Recipe(**(preset.training.model_dump() | {"epochs": 1}))

    def run(images: ImageSet, workdir: str) -> None:
        view = {"mean": net.mean, "std": net.std}
        train_supernet(net.space, images, recipe, **view, workdir=workdir, device=device)

    return _rate(preset, net, run)


def _rate(preset: Preset, net: SuperNet, run) -> float:
    """Images a second of a training; the difference of two short ones leaves out what is done once."""
    seconds = []
    for steps in (1, 1 + STEPS):
        images = _images(net, preset, steps * preset.training.batch_size)
        with TemporaryDirectory() as folder:
            start = perf_counter()
            run(images, folder)
            seconds.append(perf_counter() - start)
    return STEPS * preset.training.batch_size / max(seconds[1] - seconds[0], 1e-6)


def _untrained(preset: Preset) -> SuperNet:
    return load_supernet(preset.supernet.space, "random:0", **preset.supernet.options)


def _images(net: SuperNet, preset: Preset, count: int) -> ImageSet:
    """Noise of the size that the preset's pictures have."""
    channels, height, width = net.space.input_shape(net.space.largest)
    side = (preset.data.size,) * 2 if preset.data.size else (height, width)
    rng, classes = np.random.default_rng(0), ("a", "b")
    pixels = rng.integers(0, 256, (count, channels, *side), np.uint8)
    return ImageSet(pixels, np.arange(count) % 2, classes, "noise")
