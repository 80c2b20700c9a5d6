"""Before a run: what it will need, do and take, without doing it.

What experiments ask for is learned by a rehearsal of them (:mod:`regnas_core.workbench.rehearsal`), how long
that takes by a short measurement (:mod:`regnas_core.workbench.probe`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from .. import experiments
from ..data.datasets import Dataset, load_dataset
from ..data.splits import SPLITS, read_split
from ..errors import CheckpointError, DataError, RegnasError
from ..evaluation.baselines import baseline_path
from ..evaluation.evaluator import pick_device
from ..flips.report import format_table
from ..resources import find_path
from ..supernets.supernet import checkpoint_path, parse_random
from ..workbench import probe
from ..workbench.checks import RECORDED
from ..workbench.presets import Preset, load_preset
from ..workbench.protocol import evaluations
from ..workbench.rehearsal import Rehearsal, open_rehearsal
from ..workbench.trained import Job, count_packaged
from ..workbench.workbench import Workbench
from .catalogue import Notebook, choose

# What the notebooks ask of a workbench, by item. Others use tables, published files or stored results alone.
ITEMS: dict[str, Callable[[Workbench], Any]] = {
    "fig1": experiments.fig1,
    "fig2a": experiments.table1,
    "fig2b": experiments.fig4a,
    "fig3": experiments.fig3,
    "fig4a": experiments.fig4a,
    "fig4b": experiments.fig4b,
    "fig5a": experiments.fig5a,
    "fig5b": experiments.sweep,
    "table1": lambda bench: [experiments.table1(part) for part in experiments.parts(bench).values()],
    "table2": lambda bench: [
        experiments.table2(part, matched=matched)
        for part in experiments.parts(bench).values()
        for matched in (False, True)
    ],
    "table3": experiments.table3,
    "family": experiments.families,
    "supernets": lambda bench: [experiments.supernets(bench), experiments.supernet_claims(bench)],
    "platforms": experiments.platforms,
    "appendix_a": experiments.fig4a,
    "appendix_b": experiments.appendix_b,
    "appendix_c": lambda bench: experiments.appendix_c(bench, experiments.sweep(bench)),
    "claims": experiments.claims,
    "controls": experiments.Controls,
}

WORK = ("searches", "on_test", "trained", "published")
DEVICES = (1, 2, 4, 8)
SAMPLE = 8  # random sub-networks whose evaluation is timed, beside a mutant of each: half a generation is so


@dataclass(frozen=True)
class Plan:
    """What a run will need, do and take.

    Attributes:
        preset: whose run.
        missing: what is not there, and how it gets there.
        left_out: notebooks that cannot run, and why.
        work: one row a notebook, of what those before it leave to do: searches (none that are looked up in
            tables), sub-networks to run on test images, networks to train one by one, published networks.
        totals: the same, one row a super-network; ``on_search``, sub-networks that its searches run (at most:
            one that several searches meet is run once); ``packaged``, of those to train, which come with the
            package; and images: ``search``, ``test``, ``calibration``, ``train`` (0 where not known).
        gigabytes: on the disk, at most, by what for.
        hours: on one device, by super-network and kind of work; empty if nothing was measured.
    """

    preset: Preset
    missing: list[str]
    left_out: list[str]
    work: pd.DataFrame
    totals: pd.DataFrame
    gigabytes: dict[str, float]
    hours: pd.DataFrame


def plan(preset: str, only: list[str], overrides: dict[str, Any], *, timed: bool = True) -> Plan:
    """What a run of these items will need, do and take. Neither images nor weights need be there.

    Args:
        preset: name or path.
        only: items; all for an empty list.
        overrides: dotted preset keys to set.
        timed: whether to measure, for a minute or so, how fast work goes here.

    Raises:
        PresetError, NotebookError: as the run would.
    """
    chosen, notebooks = load_preset(preset, overrides), choose(only)
    with TemporaryDirectory() as folder:
        bench = open_rehearsal(chosen, folder)
        lacking = [nb.missing(preset, overrides) for nb in notebooks]
        work, left_out = _rehearsed(bench, notebooks, lacking)
        benches = [bench, *bench.companions]
        jobs = {other.preset.name: _jobs(other) for other in benches}
        totals = pd.DataFrame([_total(other, chosen, jobs[other.preset.name]) for other in benches])
        hours = []
        for other, row in zip(benches, totals.to_dict("records") if timed else [], strict=timed):
            baselines = bench.asked.baselines if other is bench else ()
            hours.append(_hours(other, row, jobs[other.preset.name], baselines, chosen.device))
        missing = [*_missing_images(chosen), *_missing_weights(benches)]
    gigabytes = _gigabytes(chosen, totals, len(bench.asked.baselines))
    return Plan(chosen, missing, left_out, work, totals, gigabytes, pd.DataFrame(hours))


def _rehearsed(
    bench: Rehearsal, notebooks: Sequence[Notebook], lacking: Sequence[list[str]]
) -> tuple[pd.DataFrame, list[str]]:
    """What each notebook adds to the work, and which are left out."""
    rows, left_out, before = [], [], Counter()
    both = zip(notebooks, lacking, strict=True)
    for nb, reasons in tqdm(both, "rehearsing", len(notebooks), unit="notebook", leave=False):
        for item in [item for item in nb.items if item in ITEMS and not reasons]:
            try:
                ITEMS[item](bench)
            except RegnasError as error:
                reasons.append(str(error))
        left_out += [f"{nb.path.stem}: {reason}" for reason in reasons[:1]]
        now = sum((_done(other) for other in (bench, *bench.companions)), Counter())
        now["published"] = len(bench.asked.baselines)
        rows.append({"notebook": nb.path.stem, **{kind: now[kind] - before[kind] for kind in WORK}})
        before = now
    return pd.DataFrame(rows), left_out


def _done(bench: Rehearsal) -> Counter[str]:
    """What a super-network was asked for so far."""
    name, asked = bench.preset.name, bench.asked
    searched = (trained.runs / "searches" for trained in bench.trainings if trained.table is None)
    searches = sum(len([*folder.glob("*.parquet")]) for folder in searched)
    on_test = sum(len(archs) for place, archs in asked.networks.items() if place[::2] == (name, "test"))
    return Counter(searches=searches, on_test=on_test, trained=sum(owner == name for owner, _ in asked.jobs))


def _jobs(bench: Rehearsal) -> list[Job]:
    """Networks that are to be trained, since the package does not bring them along."""
    there, missing = count_packaged(bench), []
    for owner, job in bench.asked.jobs:
        if owner == bench.preset.name:
            kind = (*job.kind, job.lr, job.seed)
            there[kind] -= 1
            missing += [job] if there[kind] < 0 else []
    return missing


def _total(bench: Rehearsal, asked: Preset, jobs: Sequence[Job]) -> dict[str, Any]:
    done = _done(bench)
    done["packaged"] = done["trained"] - len(jobs)
    row = {kind: done[kind] for kind in ("searches", "on_test", "trained", "packaged")}
    return {
        "preset": bench.preset.name,
        **row,
        "on_search": done["searches"] * evaluations(asked.search),
        **_counts(bench.preset, asked),
    }


# ── images and weights ───────────────────────────────────────────────────────────────────────────
def _counts(preset: Preset, asked: Preset) -> dict[str, int]:
    """Images of each split, by what lies there or what is recorded, and no more than are asked for; 0 where
    nothing tells."""
    section, known = preset.data, dict.fromkeys(SPLITS, 0)
    try:
        known |= _dataset(preset).counts
    except DataError:
        if section.name in (*RECORDED, "imagenet") and section.sizes is None:
            known |= {split: len(indices) for split, indices in read_split(section.name).indices.items()}
        known |= section.sizes or {}
    limits = {"search": asked.data.search_images, "test": asked.data.test_images}
    if preset.search.images == "validation":
        known["search"] = known["test"]
    return {split: min(count, limits.get(split) or count) for split, count in known.items()}


def _dataset(preset: Preset) -> Dataset:
    section = preset.data
    path = None if section.path is None else find_path(section.path)
    return load_dataset(section.name, path=path, size=section.size, sizes=section.sizes, download=False)


def _missing_images(preset: Preset) -> list[str]:
    try:
        _dataset(preset)
    except DataError as error:
        return [f"images: {error}"]
    return []


def _missing_weights(benches: Sequence[Rehearsal]) -> list[str]:
    missing = []
    for bench in benches:
        name, weights = bench.preset.name, bench.preset.supernet.weights
        if parse_random(weights) is not None:
            continue
        try:
            if (path := checkpoint_path(bench.space, weights)).is_file():
                continue
            how = (
                "downloaded when first used" if weights.startswith("pretrained") else "regnas train-supernet"
            )
            missing.append(f"super-network of {name}: {path} ({how})")
        except CheckpointError as error:
            missing.append(f"super-network of {name}: {error}")
    paths = {name: baseline_path(name) for name in sorted(benches[0].asked.baselines)}
    return missing + [
        f"published network {name}: {path} (downloaded when first used)"
        for name, path in paths.items()
        if not path.is_file()
    ]


def _gigabytes(preset: Preset, totals: pd.DataFrame, baselines: int) -> dict[str, float]:
    """Disk space, before compression; published networks have test images of their own size, about this."""
    row, decoded = totals.iloc[0], 0
    if preset.data.name in ("imagenet", "folder"):
        splits = ["search", "test", "calibration", *(["train"] if (totals["trained"] > 0).any() else [])]
        decoded = int(row[splits].sum() + baselines * row["test"]) * 3 * (preset.data.size or 224) ** 2
    predictions = (
        totals["on_search"] * totals["search"] + (totals["on_test"] + totals["trained"]) * totals["test"]
    )
    wide = 2 if preset.data.name == "imagenet" else 1  # bytes of a class
    return {"decoded pictures": decoded / 1e9, "predictions": float(predictions.sum()) * wide / 1e9}


# ── time ─────────────────────────────────────────────────────────────────────────────────────────
def _hours(
    bench: Rehearsal, row: dict[str, Any], jobs: Sequence[Job], baselines: Iterable[str], device: str
) -> dict[str, Any]:
    """Hours of a super-network's work on one device, as fast as it goes here."""
    preset, rng = bench.preset.model_copy(update={"device": device}), np.random.default_rng(0)
    seconds = dict.fromkeys(
        ("searches", "test images", "training one by one", "published", "super-network"), 0.0
    )
    if row["searches"] or row["on_test"]:
        within = preset.search.target_mmacs * 1e6
        drawn = [bench.space.sample(rng, max_cost=within) for _ in range(SAMPLE)]
        rate = probe.evaluation_rate(
            preset, [*drawn, *(bench.space.mutate(a, rng, max_cost=within) for a in drawn)]
        )
        seconds["searches"] = row["on_search"] * (row["calibration"] + row["search"]) / rate
        seconds["test images"] = row["on_test"] * (row["calibration"] + row["test"]) / rate
    for kind, count in Counter(job.kind for job in jobs).items():
        job = next(job for job in jobs if job.kind == kind)
        seconds["training one by one"] += count * job.epochs * row["train"] / probe.job_rate(preset, job)
    for name in baselines:
        seconds["published"] += row["test"] / probe.baseline_rate(name, device)
    if _to_train(bench):
        seconds["super-network"] = preset.training.epochs * row["train"] / probe.supernet_rate(preset)
    return {"preset": row["preset"], **{kind: value / 3600 for kind, value in seconds.items()}}


