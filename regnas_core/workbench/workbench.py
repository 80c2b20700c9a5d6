"""A preset brought to life: its images, its super-network, and the predictions made so far."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ..costs.cost import get_cost
from ..data.datasets import Dataset, ImageSet, load_dataset
from ..evaluation.evaluator import Evaluator, pick_device
from ..flips.intervals import rate_interval
from ..flips.right import negative_flips
from ..resources import find_path, output_root
from ..spaces.arch import Arch
from ..spaces.space import Cost, Space
from ..spaces.tied import TiedSpace
from ..supernets.supernet import SuperNet, load_supernet
from ..supernets.training import Recipe, train_supernet
from ..tabular.benchmark import TabularBenchmark, find_table, stamp
from ..tabular.format import SPLITS
from .checks import check_pictures, check_unseen, open_space, without_copies
from .presets import Preset, alongside, load_preset, run_name
from .store import PredictionStore

LEAK = "validation"  # search.images of a preset that searches on the images of the final numbers
CHUNK = 128  # sub-networks whose predictions are computed, and kept, at a time: a generation and more


@dataclass(frozen=True, eq=False)
class Workbench:
    """What every experiment works with; made by :func:`open_workbench`.

    Attributes:
        preset: what was asked for.
        name: of the preset, with what was changed against it, as ``demo+seed=3``.
        data, net: images and super-network.
        runs: folder for predictions and search logs.
        figures: folder for figures and tables.
        executor: where predictions are computed; None is this process. Any ``concurrent.futures.Executor``
            will do, such as a process pool, or that of ``distributed.Client.get_executor()``; its workers
            open the preset themselves, so they need its data and weights.
    """

    preset: Preset
    name: str
    data: Dataset
    net: SuperNet
    runs: Path
    figures: Path
    executor: Executor | None = None

    @property
    def space(self) -> Space:
        return self.net.space

    @property
    def companions(self) -> tuple[Workbench, ...]:
        """Workbenches of super-networks of another kind, with the same seeds and protocol of search."""
        return tuple(self.companion(name) for name in self.preset.companions)

    @lru_cache  # noqa: B019  (a workbench lives as long as its process)
    def companion(self, name: str) -> Workbench:
        """One of them, by its preset's name."""
        other = alongside(self.preset, load_preset(name))
        run = self.name.replace(self.preset.name, other.name, 1)
        return _built(other, run, self.runs.parent.parent, self.executor)

    @cached_property
    def evaluator(self) -> Evaluator:
        settings = self.preset.evaluation
        return Evaluator(
            self.net,
            self.data.calibration.images,
            device=self.preset.device,
            calibration_batch=settings.calibration_batch,
            batch_size=settings.batch_size,
            dtype=None if settings.precision == "float32" else torch.bfloat16,
            memory=int(settings.memory_gb * 1e9),
        )

    def images(self, split: str) -> ImageSet:
        """The images of ``"search"`` (rewards) or ``"test"`` (final numbers), as many as the preset takes."""
        if split == "search" and self.preset.search.images == LEAK:
            split = "test"
        limit = {"search": self.preset.data.search_images, "test": self.preset.data.test_images}[split]
        images = getattr(self.data, split)
        return images if limit is None else images.take(limit)

    def predictions(self, archs: Sequence[Arch], split: str) -> np.ndarray:
        """Predicted classes (M, N) on a split; run once, afterwards read from the store."""
        images, store = self.images(split), self.store(split)
        missing = sorted({a for a in archs if str(a) not in store}, key=self._prefix)
        for start in range(0, len(missing), CHUNK):
            chunk = missing[start : start + CHUNK]
            if self.executor is None:
                store.write([*map(str, chunk)], self.evaluator.predict(chunk, images.images, progress=True))
            else:
                self._share_out(chunk, split, store)
        return store.read([str(a) for a in archs])

    def _prefix(self, arch: Arch) -> list[str]:
        """Sorts sub-networks so that those with long common prefixes are neighbours."""
        return [str(step.key) for step in self.space.steps(arch)]

    def _share_out(self, archs: Sequence[Arch], split: str, store: PredictionStore) -> None:
        """Let the executor's workers predict, each a stretch of neighbours; keep what comes, as it comes."""
        stretches = [part for part in np.array_split([str(a) for a in archs], self.preset.evaluation.workers)]
        given = (self.preset.model_dump_json(), split)
        futures = {self.executor.submit(_work, *given, [*map(str, s)]): s for s in stretches if len(s)}
        for future in as_completed(futures):
            store.write([*map(str, futures[future])], future.result())

    @cached_property
    def tied(self) -> SuperNet:
        """The super-network with its tied space, of which tabular benchmarks are."""
        space = self.space if isinstance(self.space, TiedSpace) else TiedSpace(self.space)
        return replace(self.net, space=space)

    @property
    def made_of(self) -> dict[str, Any]:
        """What right and wrong of a sub-network depend on: digests of weights and images, and settings."""
        settings, calibration = self.preset.evaluation, self.data.calibration
        return {
            "weights": self.tied.digest(),
            "calibration": {
                "digest": calibration.digest,
                "images": len(calibration),
                "batch": settings.calibration_batch,
            },
            "images": {split: self.images(split).digest for split in SPLITS},
            "precision": settings.precision,
        }

    @property
    def stamp(self) -> str:
        """The same as one word."""
        return stamp(self.made_of)

    @cached_property
    def table(self) -> TabularBenchmark | None:
        """The tabular benchmark of these very weights and images, if the space is tied and there is one."""
        if self.preset.recompute or not isinstance(self.space, TiedSpace):
            return None
        return find_table(self.stamp)

    def correct(self, archs: Sequence[Arch], split: str) -> np.ndarray:
        """bool (M, N): which images of a split each sub-network gets right; looked up in :attr:`table`."""
        if self.table is not None:
            return self.table.right(split, archs)
        return self.predictions(archs, split) == self.images(split).labels

    def measure(self, archs: Sequence[Arch], reference: Arch, split: str) -> pd.DataFrame:
        """One row an architecture: size, Top-1, and flips against ``reference`` (which plays φ1)."""
        right, ref = self.correct(archs, split), self.correct([reference], split)[0]
        negative = negative_flips(ref, right).sum(1)
        bounds = np.array([rate_interval(int(count), right.shape[1]) for count in negative])
        return pd.DataFrame(
            {
                "arch": [str(a) for a in archs],
                "mmacs": [self.space.macs(a) / 1e6 for a in archs],
                "params": [self.space.params(a) for a in archs],
                "contains_reference": [self.space.contains(a, reference) for a in archs],
                "top1_pct": 100 * right.mean(1),
                "nfr_pct": 100 * negative / right.shape[1],
                "nfr_low_pct": 100 * bounds[:, 0],
                "nfr_high_pct": 100 * bounds[:, 1],
                "pfr_pct": 100 * negative_flips(right, ref).mean(1),
            }
        )

    def cost(self, name: str) -> Cost:
        """The cost called ``name`` for this network; measured latencies are kept in ``runs/latency``."""
        where = f"{pick_device(self.preset.device).type}-{torch.get_num_threads()}-threads"
        file = re.sub(r"[^\w.=-]+", "_", f"{self.space.identity}-{where}")
        return get_cost(name, self.space, self.net, self.runs.parent / "latency" / f"{file}.csv")

    @cached_property
    def _stores(self) -> dict[str, PredictionStore]:
        return {}

    def store(self, split: str, part: slice | None = None) -> PredictionStore:
        """Where predictions on a split, or on a part of it, are kept."""
        key = split if part is None else f"{split}[{part.start}-{part.stop}]"
        if key not in self._stores:
            images, batch = self.images(split), self.preset.evaluation.calibration_batch
            made_of = f"{self.net.digest()}-{self.data.calibration.digest}x{batch}-{images.digest}"
            if self.preset.evaluation.precision != "float32":
                made_of += f"-{self.preset.evaluation.precision}"
            if part is not None:
                made_of += f"-{part.start}-{part.stop}"
            size = len(images) if part is None else part.stop - part.start
            self._stores[key] = PredictionStore(self.runs.parent / "predictions" / made_of, size)
        return self._stores[key]


