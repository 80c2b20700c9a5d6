"""The paper's searches on a preset: rewards, races, evolution and its log (Sec. 3.4 and 4.1).

Rewards are measured on the search split alone.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..costs.cost import unit
from ..errors import DataError, RegnasError
from ..evaluation.trie import Node
from ..files import digest, write_table
from ..flips.right import negative_flips
from ..search.course import SearchResult
from ..search.evolution import VERSION, survivors
from ..search.racing import Race
from ..search.rewards import Score, check_reference, reward, reward_weights
from ..search.strategies import search
from ..spaces.arch import Arch
from ..spaces.space import Space
from .presets import SearchSection
from .workbench import Workbench

BAND = 0.07  # a matched size is within 93 and 100 % of the budget


def run_search(
    bench: Workbench,
    weights: str | tuple[float, float],
    *,
    reference: Arch | None = None,
    cas: bool = False,
    cost: str = "macs",
    budget: float | None = None,
    matched: bool = False,
    seed: int = 0,
    label: str | None = None,
    score: Score | None = None,
) -> SearchResult:
    """Run a preset's search; the log, with Top-1 and NFR on the search images, is kept in its ``runs``.

    A search that was run before is read from there, unless the preset says ``recompute``; a killed one goes
    on from the stored predictions. With ``search.racing`` in the preset, the log has no Top-1 and NFR of
    candidates that were dropped.

    Args:
        bench: the preset brought to life.
        weights: ``"R0"``, ``"R1"``, ``"R2"`` or (λ1, λ2).
        reference: network that flips are counted against; None for R0 alone.
        cas: whether the target must contain the reference.
        cost: what the budget is in, by :func:`regnas_core.costs.cost.get_cost`: ``"macs"`` or ``"params"``
            (millions), ``"note10"``, ``"latency"`` or a recorded table's path (ms).
        budget: in this unit; the preset's target budget in million MACs by default.
        matched: whether targets use at least 93 % of the budget, so that designs are compared at equal size.
        seed: of the evolution, and of the images it searches on (``search.images_per_seed``).
        label: the log's name; made from the reward by default.
        score: what computes the reward; by default as the preset says, racing or not.

    Raises:
        RegnasError: a budget that is missing, or a reward with NFR in it without a reference.
        InfeasibleError: no network fits the budget.
    """
    protocol = bench.preset.search
    if budget is None:
        if cost != "macs":
            raise RegnasError(f"A search by {cost} needs a budget: the preset's are in million MACs.")
        budget = protocol.target_mmacs
    reward_name = weights if isinstance(weights, str) else "{:g},{:g}".format(*weights)
    label = label or reward_name + ("+CAS" if cas else "")
    scale, symbol = unit(cost)
    path = bench.runs / "searches" / f"{label}-{budget:g}{symbol}-seed{seed}"
    depends = [VERSION, bench.store("search").folder.name, bench.space.identity, reward_name, str(reference)]
    depends += [cas, Path(cost).name, budget, matched and BAND, seed, *_settings(protocol)]
    path = path.with_name(f"{path.name}-{digest(json.dumps(depends))[:8]}.parquet")
    kept = score is None and cost != "latency" and not bench.preset.recompute
    if kept and path.is_file():
        return _read(bench.space, path)
    if score is None:
        looks_up = protocol.racing is None or bench.table is not None
        score = (get_score if looks_up else get_race)(bench, weights, reference, seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*search ended early")  # the log says so
        result = _search(
            protocol,
            bench.space,
            score,
            seed=seed,
            max_cost=budget * scale,
            min_cost=(1 - BAND) * budget * scale if matched else None,
            cost=None if cost == "macs" else bench.cost(cost),
            reference=reference if cas else None,
            exclude=() if reference is None else (reference,),
            progress=bench.table is None,
        )
    log, part = result.log, bench.searched(seed)
    if reference is not None:
        predicted = bench.store("search")
        known = [bench.table is not None or str(arch) in predicted for arch in result.archs]
        whole = [i for i, there in enumerate(known) if there]  # all, without racing
        rates = bench.rates([result.archs[i] for i in whole], reference, "search", part)
        for name, values in zip(("top1_pct", "nfr_pct"), rates, strict=True):
            log[name] = pd.Series(100 * values, index=whole)
    write_table(log, path)
    return result


def _search(protocol: SearchSection, space: Space, score: Score, **limits: Any) -> SearchResult:
    """By the preset's strategy, with as many evaluations as it says."""
    names = ("population", "parent_ratio", "mutation_ratio", "mutation_prob")
    own = {name: getattr(protocol, name) for name in names} if protocol.strategy == "evolution" else {}
    return search(space, score, protocol.strategy, evaluations(protocol), **limits, **own)


