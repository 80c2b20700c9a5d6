"""What ways of breaking less cost and bring, for an update of one network by one of more pictures.

The old network knows a third of the training pictures, the new one all. What has a setting (a guard's
threshold, a share of weights) takes it from the search pictures: what flips least there, and loses at most
half a point of Top-1 by it. All numbers are of the test pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from ..data.datasets import Dataset, ImageSet
from ..files import digest, write_table
from ..flips import flip_counts, top1
from ..supernets.distillation import Objective, focal_distillation
from ..supernets.training import Recipe
from ..updates.answers import choose, guard, probabilities, surer
from ..updates.losses import logit_difference_inhibition
from ..updates.training import CROSS_ENTROPY, Ensemble, fit, logits, mix_weights, plain_network

FEWER = 3  # the old network knows one of so many training pictures
MEMBERS = 3  # of an ensemble
ALLOWED = 0.005  # of Top-1, that a setting may cost on the search pictures
STEPS = tuple(round(0.05 * k, 2) for k in range(20))  # settings that are tried, the first of no effect
HANDICAPS = tuple(round(1 - step, 2) for step in STEPS)  # the first leaves all to the new network
SHARES = STEPS[::2]  # of weights, each of which is a network to run
RECIPE = Recipe(epochs=8, batch_size=128, lr=0.2, weight_decay=5e-4)
FOCAL = Objective("FD-KL", weight=0.2, temperature=1.0)  # of equal T the weight was tried on a search split

Answers = dict[str, np.ndarray]  # of a network, by split: probabilities (N, C)


@dataclass(frozen=True)
class Study:
    """One update, again for every seed.

    Attributes:
        data: pictures of 32 pixels.
        workdir: where trainings are kept; a killed study goes on there.
        width: of :func:`regnas_core.updates.plain_network`.
        recipe: of the old and the new network; fine-tuning has half of its epochs and a tenth of its learning
            rate.
    """

    data: Dataset
    workdir: Path
    width: int = 16
    recipe: Recipe = RECIPE

    def rows(self, seed: int) -> pd.DataFrame:
        """A row a way, as :func:`updates` has it; kept when they have been made."""
        parts = (self.data.train.digest, self.data.search.digest, self.data.test.digest)
        path = self.workdir / f"{seed}-{digest(*parts, str(self.width), str(self.recipe))}.csv"
        if not path.is_file():
            write_table(self._run(seed), path)
        return pd.read_csv(path)

    def _run(self, seed: int) -> pd.DataFrame:
        train, first = self.data.train, 100 * seed
        recipes = [replace(self.recipe, seed=first + k) for k in range(MEMBERS + 1)]
        part = train.take(len(train) // FEWER)
        old = self._fit(self._fresh(first), f"{seed}-old", recipes[0], images=part)
        news = [
            self._fit(self._fresh(first + k), f"{seed}-new{k}", recipes[k]) for k in range(1, MEMBERS + 1)
        ]
        networks = self._trained(seed, old, news)
        said = {name: self._answers(network) for name, (network, _) in networks.items()}
        before, members = self._answers(old), [self._answers(network) for network in news]
        warm, after = networks["started from the old"][0], members[0]
        mixes = {share: self._answers(mix_weights(old, warm, share, train)) for share in SHARES}
        rows = [
            *((name, None, said[name]["test"].argmax(1), cost, 1.0) for name, (_, cost) in networks.items()),
            (*self._set("mixed weights", SHARES, lambda s, part: mixes[s][part].argmax(1), before), 1.0, 1.0),
            ("several new", None, _mean([m["test"] for m in members]).argmax(1), MEMBERS, MEMBERS),
            (
                *self._set("old and new", STEPS, lambda w, part: _blend(before, after, w, part), before),
                1.0,
                2.0,
            ),
            self._guarded(before, after),
            self._surer(before, after),
        ]
        return pd.DataFrame(self._counted(before["test"].argmax(1), rows)).assign(seed=seed)

    def _trained(
        self, seed: int, old: nn.Module, news: list[nn.Module]
    ) -> dict[str, tuple[nn.Module, float]]:
        """Networks that are trained in some way, each with its cost in trainings of the new one."""
        whole, new, strong = replace(self.recipe, seed=100 * seed + 1), news[0], replace(FOCAL, weight=1.0)
        again = replace(whole, epochs=max(1, whole.epochs // 2), lr=whole.lr / 10)
        more = again.epochs / whole.epochs

        def focal(objective: Objective) -> dict:
            return {"loss": partial(focal_distillation, objective=objective), "teacher": old}

        fresh, inhibit = self._fresh(100 * seed + 1), {"loss": logit_difference_inhibition}
        found = {
            "new": (new, 1.0),
            "new, longer": (self._fit(new, f"{seed}-longer", again), 1 + more),
            "started from the old": (self._fit(old, f"{seed}-warm", whole), 1.0),
            "FD": (self._fit(fresh, f"{seed}-fd", whole, **focal(FOCAL)), 4 / 3),
            "FD, fine-tuned": (self._fit(new, f"{seed}-fd-again", again, **focal(FOCAL)), 1 + more * 4 / 3),
            "strong FD, fine-tuned": (
                self._fit(new, f"{seed}-fd-strong", again, **focal(strong)),
                1 + more * 4 / 3,
            ),
            "ELODI, fine-tuned": (
                self._fit(new, f"{seed}-elodi", again, teacher=Ensemble(news), **inhibit),
                MEMBERS + more * (3 + MEMBERS) / 3,
            ),
        }
        return found

    def _fresh(self, seed: int) -> nn.Module:
        channels = self.data.train.images.shape[1]
        return plain_network(
            self.width, channels, len(self.data.classes), self.data.mean, self.data.std, seed
        )

    def _fit(
        self,
        network: nn.Module,
        name: str,
        recipe: Recipe,
        *,
        images: ImageSet | None = None,
        loss=CROSS_ENTROPY,
        teacher: nn.Module | None = None,
    ) -> nn.Module:
        given = self.data.train if images is None else images
        return fit(network, given, recipe, loss, teacher=teacher, workdir=self.workdir / name)

    def _answers(self, network: nn.Module) -> Answers:
        parts = {"search": self.data.search, "test": self.data.test}
        return {name: probabilities(logits(network, part.images)) for name, part in parts.items()}

    def _set(
        self,
        way: str,
        settings: tuple[float, ...],
        answer: Callable[[float, str], np.ndarray],
        before: Answers,
    ) -> tuple[str, float, np.ndarray]:
        """A way with a setting, at what is chosen on the search pictures: way, setting, test classes."""
        labels = self.data.search.labels
        tried = {setting: answer(setting, "search") for setting in settings}
        floor = float(top1(tried[settings[0]], labels)) - ALLOWED
        setting = choose(tried, before["search"].argmax(1), labels, floor)
        return way, setting, answer(setting, "test")

    def _guarded(self, before: Answers, after: Answers) -> tuple:
        old = {part: found.argmax(1) for part, found in before.items()}
        way, t, classes = self._set("guard", STEPS, lambda t, part: guard(old[part], after[part], t), before)
        return way, t, classes, 1.0, 1 + float((after["test"].max(1) < t).mean())

    def _surer(self, before: Answers, after: Answers) -> tuple:
        found = self._set("surer", HANDICAPS, lambda h, part: surer(before[part], after[part], h), before)
        return *found, 1.0, 2.0

    def _counted(self, old: np.ndarray, rows: list[tuple]) -> Iterator[dict]:
        labels = self.data.test.labels
        for way, setting, classes, trainings, passes in rows:
            counts = flip_counts(old, classes, labels)
            yield {
                "way": way,
                "setting": setting,
                "old_top1_pct": 100 * counts.reference_top1,
                "top1_pct": 100 * top1(classes, labels),
                "nfr_pct": 100 * counts.nfr,
                "churn_pct": 100 * float((old != classes).mean()),
                "trainings": round(float(trainings), 3),
                "passes": round(float(passes), 3),
            }


def _mean(several: list[np.ndarray]) -> np.ndarray:
    return np.mean(several, axis=0)


def _blend(before: Answers, after: Answers, share: float, part: str) -> np.ndarray:
    """Classes by the mean of both networks' probabilities, the old one's weighted by a share."""
    return (share * before[part] + (1 - share) * after[part]).argmax(1)


def updates(data: Dataset, workdir: str | Path, *, seeds: int = 3, **options) -> tuple[pd.DataFrame, dict]:
    """Table of all seeds, and what it was made with.

    Args:
        data: pictures of 32 pixels.
        workdir: where trainings are kept; a killed study goes on there.
        seeds: updates, each with networks of its own.
        **options: ``width`` and ``recipe`` of a :class:`Study`.

    Returns:
        A row a seed and way: setting, old_top1_pct, top1_pct, nfr_pct, churn_pct; ``trainings``, the compute
        of training beyond the old network, in trainings of the plain new one (a teacher's pass is a third of
        a step); ``passes``, that of an answer, in runs of one network.
    """
    study = Study(data, Path(workdir), **options)
    table = pd.concat([study.rows(seed) for seed in range(seeds)], ignore_index=True)
    columns = ["seed", *(name for name in table if name != "seed")]
    about = {
        "data": data.name,
        "pictures": {"train": len(data.train), "search": len(data.search), "test": len(data.test)},
        "fewer": FEWER,
        "width": study.width,
        "recipe": {k: v for k, v in asdict(study.recipe).items() if k not in ("random_nets", "seed")},
        "seeds": seeds,
    }
    return table[columns], about
