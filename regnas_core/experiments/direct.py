"""Table 2 on images in the whole space, beside its tied part.

In a tied space layers of a stage have the same genes, so that a table can hold it. Here the same protocol
runs where every layer has genes of its own, on images: with the paper's evolution, and with the strategy that
was quickest on tables, for a sixth of the evaluations. Both have the same references, which evolution finds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
from tqdm import tqdm

from ..errors import PresetError
from ..evaluation.evaluator import pick_device
from ..files import write_table
from ..resources import read_record
from ..spaces.arch import Arch
from ..spaces.tied import TiedSpace
from ..workbench.protocol import run_search
from ..workbench.workbench import Workbench
from .base import DESIGNS, Repetition, repetitions
from .comparison import Comparison, Group

STRATEGIES = {"evolution": None, "surrogate": 250}  # evaluations; None: as the preset says
TIED = "evolution, tied"
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
        strategies: names, and how many networks each evaluates; beside them evolution in the tied space.
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
        raise PresetError(f"{bench.name} has a tied space; set supernet.options.tied=false.")
    rows = pd.read_parquet(path).to_dict("records") if Path(path).exists() else []
    found = {tuple(row[key] for key in KEYS): row for row in rows}
    jobs = [(strategy, design) for strategy in (TIED, *strategies) for design in ("reference", *DESIGNS)]
    for rep in tqdm(repetitions(bench) if reps is None else reps, "repetitions"):
        for strategy, design in jobs:
            key = (rep.training, rep.seed, strategy, design)
            if key in found or (design == "reference" and _whose(strategy) != strategy):
                continue
            own = _with(rep.bench, strategy, strategies.get(strategy))
            ref = found.get((rep.training, rep.seed, _whose(strategy), "reference"))
            row = _searched(own, design, rep.seed, ref and own.space.parse(ref["arch"]))
            found[key] = dict(zip(KEYS, key, strict=True)) | row
            write_table(pd.DataFrame(list(found.values())), path)
    return pd.DataFrame(list(found.values()))


def _whose(strategy: str) -> str:
    """Which strategy's references another one's targets stand beside."""
    return TIED if strategy == TIED else "evolution"


def _with(bench: Workbench, strategy: str, evaluations: int | None) -> Workbench:
    if strategy == TIED:
        return replace(bench, net=bench.tied)
    search = bench.preset.search.model_copy(update={"strategy": strategy, "evaluations": evaluations})
    return replace(bench, preset=bench.preset.model_copy(update={"search": search}))


def _searched(bench: Workbench, design: str, seed: int, ref: Arch | None) -> dict:
    """A search, and what is recorded of it."""
    protocol, start = bench.preset.search, perf_counter()
    weights, cas = DESIGNS.get(design, DESIGNS["R0"])
    budget = protocol.reference_mmacs if ref is None else protocol.target_mmacs
    result = run_search(bench, weights, reference=ref, cas=cas, budget=budget, seed=seed)
    seconds = perf_counter() - start
    right = bench.correct([result.best], "test")[0]
    return {
        "evaluations": len(result.log),
        "seconds": seconds,
        "device": str(pick_device(bench.preset.device)) if bench.table is None else "table",
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
    return read_record(
        f"figures/{preset}/direct.parquet",
        "searches in the whole space",
        "Record them (hours on a CPU, minutes on a GPU)",
        f"regnas bench direct --preset {preset}",
    )


def compared(rows: pd.DataFrame, strategy: str) -> Comparison:
    """What a strategy found beside its references, as Table 2 compares them."""

    def chosen(design: str) -> Group:
        whose = _whose(strategy) if design == "reference" else strategy
        part = rows[(rows["strategy"] == whose) & (rows["design"] == design)].reset_index(drop=True)
        bits = [np.frombuffer(packed, np.uint8) for packed in part["right"]]
        right = np.unpackbits(np.array(bits), axis=1, count=int(part["images"].iloc[0])).astype(bool)
        return Group(design, design, part[["training", "seed", "arch", "mmacs", "params"]], right)

    return Comparison(chosen("reference"), tuple(chosen(design) for design in DESIGNS))
