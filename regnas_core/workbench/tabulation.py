"""Making tabular benchmarks: every network of a tied space, right or wrong on every image of two splits.

Networks are evaluated a stretch of neighbours at a time. What a stretch gave is kept at once, so that a
killed run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from ..errors import DataError, PresetError
from ..evaluation.evaluator import manner, pick_device
from ..files import digest, write_atomically
from ..flips.right import Right
from ..resources import versions
from ..spaces.arch import Arch
from ..tabular.benchmark import TabularBenchmark, stamp
from ..tabular.bits import Bits, pack, words
from ..tabular.format import SPLITS, Contents, write
from .workbench import Workbench

STRETCH = 512  # networks at a time: what they share is spared, what a kill can lose is minutes


def tabulate(
    bench: Workbench, out: str | Path, *, networks: int | None = None, command: str = ""
) -> TabularBenchmark:
    """Evaluate the whole tied space of a workbench's super-network, and write the table.

    Args:
        bench: images and super-network; of a space that is not tied, its tied part is taken.
        out: the table's file, ``….npz``.
        networks: only a random sample of so many, for a first impression; no search can run on that.
        command: what is run, for the table's provenance.

    Raises:
        PresetError: searches of the preset see the test images.
    """
    if bench.preset.search.images != "search":
        raise PresetError(
            "A table keeps images to search on apart from test images: set search.images=search."
        )
    space = bench.tied.space
    archs, start = list(space.all()), perf_counter()
    if networks is not None and networks < len(archs):
        drawn = np.random.default_rng(0).choice(len(archs), networks, replace=False)
        archs = [archs[row] for row in np.sort(drawn)]
    bits = {split: np.zeros((len(archs), words(len(bench.images(split)))), np.uint64) for split in SPLITS}
    for rows, found in _evaluated(bench, archs):
        for split in SPLITS:
            bits[split][rows] = found[split]
    info = {
        "preset": bench.preset.name,
        "classes": list(bench.data.classes),
        "training": bench.net.info,
        **bench.made_of,
        "device": str(pick_device(bench.preset.device)),
        "command": command,
        "seconds": round(perf_counter() - start),
        "versions": versions(),
    }
    contents = Contents(
        space,
        space.grid(archs),
        np.array([space.macs(arch) for arch in archs]),
        np.array([space.params(arch) for arch in archs]),
        bits,
        {split: bench.images(split).labels for split in SPLITS},
        info,
    )
    write(Path(out), contents)
    return TabularBenchmark.of(contents)


def evaluate(
    bench: Workbench, archs: Sequence[Arch], only: Mapping[str, NDArray[np.int64]] | None = None
) -> dict[str, Right]:
    """Which images of each split networks of the tied space get right: split → bool (M, N).

    Args:
        bench: images and super-network.
        archs: M networks.
        only: places of the N images in each split; all of them by default.
    """
    space = bench.tied.space
    own = list(archs) if space is bench.space else [space.untie(arch) for arch in archs]
    calibrated, found = bench.evaluator.calibrate(own), {}
    for split in SPLITS:
        images = bench.images(split) if only is None else bench.images(split).take(only[split])
        found[split] = bench.evaluator.predict(own, images.images, calibrated=calibrated) == images.labels
    return found


def compare(
    bench: Workbench, table: TabularBenchmark, networks: int = 64, images: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """Evaluate random networks of a table again: one row a split, with how many bits came out otherwise.

    Where the table was made with copies of the images (:attr:`Workbench.table`), that says what those change.

    Args:
        bench: super-network and images.
        table: of the same.
        networks: how many.
        images: how many of each split, at random; all by default.
        seed: of both choices.

    Raises:
        DataError: the table was made with other weights, images or settings than the workbench's.
    """
    found, wanted = (stamp(made_of, pixels=False) for made_of in (table.info, bench.made_of))
    if found != wanted:
        raise DataError(f"The table is of {found}, the workbench of {wanted}: nothing to compare.")
    rng = np.random.default_rng(seed)
    archs = [table.archs[row] for row in np.sort(rng.choice(len(table), networks, replace=False))]
    counts = {split: len(bench.images(split)) for split in SPLITS}
    only = {
        split: np.sort(rng.choice(count, min(images or count, count), replace=False))
        for split, count in counts.items()
    }
    again = evaluate(bench, archs, only)
    rows: list[dict[str, Any]] = []
    for split in SPLITS:
        differing = table.right(split, archs)[:, only[split]] != again[split]  # type: ignore[arg-type]
        rows.append(
            {"split": split, "networks": networks, "bits": differing.size, "differing": differing.sum()}
        )
    return pd.DataFrame(rows)


def _evaluated(bench: Workbench, archs: list[Arch]) -> Iterator[tuple[slice, dict[str, Bits]]]:
    """Stretches with their bits, as they come: an earlier run's, then those that are evaluated now."""
    how = manner(bench.preset.device, bench.preset.evaluation.precision)
    folder = bench.runs.parent / "tables" / f"{digest(stamp(bench.made_of), *map(str, archs))}-{how}"
    parts = [slice(start, min(start + STRETCH, len(archs))) for start in range(0, len(archs), STRETCH)]
    files = {i: folder / f"{part.start}-{part.stop}.npz" for i, part in enumerate(parts)}
    done = [i for i, file in files.items() if file.is_file()]
    with tqdm(total=len(archs), unit="network", desc="tabulate") as bar:
        for i in done:
            yield parts[i], _kept(files[i])
            bar.update(parts[i].stop - parts[i].start)
        missing = {i: archs[parts[i]] for i in files if i not in done}
        for i, found in bench.share_out(_packed, missing, SPLITS):
            write_atomically(files[i], lambda file, found=found: np.savez(file, **found))  # type: ignore[misc]
            yield parts[i], found
            bar.update(parts[i].stop - parts[i].start)


def _kept(file: Path) -> dict[str, Bits]:
    """A stretch's bits, of which the archive has checksums."""
    try:
        with np.load(file, allow_pickle=False) as kept:
            return {split: kept[split] for split in SPLITS}
    except (OSError, ValueError, LookupError, EOFError, NotImplementedError, BadZipFile) as error:
        raise DataError(f"{file} is damaged ({error}). Delete it: what it held is evaluated again.") from None


def _packed(bench: Workbench, archs: Sequence[Arch]) -> dict[str, Bits]:
    return {split: pack(right) for split, right in evaluate(bench, archs).items()}