def evaluations(protocol: SearchSection) -> int:
    """How many networks a search evaluates: as said, or else what so many generations have (Sec. 4.1)."""
    population, ratio = protocol.population, protocol.parent_ratio
    later = (protocol.generations - 1) * (population - survivors(population, ratio))
    return protocol.evaluations or population + later


def _settings(protocol: SearchSection) -> list:
    """What of a preset's protocol a search depends on, beside its budget."""
    own = {"reference_mmacs", "target_mmacs", "sweep", "platforms", "ratios"}
    return sorted(protocol.model_dump(exclude=own).items())


def _read(space: Space, path: Path) -> SearchResult:
    """A search that was run before.

    Raises:
        DataError: the file is damaged.
    """
    try:
        log = pd.read_parquet(path)
        archs = _Parsed(space, log["arch"].tolist())
        return SearchResult(archs[int(log["score"].idxmax())], log, archs)
    except (pa.ArrowException, OSError, LookupError, TypeError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}). Delete it: the search is run again.") from None


class _Parsed(Sequence[Arch]):
    """Architectures of a log, parsed when they are asked for: mostly it is the best alone."""

    def __init__(self, space: Space, names: Sequence[str]) -> None:
        self._space, self._names = space, names

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self._space.parse(name) for name in self._names[place]]
        return self._space.parse(self._names[place])


def get_score(
    bench: Workbench, weights: str | tuple[float, float], reference: Arch | None, seed: int = 0
) -> Score:
    """The reward on a seed's search images, as :func:`regnas_core.evolve` wants it.

    Raises:
        RegnasError: a reward with NFR in it, but no reference.
    """
    check_reference(weights, reference)
    part = bench.searched(seed)

    def score(archs: list[Arch]) -> np.ndarray:
        return reward(*bench.rates(archs, reference, "search", part), weights)

    return score


def get_race(
    bench: Workbench,
    weights: str | tuple[float, float],
    reference: Arch | None,
    seed: int = 0,
    level: float | None = None,
) -> Race:
    """The reward on a workbench's search split, as a race: what :func:`get_score` is without.

    What was predicted is kept, block by block, and whole for those who stay to the end; so a killed search
    goes on where it was.

    Args:
        bench: evaluates, in this process.
        weights: of the reward.
        reference: network that flips are counted against.
        seed: of no meaning here: a race goes by all search images.
        level: of the race; by default ``search.racing`` of the preset.
    """
    check_reference(weights, reference)
    search, protocol = bench.images("search"), bench.preset.search
    top1_weight, nfr_weight = reward_weights(weights)
    ref = np.zeros(len(search), bool) if reference is None else bench.correct([reference], "search")[0]
    held: dict[Arch, Node] = {}  # a generation's statistics
    gain = (0.0, top1_weight, -nfr_weight)  # of an image: wrong in both, right, a negative flip

    def predict(archs: list[Arch], part: slice) -> np.ndarray:
        store = bench.store("search", part)
        names = set(store.missing(map(str, archs)))
        if missing := [arch for arch in archs if str(arch) in names]:
            if not held.keys() >= set(missing):
                held.clear()
                held.update(dict.fromkeys(missing, bench.evaluator.calibrate(missing, progress=True)))
            pictures, statistics = search.images[part], held[missing[0]]
            found = bench.evaluator.predict(missing, pictures, calibrated=statistics, progress=True)
            store.write([str(arch) for arch in missing], found)
        return store.read([str(arch) for arch in archs])

    blocks: dict[Arch, list[np.ndarray]] = {}

    def gains(archs: list[Arch], part: slice) -> np.ndarray:
        found = predict(archs, part)
        for arch, row in zip(archs, found, strict=True):
            blocks[arch] = [*(blocks[arch] if part.start else []), row]
        if part.stop == len(search):
            bench.store("search").write(
                [str(arch) for arch in archs], np.stack([np.concatenate(blocks[arch]) for arch in archs])
            )
            blocks.clear()
        right = found == search.labels[part]
        return top1_weight * right - nfr_weight * negative_flips(ref[part], right)

    return Race(
        gains,
        len(search),
        survivors=survivors(protocol.population, protocol.parent_ratio),
        low=min(gain),
        high=max(gain),
        level=protocol.racing if level is None else level,
        final=get_score(bench, weights, reference, seed),
    )
