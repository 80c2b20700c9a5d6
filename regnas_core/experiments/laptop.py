"""Search the real MobileNet-V3 space on a laptop: accuracies predicted, costs looked up, no image needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from ..costs.tables import note10
from ..search.evolution import evolve
from ..search.predictor import MOBILENET_RESOLUTIONS, load_predictor
from ..spaces import get_space
from ..spaces.arch import Arch
from ..spaces.space import Cost, Space

REFERENCE_MMACS = 150  # as the paper's reference
TARGET_MMACS = (175, 200, 250, 300, 350, 400, 450, 500, 600)  # the paper's Fig 5b: nine from 175 to 600
TARGET_MS = (15, 20, 25, 30, 35, 40, 50)


class Laptop:
    """Once-for-all's MobileNet-V3 (w1.2) with its accuracy predictor and its latency table of the Note10.

    Attributes:
        space: the search space; resolutions are those that predictor and table know.
        predict: list of architectures → predicted Top-1 (n,), fractions.
        latency: architecture → ms on a Samsung Note10.

    Raises:
        CheckpointError: the predictor's file is missing and cannot be downloaded.
    """

    def __init__(self) -> None:
        self.space: Space = get_space("ofa-mbv3-w1.2", resolutions=MOBILENET_RESOLUTIONS)
        self.predict = load_predictor(self.space)
        self.latency: Cost = note10(self.space)

    def predict_genes(self, archs: Sequence[Any]) -> np.ndarray:
        """The same for the genes of architectures of any width, or of what has ks, e and d, at 224 pixels."""
        return self.predict([self.space.arch(ks=a.ks, e=a.e, d=a.d, r=224) for a in archs])

    def reference(self, seed: int = 0) -> Arch:
        """The most accurate architecture within 150 million MACs, as predicted (reward R0)."""
        return evolve(self.space, self.predict, seed=seed, max_cost=REFERENCE_MMACS * 1e6).best

    def describe(self, archs: Sequence[Arch], reference: Arch) -> pd.DataFrame:
        """One row an architecture: arch, mmacs, note10_ms, top1_pct (predicted), contains_reference."""
        return pd.DataFrame(
            {
                "arch": [str(arch) for arch in archs],
                "mmacs": [self.space.macs(arch) / 1e6 for arch in archs],
                "note10_ms": [self.latency(arch) for arch in archs],
                "top1_pct": 100 * self.predict(archs),
                "contains_reference": [self.space.contains(arch, reference) for arch in archs],
            }
        )

    def targets(self, reference: Arch, seeds: Sequence[int]) -> pd.DataFrame:
        """What searches with the paper's protocol (1,525 networks each) find under three kinds of budget.

        One row a search: design ("MACs", "MACs + CAS", "latency"), budget (million MACs, or ms on the
        Note10), seed, and the columns of :meth:`describe`.
        """
        plan = [("MACs", budget, False) for budget in TARGET_MMACS]
        plan += [("MACs + CAS", budget, True) for budget in TARGET_MMACS]
        plan += [("latency", budget, False) for budget in TARGET_MS]
        jobs = [(*entry, seed) for entry in plan for seed in seeds]
        found = []
        for design, budget, cas, seed in tqdm(jobs, desc="searches", leave=False):
            limit = (
                {"max_cost": budget, "cost": self.latency}
                if design == "latency"
                else {"max_cost": budget * 1e6}
            )
            inside = reference if cas else None
            best = evolve(self.space, self.predict, seed=seed, reference=inside, **limit).best
            found.append({"design": design, "budget": budget, "seed": seed, "best": best})
        table = pd.DataFrame(found)
        described = self.describe(table.pop("best").tolist(), reference)
        return pd.concat([table, described], axis=1)

    def cloud(self, count: int, reference: Arch, seed: int = 0) -> pd.DataFrame:
        """Random architectures, described."""
        rng = np.random.default_rng(seed)
        return self.describe([self.space.sample(rng) for _ in range(count)], reference)


def price_of_cas(table: pd.DataFrame) -> pd.DataFrame:
    """Predicted Top-1 with CAS minus without, mean over seeds, one row a budget (points)."""
    means = table.pivot_table(index="budget", columns="design", values="top1_pct", aggfunc="mean")
    means = means[["MACs", "MACs + CAS"]].dropna()
    return means.assign(price=means["MACs + CAS"] - means["MACs"]).reset_index()
