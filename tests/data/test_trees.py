"""trees: a picture's pixels are torchvision's, and decoding goes on where it was killed."""

from __future__ import annotations

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
    done = int(next((tmp_path / "cache").glob("*.progress")).read_text())
    assert 0 < done < len(listing) and done % 4 == 0

    seen.clear()
    monkeypatch.setattr(
        trees, "decode_picture", lambda path, *args: seen.append(path) or decode_picture(path, *args)
    )
    images = trees.decode(listing, 8, tmp_path / "cache")
    assert len(seen) == len(listing) - done
    assert images[:, 0, 0, 0].tolist() == [*range(20), *range(100, 110)]
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} <= {".npy", ".lock"}


def test_broken_pictures_are_named_after_a_kill_too(tree, tmp_path, monkeypatch):
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
    with pytest.raises(DataError, match=r"cat/0000\.jpg"):
        trees.decode(listing, 8, tmp_path / "cache")


def test_a_truncated_cache_is_decoded_again(tree, tmp_path):
    listing = trees.list_tree(tree / "val")
    before = trees.decode(listing, 8, tmp_path).copy()
    os.truncate(next(tmp_path.glob("*.npy")), 500)
    np.testing.assert_array_equal(trees.decode(listing, 8, tmp_path), before)


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
        assert trees.decode(listing, way[0], tmp_path / "cache", *way[1:]).shape == (5, 3, way[0], way[0])
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 5  # the last is the default
