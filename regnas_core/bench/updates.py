"""What ways of breaking less cost and bring, for an update of one network by one of more pictures.

The old network knows a third of the training pictures, the new one all. What has a setting (a guard's
threshold, a share of weights) takes it from the search pictures: what flips least and is as accurate there as
without it. All numbers are of the test pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..data.datasets import Dataset, ImageSet
from ..flips import flip_counts, top1
from ..supernets.training import Recipe
from ..updates.answers import choose, guard, probabilities
from ..updates.losses import cross_entropy, focal_distillation_loss, logit_difference_inhibition
from ..updates.training import Ensemble, fit, logits, mix_weights, plain_network

FEWER = 3  # the old network knows one of so many training pictures
MEMBERS = 3  # of an ensemble
SHARES = tuple(round(0.1 * k, 1) for k in range(11))
THRESHOLDS = tuple(round(0.02 * k, 2) for k in range(51))
RECIPE = Recipe(epochs=8, batch_size=128, lr=0.2, weight_decay=5e-4)


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

    @property
    def again(self) -> Recipe:
        """Of fine-tuning."""
        return replace(self.recipe, epochs=max(1, self.recipe.epochs // 2), lr=self.recipe.lr / 10)

    def run(self, seed: int) -> pd.DataFrame:
        """A row a way: way, setting, top1_pct, nfr_pct, churn_pct, trainings, passes; and old_top1_pct."""
        train = self.data.train
        first = 100 * seed
        old = self._fit(self._fresh(first), train.take(len(train) // FEWER), self.recipe, f"{seed}-old")
        news = [
            self._fit(self._fresh(first + k), train, self.recipe, f"{seed}-new{k}")
            for k in range(1, MEMBERS + 1)
        ]
        new, again = news[0], self.again
        focal, inhibit = focal_distillation_loss, logit_difference_inhibition
        whole = Ensemble(news)
        more = again.epochs / self.recipe.epochs  # of a training
        networks = {
            "new, plainly": (new, 1.0),
            "new, trained longer": (self._fit(new, train, again, f"{seed}-longer"), 1 + more),
            "focal distillation": (
                self._fit(self._fresh(first + 1), train, self.recipe, f"{seed}-fd", focal, old),
                4 / 3,
            ),
            "focal distillation, fine-tuned": (
                self._fit(new, train, again, f"{seed}-fd-again", focal, old),
                1 + more * 4 / 3,
            ),
            "ELODI, fine-tuned": (
                self._fit(new, train, again, f"{seed}-elodi", inhibit, whole),
                MEMBERS + more * (3 + MEMBERS) / 3,
            ),
            "fine-tuned from the old": (self._fit(old, train, again, f"{seed}-warm"), more),
        }
        said = {name: self._answers(network) for name, (network, _) in networks.items()}
        before, members = self._answers(old), [self._answers(network) for network in news]
        rows = [
            *((name, None, said[name]["test"].argmax(1), cost, 1.0) for name, (_, cost) in networks.items()),
            self._mixed(old, networks["fine-tuned from the old"][0], before, more),
            (f"ensemble of {MEMBERS} new", None, _mean(members, "test").argmax(1), MEMBERS, MEMBERS),
            ("ensemble of old and new", None, _mean([before, members[0]], "test").argmax(1), 1.0, 2.0),
            self._guarded(before, members[0]),
        ]
        return pd.DataFrame(self._counted(before["test"].argmax(1), rows)).assign(seed=seed)

    def _fresh(self, seed: int):
        shape = self.data.train.images.shape
        return plain_network(
            self.width, shape[1], len(self.data.classes), self.data.mean, self.data.std, seed
        )

    def _fit(self, network, images: ImageSet, recipe: Recipe, name: str, loss=cross_entropy, teacher=None):
        return fit(network, images, recipe, loss, teacher=teacher, workdir=self.workdir / name)

    def _answers(self, network) -> dict[str, np.ndarray]:
        parts = {"search": self.data.search, "test": self.data.test}
        return {name: logits(network, part.images) for name, part in parts.items()}

    def _mixed(self, old, warm, before: dict[str, np.ndarray], cost: float) -> tuple:
        mixed = {share: self._answers(mix_weights(old, warm, share, self.data.train)) for share in SHARES}
        tried = {share: found["search"].argmax(1) for share, found in mixed.items()}
        share = self._chosen(tried, before)
        return "mixed weights", share, mixed[share]["test"].argmax(1), cost, 1.0

    def _guarded(self, before: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> tuple:
        old = {part: found.argmax(1) for part, found in before.items()}
        sure = {part: probabilities(found) for part, found in new.items()}
        tried = {t: guard(old["search"], sure["search"], t) for t in THRESHOLDS}
        t = self._chosen(tried, before)
        asked = float((sure["test"].max(1) < t).mean())
        return "guard", t, guard(old["test"], sure["test"], t), 1.0, 1 + asked

    def _chosen(self, tried: dict[float, np.ndarray], before: dict[str, np.ndarray]) -> float:
        """The setting that flips least on the search pictures and is as accurate as setting 0, without it."""
        labels = self.data.search.labels
        return choose(tried, before["search"].argmax(1), labels, float(top1(tried[0.0], labels)))

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


def _mean(answers: list[dict[str, np.ndarray]], part: str) -> np.ndarray:
    """Mean probabilities."""
    return np.mean([probabilities(found[part]) for found in answers], axis=0)


def updates(data: Dataset, workdir: str | Path, *, seeds: int = 3, **options) -> tuple[pd.DataFrame, dict]:
    """Table of all seeds, and what it was made with.

    Args:
        data: pictures of 32 pixels.
        workdir: where trainings are kept; a killed study goes on there.
        seeds: updates, each with networks of its own.
        **options: ``width`` and ``recipe`` of a :class:`Study`.

    Returns:
        The rows of :meth:`Study.run`, with seed. ``trainings`` is the compute of training, in trainings of
        the plain new network (a teacher's pass is a third of a step); ``passes`` that of an answer, in runs of
        one network.
    """
    study = Study(data, Path(workdir), **options)
    table = pd.concat([study.run(seed) for seed in range(seeds)], ignore_index=True)
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
