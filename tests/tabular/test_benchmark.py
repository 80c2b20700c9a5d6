"""benchmark: rates are those of the arrays, optima those of enumeration, look-ups are counted."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from tables import IMAGES, contents, table

import regnas_core as rc
from regnas_core.errors import DataError, GeneError, InfeasibleError, RegnasError
from regnas_core.tabular import trainings
from regnas_core.tabular.format import write

TABLES = {name: table(name) for name in ("mini", "mini-resnet")}
each = pytest.mark.parametrize("name", TABLES)


# ── rates ────────────────────────────────────────────────────────────────────────────────────────
@each
@pytest.mark.parametrize("split", IMAGES)
def test_rates_are_those_of_the_bits(name, split):
    t = TABLES[name]
    right = t.right(split)
    assert (
        right.dtype == bool
        and right.shape == (len(t), IMAGES[split])
        and len(t.labels(split)) == IMAGES[split]
    )
    np.testing.assert_array_equal(t.top1(split), right.mean(1))
    for row in (0, 7, len(t) - 1):
        np.testing.assert_array_equal(t.nfr(t.archs[row], split), (right[row] & ~right).mean(1))
    some = t.archs[3:9]
    np.testing.assert_array_equal(t.right(split, some), right[3:9])
    classes = np.where(right[3:9], 0, 1)  # as predictions of images that are all of class 0
    for directed in (False, True):
        expected = rc.nfr_matrix(classes, np.zeros(IMAGES[split], int), directed=directed)
        np.testing.assert_allclose(t.nfr_matrix(some, split, directed=directed), expected)


@each
def test_networks_are_the_spaces(name):
    t = TABLES[name]
    assert t.archs == list(t.space.all()) and len(t) == t.space.size()
    assert t.macs.tolist() == [t.space.macs(arch) for arch in t.archs]
    assert t.params.tolist() == [t.space.params(arch) for arch in t.archs]
    assert t.row(t.archs[5]) == t.row(t.space.untie(t.archs[5])) == 5
    with pytest.raises(GeneError, match="no network of this table"):
        t.row(rc.get_space("mini-cifar10").smallest)


def test_a_split_that_is_none_is_refused():
    for ask in (TABLES["mini"].top1, TABLES["mini"].labels, TABLES["mini"].right):
        with pytest.raises(DataError, match="search and test"):
            ask("validation")


# ── searching ────────────────────────────────────────────────────────────────────────────────────
def enumerated(t, reward, reference, low, high, cas):
    """The optimum by a plain loop over bits."""
    top1_weight, nfr_weight = {"R0": (1, 0), "R1": (0, 1), "R2": (1, 1)}.get(reward, reward)
    right, own = t.right("search"), None if reference is None else t.right("search", [reference])[0]
    found = []
    for arch, row, macs in zip(t.archs, right, t.macs, strict=True):
        if arch == reference or not low <= macs <= high or (cas and not t.space.contains(arch, reference)):
            continue
        flips = 0 if own is None else sum(a and not b for a, b in zip(own, row, strict=True))
        found.append((-(top1_weight * row.sum() - nfr_weight * flips), macs, arch))
    return min(found, key=lambda item: item[:2])[2]


@each
@pytest.mark.parametrize("reward", ["R0", "R1", "R2", (1.0, 2.0)])
@pytest.mark.parametrize("cas", [False, True])
def test_the_optimum_is_that_of_enumeration(name, reward, cas):
    t = TABLES[name]
    reference = t.archs[2]
    low, high = np.quantile(t.macs, [0.2, 0.95])
    found = t.best(reward, reference, min_cost=low, max_cost=high, containing=reference if cas else None)
    assert found == enumerated(t, reward, reference, low, high, cas)


@each
def test_who_contains_a_reference_is_what_the_space_says(name):
    t = TABLES[name]
    for row in (0, 6, 20):
        expected = [t.space.contains(arch, t.archs[row]) for arch in t.archs]
        assert t.containing(t.archs[row]).tolist() == expected


@each
def test_evolution_finds_the_optimum_of_a_small_space_and_its_look_ups_are_counted(name):
    t = TABLES[name]
    reference = t.best("R0", max_cost=float(np.quantile(t.macs, 0.3)))
    limits = {"max_cost": float(np.quantile(t.macs, 0.9))}
    score = t.score("R2", reference=reference)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a ResNet-style space, that it ended early
        found = rc.evolve(t.space, score, reference=reference, population=40, **limits)
    assert found.stopped  # all of the space was seen
    assert found.best == t.best("R2", reference, containing=reference, **limits)
    assert score.looked_up == len(found.log)
    rewards = t.rewards("R2", reference)
    assert found.log["score"].tolist() == [rewards[t.row(arch)] for arch in found.archs]


def test_look_ups_over_the_limit_are_refused():
    t = TABLES["mini"]
    score = t.score("R0", limit=10)
    assert len(list(score(t.archs[:6]))) == 6
    with pytest.raises(RegnasError, match="limit is 10"):
        score(t.archs[:5])
    assert score.looked_up == 6


def test_a_reward_with_flips_needs_a_reference():
    with pytest.raises(RegnasError, match="give one"):
        TABLES["mini"].score("R2")


def test_limits_that_no_network_keeps_are_told():
    t = TABLES["mini"]
    with pytest.raises(InfeasibleError, match="contains the reference"):
        t.best("R0", max_cost=1, containing=t.archs[0])


# ── files ────────────────────────────────────────────────────────────────────────────────────────
def test_a_table_is_loaded_by_its_path(tmp_path):
    path = write(tmp_path / "mine.npz", contents())
    loaded = rc.load_tabular(path)
    np.testing.assert_array_equal(
        loaded.nfr(loaded.archs[4], "test"), TABLES["mini"].nfr(loaded.archs[4], "test")
    )
    assert loaded.info == {"preset": "toy"}


def test_a_table_that_is_not_there_says_which_are():
    with pytest.raises(DataError, match=r"nothing-7\.npz.*regnas tabulate"):
        rc.load_tabular("nothing", training=7)


def test_trainings_are_of_this_name_alone(tmp_path):
    assert trainings("cifar10")[:3] == [0, 1, 2] and trainings("cifar10-resnet")[0] == 0
    for other in ("cifar", "cifar10-", str(tmp_path / "preset.yaml"), "demo+seed=[0]", "*"):
        assert trainings(other) == []


def test_tables_need_no_torch(tmp_path):
    path = write(tmp_path / "mine.npz", contents())
    code = (
        "import sys, regnas_core as rc\n"
        f"t = rc.load_tabular({str(path)!r})\n"
        "ref = t.best('R0', max_cost=float(t.macs.mean()))\n"
        "rc.evolve(t.space, t.score('R2', reference=ref), population=8, generations=2)\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("images", [1, 63, 64, 65, 90])
def test_images_can_be_taken_in_any_order(images):
    whole, rng = table(), np.random.default_rng(images)
    sizes = {split: len(whole.labels(split)) for split in ("search", "test")}
    places = {split: rng.choice(size, min(images, size), replace=False) for split, size in sizes.items()}
    part, reference = whole.take(places), whole.archs[3]
    for split, own in places.items():
        right = whole.right(split)[:, own]
        assert np.array_equal(part.right(split), right)
        assert np.array_equal(part.labels(split), whole.labels(split)[own])
        assert np.array_equal(part.top1(split), right.mean(1))
        assert np.array_equal(part.nfr(reference, split), (right[3] & ~right).mean(1))


def test_the_share_of_networks_that_get_an_image_right():
    whole = table()
    for split in ("search", "test"):
        np.testing.assert_allclose(whole.image_top1(split), whole.right(split).mean(0), atol=1e-12)