def _to_train(bench: Rehearsal) -> bool:
    """Whether the super-network's weights are those of a training that has not been done."""
    weights = bench.preset.supernet.weights
    own = parse_random(weights) is None and not weights.startswith("pretrained")
    return own and not checkpoint_path(bench.space, weights).is_file()


# ── as text ──────────────────────────────────────────────────────────────────────────────────────
def as_text(plan: Plan) -> str:
    """A plan for a terminal."""
    preset, totals = plan.preset, plan.totals
    work = plan.work[plan.work[[*WORK]].any(axis=1)]
    none = "Nothing to run: all is looked up in tables, or comes with the package."
    parts = [
        f"Plan of {preset.name}: {preset.title}",
        _listed("Missing", plan.missing),
        _listed("Left out", plan.left_out),
        f"Work, notebook by notebook\n{format_table(work)}" if len(work) else none,
        f"Work and images, by super-network\n{format_table(totals)}",
        "Disk, at most\n" + "\n".join(f"  {gb:9.2f} GB  {what}" for what, gb in plan.gigabytes.items()),
    ]
    if len(plan.hours):
        hours = plan.hours.set_index("preset")
        every = hours.sum(axis=1).sum()
        shared = ", ".join(f"{_rounded(every / n)} on {n}" for n in DEVICES)
        table = format_table(hours.map(_rounded).reset_index())
        parts += [
            f"Hours on one device like this one ({pick_device(preset.device)})\n{table}",
            f"In all, at best: {shared}. Devices share generations out, and wait for the slowest.",
        ]
    return "\n\n".join(part for part in parts if part)


def _rounded(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


def _listed(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)]) if lines else ""
