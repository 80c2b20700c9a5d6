"""trees: a picture's pixels are torchvision's, and decoding goes on where it was killed."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from regnas_core.data import trees
from regnas_core.errors import DataError


def test_decoding_goes_on_where_it_was_killed(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "BLOCK", 4)
    listing = trees.list_tree(tree / "train")
    seen, decode_picture = [], trees.decode_picture

    def killed(path, *args):
        if len(seen) == 10:
            raise KeyboardInterrupt
        seen.append(path)
        return decode_picture(path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(trees, "decode_picture", killed)
        with pytest.raises(KeyboardInterrupt):
            trees.decode(listing, 8, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.npy"))
    done = json.loads(next((tmp_path / "cache").glob("*.progress")).read_text())[0]
    assert 0 < done < len(listing) and done % 4 == 0

    seen.clear()
    monkeypatch.setattr(
        trees, "decode_picture", lambda path, *args: seen.append(path) or decode_picture(path, *args)
    )
    images, kept = trees.decode(listing, 8, tmp_path / "cache")
    assert kept is listing and len(seen) == len(listing) - done
    assert images[:, 0, 0, 0].tolist() == [*range(20), *range(100, 110)]
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} <= {".npy", ".lock"}


def test_broken_pictures_are_left_out_and_named_after_a_kill_too(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "BLOCK", 4)
    (tree / "train" / "cat" / "0000.jpg").write_bytes(b"no picture")
    listing, decode_picture = trees.list_tree(tree / "train"), trees.decode_picture

    def killed(path, *args):
        if path.parent.name == "dog":
            raise KeyboardInterrupt
        return decode_picture(path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(trees, "decode_picture", killed)
        with pytest.raises(KeyboardInterrupt):
            trees.decode(listing, 8, tmp_path / "cache")
    for _ in range(2):  # from the cache, too
        with pytest.warns(UserWarning, match=r"1 of 31 pictures .* cat/0000\.jpg \(Unidentified.* left out"):
            images, kept = trees.decode(listing, 8, tmp_path / "cache")
        assert images[:, 0, 0, 0].tolist() == [*range(20), *range(100, 110)]
        assert isinstance(images, np.memmap) and kept.labels.tolist() == [0] * 20 + [1] * 10
        assert len(kept) == 30 and "cat/0000.jpg" not in kept.files


def test_a_truncated_cache_is_decoded_again(tree, tmp_path):
    listing = trees.list_tree(tree / "val")
    before = trees.decode(listing, 8, tmp_path)[0].copy()
    file = next(tmp_path.glob("*.npy"))
    os.truncate(file, 500)
    np.testing.assert_array_equal(trees.decode(listing, 8, tmp_path)[0], before)
    np.save(file, before[:, :, :4])
    np.testing.assert_array_equal(trees.decode(listing, 8, tmp_path)[0], before)


def test_sizes_of_many_files_are_asked_for_once(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "MANY", 20)
    monkeypatch.setattr(trees, "PROBED", 5)
    asked, own = [], trees._bytes

    def noted(path):
        asked.append(path)
        return own(path)

    monkeypatch.setattr(trees, "_bytes", noted)
    listing = trees.list_tree(tree / "train")
    counts = []
    for _ in range(2):
        trees.decode(listing, 8, tmp_path / "cache")
        counts.append(len(asked))
        asked.clear()
    assert counts == [30, 5]
    for file in listing.files:  # overwritten in place: the folders do not tell
        with (tree / "train" / file).open("ab") as picture:
            picture.write(b" ")
    trees.decode(listing, 8, tmp_path / "cache")
    assert len(asked) > 30 and len(list((tmp_path / "cache").glob("pictures-*.npy"))) == 2


def test_a_full_disk_is_noticed_beforehand(tree, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DataError, match=r"5 decoded pictures take .* Make room"):
        trees.decode(trees.list_tree(tree / "val"), 8, tmp_path)


def test_resize_and_crop(tmp_path):
    ramp = np.tile(np.arange(64, dtype=np.uint8)[None, :, None], (32, 1, 3))  # twice as wide as high
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    squeezed = trees.decode_picture(tmp_path / "ramp.png", 32)
    assert squeezed.shape == (3, 32, 32) and np.ptp(squeezed[0, 0].astype(int)) > 55
    cropped = trees.decode_picture(tmp_path / "ramp.png", 16, resize=32)
    np.testing.assert_array_equal(cropped[0], np.tile(np.arange(24, 40), (16, 1)))
    Image.fromarray(ramp[:, :32]).save(tmp_path / "square.png")
    np.testing.assert_array_equal(trees.decode_picture(tmp_path / "square.png", 32)[0], ramp[:, :32, 0])
    Image.fromarray(ramp[..., 0]).convert("P").save(tmp_path / "palette.gif")
    assert trees.decode_picture(tmp_path / "palette.gif", 8).shape == (3, 8, 8)


VIEWS = [(224, 256, "bilinear"), (160, 183, "bilinear"), (240, 255, "bicubic"), (33, 33, "bicubic")]


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_pixels_are_those_of_torchvision(tmp_path, view):
    from torchvision.datasets.folder import pil_loader
    from torchvision.transforms import CenterCrop, InterpolationMode, Resize

    size, resize, interpolation = view
    rng = np.random.default_rng(0)
    shapes = [(375, 500), (500, 333), (256, 256), (255, 257), (31, 307), (183, 91), (2, 3)]
    for i, shape in enumerate([*shapes, *rng.integers(20, 300, (8, 2))]):
        path, mode = tmp_path / f"{i}.JPEG", ("RGB", "L", "CMYK")[i % 3]
        noise = rng.integers(0, 256, (*shape, len(mode)), dtype=np.uint8)
        Image.fromarray(noise.squeeze(), mode if mode == "CMYK" else None).save(path)
        theirs = Resize(resize, InterpolationMode(interpolation))(pil_loader(str(path)))
        ours = trees.decode_picture(path, *view)
        np.testing.assert_array_equal(ours, np.asarray(CenterCrop(size)(theirs)).transpose(2, 0, 1))


def test_each_way_to_decode_has_a_cache_of_its_own(tree, tmp_path):
    listing = trees.list_tree(tree / "val")
    for way in ((8,), (8, 8), (8, 9), (8, 9, "bicubic"), (9, 9, "bicubic"), (8, 9, "bilinear")):
        images, _ = trees.decode(listing, way[0], tmp_path / "cache", *way[1:])
        assert images.shape == (5, 3, way[0], way[0])
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 5  # the last is the default


def test_what_is_skipped_is_counted(tree):
    for name in ("notes.txt", "a.heic", "b.HEIC", "README"):
        (tree / "train" / "cat" / name).touch()
    (tree / "train" / "dog" / "more").mkdir()
    (tree / "train" / "loose.jpg").touch()
    message = (
        "train: skipped 1 .HEIC file, 1 .heic file, 1 .txt file, 1 folder in a class folder, 1 nameless "
        r"file, 1 picture outside of class folders\. Pictures are train/<class>/<picture>"
    )
    with pytest.warns(UserWarning, match=message):
        assert len(trees.list_tree(tree / "train")) == 30


def test_a_tree_without_a_whole_picture_is_refused(tree, tmp_path):
    for path in (tree / "val").rglob("*.*"):
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"5 of 5 pictures in .* Repair them"):
        trees.decode(trees.list_tree(tree / "val"), 8, tmp_path)


def test_pictures_are_turned_as_their_cameras_say(tmp_path):
    ramp = np.tile(np.arange(0, 256, 8, np.uint8)[None, :, None], (32, 1, 3))  # dark left
    for orientation, dark in ((1, "left"), (3, "right"), (6, "top"), (8, "bottom")):
        exif = Image.Exif()
        exif[274] = orientation
        path = tmp_path / f"{orientation}.png"
        Image.fromarray(ramp).save(path, exif=exif)
        seen = trees.decode_picture(path, 32)[0].astype(int)
        sides = {"left": seen[:, 0], "right": seen[:, -1], "top": seen[0], "bottom": seen[-1]}
        assert min(sides, key=lambda side: sides[side].mean()) == dark
        np.testing.assert_array_equal(trees.decode_picture(path, 32, upright=False)[0], ramp[..., 0])


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path, suffix):
    deep = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    Image.fromarray(deep).save(tmp_path / f"deep.{suffix}")
    seen = trees.decode_picture(tmp_path / f"deep.{suffix}", 64)
    np.testing.assert_array_equal(seen, np.tile(np.rint(deep / 257), (3, 1, 1)))
    Image.fromarray(np.float32(deep / 65_535)).save(tmp_path / "shares.tif")
    np.testing.assert_array_equal(trees.decode_picture(tmp_path / "shares.tif", 64), seen)
    Image.fromarray(np.float32(deep)).save(tmp_path / "metres.tif")
    with pytest.raises(ValueError, match="pixels from 0 to 65520; expected 0 to 1"):
        trees.decode_picture(tmp_path / "metres.tif", 64)
