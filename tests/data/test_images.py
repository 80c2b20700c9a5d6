"""images: what identifies many pictures is computed once, and never taken for that of others."""

from __future__ import annotations

import os

import numpy as np
import pytest

from regnas_core.data import images
from regnas_core.data.images import ImageSet


@pytest.fixture
def mapped(tmp_path, monkeypatch):
    """``mapped()``: 40 pictures, of which a file holds the pixels, opened anew; any number are many."""
    monkeypatch.setattr(images, "LARGE", 1)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 3, 4, 4), np.uint8)
    np.save(tmp_path / "pictures.npy", pixels)
    labels = np.arange(40) % 4

    def opened() -> ImageSet:
        return ImageSet(np.load(tmp_path / "pictures.npy", mmap_mode="c"), labels, tuple("abcd"), "x/train")

    return opened


@pytest.fixture
def in_memory(mapped) -> ImageSet:
    whole = mapped()
    return ImageSet(np.array(whole.images), whole.labels, whole.classes, whole.name)


@pytest.fixture
def computed(monkeypatch) -> list:
    """What is computed of pictures, each time that it is."""
    seen, own = [], {name: getattr(images, name) for name in ("digest", "fingerprints")}

    def noted(name: str):
        def run(*parts):
            if name == "fingerprints" or len(parts) > 2:
                seen.append(name)
            return own[name](*parts)

        return run

    for name in own:
        monkeypatch.setattr(images, name, noted(name))
    return seen


def test_digests_and_fingerprints_are_computed_once_for_a_file(mapped, in_memory, computed, tmp_path):
    for _ in range(2):
        assert mapped().digest == in_memory.digest
        np.testing.assert_array_equal(mapped().fingerprints, in_memory.fingerprints)
    assert sorted(computed) == ["digest"] * 2 + ["fingerprints"] * 2  # of the file, and in memory
    pixels = np.load(tmp_path / "pictures.npy")
    pixels[3] ^= 1
    np.save(tmp_path / "pictures.npy", pixels)
    os.utime(tmp_path / "pictures.npy", ns=(1, 1))
    assert mapped().digest != in_memory.digest
    assert (mapped().fingerprints != in_memory.fingerprints).sum() == 1


def test_parts_and_labels_are_told_apart(mapped, in_memory):
    whole = mapped()
    reversed_labels = ImageSet(whole.images, whole.labels[::-1], whole.classes, whole.name)
    parts = [
        whole,
        whole.take(20),
        ImageSet(whole.images[20:], whole.labels[20:], whole.classes, "x/b"),
        reversed_labels,
    ]
    assert len({part.digest for part in parts}) == 4
    assert whole.take(20).digest == in_memory.take(20).digest
    some = np.array([3, 30, 7])
    assert whole.take(some).digest == in_memory.take(some).digest


@pytest.mark.parametrize("gone", [[], [39], [0, 5, 38, 39], list(range(1, 40))])
def test_many_pictures_are_left_out_without_a_copy(mapped, in_memory, gone, tmp_path):
    unwanted = np.isin(np.arange(40), gone)
    expected, found = in_memory.without(unwanted), mapped().without(unwanted)
    assert np.may_share_memory(found.images, found.images.base) and len(found) == 40 - len(gone)
    assert sorted(found.fingerprints) == sorted(expected.fingerprints)
    by_print = dict(zip(in_memory.fingerprints.tolist(), in_memory.labels.tolist(), strict=True))
    assert [by_print[one] for one in found.fingerprints.tolist()] == found.labels.tolist()
    again = ImageSet(np.array(found.images), found.labels, found.classes, found.name)
    assert found.digest == again.digest == mapped().without(unwanted).digest
    assert mapped().digest == in_memory.digest  # the file is as it was


def test_other_pictures_left_out_are_another_set(mapped):
    marks = [np.isin(np.arange(40), gone) for gone in ([0], [4])]  # of one class
    assert len({mapped().without(unwanted).digest for unwanted in marks}) == 2
