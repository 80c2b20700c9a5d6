"""Glyphs: the same bytes on every machine, readable, in the style that is asked for."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from regnas_core.data import datasets as data
from regnas_core.data import glyphs
from regnas_core.data.glyphs import CLASSES, FONTS, GlyphStyle
from regnas_core.data.splits import read_split
from regnas_core.errors import DataError

FIRST_2000 = "74088af8ff7f9b7d700b74ebfb4f8bbcc4e25b6f8a120b5c775bbd6a7aca01b2"  # sha256
PLAIN = GlyphStyle(
    rotation_deg=0,
    scale_pct=(100, 100),
    shear_pct=0,
    shift_px=0,
    paper=(0, 0),
    contrast=(255, 255),
    clutter=0,
    bars=0,
    noise=0,
)


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """A data root in which the whole glyph set is drawn once."""
    folder = tmp_path_factory.mktemp("glyphs")
    data.load_dataset("glyphs", root=folder)
    return folder


def draw(n: int = 40, seed: int = 0, style: GlyphStyle | None = None) -> np.ndarray:
    return glyphs.draw_glyphs(np.arange(n) % len(CLASSES), np.random.default_rng(seed), style)


def test_first_pictures_are_pinned():
    images, labels = glyphs.draw_pool(2000)
    assert hashlib.sha256(images).hexdigest() == FIRST_2000
    assert images.shape == (2000, 1, 32, 32) and images.dtype == np.uint8 and labels.dtype == np.int64
    assert (labels == np.arange(2000) % 20).all()
    np.testing.assert_array_equal(
        glyphs.draw_pool(30)[0], images[:30]
    )  # a smaller pool is the start of a larger


@pytest.mark.slow
def test_whole_set_is_as_recorded(root):
    dataset = data.load_dataset("glyphs", root=root)  # would raise if its checksum were another
    sizes = {name: len(getattr(dataset, name)) for name in ("train", "calibration", "search", "test")}
    assert sizes == {"train": 50_000, "calibration": 1_024, "search": 10_000, "test": 20_000}
    pictures = np.concatenate([getattr(dataset, name).images.reshape(-1, 1024) for name in sizes])
    assert len({hashlib.md5(row).digest() for row in pictures}) == len(pictures)  # no picture twice
    for name in sizes:
        part = getattr(dataset, name)
        assert (
            np.ptp(np.bincount(part.labels)) <= 1
            and part.classes == CLASSES
            and part.name == f"glyphs/{name}"
        )
    train = dataset.train.images
    assert train.mean() / 255 == pytest.approx(dataset.mean[0], abs=1e-4)
    assert train[:5000].std() / 255 == pytest.approx(dataset.std[0], abs=2e-3)
    assert hashlib.sha256(train[:2000]).hexdigest() == FIRST_2000


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["flip a pixel", "truncate", "not an array"])
def test_damaged_cache_is_drawn_again(root, tmp_path, monkeypatch, damage):
    cached = next(root.rglob("glyphs.npy"))
    content = bytearray(cached.read_bytes())
    if damage == "flip a pixel":
        content[5000] ^= 255
    broken = tmp_path / "cache" / "glyphs.npy"
    broken.parent.mkdir()
    broken.write_bytes({"truncate": content[:70_000], "not an array": b"nothing"}.get(damage, content))
    whole = np.load(cached)
    monkeypatch.setattr(glyphs, "draw_pool", lambda: (whole, None))
    dataset = data.load_dataset("glyphs", root=tmp_path)
    assert hashlib.sha256(dataset.train.images[:2000]).hexdigest() == FIRST_2000
    assert [path.name for path in broken.parent.iterdir()] == ["glyphs.npy"]
    assert hashlib.sha256(np.load(broken)).hexdigest() == read_split("glyphs").info["pixels_sha256"]


def test_other_pictures_than_recorded_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(glyphs, "draw_pool", lambda: (np.zeros((81_024, 1, 32, 32), np.uint8), None))
    with pytest.raises(DataError, match="differ from the recorded ones"):
        data.load_dataset("glyphs", root=tmp_path)
    assert not list(tmp_path.rglob("*.npy"))


def test_atlas_has_a_character_in_every_tile():
    atlas = glyphs.load_atlas()
    assert atlas.shape == (len(FONTS), len(CLASSES), 32, 32) and atlas.dtype == np.uint8
    ink = (atlas > 127).sum((2, 3))
    assert ink.min() > 40 and ink.max() < 500
    assert atlas.max() == 255
    margin = atlas.copy()
    margin[..., 2:-2, 2:-2] = 0
    assert not margin.any()  # what lies outside a tile is taken for empty


def test_atlas_can_be_rendered_again():
    sheet = glyphs.render_atlas()
    tiles = sheet.reshape(len(FONTS), 32, len(CLASSES), 32).swapaxes(1, 2)
    assert (
        abs(tiles.astype(int) - glyphs.load_atlas()).mean() < 5
    )  # FreeType versions smooth edges differently


def test_plain_style_shows_the_atlas():
    images = draw(200, style=PLAIN).astype(int)
    tiles = glyphs.load_atlas().astype(int)
    for image, label in zip(images, np.arange(200) % 20, strict=True):
        assert abs(tiles[:, label] - image).max((1, 2)).min() <= 2  # some typeface's tile of this class


def test_polarity_is_fixed():
    images = draw(400, style=replace(GlyphStyle(), clutter=0, bars=0, noise=0))
    darkest, brightest = images.min((1, 2, 3)), images.max((1, 2, 3))
    assert darkest.max() <= GlyphStyle().paper[1]
    assert (brightest.astype(int) - darkest).min() > GlyphStyle().contrast[0] // 2
    assert (np.median(images, (1, 2, 3)) == darkest).mean() > 0.9  # most of a picture is background


@pytest.mark.parametrize(
    "change",
    [
        {"rotation_deg": 30},
        {"scale_pct": (60, 80)},
        {"shear_pct": 30},
        {"shift_px": 4},
        {"paper": (20, 40), "contrast": (200, 200)},
        {"contrast": (60, 120)},
        {"clutter": 1},
        {"bars": 1, "bar_px": (2, 4)},
        {"noise": 20},
    ],
)
def test_every_knob_changes_pictures(change):
    assert (draw(style=replace(PLAIN, **change)) != draw(style=PLAIN)).any()


def test_seed_and_labels_decide_everything():
    np.testing.assert_array_equal(draw(seed=3), draw(seed=3))
    assert (draw(seed=3) != draw(seed=4)).any()
