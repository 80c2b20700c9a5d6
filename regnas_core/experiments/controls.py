"""Controls: what of the low NFR of a super-network's networks do shared weights explain?

Two sub-networks of one super-network share weights, but also a teacher (the largest sub-network), a recipe
and the order of its images. So four kinds of pairs are compared, a small network and a large one each:

* *one training*: both out of one super-network (what the paper compares);
* *two trainings*: of super-networks that were trained alike, but for the seed; no weight is shared;
* *distilled*: trained alone, both by the soft predictions of one super-network's largest sub-network;
* *independent*: trained alone, with cross entropy.

And *same network*: one architecture, trained alone twice, by another seed. Sub-networks beside it are of
either training, and their flips the mean of both.

NFR grows with the errors of both networks, so that pairs must be equal in both. For every pair that was
trained alone, pairs of sub-networks are taken that have its two Top-1s, within 0.5 points; what is left of a
difference is taken out by a straight line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from ..errors import PresetError
from ..flips.right import Right, flips_between
from ..supernets.distillation import Objective
from ..tabular.benchmark import TabularBenchmark
from ..workbench.trained import Job, job_predictions
from ..workbench.workbench import Workbench
from .base import Repetition, accompanied, firsts, judge, percent, points, uniform
from .comparison import Key, estimate
from .strategies import independent_jobs

DISTILLED = 1_000_000  # seeds of distilled networks begin here, the large one's twice as high
NEAR = 0.005  # of Top-1: networks are equally accurate
DRAWN = 200  # pairs of sub-networks, at most, for each pair that was trained alone
EQUAL_TOP1 = "Networks of one super-network have a lower NFR than independent ones, at equal Top-1"
ALONE = ("independent", "distilled", "same network")
TOGETHER = ("one training", "two trainings")
# What a step between two kinds of pairs changes, the first's NFR minus the second's.
STEPS = {
    "a common teacher": ("independent", "distilled"),
    "weights, recipe and order": ("distilled", "one training"),
    "all together": ("independent", "one training"),
    "weights of one training": ("two trainings", "one training"),
}


def distilled_jobs(bench: Workbench) -> list[dict[Repetition, Job]]:
    """The two uniform networks, reference and target budget, distilled from each training's largest one."""
    given, search = bench.preset.networks, bench.preset.search
    how = (Objective("KD"), "scratch", given.epochs, given.lr)
    return [
        {
            rep: Job(arch, DISTILLED * place + rep.training, *how, rep.bench.space.largest)
            for rep in accompanied(firsts(bench))
        }
        for place, arch in enumerate(
            (uniform(bench.space, budget * 1e6) for budget in (search.reference_mmacs, search.target_mmacs)),
            1,
        )
    ]


