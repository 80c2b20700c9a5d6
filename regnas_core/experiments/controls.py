"""Controls: what of the low NFR of a super-network's networks do shared weights explain?

Two sub-networks of one super-network share weights, but also a teacher (the largest sub-network), a recipe
and the order of its images. So four kinds of pairs are compared, a small network and a large one each:

* *one training*: both out of one super-network (what the paper compares);
* *two trainings*: of super-networks that were trained alike, but for the seed; no weight is shared;
* *distilled*: trained alone, both by the soft predictions of one super-network's largest sub-network;
* *independent*: trained alone, with cross entropy.

And *same network*: one architecture, trained alone twice: what changes although nothing is different.

NFR grows with the errors of both networks, so that pairs must be equal in both. For every pair that was
trained alone, pairs of sub-networks are taken that have its two Top-1s, within 0.5 points.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from ..errors import PresetError
from ..flips.right import Right, negative_flips, orient_right
from ..supernets.distillation import Objective
from ..tabular.benchmark import TabularBenchmark
from ..workbench.trained import Job, job_predictions
from ..workbench.workbench import Workbench
from .base import Repetition, firsts, percent, points, uniform
from .comparison import Key, estimate
from .family import independent_jobs

NEAR = 0.005  # of Top-1: networks are equally accurate
DRAWN = 200  # pairs of sub-networks, at most, for each pair that was trained alone
ALONE = ("independent", "distilled", "same network")
TOGETHER = ("one training", "two trainings")
# What a step between two kinds of pairs changes, the first's NFR minus the second's.
STEPS = {
    "a common teacher": ("independent", "distilled"),
    "shared weights": ("distilled", "one training"),
    "all together": ("independent", "one training"),
    "weights of one training": ("two trainings", "one training"),
}


def distilled_jobs(bench: Workbench) -> list[dict[Repetition, Job]]:
    """The two uniform networks, reference and target budget, distilled from each training's largest one."""
    given, search = bench.preset.networks, bench.preset.search
    how = (Objective("KD"), "scratch", given.epochs, given.lr)
    return [
        {rep: Job(arch, 1000 * place + rep.training, *how, rep.bench.space.largest) for rep in firsts(bench)}
        for place, arch in enumerate(
            (uniform(bench.space, budget * 1e6) for budget in (search.reference_mmacs, search.target_mmacs)),
            1,
        )
    ]


