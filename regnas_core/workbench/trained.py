"""Networks trained one by one, which families from a super-network are compared with.

Independently from scratch, by focal distillation from a reference, or fine-tuned from a super-network: a
:class:`Job` says which, and :func:`job_predictions` gives the classes that such networks predict, out of
what the package brings along, of what is stored, or of a training.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
from tqdm import tqdm

from ..data.datasets import ImageSet
from ..errors import DataError, GeneError, RegnasError
from ..evaluation import evaluator
from ..evaluation.evaluator import manner, pick_device
from ..files import digest
from ..spaces.arch import Arch
from ..spaces.space import Space
from ..supernets.distillation import Objective
from ..supernets.single import Teacher, train_network
from ..supernets.supernet import SuperNet, load_supernet, random_weights
from ..supernets.training import Recipe
from .recorded import COPIED, warn_of_copies
from .store import PredictionStore, read_packaged, write_packaged
from .workbench import Workbench

VERSION = 1  # of the training; part of every key, so that results of another version are not taken for these
PACKAGED = Path(__file__).parent / "networks"
SPLITS = ("search", "test")
COPIES = "key_of_copies"  # packaged column: the key for copies of the images, whose pixels differ a little
Start = Literal["scratch", "super-network"]


# ── jobs ─────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Job:
    """A network to train with a preset's images; its batch size, decay and augmentation are the preset's.

    Attributes:
        arch: the architecture, of the preset's search space.
        seed: of initial weights, order of images and augmentation.
        objective: cross entropy, or focal distillation.
        start: from ``"scratch"`` (random weights), or fine-tuning: from the ``"super-network"``'s weights.
        epochs: passes over the training images.
        lr: peak of the one-cycle learning rate.
        reference: whose logits focal distillation follows: a sub-network of the preset's super-network.
            Of no meaning for cross entropy.

    Raises:
        RegnasError: a value that makes no sense, or focal distillation without a reference.
    """

    arch: Arch
    seed: int
    objective: Objective
    start: Start
    epochs: int
    lr: float
    reference: Arch | None = None

    def __post_init__(self) -> None:
        if self.start not in get_args(Start):
            raise RegnasError(f"Job start {self.start!r}: choose one of {', '.join(get_args(Start))}.")
        if self.seed < 0 or self.epochs < 1 or not 0 < self.lr < math.inf:
            raise RegnasError(
                f"Job seed={self.seed}, epochs={self.epochs}, lr={self.lr}: expected a seed of at least "
                "0, at least 1 epoch and a learning rate above 0."
            )
        if self.objective.distils and self.reference is None:
            raise RegnasError(f"A job with {self.objective.kind} needs a reference to distil from.")

    @property
    def kind(self) -> tuple[str, str, int]:
        """Start, objective and epochs: what tells how long it takes."""
        return self.start, self.objective.kind, self.epochs

    @property
    def distils_from(self) -> Arch | None:
        """The reference, where the objective makes use of it."""
        return self.reference if self.objective.distils else None


def job_predictions(bench: Workbench, jobs: Sequence[Job], split: str = "test") -> np.ndarray:
    """Predicted classes of networks that are trained on their own.

    They come from the package, unless the preset says ``recompute``; or from what was stored under the
    preset's ``runs``; or else the network is trained, here or by the workbench's workers, and its weights,
    log and predictions are kept there. A killed run goes on where it stopped.

    Args:
        bench: the preset's images and super-network.
        jobs: J networks; repeated ones are trained once.
        split: ``"search"`` (to tune on) or ``"test"`` (final numbers).

    Returns:
        Unsigned integers (J, N).

    Raises:
        GeneError: an architecture or a reference belongs to another space.
        RegnasError: an unknown split.
        CheckpointError, DataError: as by :func:`train_network`; or a stored file is damaged.
    """
    known = _Known(bench, split)
    keys = [prediction_key(bench, job, split) for job in jobs]
    known.adopt(bench, {key: job for key, job in zip(keys, jobs, strict=True) if key not in known})
    missing = {key: [job] for key, job in zip(keys, jobs, strict=True) if key not in known}
    if missing and bench.of_copies:
        raise DataError(
            f"{len(missing)} networks were to be trained on {bench.data.name}'s pictures as they are here "
            "and compared with a table that was made with other copies of them. Those that the package "
            "brings along are others. Compute all from the pictures here: --set recompute=true."
        )
    if missing:
        shared_out = bench.share_out(partial(_run, split=split), missing, ["train", split])
        for key, found in tqdm(shared_out, "training", len(missing), unit="network", leave=False):
            known.store.write([key], found)
    return np.stack([known[key] for key in keys]) if keys else np.empty((0, known.store.images), np.uint8)


def _run(bench: Workbench, jobs: Sequence[Job], split: str) -> np.ndarray:
    """Predicted classes of one network (1, N)."""
    (job,) = jobs
    trained = replace(bench, net=trained_network(bench, job))
    return trained.evaluator.predict([job.arch], bench.images(split).images)


def trained_network(bench: Workbench, job: Job) -> SuperNet:
    """The weights of a job: stored ones, or else trained now."""
    device = pick_device(bench.preset.device)
    folder = bench.runs.parent / "networks" / f"{network_key(bench, job)}-{device.type}"
    path = folder / "network.safetensors"
    if not path.is_file():
        start = bench.net
        if job.start == "scratch":
            start = replace(start, weights=random_weights(bench.space, int(job.seed)))
        reference = Teacher(bench.net, job.reference, device) if job.objective.distils else None
        net = train_network(
            start,
            job.arch,
            bench.images("train"),
            _recipe(bench, job),
            job.objective,
            reference=reference,
            workdir=folder,
            device=device,
            info={"dataset": bench.data.name, "source": bench.data.source},
        )
        net.save(path)
    (folder / "training.pt").unlink(missing_ok=True)  # weights and momenta, of no more use
    return load_supernet(bench.space.name, path, **bench.space.options)


def package(
    jobs: Sequence[tuple[Workbench, Job]], path: str | Path | None = None, splits: Sequence[str] = ("test",)
) -> Path:
    """Write what is known of jobs into one Parquet file, which ships with the package.

    Args:
        jobs: the networks, each with the training of the super-network that it belongs to (one of
            :attr:`Workbench.trainings`); a file that is there is replaced, so give all of a preset.
        path: the file; by default where :func:`job_predictions` looks for it.
        splits: whose predictions to write.

    Raises:
        RegnasError: some have not been predicted yet, or they are of several presets.
    """
    presets = sorted({bench.preset.name for bench, _ in jobs})
    if path is None and len(presets) != 1:
        raise RegnasError(f"A file is of one preset, but jobs are of {', '.join(presets) or 'none'}.")
    rows: dict[str, dict] = {}
    for split, bench in product(splits, dict.fromkeys(bench for bench, _ in jobs)):
        known = _Known(bench, split)
        for job in (job for owner, job in jobs if owner is bench):
            key = prediction_key(bench, job, split)
            if key not in known:
                raise RegnasError(f"Nothing is stored of {job} on {split}; call job_predictions first.")
            copies = prediction_key(bench, job, split, pixels=False)
            about = {"key": key, COPIES: copies, "split": split, **_described(bench, job)}
            rows[key] = {**about, "classes": known[key]}
    return write_packaged(path or _packaged_file(jobs[0][0]), list(rows.values()))


def count_packaged(bench: Workbench) -> Counter[tuple[str, str, int, float, int]]:
    """How many networks come with the package for a workbench's preset, by :attr:`Job.kind`, lr and seed."""
    path = _packaged_file(bench)
    if bench.preset.recompute or not path.is_file():
        return Counter()
    columns = ["start", "kind", "epochs", "lr", "seed"]
    rows = pd.read_parquet(path, columns=["split", "arch", *columns])
    own = rows["arch"].map(lambda arch: _is_of(bench.space, arch))
    return Counter(rows.loc[(rows["split"] == "test") & own, columns].itertuples(index=False, name=None))


