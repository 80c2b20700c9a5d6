"""controls: pairs of equal Top-1, and what each step between them takes away."""

from __future__ import annotations

from types import SimpleNamespace as Plain

import numpy as np
import pytest

from regnas_core.errors import PresetError
from regnas_core.experiments import Controls, Repetition, controls

NETWORKS, IMAGES = 600, 4000


class Stub(Plain):
    """A plain namespace that can be a key."""

    __hash__ = object.__hash__


def bench(trainings: int = 3, *, tables: bool = True) -> Stub:
    """Super-networks of which it is known what their networks share: images are right by one threshold each,
    of a difficulty that is half everybody's and half a training's own."""
    labels = np.zeros(IMAGES, int)
    common = np.random.default_rng(9).normal(size=IMAGES)
    top = Stub(preset=Stub(seed=0, seeds=1, networks=Stub(trainings=None)))
    top.trainings = []
    for k in range(trainings):
        own = np.random.default_rng(k).normal(size=IMAGES)
        skill = np.linspace(-0.5, 1.5, NETWORKS)[:, None]
        noise = 0.1 * np.random.default_rng([k, 1]).normal(size=(NETWORKS, IMAGES))
        right = skill + noise > (common + own) / np.sqrt(2)
        archs = [f"{k}-{i}" for i in range(NETWORKS)]
        table = Stub(
            archs=archs,
            top1=lambda split, right=right: right.mean(1),
            right=lambda split, archs, right=right: right[[int(a.split("-")[1]) for a in archs]],
        )
        images = lambda split: Stub(labels=labels)  # noqa: E731
        trained = Stub(table=table if tables else None, images=images, name="toy", preset=top.preset)
        top.trainings.append(trained)
    return top


@pytest.fixture
def found(monkeypatch) -> Controls:
    """Networks that are trained alone: independent ones have difficulties of their own, distilled ones share
    the teacher's with their partner but add noise."""
    top = bench()
    common = np.random.default_rng(9).normal(size=IMAGES)

    def predictions(trained, jobs):
        ((kind, size, k),) = jobs
        teacher = np.random.default_rng(k).normal(size=IMAGES)
        own = np.random.default_rng([k, size, 5]).normal(size=IMAGES)
        hard = {"independent": common + own, "distilled": common + (teacher + own) / np.sqrt(2)}[kind]
        return np.where(0.1 + 0.5 * size > hard / np.sqrt(2), 0, 1)[None]

    def jobs(kind):
        reps = [Repetition(trained, k, 0) for k, trained in enumerate(top.trainings)]
        return [{rep: (kind, size, rep.training) for rep in reps} for size in (0, 1)]

    top.preset.search = Stub(reference_mmacs=1, target_mmacs=2)
    monkeypatch.setattr(controls, "job_predictions", predictions)
    monkeypatch.setattr(controls, "independent_jobs", lambda *args: jobs("independent"))
    monkeypatch.setattr(controls, "distilled_jobs", lambda *args: jobs("distilled"))
    return Controls(top)


def test_pairs_are_equal_in_top1(found):
    assert set(found.pairs["kind"]) == {*controls.ALONE, *controls.TOGETHER}
    for _, group in found.pairs.groupby(["beside", "training", found.pairs["kind"].isin(controls.ALONE)]):
        assert len(group)
    for (beside, training), group in found.pairs.groupby(["beside", "training"]):
        if beside != "same network":
            rates = group[["small_top1_pct", "large_top1_pct"]]
            assert (rates.max() - rates.min() < 1).all(), (beside, training)


def test_one_network_trained_twice_stands_beside_sub_networks_of_either_training(found):
    twice = found.pairs[(found.pairs["beside"] == "same network") & (found.pairs["kind"] == "one training")]
    assert list(zip(twice["training"], twice["partner"], strict=True)) == [(0, 1), (0, 2), (1, 2)]
    assert (twice["pairs"] > controls.DRAWN).all()  # of two super-networks


def test_what_pairs_share_lowers_their_flips_in_that_order(found):
    kinds = found.kinds().set_index(["beside", "kind"])["nfr_pct"]
    beside = kinds["independent"]
    assert beside["one training"] < beside["two trainings"] <= beside["independent"] + 0.5
    assert kinds["distilled", "distilled"] < beside["independent"]
    assert kinds["distilled", "one training"] < kinds["distilled", "distilled"]


def test_steps_add_up(found):
    steps = found.steps().set_index("step")
    total = steps["nfr_fall_pct"]["a common teacher"] + steps["nfr_fall_pct"]["weights, recipe and order"]
    assert total == pytest.approx(steps["nfr_fall_pct"]["all together"], abs=1e-4)
    (claim,) = controls.control_claims(found)
    assert claim["value"] == pytest.approx(-steps["nfr_fall_pct"]["all together"]) and claim["inside"]
    assert claim["claim"] == controls.EQUAL_TOP1 and claim["trainings"] == 3
    assert (steps["trainings"] == 3).all() and (steps["nfr_fall_pct"] > 0).all()
    assert (steps["nfr_fall_low_pct"] < steps["nfr_fall_pct"]).all()


def test_pairs_of_trainings_make_one_value_each_with_the_mean_of_all_pairs():
    rng = np.random.default_rng(0)
    own = rng.normal(size=4)
    pairs = {(a, b): np.full(3, own[a] + own[b]) for a in range(4) for b in range(4) if a != b}
    found = controls.by_training(pairs)
    values = np.array([value[0] for value in found.values()])
    assert list(found) == [(k, 0) for k in range(4)]
    assert values.mean() == pytest.approx(2 * own.mean())
    assert values.std(ddof=1) == pytest.approx(2 * own.std(ddof=1))  # a pair has two of them
    two = {key: value for key, value in pairs.items() if max(key) < 2}
    assert list(controls.by_training(two)) == [(0, 0), (1, 0)]
    alone = {(k, k): np.ones(3) for k in range(4)}
    assert list(controls.by_training(alone)) == [(k, 0) for k in range(4)]


def test_sub_networks_are_brought_to_the_very_top1(found):
    """Flips grow with the distance from the target, which the pool of sub-networks does not hit."""
    flips = [found._matched((0, 0), 0.5, top1)[2].mean() for top1 in (0.640, 0.642, 0.644, 0.646)]
    assert np.all(np.diff(flips) < 0.001)


def test_controls_need_tables():
    with pytest.raises(PresetError, match="regnas tabulate"):
        Controls(bench(tables=False))
