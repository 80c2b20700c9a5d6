"""A rehearsal: experiments run with invented answers, to learn what they would ask for.

Nothing is trained, evaluated, downloaded or decoded; neither images nor weights need be there. Searches are
as many as in earnest, but short, since how many networks a search evaluates is known beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.datasets import NORMALISATION, Dataset, ImageSet
from ..data.sources import IMAGENET_ENDS
from ..data.splits import SPLITS
from ..files import digest
from ..spaces.arch import Arch
from ..spaces.space import Cost
from ..supernets.supernet import SuperNet
from ..tabular.benchmark import TabularBenchmark, load_tabular, trainings
from .checks import open_space
from .presets import Preset, alongside, load_preset, preset_names
from .trained import Job
from .workbench import Workbench
from .workers import Key

IMAGES = 64  # of each split, where no table says what is right and wrong
SHORT = {"generations": 2, "population": 8, "racing": None}


@dataclass
class Asked:
    """What experiments asked for.

    Attributes:
        networks: architectures by super-network, training and split.
        jobs: networks to train one by one, beside the preset's name.
        baselines: names of published networks.
        latencies: architectures whose latency is to be measured, by super-network.
    """

    networks: dict[tuple[str, int, str], set[Arch]] = field(default_factory=dict)
    jobs: list[tuple[str, Job]] = field(default_factory=list)
    baselines: set[str] = field(default_factory=set)
    latencies: dict[str, set[Arch]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Rehearsal(Workbench):
    """A workbench whose answers are invented; made by :func:`open_rehearsal`.

    Attributes:
        asked: what experiments asked it for, its companions' included.
        training: which training of the super-network this one stands for.
        given: the preset whose searches are not shortened.
    """

    asked: Asked = field(default_factory=Asked)
    training: int = 0
    given: Preset | None = None

    def _beside(self, name: str) -> Workbench:
        return open_rehearsal(alongside(self.given, load_preset(name)), self.root, asked=self.asked)

    def _trained(self, number: int) -> Workbench:
        preset = self.preset.model_copy(update={"trainings": 1})
        net, runs = (
            replace(self.net, weights=_weights(preset, number)),
            self.runs.with_name(f"training{number}"),
        )
        return replace(self, preset=preset, net=net, runs=runs / preset.name, training=number)

    @cached_property
    def table(self) -> TabularBenchmark | None:
        """The tabular benchmark that this training has in the package."""
        return shipped_table(self.preset, self.training)

    @property
    def of_copies(self) -> bool:
        """Tables are taken as if they were of the images."""
        return False

    def share_out(
        self, work: Callable[..., Any], parts: Mapping[Key, Sequence[Any]], splits: Sequence[str]
    ) -> Iterator[tuple[Key, np.ndarray]]:
        """Note what is asked for, and invent predicted classes."""
        for key, part in parts.items():
            for one in part:
                if isinstance(one, Job):
                    self.asked.jobs.append((self.preset.name, one))
                elif isinstance(one, Arch):
                    place = (self.preset.name, self.training, splits[-1])
                    self.asked.networks.setdefault(place, set()).add(one)
                else:
                    self.asked.baselines.add(one)
            yield key, np.stack([self._invented(one, splits[-1]) for one in part])

    def _invented(self, one: Any, split: str) -> np.ndarray:
        """Predicted classes (N,) of somebody; a larger sub-network is right more often."""
        labels, size = self.images(split).labels, 0.5
        if isinstance(one, Arch):
            size = np.log(self.space.macs(one)) / np.log(self.space.macs(self.space.largest))
        rng = np.random.default_rng(int(digest(f"{one} {self.training} {split}"), 16))
        right = rng.random(len(labels)) < 0.5 + 0.4 * size
        return np.where(right, labels, (labels + 1) % len(self.data.classes))

    def cost(self, name: str) -> Cost:
        """The cost of that name; latency that would be measured is invented, and noted."""
        if name != "latency":
            return super().cost(name)
        asked = self.asked.latencies.setdefault(self.preset.name, set())

        def invented(arch: Arch) -> float:
            asked.add(arch)
            return self.space.macs(arch) / 1e6

        return invented


def open_rehearsal(preset: Preset, root: str | Path, *, asked: Asked | None = None) -> Rehearsal:
    """A rehearsal of a preset, which keeps what little it writes under ``root``.

    Raises:
        PresetError: the preset asks for what there cannot be.
    """
    tables, given = [shipped_table(preset, number) for number in range(preset.trainings)], preset
    table = tables[0]
    short = SHORT | ({"evaluations": 12} if preset.search.evaluations else {})
    changed = {"search": preset.search.model_copy(update=short), "device": "cpu"}
    if table is None:
        changed["data"] = preset.data.model_copy(update={"search_images": None, "test_images": None})
    if None not in tables:  # all searches look up, whatever their seeds; what is trained is of the first
        changed["seeds"] = 1
    preset = preset.model_copy(update=changed)
    space, data = open_space(preset), _images(preset, table)
    net = SuperNet(space, _weights(preset), data.mean, data.std)
    root = Path(root)
    folders = root / "runs" / preset.name, root / "figures" / preset.name
    return Rehearsal(preset, preset.name, data, net, *folders, asked=asked or Asked(), given=given)


def _weights(preset: Preset, training: int = 0) -> dict[str, Tensor]:
    """What tells super-networks and their trainings apart, in place of weights."""
    return {preset.name: torch.tensor([training])}


def shipped_table(preset: Preset, training: int = 0) -> TabularBenchmark | None:
    """The table that a preset's searches look up, if the package has it: of the preset's own networks, images
    and way to evaluate."""
    if preset.recompute or preset.name not in preset_names() or training not in trainings(preset.name):
        return None
    recorded = load_preset(preset.name)
    same = all(
        getattr(preset, part) == getattr(recorded, part) for part in ("data", "supernet", "evaluation")
    )
    return load_tabular(preset.name, training) if same and preset.supernet.options.get("tied") else None


def _images(preset: Preset, table: TabularBenchmark | None) -> Dataset:
    """Labels without pictures: a table's, or invented ones."""
    name = preset.data.name
    first, last = IMAGENET_ENDS
    between = (f"{first}-{number}" for number in range(998))
    classes = (first, *between, last) if name == "imagenet" else tuple(map(str, range(10)))

    def opened(split: str) -> ImageSet:
        labels = np.arange(IMAGES) % len(classes)
        if table is not None and split in ("search", "test"):
            labels = table.labels(split)
        pixels = np.full((len(labels), 1, 1, 1), SPLITS.index(split), np.uint8)  # told apart by their digests
        return ImageSet(pixels, labels, classes, f"{name}/{split}")

    mean, std = NORMALISATION[name]
    return Dataset(name, classes, mean, std, 1, "rehearsed", opened)