def _is_of(space: Space, arch: str) -> bool:
    try:
        return bool(space.parse(arch))
    except GeneError:
        return False


def _described(bench: Workbench, job: Job) -> dict:
    """What a job is, for people who read the packaged table."""
    recipe, reference = _recipe(bench, job), job.distils_from
    return {
        "arch": str(job.arch),
        "mmacs": bench.space.macs(job.arch) / 1e6,
        "start": job.start,
        **{name: getattr(recipe, name) for name in ("seed", "epochs", "lr")},
        **dict.fromkeys(asdict(job.objective)),
        **job.objective.settings,
        "reference": None if reference is None else str(reference),
    }


# ── what a prediction depends on ─────────────────────────────────────────────────────────────────
def network_key(bench: Workbench, job: Job, *, pixels: bool = True) -> str:
    """16 hexadecimal digits that name everything that a job's weights depend on.

    Without ``pixels`` they are the same for copies of images, as another compression makes them.
    """
    reference = job.distils_from
    for arch in (job.arch, *([] if reference is None else [reference])):
        bench.space.steps(arch)  # a GeneError for another space's architecture
    depends = {
        "version": VERSION,
        "space": bench.space.identity,
        "arch": str(job.arch),
        "objective": job.objective.settings,
        "recipe": {key: value for key, value in asdict(_recipe(bench, job)).items() if key != "random_nets"},
        "images": [_identity(bench.images("train"), pixels), bench.net.mean, bench.net.std],
        "start": bench.net.digest() if job.start == "super-network" else "scratch",
    }
    if reference is not None:
        depends["reference"] = [str(reference), bench.net.digest()]
    return _digest(depends)