def open_workbench(
    preset: str = "demo",
    overrides: dict[str, Any] | None = None,
    *,
    seed: int | None = None,
    out: str | Path | None = None,
    executor: Executor | None = None,
) -> Workbench:
    """Load everything that a preset names.

    Args:
        preset: name, or path of a .yaml file.
        overrides: dotted keys to set, as ``{"search.population": 40}``.
        seed: short for the override ``seed``.
        out: folder for ``runs/`` and ``figures/``; by default ``REGNAS_OUT``, else the checkout.
        executor: where predictions are computed; by default as many processes as ``evaluation.workers``.

    Raises:
        PresetError, DataError, CheckpointError: with what to do.
    """
    changes = dict(overrides or {}) | ({} if seed is None else {"seed": seed})
    chosen = load_preset(preset, changes)
    name = run_name(preset, changes)
    if chosen.search.images == LEAK:
        warnings.warn(
            f"{name}: searches score the images that the final numbers are measured on (search.images), so "
            "those are too good. The results are marked by this name.",
            stacklevel=2,
        )
    root = Path(out) if out else output_root()
    if executor is None and chosen.evaluation.workers > 1:
        executor = ProcessPoolExecutor(chosen.evaluation.workers, get_context("spawn"))
    return _built(chosen, name, root, executor)


