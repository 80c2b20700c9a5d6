"""training: small networks learn, go on where they were killed, follow a teacher, and can be mixed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from regnas_core.data import ImageSet
from regnas_core.errors import CheckpointError
from regnas_core.supernets import Objective, Recipe, focal_distillation
from regnas_core.updates import (
    Ensemble,
    fit,
    logit_difference_inhibition,
    logits,
    mix_weights,
    plain_network,
)

RECIPE = Recipe(epochs=4, batch_size=32, lr=0.1, shift=1, flip=False)


@pytest.fixture(scope="module")
def images() -> ImageSet:
    """A class is a corner that is bright, under noise."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 256)
    pictures = rng.integers(0, 120, (256, 1, 32, 32))
    for picture, label in zip(pictures, labels, strict=True):
        picture[0, 16 * (label // 2) :, 16 * (label % 2) :][:16, :16] += 90
    return ImageSet(pictures.astype(np.uint8), labels, ("a", "b", "c", "d"), "corners/train")


@pytest.fixture(scope="module")
def fresh() -> torch.nn.Module:
    return plain_network(4, 1, 4, (0.3,), (0.2,), seed=3)


@pytest.fixture(scope="module")
def trained(fresh, images, tmp_path_factory) -> torch.nn.Module:
    return fit(fresh, images, RECIPE, workdir=tmp_path_factory.mktemp("trained"))


def right(network, images) -> float:
    return float((logits(network, images.images).argmax(1) == images.labels).mean())


def test_a_network_learns_and_the_one_it_began_from_stays(fresh, trained, images):
    assert right(trained, images) > 0.9 > 0.6 > right(fresh, images)
    assert not trained.training
    again = plain_network(4, 1, 4, (0.3,), (0.2,), seed=3)
    np.testing.assert_array_equal(logits(again, images.images[:8]), logits(fresh, images.images[:8]))


def test_a_killed_training_goes_on_and_is_the_same(fresh, trained, images, tmp_path):
    calls = 0

    def killed(*given):
        nonlocal calls
        calls += 1
        if calls > 20:  # in the third epoch
            raise KeyboardInterrupt
        return focal_distillation(*given, objective=Objective("CE"))

    with pytest.raises(KeyboardInterrupt):
        fit(fresh, images, RECIPE, killed, workdir=tmp_path)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3  # a head and two epochs
    calls = -1000
    found = fit(fresh, images, RECIPE, killed, workdir=tmp_path)
    np.testing.assert_array_equal(logits(found, images.images), logits(trained, images.images))


def test_another_run_in_the_same_folder_is_refused(fresh, trained, images, tmp_path):
    recipe = replace(RECIPE, epochs=1)
    fit(fresh, images, recipe, workdir=tmp_path)
    focal = partial(focal_distillation, objective=Objective("FD-KL", weight=0.2))
    with pytest.raises(CheckpointError, match="loss, teacher differ"):
        fit(fresh, images, recipe, focal, teacher=trained, workdir=tmp_path)


def test_a_student_comes_close_to_its_teacher(fresh, trained, images, tmp_path):
    inhibit = partial(logit_difference_inhibition, weight=1.0)
    student = fit(fresh, images, RECIPE, inhibit, teacher=Ensemble([trained]), workdir=tmp_path)
    told, start, end = (logits(n, images.images) for n in (trained, fresh, student))
    others = np.arange(4) != images.labels[:, None]
    assert np.abs(end - told)[others].mean() < 0.5 * np.abs(start - told)[others].mean()


def test_mixed_weights_lie_between(fresh, trained, images):
    ends = [mix_weights(fresh, trained, share, images) for share in (0.0, 1.0)]
    np.testing.assert_allclose(logits(ends[0], images.images), logits(trained, images.images), atol=1e-4)
    for mixed, old in zip(ends[1].parameters(), fresh.parameters(), strict=True):
        assert torch.equal(mixed, old)
    half = mix_weights(fresh, trained, 0.5, images)
    weight, old, new = (next(n.parameters()) for n in (half, fresh, trained))
    torch.testing.assert_close(weight, (old + new) / 2)


def test_an_ensemble_is_the_mean_of_logits(fresh, trained, images):
    both = logits(Ensemble([fresh, trained]), images.images[:20])
    parts = [logits(network, images.images[:20]) for network in (fresh, trained)]
    np.testing.assert_allclose(both, np.mean(parts, axis=0), atol=1e-6)