def prediction_key(bench: Workbench, job: Job, split: str, *, pixels: bool = True) -> str:
    """16 hexadecimal digits that name everything that a job's predictions on a split depend on."""
    images, precision = _images(bench, split), bench.preset.evaluation.precision
    later = [] if evaluator.VERSION == 1 else [evaluator.VERSION]  # what ships is of the first
    statistics = [_identity(bench.data.calibration, pixels), bench.preset.evaluation.calibration_batch]
    network = network_key(bench, job, pixels=pixels)
    return _digest([network, statistics, _identity(images, pixels), precision, *later])


def _images(bench: Workbench, split: str) -> ImageSet:
    if split not in SPLITS:
        raise RegnasError(f"No split {split!r} to predict on; choose one of {', '.join(SPLITS)}.")
    return bench.images(split)


def _identity(images: ImageSet, pixels: bool) -> str:
    return images.digest if pixels else digest(images.labels.astype("<i8"))


def _digest(depends: dict | list) -> str:
    return digest(json.dumps(depends, sort_keys=True))


def _recipe(bench: Workbench, job: Job) -> Recipe:
    own = {"epochs": int(job.epochs), "lr": float(job.lr), "seed": int(job.seed)}
    return Recipe(**(bench.preset.training.model_dump() | own))


# ── what is known ────────────────────────────────────────────────────────────────────────────────
class _Known:
    """Predictions on one split that need no training, by key: packaged ones, then stored ones."""

    def __init__(self, bench: Workbench, split: str) -> None:
        self.split, images = split, _images(bench, split)
        how = manner(bench.preset.device, bench.preset.evaluation.precision)
        folder = bench.runs.parent / "predictions" / f"networks-{images.digest}-{how}"
        self.packaged = {} if bench.preset.recompute else read_packaged(_packaged_file(bench))
        self.store = PredictionStore(folder, len(images))

    def __contains__(self, key: str) -> bool:
        return key in self.packaged or key in self.store

    def adopt(self, bench: Workbench, jobs: Mapping[str, Job]) -> None:
        """Take packaged predictions of copies of the pictures, as other files of a recorded split are."""
        if not jobs or bench.data.name not in COPIED or bench.preset.recompute:
            return
        copies = read_packaged(_packaged_file(bench), COPIES)
        wanted = {key: prediction_key(bench, job, self.split, pixels=False) for key, job in jobs.items()}
        found = {key: copies[copy] for key, copy in wanted.items() if copy in copies}
        if found:
            warn_of_copies(f"{len(found)} networks that were trained one by one", bench.data)
        self.packaged |= found

    def __getitem__(self, key: str) -> np.ndarray:
        return self.packaged[key] if key in self.packaged else self.store.read([key])[0]


def _packaged_file(bench: Workbench) -> Path:
    return PACKAGED / f"{bench.preset.name}.parquet"
