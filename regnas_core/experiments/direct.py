"""Table 2 on images in the whole space, beside what the table of its tied part gives.

A table holds the networks whose layers have the same genes throughout a stage. Here the same protocol runs
where every layer has genes of its own, on images: with the paper's evolution, and with the strategy that was
quickest on tables, for a sixth of the evaluations. Both have the same references, which evolution finds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
from tqdm import tqdm

from ..errors import DataError, PresetError
from ..evaluation.evaluator import pick_device
from ..files import write_table
from ..resources import project_path
from ..spaces.arch import Arch
from ..spaces.tied import TiedSpace
from ..workbench.protocol import run_search
from ..workbench.workbench import Workbench
from .base import DESIGNS, Repetition, repetitions
from .comparison import Comparison, Group

STRATEGIES = {"evolution": None, "surrogate": 250}  # evaluations; None: as the preset says
KEYS = ["training", "seed", "strategy", "design"]


def record(
    bench: Workbench,
    path: str | Path,
    strategies: Mapping[str, int | None] = STRATEGIES,
    reps: Sequence[Repetition] | None = None,
) -> pd.DataFrame:
    """Run Table 2's searches, and keep what each finds; what the file has is not searched again.

    Args:
        bench: of a space that is not tied.
        path: the record, .parquet, written after every search.
        strategies: names, and how many networks each evaluates.
        reps: some of the bench's repetitions; by default all.

    Returns:
        One row a network: the columns of KEYS (design "reference" first), evaluations, seconds, device, arch,
        mmacs, params, ``reward_pct`` on the seed's search images (of a reference Top-1), and ``right``: which
        of ``images`` test images it gets right, as packed bits. Predictions that earlier searches of a seed
        have made are not made again, so that seconds are a little less than a search alone would take.

    Raises:
        PresetError: the space is tied.
    """
    if isinstance(bench.space, TiedSpace):
        raise PresetError(f"{bench.name} has a table to search on; set supernet.options.tied=false.")
    rows = pd.read_parquet(path).to_dict("records") if Path(path).exists() else []
    jobs = [("evolution", "reference"), *product(strategies, DESIGNS)]
    found = {tuple(row[key] for key in KEYS): row for row in rows}
    for rep in tqdm(repetitions(bench) if reps is None else reps, "repetitions"):
        for strategy, design in jobs:
            key = (rep.training, rep.seed, strategy, design)
            if key not in found:
                ref = found.get((*key[:2], *jobs[0]))
                ref = ref and rep.bench.space.parse(ref["arch"])
                found[key] = dict(zip(KEYS, key, strict=True)) | _searched(
                    rep, design, ref, _with(rep.bench, strategy, strategies.get(strategy))
                )
                write_table(pd.DataFrame(list(found.values())), path)
    return pd.DataFrame(list(found.values()))


def _with(bench: Workbench, strategy: str, evaluations: int | None) -> Workbench:
    search = bench.preset.search.model_copy(update={"strategy": strategy, "evaluations": evaluations})
    return replace(bench, preset=bench.preset.model_copy(update={"search": search}))


def _searched(rep: Repetition, design: str, ref: Arch | None, bench: Workbench) -> dict:
    """A search, and what is recorded of it."""
    protocol, start = bench.preset.search, perf_counter()
    weights, cas = DESIGNS.get(design, DESIGNS["R0"])
    budget = protocol.reference_mmacs if ref is None else protocol.target_mmacs
    result = run_search(bench, weights, reference=ref, cas=cas, budget=budget, seed=rep.seed)
    seconds = perf_counter() - start
    right = bench.correct([result.best], "test")[0]
    return {
        "evaluations": len(result.log),
        "seconds": seconds,
        "device": str(pick_device(bench.preset.device)),
        "arch": str(result.best),
        "mmacs": bench.space.macs(result.best) / 1e6,
        "params": bench.space.params(result.best),
        "reward_pct": 100 * result.log["score"].max(),
        "images": len(right),
        "right": np.packbits(right).tobytes(),
    }


def recorded(preset: str) -> pd.DataFrame:
    """The record that comes with the project, by :func:`record`.

    Raises:
        DataError: there is none of this preset.
    """
    place = f"figures/{preset}/direct.parquet"
    try:
        return pd.read_parquet(project_path(place))
    except DataError:
        raise DataError(
            f"No searches in the whole space at {place}. Record them (hours on a CPU, minutes on a GPU): "
            f"`regnas bench direct --preset {preset} --file {place}`."
        ) from None


def compared(rows: pd.DataFrame, strategy: str) -> Comparison:
    """What a strategy found beside its references, as Table 2 compares them."""
    groups = {
        design: Group(
            f"{strategy}, {design}",
            design,
            part[["training", "seed", "arch", "mmacs", "params"]].reset_index(drop=True),
            np.array([_unpacked(row) for row in part.itertuples()]),
        )
        for design, part in rows[rows["strategy"].isin([strategy, "evolution"])].groupby("design")
        for part in [part if design == "reference" else part[part["strategy"] == strategy]]
        if len(part)
    }
    return Comparison(groups["reference"], tuple(groups[d] for d in DESIGNS if d in groups))


def _unpacked(row) -> np.ndarray:
    return np.unpackbits(np.frombuffer(row.right, np.uint8), count=row.images).astype(bool)