class Controls:
    """Pairs of every kind, at equal Top-1.

    Attributes:
        pairs: one row a pair that was trained alone, and one for each kind of sub-networks beside it:
            beside (the kind that it is matched to), kind, training, small_top1_pct, large_top1_pct, nfr_pct,
            pairs (how many it is the mean of).
    """

    def __init__(self, bench: Workbench) -> None:
        self._tables = [_table(trained) for trained in bench.trainings]
        self._rng = np.random.default_rng(bench.preset.seed)
        rows: list[dict] = []
        self._flips: dict[tuple[str, str], dict[Key, np.ndarray]] = {}  # (beside, kind) → training → (N,)
        for kind, pairs in self._alone(bench).items():
            for key, (small, large) in pairs.items():
                flips = negative_flips(*orient_right(small[np.newaxis], large[np.newaxis]))
                rows.append(self._kept(kind, kind, key, small[np.newaxis], large[np.newaxis], flips))
                for together in TOGETHER:
                    if (found := self._matched(together, key[0], small.mean(), large.mean())) is not None:
                        flips = negative_flips(*orient_right(*found))
                        rows.append(self._kept(kind, together, key, *found, flips))
        self.pairs = pd.DataFrame(rows)

    def _alone(self, bench: Workbench) -> dict[str, dict[Key, tuple[Right, Right]]]:
        search = bench.preset.search
        both = {
            "independent": independent_jobs(bench, [search.reference_mmacs, search.target_mmacs]),
            "distilled": distilled_jobs(bench),
        }
        right = {kind: [_right(jobs) for jobs in sizes] for kind, sizes in both.items()}
        pairs = {
            kind: {(k, 0): (small[k], large[k]) for k in small} for kind, (small, large) in right.items()
        }
        again = right["independent"][1]  # the same architecture, of two seeds
        pairs["same network"] = {(a, b): (again[a], again[b]) for a, b in combinations(again, 2)}
        return pairs

    def _matched(self, kind: str, training: int, small: float, large: float) -> tuple[Right, Right] | None:
        """Right of sub-networks with these Top-1s, small ones and large ones: bool (P, N) each."""
        first = self._tables[training]
        second = first if kind == "one training" else self._tables[(training + 1) % len(self._tables)]
        rows = [
            np.flatnonzero(np.abs(table.top1("test") - top1) <= NEAR)
            for table, top1 in ((first, small), (second, large))
        ]
        if min(map(len, rows)) == 0 or (kind == "two trainings" and second is first):
            return None
        drawn = [self._rng.choice(found, DRAWN) for found in rows]
        archs = [[t.archs[row] for row in d] for t, d in zip((first, second), drawn, strict=True)]
        return first.right("test", archs[0]), second.right("test", archs[1])

    def _kept(self, beside: str, kind: str, key: Key, small: Right, large: Right, flips: Right) -> dict:
        kept = self._flips.setdefault((beside, kind), {})
        kept[key] = flips.mean(0, dtype=np.float32)
        rates = {"small_top1_pct": 100 * small.mean(), "large_top1_pct": 100 * large.mean()}
        named = {"beside": beside, "kind": kind, "training": key[0]}
        return {**named, **rates, "nfr_pct": 100 * flips.mean(), "pairs": len(flips)}

    def kinds(self) -> pd.DataFrame:
        """Mean NFR of every kind with its interval: beside, kind, trainings, the Top-1s, nfr columns."""
        rows = []
        for (beside, kind), found in self._flips.items():
            own = self.pairs[(self.pairs["beside"] == beside) & (self.pairs["kind"] == kind)]
            rates = own[["small_top1_pct", "large_top1_pct"]].mean()
            value = estimate(np.array(list(found.values())), list(found))
            named = {"beside": beside, "kind": kind, "trainings": len({k for k, _ in found})}
            rows.append({**named, **rates, **percent("nfr", value, rate=True)})
        return pd.DataFrame(rows)

    def steps(self) -> pd.DataFrame:
        """What NFR falls by at equal Top-1, step by step (points, and as a share of the whole fall).

        Of "independent" and "distilled" each is compared with sub-networks of its own Top-1s; a step between
        the two is the difference of these. One row a step of STEPS: step, nfr_fall_pct with its
        interval, p, share_pct of "all together".
        """
        falls = {step: self._fall(*kinds) for step, kinds in STEPS.items()}
        whole = falls["all together"][0].mean()
        rows = []
        for step, (values, keys) in falls.items():
            found = points(estimate(values, keys))
            low, high = found.interval()
            share = 100 * values.mean() / whole if whole else np.nan
            ends = {"nfr_fall_pct": found.value, "nfr_fall_low_pct": low, "nfr_fall_high_pct": high}
            rows.append({"step": step, "trainings": len(keys), **ends, "p": found.p(), "share_pct": share})
        return pd.DataFrame(rows)

    def _fall(self, a: str, b: str) -> tuple[np.ndarray, Sequence[Key]]:
        """Flips of kind a minus those of kind b, image by image, of every training: (K, N), keys."""
        if a in TOGETHER or b in TOGETHER:
            beside = b if a in TOGETHER else a
            beside = "independent" if beside in TOGETHER else beside
            first, second = self._flips[beside, a], self._flips[beside, b]
        else:  # over what both have in common: sub-networks of one training with the same Top-1s
            first = _minus(self._flips[a, a], self._flips[a, "one training"])
            second = _minus(self._flips[b, b], self._flips[b, "one training"])
        change = _minus(first, second)
        return np.array(list(change.values())), list(change)


def _minus(a: dict[Key, np.ndarray], b: dict[Key, np.ndarray]) -> dict[Key, np.ndarray]:
    return {key: a[key] - b[key] for key in a if key in b}


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
