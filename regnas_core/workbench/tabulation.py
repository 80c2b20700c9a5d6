"""Making tabular benchmarks: every network of a tied space, right or wrong on every image of two splits.

Networks are evaluated a stretch of neighbours at a time. What a stretch gave is kept at once, so that a
killed run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from ..errors import DataError, PresetError
from ..evaluation.evaluator import pick_device
from ..files import digest, write_atomically
from ..flips.right import Right
from ..resources import versions
from ..spaces.arch import Arch
from ..tabular.benchmark import TabularBenchmark, stamp
from ..tabular.bits import Bits, pack, words
from ..tabular.format import SPLITS, Contents, write
from .workbench import Workbench, workers_bench

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
        "dataset": bench.data.name,
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


def evaluate(bench: Workbench, archs: Sequence[Arch]) -> dict[str, Right]:
    """Which images of each split networks of the tied space get right: split → bool (M, N)."""
    space = bench.tied.space
    own = list(archs) if space is bench.space else [space.untie(arch) for arch in archs]
    calibrated, found = bench.evaluator.calibrate(own), {}
    for split in SPLITS:
        images = bench.images(split)
        found[split] = bench.evaluator.predict(own, images.images, calibrated=calibrated) == images.labels
    return found


def compare(bench: Workbench, table: TabularBenchmark, networks: int = 64, seed: int = 0) -> pd.DataFrame:
    """Evaluate random networks of a table again: one row a split, with how many bits came out otherwise.

    Raises:
        DataError: the table was made with other weights, images or settings than the workbench's.
    """
    if (found := stamp(table.info)) != bench.stamp:
        raise DataError(f"The table is of {found}, the workbench of {bench.stamp}: nothing to compare.")
    chosen = np.sort(np.random.default_rng(seed).choice(len(table), networks, replace=False))
    archs = [table.archs[row] for row in chosen]
    again = evaluate(bench, archs)
    rows: list[dict[str, Any]] = []
    for split in SPLITS:
        differing = table.right(split, archs) != again[split]  # type: ignore[arg-type]
        rows.append(
            {"split": split, "networks": networks, "bits": differing.size, "differing": differing.sum()}
        )
    return pd.DataFrame(rows)


def _evaluated(bench: Workbench, archs: list[Arch]) -> Iterator[tuple[slice, dict[str, Bits]]]:
    """Stretches with their bits, as they come: an earlier run's, then those that are evaluated now."""
    folder = bench.runs.parent / "tables" / digest(bench.stamp, *map(str, archs))
    parts = [slice(start, min(start + STRETCH, len(archs))) for start in range(0, len(archs), STRETCH)]
    files = {i: folder / f"{part.start}-{part.stop}.npz" for i, part in enumerate(parts)}
    done = [i for i, file in files.items() if file.is_file()]
    with tqdm(total=len(archs), unit="network", desc="tabulate") as bar:
        for i in done:
            with np.load(files[i]) as kept:
                yield parts[i], {split: kept[split] for split in SPLITS}
            bar.update(parts[i].stop - parts[i].start)
        for i, found in _computed(bench, {i: archs[parts[i]] for i in files if i not in done}):
            write_atomically(files[i], lambda file, found=found: np.savez(file, **found))  # type: ignore[misc]
            yield parts[i], found
            bar.update(parts[i].stop - parts[i].start)


def _computed(bench: Workbench, parts: dict[int, list[Arch]]) -> Iterator[tuple[int, dict[str, Bits]]]:
    """Stretches by number, evaluated here, or by the executor's workers."""
    if bench.executor is None:
        for i, part in parts.items():
            yield i, _packed(bench, part)
        return
    preset = bench.preset.model_dump_json()
    futures = {bench.executor.submit(_work, preset, [*map(str, part)]): i for i, part in parts.items()}
    for future in as_completed(futures):
        yield futures[future], future.result()


def _work(preset: str, archs: list[str]) -> dict[str, Bits]:
    """What a worker does: networks of the tied space, given as text, of a preset, given as JSON."""
    bench = workers_bench(preset)
    return _packed(bench, [bench.tied.space.parse(text) for text in archs])


def _packed(bench: Workbench, archs: Sequence[Arch]) -> dict[str, Bits]:
    return {split: pack(right) for split, right in evaluate(bench, archs).items()}
