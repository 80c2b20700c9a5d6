"""A race drops candidates, and with the exact bound alone never changes a search."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import pytest

from regnas_core import evolve, get_space
from regnas_core.search.racing import Race

SPACE, IMAGES = get_space("mini"), 400


def table(seed: int, spread: float) -> dict:
    """Right answers of any architecture: better where its genes are larger, paired over images."""
    rng = np.random.default_rng(seed)
    return {"hard": rng.random(IMAGES), "worth": rng.random(len(SPACE.genes)), "spread": spread}


def right(known: dict, archs) -> np.ndarray:
    rows = []
    for arch in archs:
        values = [0 if v is None else v for v in SPACE.values(arch)]
        top = [gene.choices[-1] for gene in SPACE.genes]
        skill = np.average(np.divide(values, top), weights=known["worth"])
        noise = np.random.default_rng(crc32(str(arch).encode())).random(IMAGES)
        rows.append(known["hard"] * 0.8 + 0.2 * noise < 0.3 + known["spread"] * skill)
    return np.array(rows)


def searched(known: dict, **options):
    race = Race(
        lambda archs, part: right(known, archs)[:, part].astype(float), IMAGES, 4, 0.0, 1.0, **options
    )
    found = evolve(SPACE, race, seed=1, max_cost=2.6e6, generations=6, population=16)
    return found, race


def plain(known: dict):
    return evolve(
        SPACE, lambda archs: right(known, archs).mean(1), seed=1, max_cost=2.6e6, generations=6, population=16
    )


@pytest.mark.parametrize("seed", range(10))
def test_the_exact_bound_changes_nothing_but_the_scores_of_the_dropped(seed):
    known = table(seed, 0.9)
    expected, (found, race) = plain(known), searched(known)
    assert found.log["arch"].tolist() == expected.log["arch"].tolist() and found.best == expected.best
    assert (found.log["score"] <= expected.log["score"].max()).all()
    assert race.work["without"] == len(found.log) * IMAGES
    assert race.work["predicted"] <= race.work["without"]


def test_clear_losers_leave_early():
    gains = np.repeat([1.0, 0.0], [4, 12])[:, np.newaxis].repeat(IMAGES, 1)
    calls = []

    def gain(archs, part):
        calls.append(len(archs))
        return gains[archs, part]

    race = Race(gain, IMAGES, 4, 0.0, 1.0, blocks=(0.25, 0.6, 0.8))
    scores = race(list(range(16)))
    assert calls == [16, 16, 4, 4]  # after 60 % of the images, the others cannot catch up
    assert scores[:4].tolist() == [1] * 4 and (scores[4:] == 0).all()
    assert race.work == {"predicted": 4 * IMAGES + 12 * 240, "without": 16 * IMAGES}


@pytest.mark.slow
def test_the_confidence_bound_saves_work_and_seldom_matters():
    same, saved = 0, []
    for seed in range(10):
        known = table(seed, 0.9)
        found, race = searched(known, level=0.001)
        same += found.best == plain(known).best
        saved.append(1 - race.work["predicted"] / race.work["without"])
    assert same >= 8 and np.mean(saved) > 0.15


def test_nobody_leaves_a_generation_that_is_all_parents():
    race = Race(lambda archs, part: np.zeros((len(archs), part.stop - part.start)), IMAGES, 8, level=0.05)
    assert race(list(range(5))).tolist() == [0] * 5
    assert race.work["predicted"] == 5 * IMAGES
