"""Shortcuts, and what they cost in truth: racing, bfloat16; and a compiler, which costs none."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from ..evaluation.evaluator import pick_device
from ..experiments import reference, repetitions
from ..flips.right import negative_flips
from ..spaces.arch import Arch
from ..supernets.layers import apply
from ..workbench.protocol import get_race, get_score, run_search
from ..workbench.workbench import Workbench
from .routes import Workload, conditions


def racing(
    bench: Workbench,
    *,
    weights: str = "R2",
    cas: bool = True,
    levels: Sequence[float] = (0.0, 0.001, 0.01, 0.05),
    seeds: int = 10,
) -> tuple[pd.DataFrame, dict]:
    """Searches that race against the same searches that do not.

    Args:
        bench: whose protocol is used; its predictions are kept, so that a killed run goes on.
        weights, cas: of the search.
        levels: of the race; 0 is the exact bound.
        seeds: how many searches, from the preset's seed on.

    Returns:
        One row a (level, seed): work (share of the images that were predicted), same (whether the search
        found the same network), reward_lost_pct and, on the test split, top1_change_pct and nfr_change_pct
        of what was found against what the search without racing found; and the conditions.
    """
    settings = bench.preset.search.model_copy(update={"images_per_seed": None})  # races go by all images
    bench = replace(bench, preset=bench.preset.model_copy(update={"search": settings}))
    ref, rows = reference(repetitions(bench)[0]), []
    runs = range(bench.preset.seed, bench.preset.seed + seeds)
    for seed in tqdm(runs, "searches", leave=False):
        kept = {"reference": ref, "cas": cas, "seed": seed}
        plain = run_search(bench, weights, **kept)
        worth = get_score(bench, weights, ref)
        for level in levels:
            score = get_race(bench, weights, ref, level=level)
            raced = run_search(bench, weights, **kept, score=score, label=f"{weights}-racing{level:g}")
            before, after = bench.measure([plain.best, raced.best], ref, "test").to_dict("records")
            gone, left = worth([plain.best, raced.best])
            rows.append(
                {
                    "level": level,
                    "seed": seed,
                    "work": score.work["predicted"] / score.work["without"],
                    "same": raced.best == plain.best,
                    "reward_lost_pct": 100 * (gone - left),
                    "top1_change_pct": after["top1_pct"] - before["top1_pct"],
                    "nfr_change_pct": after["nfr_pct"] - before["nfr_pct"],
                }
            )
    about = {"preset": bench.name, "weights": weights, "cas": cas, "images": len(bench.images("search"))}
    return pd.DataFrame(rows), {**about, **conditions(pick_device(bench.preset.device))}


def precision(bench: Workbench, *, networks: int = 24) -> tuple[pd.DataFrame, dict]:
    """How often bfloat16 predictions differ from float32's, on the search split, and how fast each is.

    Returns:
        One row a random network within the target budget: disagreement_pct; what bfloat16 changes in
        top1_pct and, against the smallest network, in nfr_pct; and the seconds of each for all networks.
    """
    rng, images = np.random.default_rng(bench.preset.seed), bench.images("search")
    budget = bench.preset.search.target_mmacs * 1e6
    archs = [bench.space.smallest, *(bench.space.sample(rng, max_cost=budget) for _ in range(networks))]
    found, seconds = {}, {}
    for name in ("float32", "bfloat16"):
        settings = bench.preset.evaluation.model_copy(update={"precision": name})
        other = replace(bench, preset=bench.preset.model_copy(update={"evaluation": settings}))
        other.evaluator.predict(archs[:1], images.images[:256])
        start = time.perf_counter()
        found[name] = other.evaluator.predict(archs, images.images, progress=True)
        seconds[name] = time.perf_counter() - start
    right = {name: classes == images.labels for name, classes in found.items()}
    top1 = {name: 100 * rows.mean(1) for name, rows in right.items()}
    nfr = {name: 100 * negative_flips(rows[0], rows).mean(1) for name, rows in right.items()}
    table = pd.DataFrame(
        {
            "arch": [str(arch) for arch in archs],
            "disagreement_pct": 100 * (found["float32"] != found["bfloat16"]).mean(1),
            "top1_change_pct": top1["bfloat16"] - top1["float32"],
            "nfr_change_pct": nfr["bfloat16"] - nfr["float32"],
        }
    ).iloc[1:]
    table = table.assign(**{f"seconds_{name}": value for name, value in seconds.items()})
    about = {"preset": bench.name, "images": len(images)}
    return table, {**about, **conditions(pick_device(bench.preset.device))}


@torch.no_grad()
def compiled(work: Workload, archs: Sequence[Arch], *, device: str = "auto") -> tuple[pd.DataFrame, dict]:
    """What torch.compile gives: seconds of a batch before and after, and what compiling takes.

    Returns:
        One row an architecture: compile_seconds (of the first call), eager_seconds and compiled_seconds of a
        batch, and worth_it_after, the batches after which the compiler has earned its time (inf: never).
    """
    evaluator, rows = work.evaluator(device=device), []
    for arch in tqdm(archs, "networks", leave=False):
        root = evaluator.calibrate([arch])
        evaluator._fold(root.walk())
        layers = [layer for node in root.walk() for layer in node.layers]
        x = evaluator._batch(work.images, slice(0, work.batch_size), evaluator.dtype)
        torch.compiler.reset()
        plain, fast = (lambda x, n=layers: apply(n, x)), torch.compile(lambda x, n=layers: apply(n, x))
        start = time.perf_counter()
        fast(x)
        first = time.perf_counter() - start
        eager, after = _seconds(plain, x), _seconds(fast, x)
        rows.append(
            {
                "arch": str(arch),
                "compile_seconds": first,
                "eager_seconds": eager,
                "compiled_seconds": after,
                "worth_it_after": first / (eager - after) if eager > after else np.inf,
            }
        )
    return pd.DataFrame(rows), {"batch_size": work.batch_size, **conditions(evaluator.device)}


def _seconds(run, x: torch.Tensor, tries: int = 7) -> float:
    found = []
    for _ in range(tries):
        start = time.perf_counter()
        run(x).sum().item()  # asks for the result, so that a GPU has to be done
        found.append(time.perf_counter() - start)
    return float(np.median(found))