def _built(preset: Preset, name: str, root: Path, executor: Executor | None = None) -> Workbench:
    space, data = open_space(preset), open_data(preset)
    check_pictures(preset, space, data)
    net = load_supernet(preset.supernet.space, preset.supernet.weights, **preset.supernet.options)
    check_unseen(net, data)
    return Workbench(preset, name, data, net, root / "runs" / name, root / "figures" / name, executor)


@lru_cache(maxsize=2)
def workers_bench(preset: str) -> Workbench:
    chosen = Preset.model_validate_json(preset)
    torch.set_num_threads(max(1, torch.get_num_threads() // chosen.evaluation.workers))
    return _built(chosen, chosen.name, output_root())


def _work(preset: str, split: str, archs: list[str]) -> np.ndarray:
    """What a worker does: predict with sub-networks, given as text, of a preset, given as JSON."""
    bench = workers_bench(preset)
    return bench.evaluator.predict([bench.space.parse(text) for text in archs], bench.images(split).images)


def open_data(preset: Preset, **view: Any) -> Dataset:
    """The data set that a preset names, decoded as it says, or as ``view`` (of :func:`load_dataset`) does.

    Training pictures that are held out, too, are left out.
    """
    section = preset.data
    data = load_dataset(
        section.name,
        path=None if section.path is None else find_path(section.path),
        sizes=section.sizes,
        limit={"search": section.search_images, "test": section.test_images},  # no more is decoded
        **{"size": section.size, **view},
    )
    return without_copies(data)


def train_preset(preset: Preset, out: str | Path, *, command: str) -> Path:
    """Train the preset's super-network; returns the checkpoint's path, ``out``/<space>.safetensors.

    Args:
        preset: its sections data, supernet (space and options) and training count.
        out: folder for the checkpoint, ``log.csv`` and what a killed run needs to go on.
        command: the command that does it, kept in the checkpoint.
    """
    space, data = open_space(preset), open_data(preset)
    check_pictures(preset, space, data)
    recipe = Recipe(**preset.training.model_dump())
    info = {"command": command, "dataset": data.name, "source": data.source}
    net = train_supernet(
        space,
        data.train,
        recipe,
        mean=data.mean,
        std=data.std,
        workdir=out,
        device=pick_device(preset.device),
        info=info,
    )
    return net.save(Path(out) / f"{space.name}.safetensors")