class Controls:
    """Pairs of every kind, at equal Top-1.

    Attributes:
        pairs: one row a pair that was trained alone, and one for each kind of sub-networks beside it:
            beside (the kind that it is matched to), kind, training, partner (training of the large one),
            small_top1_pct, large_top1_pct, nfr_pct (of sub-networks: at exactly the pair's Top-1s), pairs
            (how many it is the mean of).
    """

    def __init__(self, bench: Workbench) -> None:
        self._tables = [_table(rep.bench) for rep in accompanied(firsts(bench))]
        self._rng = np.random.default_rng(bench.preset.seed)
        rows: list[dict] = []
        self._flips: dict[tuple[str, str], dict[Key, np.ndarray]] = {}  # (beside, kind) → trainings → (N,)
        for beside, pairs in self._alone(bench).items():
            for (a, b), (small, large) in pairs.items():
                alone = small[np.newaxis], large[np.newaxis]
                rows.append(self._kept(beside, beside, (a, b), *alone, flips_between(*alone)[0]))
                partners = [b] if b != a else [k for k in range(len(self._tables)) if k != a]
                top1 = small.mean(), large.mean()
                own = [self._matched((k, k), *top1) for k in dict.fromkeys((a, b))]
                if all(found is not None for found in own):
                    rows.append(self._kept(beside, TOGETHER[0], (a, b), *_merged(own)))
                for k in partners:
                    if (found := self._matched((a, k), *top1)) is not None:
                        rows.append(self._kept(beside, TOGETHER[1], (a, k), *found))
        self.pairs = pd.DataFrame(rows)

    def _alone(self, bench: Workbench) -> dict[str, dict[Key, tuple[Right, Right]]]:
        """Pairs that were trained alone, by trainings of the small and the large one."""
        search = bench.preset.search
        both = {
            "independent": independent_jobs(bench, [search.reference_mmacs, search.target_mmacs]),
            "distilled": distilled_jobs(bench),
        }
        right = {kind: [_right(jobs) for jobs in sizes] for kind, sizes in both.items()}
        pairs = {
            kind: {(k, k): (small[k], large[k]) for k in small} for kind, (small, large) in right.items()
        }
        again = right["independent"][1]  # the same architecture, of two seeds
        pairs["same network"] = {(a, b): (again[a], again[b]) for a, b in combinations(again, 2)}
        return pairs

    def _matched(self, place: Key, small: float, large: float) -> tuple[Right, Right, np.ndarray] | None:
        """Sub-networks of two trainings with these Top-1s, small and large: bool (P, N) each; their flips.

        Their Top-1s are so within 0.5 points; flips are the mean over pairs, image by image (N,), moved by
        what a straight line in both Top-1s says of the rest.
        """
        tables = [self._tables[k] for k in place]
        near = [
            np.flatnonzero(np.abs(table.top1("test") - top1) <= NEAR)
            for table, top1 in zip(tables, (small, large), strict=True)
        ]
        if min(map(len, near)) == 0:
            return None
        drawn = np.stack([self._rng.choice(found, DRAWN) for found in near])
        if place[0] == place[1]:
            drawn = drawn[:, drawn[0] != drawn[1]]
        if not drawn.size:
            return None
        right = [t.right("test", [t.archs[row] for row in d]) for t, d in zip(tables, drawn, strict=True)]
        flips = flips_between(*right)
        off = [r.mean(1) - top1 for r, top1 in zip(right, (small, large), strict=True)]
        line = np.linalg.lstsq(np.column_stack([np.ones(len(flips)), *off]), flips.mean(1), rcond=None)[0]
        return right[0], right[1], flips.mean(0) + (line[0] - flips.mean())

    def _kept(
        self, beside: str, kind: str, key: Key, small: Right, large: Right, flips: np.ndarray
    ) -> dict[str, Any]:
        self._flips.setdefault((beside, kind), {})[key] = flips.astype(np.float32)
        rates = {"small_top1_pct": 100 * small.mean(), "large_top1_pct": 100 * large.mean()}
        named = {"beside": beside, "kind": kind, "training": key[0], "partner": key[1]}
        return {**named, **rates, "nfr_pct": 100 * flips.mean(), "pairs": len(small)}

    def kinds(self) -> pd.DataFrame:
        """Mean NFR of every kind with its interval: beside, kind, trainings, the Top-1s, nfr columns."""
        rows = []
        for (beside, kind), found in self._flips.items():
            own = self.pairs[(self.pairs["beside"] == beside) & (self.pairs["kind"] == kind)]
            rates = own[["small_top1_pct", "large_top1_pct"]].mean()
            values = by_training(found)
            value = estimate(np.array(list(values.values())), list(values))
            named = {"beside": beside, "kind": kind, "trainings": len(values)}
            rows.append({**named, **rates, **percent("nfr", value, rate=True)})
        return pd.DataFrame(rows)

    def steps(self) -> pd.DataFrame:
        """What NFR falls by at equal Top-1, step by step (points).

        Of "independent" and "distilled" each is compared with sub-networks of its own Top-1s; a step between
        the two is the difference of these. One row a step of STEPS: step, nfr_fall_pct with its interval, p.
        """
        rows = []
        for step, kinds in STEPS.items():
            values, keys = self.fall(*kinds)
            found = points(estimate(values, keys))
            low, high = found.interval()
            ends = {"nfr_fall_pct": found.value, "nfr_fall_low_pct": low, "nfr_fall_high_pct": high}
            rows.append({"step": step, "trainings": len(keys), **ends, "p": found.p()})
        return pd.DataFrame(rows)

    def fall(self, a: str, b: str) -> tuple[np.ndarray, Sequence[Key]]:
        """Flips of kind a minus those of kind b, image by image, of every training: (K, N), keys."""
        if a in TOGETHER or b in TOGETHER:
            beside = b if a in TOGETHER else a
            beside = "independent" if beside in TOGETHER else beside
            first, second = (by_training(self._flips[beside, kind]) for kind in (a, b))
        else:  # over what both have in common: sub-networks of one training with the same Top-1s
            first, second = (
                _minus(*(by_training(self._flips[kind, other]) for other in (kind, "one training")))
                for kind in (a, b)
            )
        change = _minus(first, second)
        return np.array(list(change.values())), list(change)


def control_claims(found: Controls) -> list[dict]:
    """Claim 1 on pairs of equal Top-1: two networks of one super-network against two independent ones."""
    values, keys = found.fall("independent", "one training")
    return [judge(1, EQUAL_TOP1, points(estimate(-values, keys)), keys, below=0)]


def by_training(found: Mapping[Key, np.ndarray]) -> dict[Key, np.ndarray]:
    """Flips (N,) of pairs, one array a training, so that their mean and its error are those of all pairs.

    Pairs of two trainings depend on each other where they have one in common. In place of them come jackknife
    pseudo-values: the mean of all, T times, less T − 1 times the mean without that training. Two trainings
    make no such mean: then it is each with its partner.
    """
    trainings = sorted({k for key in found for k in key})
    if all(a == b for a, b in found) or len(trainings) < 3:
        return {(a, 0): flips for (a, _), flips in found.items()}
    whole, count, values = np.mean(list(found.values()), axis=0), len(trainings), {}
    for k in trainings:
        without = np.mean([flips for key, flips in found.items() if k not in key], axis=0)
        values[k, 0] = count * whole - (count - 1) * without
    return values


def _minus(a: dict[Key, np.ndarray], b: dict[Key, np.ndarray]) -> dict[Key, np.ndarray]:
    return {key: a[key] - b[key] for key in a if key in b}


def _merged(found: Sequence[tuple[Right, Right, np.ndarray]]) -> tuple[Right, Right, np.ndarray]:
    """What was matched in several super-networks as one: the small ones, the large ones, their mean flips."""
    small, large, flips = zip(*found, strict=True)
    return np.concatenate(small), np.concatenate(large), np.mean(flips, axis=0)


def _right(jobs: dict[Repetition, Job]) -> dict[int, Right]:
    """Of every training's network, which test images it gets right."""
    return {
        rep.training: job_predictions(rep.bench, [job])[0] == rep.bench.images("test").labels
        for rep, job in jobs.items()
    }


def _table(bench: Workbench) -> TabularBenchmark:
    if bench.table is None:
        raise PresetError(
            f"{bench.name}: controls match networks by their Top-1, out of a table of the whole space. Make "
            "one of each training with `regnas tabulate`, or take the preset demo or cifar10."
        )
    return bench.table
