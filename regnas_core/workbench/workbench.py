"""A preset brought to life: its images, its super-network, and the predictions made so far."""

from __future__ import annotations

import os
import pickle
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ..costs.cost import get_cost
from ..data.datasets import Dataset, ImageSet
from ..evaluation.evaluator import VERSION, Evaluator, manner, pick_device
from ..files import digest
from ..flips.right import negative_flips, orient_right
from ..resources import output_root
from ..spaces.arch import Arch
from ..spaces.space import Cost, Space
from ..spaces.tied import TiedSpace
from ..supernets.supernet import SuperNet, load_supernet
from ..tabular.benchmark import TabularBenchmark, stamp
from ..tabular.format import SPLITS
from .checks import check_pictures, check_unseen, open_data, open_space
from .cluster import VARIABLE, connect
from .presets import Preset, alongside, load_preset, run_name
from .recorded import find_recorded, with_tables
from .store import PredictionStore
from .workers import Key, Order, own_device, results, start_pool

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
            open the preset themselves, so they need its data. Weights that are not the preset's are sent.
        opened: digest of the weights that the preset names, where there is an executor.
    """

    preset: Preset
    name: str
    data: Dataset
    net: SuperNet
    runs: Path
    figures: Path
    executor: Executor | None = None
    opened: str = ""

    @property
    def space(self) -> Space:
        return self.net.space

    @property
    def root(self) -> Path:
        """Folder of ``runs/`` and ``figures/``."""
        return self.runs.parent.parent

    @property
    def companions(self) -> tuple[Workbench, ...]:
        """Workbenches of super-networks of another kind, with the same seeds and protocol of search."""
        return tuple(self.companion(name) for name in self.preset.companions)

    def companion(self, name: str) -> Workbench:
        """One of them, by its preset's name."""
        if name not in self._companions:
            self._companions[name] = self._beside(name)
        return self._companions[name]

    def _beside(self, name: str) -> Workbench:
        other = alongside(self.preset, load_preset(name))
        return _built(other, self.name.replace(self.preset.name, other.name, 1), self.root, self.executor)

    @cached_property
    def _companions(self) -> dict[str, Workbench]:
        return {}

    @cached_property
    def trainings(self) -> tuple[Workbench, ...]:
        """One workbench a training of the super-network that the preset takes, on the same images."""
        if self.preset.trainings == 1 or self.preset.supernet.weights != "pretrained":
            return (self,)
        return with_tables(tuple(self._trained(number) for number in range(self.preset.trainings)))

    def _trained(self, number: int) -> Workbench:
        weights = f"pretrained:{number}"
        section = self.preset.supernet.model_copy(update={"weights": weights})
        preset = self.preset.model_copy(update={"supernet": section, "trainings": 1})
        net = replace(load_supernet(section.space, weights, **section.options), space=self.space)
        return replace(self, preset=preset, net=net, opened=net.digest() if self.opened else "")

    @cached_property
    def evaluator(self) -> Evaluator:
        settings = self.preset.evaluation
        return Evaluator(
            self.net,
            self.data.calibration.images,
            device=self.preset.device,
            calibration_batch=settings.calibration_batch,
            batch_size=settings.batch_size,
            dtype=torch.bfloat16 if settings.precision == "bfloat16" else None,
            memory=int(settings.memory_gb * 1e9),
            tf32=settings.precision == "tf32",
        )

    def images(self, split: str) -> ImageSet:
        """The images of ``"search"`` (rewards), ``"test"`` (final numbers) or ``"train"``.

        No more than the preset asks for.
        """
        if split == "search" and self.preset.search.images == LEAK:
            split = "test"
        if split not in self._images:
            section = self.preset.data
            limit = {"search": section.search_images, "test": section.test_images, "train": None}[split]
            images = getattr(self.data, split)
            self._images[split] = images if limit is None else images.take(limit)
        return self._images[split]

    @cached_property
    def _images(self) -> dict[str, ImageSet]:
        return {}

    def predictions(self, archs: Sequence[Arch], split: str) -> np.ndarray:
        """Predicted classes (M, N) on a split; run once, afterwards read from the store."""
        store = self.store(split)
        missing = set(store.missing(map(str, archs)))
        left = sorted({a for a in archs if str(a) in missing}, key=self._prefix)
        for start in range(0, len(left), CHUNK):
            chunk = left[start : start + CHUNK]
            number = 1 if self.executor is None else self.preset.evaluation.workers
            ends = np.linspace(0, len(chunk), number + 1).astype(int)
            parts = {(a, b): chunk[a:b] for a, b in pairwise(ends.tolist())}
            for part, found in self.share_out(partial(_predict, split=split), parts, [split]):
                store.write([*map(str, parts[part])], found)
        return store.read([str(a) for a in archs])

    def _prefix(self, arch: Arch) -> list[str]:
        """Sorts sub-networks so that those with long common prefixes are neighbours."""
        return [str(step.key) for step in self.space.steps(arch)]

    def share_out(
        self, work: Callable[..., Any], parts: Mapping[Key, Sequence[Any]], splits: Sequence[str]
    ) -> Iterator[tuple[Key, Any]]:
        """``work(bench, part)`` on each part, here or by the executor's workers; results as they come.

        Args:
            work: a function of a module, or a partial one.
            parts: what to work on (architectures, networks to train, …) by whatever tells parts apart; empty
                parts are left out.
            splits: which images ``work`` looks at. A worker that has others, other weights or another kind
                of device refuses.
        """
        parts = {key: part for key, part in parts.items() if len(part)}
        if self.executor is None:
            yield from ((key, work(self, part)) for key, part in parts.items())
            return
        parcel = None if self.net.digest() == self.opened else pickle.dumps(self.net)
        identities = tuple((split, self.identity(split)) for split in splits)
        order = Order(_reopened, self.preset.model_dump_json(), str(self.root.resolve()), parcel, identities)
        yield from results(self.executor, order, work, parts)

    @cached_property
    def tied(self) -> SuperNet:
        """The super-network with its tied space, of which tabular benchmarks are."""
        space = self.space if isinstance(self.space, TiedSpace) else TiedSpace(self.space)
        return replace(self.net, space=space)

    @cached_property
    def made_of(self) -> dict[str, Any]:
        """What right and wrong of a sub-network depend on: digests of weights and images, and settings."""
        settings, calibration = self.preset.evaluation, self.data.calibration
        return {
            "dataset": self.data.name,
            "weights": self.tied.digest(),
            "calibration": {
                "digest": calibration.digest,
                "images": len(calibration),
                "batch": settings.calibration_batch,
            },
            "images": {split: self.images(split).digest for split in SPLITS},
            "precision": settings.precision,
            "evaluator": VERSION,
        }

    @cached_property
    def table(self) -> TabularBenchmark | None:
        """The tabular benchmark of these weights and images, if the space is tied and there is one."""
        if self.preset.recompute or not isinstance(self.space, TiedSpace):
            return None
        labels = {split: self.images(split).labels for split in SPLITS}
        return find_recorded(self.made_of, self.data, labels, self.net.info.get("recipe", {}).get("seed", 0))

    @property
    def of_copies(self) -> bool:
        """Whether the table was made with copies of the images."""
        return self.table is not None and stamp(self.table.info) != stamp(self.made_of)

    def correct(self, archs: Sequence[Arch], split: str) -> np.ndarray:
        """bool (M, N): which images of a split each sub-network gets right; looked up in :attr:`table`."""
        if self.table is not None:
            return self.table.right(split, archs)
        return self.predictions(archs, split) == self.images(split).labels

    def searched(self, seed: int) -> slice | np.ndarray:
        """Which images of the search split a seed searches on: all, or as many as the preset says."""
        count, images = self.preset.search.images_per_seed, len(self.images("search"))
        if count is None or count >= images:
            return slice(None)
        return np.sort(np.random.default_rng([seed, images]).choice(images, count, replace=False))

    def rates(
        self, archs: Sequence[Arch], reference: Arch | None, split: str, part: slice | np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Top-1 and NFR, fractions (M,), on some of a split's images; without a reference NFR is 0."""
        if self.table is not None:
            return self.table.rates(archs, reference, split, part)
        right = self.correct(archs, split)[:, part]
        if reference is None:
            return right.mean(1), np.zeros(len(right))
        return right.mean(1), negative_flips(self.correct([reference], split)[:, part], right).mean(1)

    def measure(self, archs: Sequence[Arch], reference: Arch, split: str) -> pd.DataFrame:
        """One row an architecture: size, Top-1, and flips between it and ``reference``.

        Of each two the one of lower Top-1 is φ1 (Sec. 3.1): nearly always the reference.
        """
        right = self.correct(archs, split)
        first, second = orient_right(np.broadcast_to(self.correct([reference], split), right.shape), right)
        negative = negative_flips(first, second).sum(1)
        return pd.DataFrame(
            {
                "arch": [str(a) for a in archs],
                "mmacs": [self.space.macs(a) / 1e6 for a in archs],
                "params": [self.space.params(a) for a in archs],
                "contains_reference": [self.space.contains(a, reference) for a in archs],
                "top1_pct": 100 * right.mean(1),
                "nfr_pct": 100 * negative / right.shape[1],
                "pfr_pct": 100 * negative_flips(second, first).mean(1),
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
            made_of, size = self.identity(split), len(self.images(split))
            if part is not None:
                made_of, size = f"{made_of}-{part.start}-{part.stop}", part.stop - part.start
            self._stores[key] = PredictionStore(self.runs.parent / "predictions" / made_of, size)
        return self._stores[key]

    def identity(self, split: str) -> str:
        """All that predictions on a split depend on: weights and what is done with them, calibration, images,
        kind of device, precision, and version of the evaluator."""
        space, calibration = self.space, self.data.calibration
        steps = digest(self.net.digest(), *(repr(space.steps(a)) for a in (space.smallest, space.largest)))
        statistics = f"{calibration.digest}x{self.preset.evaluation.calibration_batch}"
        how = manner(self.preset.device, self.preset.evaluation.precision)
        return f"{steps}-{statistics}-{self.images(split).digest}-{how}"


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
        executor: where predictions are computed; by default the cluster that ``regnas … --dask`` named
            (:mod:`regnas_core.workbench.cluster`), or as many processes as ``evaluation.workers``.

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
    if executor is None and (address := os.environ.get(VARIABLE)):
        executor, workers = connect(address)
        own = chosen.evaluation.model_copy(update={"workers": workers})
        chosen = chosen.model_copy(update={"evaluation": own})
    elif executor is None and chosen.evaluation.workers > 1:
        executor = start_pool(chosen.evaluation.workers)
    return _built(chosen, name, root, executor)


def _built(preset: Preset, name: str, root: Path, executor: Executor | None = None) -> Workbench:
    space, data = open_space(preset), open_data(preset)
    check_pictures(preset, space, data)
    net = load_supernet(preset.supernet.space, preset.supernet.weights, **preset.supernet.options)
    check_unseen(net, data)
    opened = "" if executor is None else net.digest()
    return Workbench(preset, name, data, net, root / "runs" / name, root / "figures" / name, executor, opened)


def _reopened(preset: str, root: str) -> Workbench:
    """The workbench, of a worker, of a preset that is given as JSON."""
    given = Preset.model_validate_json(preset)
    chosen = given.model_copy(update={"device": own_device(given.device)})
    return _built(chosen, chosen.name, Path(root))


def _predict(bench: Workbench, archs: Sequence[Arch], split: str) -> np.ndarray:
    return bench.evaluator.predict(archs, bench.images(split).images, progress=True)
