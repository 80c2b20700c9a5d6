"""Data sets: image folders, CIFAR-10 from every source, and what is said when something is missing."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regnas_core.data import datasets as data
from regnas_core.data import sources, splits
from regnas_core.data import trees as folder
from regnas_core.data.datasets import ImageSet, load_dataset
from regnas_core.data.splits import SPLITS, read_split
from regnas_core.errors import DataError
from regnas_core.resources import data_root


def picture(path: Path, shape: tuple[int, int] = (40, 40), value: int = 100, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*shape, 3), value, np.uint8)).save(path, **options)


@pytest.fixture
def tree(tmp_path):
    """train/: 20 + 10 pictures, val/: 3 + 2, of several sizes and kinds; each is one grey, its number."""
    home = tmp_path / "pictures"
    for part, counts in (("train", (20, 10)), ("val", (3, 2))):
        for name, n in zip(("cat", "dog"), counts, strict=True):
            for i in range(n):
                suffix = (".png", ".PNG", ".bmp")[i % 3]
                picture(
                    home / part / name / f"{i:03}{suffix}",
                    ((40, 40), (48, 64))[i % 2],
                    100 * (name == "dog") + i,
                )
    (home / "train" / "cat" / ".hidden.png").touch()
    (home / "train" / "cat" / "notes.txt").touch()
    (home / "train" / "list.csv").touch()
    return home


def keys(images: ImageSet) -> list[int]:
    return images.images[:, 0, 0, 0].tolist()


def test_folder_is_cut_into_disjoint_splits(tree, tmp_path):
    dataset = load_dataset("folder", path=tree, root=tmp_path, size=32)
    parts = {name: getattr(dataset, name) for name in SPLITS}
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 21,
        "calibration": 3,
        "search": 6,
        "test": 5,
    }
    trained = [key for name in ("train", "calibration", "search") for key in keys(parts[name])]
    assert sorted(trained) == [*range(20), *range(100, 110)]
    assert sorted(keys(parts["test"])) == [0, 1, 2, 100, 101]
    assert np.bincount(parts["search"].labels).tolist() == [4, 2]
    for name, part in parts.items():
        assert part.images.shape == (len(part), 3, 32, 32) and part.images.dtype == np.uint8
        assert (
            part.labels.dtype == np.int64 and part.classes == ("cat", "dog") and part.name == f"folder/{name}"
        )
        assert [key >= 100 for key in keys(part)] == part.labels.astype(bool).tolist()
    assert dataset.source == f"image tree {tree.name}"


def test_folder_sizes_seed_and_limit(tree, tmp_path):
    def opened(**options):
        return load_dataset("folder", path=tree, root=tmp_path, size=8, **options)

    chosen = opened(sizes={"search": 10, "calibration": 2})
    assert (len(chosen.train), len(chosen.calibration), len(chosen.search)) == (18, 2, 10)
    assert keys(opened().search) == keys(opened().search) != keys(opened(seed=1).search)
    few = opened(limit={"train": 4, "test": 100})
    assert keys(few.train) == keys(opened().train)[:4] and len(few.test) == 5 and len(few.search) == 6
    assert len(opened(limit=2).calibration) == 2


def test_a_split_is_decoded_when_looked_at_and_only_once(tree, tmp_path, monkeypatch):
    dataset = load_dataset("folder", path=tree, root=tmp_path / "root", size=8)
    assert not (tmp_path / "root").exists()
    first = dataset.search
    assert len(list((tmp_path / "root").rglob("*.npy"))) == 1
    monkeypatch.setattr(folder, "decode_picture", lambda *args: pytest.fail("decoded again"))
    again = load_dataset("folder", path=tree, root=tmp_path / "root", size=8).search
    assert again.digest == first.digest and isinstance(again.images, np.memmap)
    again.images[0] = 0  # mapped copy-on-write: the cache stays as it is
    assert load_dataset("folder", path=tree, root=tmp_path / "root", size=8).search.digest == first.digest


def test_a_changed_folder_is_decoded_afresh(tree, tmp_path):
    before = load_dataset("folder", path=tree, root=tmp_path, size=8).test
    picture(tree / "val" / "cat" / "000.png", (50, 50), 77)
    after = load_dataset("folder", path=tree, root=tmp_path, size=8).test
    assert sorted(keys(after)) == [1, 2, 77, 100, 101] and before.digest != after.digest


def test_decoding_goes_on_where_it_was_killed(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "BLOCK", 4)
    listing = folder.list_tree(tree / "train")
    seen, decode_picture = [], folder.decode_picture

    def killed(path, *args):
        if len(seen) == 10:
            raise KeyboardInterrupt
        seen.append(path)
        return decode_picture(path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(folder, "decode_picture", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.decode(listing, 8, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.npy"))
    done = int(next((tmp_path / "cache").glob("*.progress")).read_text())
    assert 0 < done < len(listing) and done % 4 == 0

    seen.clear()
    monkeypatch.setattr(
        folder, "decode_picture", lambda path, *args: seen.append(path) or decode_picture(path, *args)
    )
    images = folder.decode(listing, 8, tmp_path / "cache")
    assert len(seen) == len(listing) - done
    assert images[:, 0, 0, 0].tolist() == [*range(20), *range(100, 110)]
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} <= {".npy", ".lock"}


def test_broken_pictures_are_named_after_a_kill_too(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "BLOCK", 4)
    (tree / "train" / "cat" / "0000.jpg").write_bytes(b"no picture")
    listing, decode_picture = folder.list_tree(tree / "train"), folder.decode_picture

    def killed(path, *args):
        if path.parent.name == "dog":
            raise KeyboardInterrupt
        return decode_picture(path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(folder, "decode_picture", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.decode(listing, 8, tmp_path / "cache")
    with pytest.raises(DataError, match=r"cat/0000\.jpg"):
        folder.decode(listing, 8, tmp_path / "cache")


def test_a_truncated_cache_is_decoded_again(tree, tmp_path):
    listing = folder.list_tree(tree / "val")
    before = folder.decode(listing, 8, tmp_path).copy()
    os.truncate(next(tmp_path.glob("*.npy")), 500)
    np.testing.assert_array_equal(folder.decode(listing, 8, tmp_path), before)


def test_a_full_disk_is_noticed_beforehand(tree, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DataError, match=r"5 decoded pictures take .* Make room"):
        folder.decode(folder.list_tree(tree / "val"), 8, tmp_path)


def test_broken_pictures_are_named(tree, tmp_path):
    (tree / "val" / "cat" / "broken.jpg").write_bytes(b"no picture")
    whole = (tree / "val" / "dog" / "000.png").read_bytes()
    (tree / "val" / "dog" / "cut.png").write_bytes(whole[:60])
    dataset = load_dataset("folder", path=tree, root=tmp_path, size=8)
    with pytest.raises(DataError, match=r"2 of 7 pictures .*cat/broken\.jpg.*dog/cut\.png"):
        _ = dataset.test
    for name in ("cat/broken.jpg", "dog/cut.png"):
        (tree / "val" / name).unlink()
    assert len(load_dataset("folder", path=tree, root=tmp_path, size=8).test) == 5


def test_resize_and_crop(tmp_path):
    ramp = np.tile(np.arange(64, dtype=np.uint8)[None, :, None], (32, 1, 3))  # twice as wide as high
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    squeezed = folder.decode_picture(tmp_path / "ramp.png", 32)
    assert squeezed.shape == (3, 32, 32) and np.ptp(squeezed[0, 0].astype(int)) > 55
    cropped = folder.decode_picture(tmp_path / "ramp.png", 16, resize=32)
    np.testing.assert_array_equal(cropped[0], np.tile(np.arange(24, 40), (16, 1)))
    Image.fromarray(ramp[:, :32]).save(tmp_path / "square.png")
    np.testing.assert_array_equal(folder.decode_picture(tmp_path / "square.png", 32)[0], ramp[:, :32, 0])
    Image.fromarray(ramp[..., 0]).convert("P").save(tmp_path / "palette.gif")
    assert folder.decode_picture(tmp_path / "palette.gif", 8).shape == (3, 8, 8)


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
        ours = folder.decode_picture(path, *view)
        np.testing.assert_array_equal(ours, np.asarray(CenterCrop(size)(theirs)).transpose(2, 0, 1))


def test_each_way_to_decode_has_a_cache_of_its_own(tree, tmp_path):
    listing = folder.list_tree(tree / "val")
    for way in ((8,), (8, 8), (8, 9), (8, 9, "bicubic"), (9, 9, "bicubic"), (8, 9, "bilinear")):
        assert folder.decode(listing, way[0], tmp_path / "cache", *way[1:]).shape == (5, 3, way[0], way[0])
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 5  # the last is the default


def test_a_picture_that_vanishes_is_named(tree, tmp_path):
    dataset = load_dataset("folder", path=tree, root=tmp_path, size=8)
    (tree / "val" / "dog" / "001.PNG").unlink()
    with pytest.raises(DataError, match=r"1 of 5 pictures .*dog/001\.PNG"):
        _ = dataset.test


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "mnist"}, "Unknown data set 'mnist'; choose one of glyphs, cifar10"),
        ({"name": "folder"}, "needs path"),
        ({"name": "folder", "path": "nowhere"}, "nowhere/train is missing; expected"),
        ({"name": "imagenet"}, "imagenet/train is missing.*set REGNAS_DATA"),
        (
            {"name": "cifar10", "download": False},
            r"cifar10/train/<class>.*cifar10-jpeg.tar.gz.*download=False.*REGNAS_DATA",
        ),
        ({"name": "cifar100", "download": False}, "cifar100 is missing.*cifar-100-python"),
        ({"name": "fashion-mnist", "download": False}, "FashionMNIST/raw"),
        ({"name": "glyphs", "size": 64}, "a size of its own"),
        ({"name": "cifar10", "path": "x"}, "neither path, resize nor"),
        ({"name": "cifar10", "interpolation": "bicubic"}, "neither path, resize nor"),
        ({"name": "glyphs", "sizes": {"search": 5}}, "give limit, not sizes"),
        ({"name": "glyphs", "limit": {"val": 3}}, "limit names val; the splits are train"),
        ({"name": "glyphs", "limit": 0}, "at least 1 picture"),
    ],
)
def test_what_is_missing_or_wrong_is_said(options, message, tmp_path):
    with pytest.raises(DataError, match=message):
        load_dataset(root=tmp_path, **options)
    assert not any(tmp_path.iterdir())


def test_folder_problems_are_said(tree, tmp_path):
    def opened(**options):
        return load_dataset("folder", path=tree, root=tmp_path, **options)

    with pytest.raises(DataError, match="sizes names test"):
        opened(sizes={"test": 3})
    with pytest.raises(DataError, match="size must be at least 1"):
        opened(size=0)
    with pytest.raises(DataError, match="size must be at least 1"):
        opened(size=32, resize=31)
    with pytest.raises(DataError, match="Unknown interpolation 'nearest'; use bilinear or bicubic"):
        opened(interpolation="nearest")
    with pytest.raises(DataError, match="need 33 pictures, not 30"):
        opened(sizes={"search": 30})
    (tree / "val" / "bird").mkdir()
    with pytest.raises(DataError, match="has not: bird"):
        opened()
    (tree / "val").rename(tree / "other")
    with pytest.raises(DataError, match=r"neither val/ nor test/"):
        opened()
    (tree / "test").mkdir()
    with pytest.raises(DataError, match="has no class folders"):
        opened()
    (tree / "test" / "cat").mkdir()
    with pytest.raises(DataError, match="hold no pictures"):
        opened()


def test_import_is_light():
    code = "import sys, regnas_core.data; sys.exit(bool({'torch', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_data_root(monkeypatch):
    monkeypatch.setenv("REGNAS_DATA", "~/somewhere")
    assert data_root() == Path.home() / "somewhere"
    monkeypatch.delenv("REGNAS_DATA")
    assert "regnas" in str(data_root())


def test_read_only_data_is_decoded_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert sources.cache_root(tmp_path) != tmp_path / "cache"


def test_image_set_takes_and_identifies():
    images = np.arange(5 * 12, dtype=np.uint8).reshape(5, 3, 2, 2)
    whole = ImageSet(images, np.arange(5), tuple("abcde"), "toy/test")
    assert len(whole) == 5 and len(whole.digest) == 16
    first = whole.take(3)
    assert len(first) == 3 and np.shares_memory(first.images, images) and first.name == "toy/test"
    assert whole.take([4, 0]).labels.tolist() == [4, 0]
    assert whole.take([0, 1, 2]).digest == first.digest != whole.take([1, 0, 2]).digest
    assert ImageSet(images[:3], np.array([0, 1, 1]), whole.classes, "toy/test").digest != first.digest
    for wrong in (6, -1, [5], [-1]):
        with pytest.raises(DataError, match="toy/test has"):
            whole.take(wrong)
    with pytest.raises(AttributeError):
        whole.name = "other"


# ImageNet in miniature: its names, 3 classes, pictures of any shape, each of one grey that tells its number

WNIDS = ("n01440764", "n01443537", "n15075141")


@pytest.fixture
def imagenet(tmp_path, monkeypatch):
    """<root>/imagenet with 36 training and 9 validation pictures, and a recorded split for so many."""
    home, rng = tmp_path / "imagenet", np.random.default_rng(0)
    numbers = {"train": iter(range(36)), "val": iter(range(9))}
    for part, count in (("train", (14, 12, 10)), ("val", (3, 3, 3))):
        for k, (wnid, n) in enumerate(zip(WNIDS, count, strict=True)):
            for i in range(n):
                name = f"{wnid}_{100 + i}" if part == "train" else f"ILSVRC2012_val_{10 * i + k:08}"
                shape = tuple(rng.integers(20, 80, 2))
                picture(home / part / wnid / f"{name}.JPEG", shape, 5 * next(numbers[part]))
    order = splits.draw_order(36, seed=0)
    info = {"lists": {"train": 36, "test": 9}, "classes": 3, "seed": 0, "command": "none"}
    splits.write_split(tmp_path / "split", {"calibration": order[:4], "search": order[4:14]}, info)
    monkeypatch.setattr(data, "read_split", partial(read_split, folder=tmp_path / "split"))
    return home


def numbers(images: ImageSet) -> list[int]:
    assert np.ptp(images.images.astype(int), axis=(1, 2, 3)).max() == 0  # one grey, as it was made
    return np.rint(images.images[:, 0, 0, 0] / 5).astype(int).tolist()


def test_imagenet_is_opened_with_its_recorded_split(imagenet, tmp_path):
    dataset = load_dataset("imagenet", root=tmp_path, size=24)
    order, labels = splits.draw_order(36, seed=0).tolist(), np.repeat([0, 1, 2], [14, 12, 10])
    test = splits.draw_order(9, seed=0).tolist()
    parts = {"calibration": order[:4], "search": order[4:14], "train": order[14:], "test": test}
    for name, expected in parts.items():
        part = getattr(dataset, name)
        assert part.images.shape == (len(expected), 3, 24, 24) and part.classes == WNIDS
        assert numbers(part) == expected
        assert part.labels.tolist() == [i // 3 if name == "test" else labels[i] for i in expected]
    assert dataset.source == "image tree imagenet, recorded split"
    few = load_dataset("imagenet", path=imagenet, root=tmp_path / "else", size=24, limit={"search": 3})
    assert numbers(few.search) == order[4:7]


def test_imagenet_is_resized_and_cropped_by_the_publishers_rule(imagenet, tmp_path):
    from torchvision.transforms import CenterCrop, InterpolationMode, Resize

    path = imagenet / "val" / WNIDS[0] / "ILSVRC2012_val_00000000.JPEG"
    noise = np.random.default_rng(1).integers(0, 256, (50, 67, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    original = Image.open(path).convert("RGB")

    def agrees(theirs: tuple[int, str], **options) -> bool:
        first = splits.draw_order(9, seed=0).tolist().index(0)
        ours = load_dataset("imagenet", root=tmp_path, size=24, **options).test.images[first]
        theirs = CenterCrop(24)(Resize(theirs[0], InterpolationMode(theirs[1]))(original))
        return np.array_equal(ours, np.asarray(theirs).transpose(2, 0, 1))

    assert agrees((28, "bilinear"))  # 24 / 0.875 = 27.4, rounded up
    assert agrees((28, "bicubic"), interpolation="bicubic") and not agrees((28, "bicubic"))
    assert agrees((27, "bilinear"), resize=27) and not agrees((27, "bilinear"))


def test_imagenet_goes_on_where_decoding_was_killed(imagenet, tmp_path, monkeypatch):
    whole = load_dataset("imagenet", path=imagenet, root=tmp_path / "elsewhere", size=16).search
    seen, decode_picture = [], folder.decode_picture

    def killed(path, *args):
        if len(seen) == 6:
            raise KeyboardInterrupt
        seen.append(path)
        return decode_picture(path, *args)

    monkeypatch.setattr(folder, "BLOCK", 2)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(folder, "decode_picture", killed)
        _ = load_dataset("imagenet", root=tmp_path, size=16).search
    done = int(next((tmp_path / "cache").glob("imagenet-search-16px-*.progress")).read_text())
    assert done in (2, 4, 6)
    seen.clear()
    monkeypatch.setattr(folder, "decode_picture", lambda *args: seen.append(args) or decode_picture(*args))
    assert load_dataset("imagenet", root=tmp_path, size=16).search.digest == whole.digest
    assert len(seen) == 10 - done


def test_a_part_of_imagenet_needs_sizes(imagenet, tmp_path):
    def opened(**options):
        return load_dataset("imagenet", root=tmp_path, size=16, **options)

    (imagenet / "train" / WNIDS[1] / "n01443537_111.JPEG").unlink()
    with pytest.raises(
        DataError, match=r"train holds 35 pictures of 3 classes; .* has 36 of 3\..*subset.*give sizes"
    ):
        opened()
    subset = opened(sizes={"calibration": 3, "search": 6})
    assert [len(getattr(subset, part)) for part in SPLITS] == [26, 3, 6, 9]
    assert np.bincount(subset.search.labels).tolist() == [2, 2, 2]  # stratified
    trained = [n for part in SPLITS[:3] for n in numbers(getattr(subset, part))]
    assert len(set(trained)) == 35 and 25 not in trained
    assert subset.source == "image tree imagenet, split of its own (3 calibration, 6 search, seed 0)"
    assert numbers(opened(sizes={"search": 6}, seed=1).search) != numbers(subset.search)

    picture(imagenet / "train" / WNIDS[1] / "n01443537_111.JPEG", value=5 * 25)
    opened()
    (imagenet / "val" / WNIDS[2]).rename(imagenet / WNIDS[2])
    with pytest.raises(DataError, match=r"val holds 6 pictures of 2 classes; .* has 9 of 3"):
        opened()
    (imagenet / WNIDS[2]).rename(imagenet / "val" / WNIDS[2])
    for part in ("train", "val"):
        (imagenet / part / WNIDS[0]).rename(imagenet / part / "tench")
    with pytest.raises(DataError, match="folders from n01443537 to tench; expected WordNet numbers"):
        opened()


@pytest.mark.skipif(not shutil.which("awk"), reason="awk and a shell are needed")
def test_loose_validation_pictures_are_refused_with_a_command_that_sorts_them(imagenet, tmp_path):
    rows = ["ImageId,PredictionString"]
    for path in sorted((imagenet / "val").rglob("*.JPEG"), reverse=True):
        rows.append(f"{path.stem},{path.parent.name} 85 1 499 272 {path.parent.name} 3 4 5 6 ")
        path.rename(imagenet / "val" / path.name)
        with suppress(OSError):
            path.parent.rmdir()
    with pytest.raises(DataError, match=r"val holds 9 pictures ILSVRC2012_val_\*\.JPEG outside") as caught:
        load_dataset("imagenet", root=tmp_path)
    (imagenet / "val" / "LOC_val_solution.csv").write_text("\n".join(rows) + "\n")
    command = next(line for line in str(caught.value).splitlines() if line.startswith("  awk"))
    subprocess.run(["sh", "-c", command], cwd=imagenet / "val", check=True)
    assert sorted(numbers(load_dataset("imagenet", root=tmp_path, size=16).test)) == list(range(9))


def test_the_whole_of_imagenet_is_numbered_as_recorded(tmp_path, monkeypatch):
    """Lists of full length without files: what is decoded is what the recorded split names."""

    def listed(root: Path, classes=None) -> folder.Tree:
        n = 1_281_167 if root.name == "train" else 50_000
        wnids = ("n01440764", *(f"n{10_000_000 + i}" for i in range(998)), "n15075141")
        return folder.Tree(root, tuple(map(str, range(n))), np.arange(n) * 1000 // n, wnids)

    for part in ("train", "val"):
        (tmp_path / "imagenet" / part).mkdir(parents=True)
    monkeypatch.setattr("regnas_core.data.sources.list_tree", listed)
    decoded = {}
    monkeypatch.setattr(
        "regnas_core.data.datasets.decode", lambda tree, name, **_: decoded.update({name: tree.files})
    )
    dataset, split = load_dataset("imagenet", root=tmp_path), read_split("imagenet")
    for name in ("calibration", "search", "test"):
        labels = getattr(dataset, name).labels
        assert decoded[f"imagenet-{name}"] == tuple(map(str, split.indices[name]))
        assert len(labels) == split.info["sizes"][name]
    assert len(np.unique(dataset.search.labels)) == 1000
    assert np.bincount(dataset.search.labels).std() < 6  # a random sample: about 20 of each class


# CIFAR-10: the canonical files, an image tree and an archive of it, in miniature


@pytest.fixture
def canonical(tmp_path, monkeypatch):
    """50 + 20 pictures in torchvision's own format; labels are mixed, each picture is one colour."""
    import torchvision

    base, rng = tmp_path / "cifar10" / "cifar-10-batches-py", np.random.default_rng(0)
    base.mkdir(parents=True)
    labels = {"train": rng.permutation(np.arange(50) % 10), "test": rng.permutation(np.arange(20) % 10)}
    colours = {
        part: rng.integers(20, 236, (len(values), 3), dtype=np.uint8) for part, values in labels.items()
    }
    pixels = {part: np.repeat(values, 1024, 1) for part, values in colours.items()}
    for i in range(5):
        batch = {"data": pixels["train"][i::5], "labels": labels["train"][i::5].tolist()}
        (base / f"data_batch_{i + 1}").write_bytes(pickle.dumps(batch))
    (base / "test_batch").write_bytes(
        pickle.dumps({"data": pixels["test"], "labels": labels["test"].tolist()})
    )
    (base / "batches.meta").write_bytes(pickle.dumps({"label_names": CIFAR10}))
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *args: True)
    monkeypatch.setattr(sources, "PARTS", {"train": 50, "test": 20})
    in_batches = np.concatenate([np.arange(50)[i::5] for i in range(5)])
    return {
        "train": (colours["train"][in_batches], labels["train"][in_batches]),
        "test": (colours["test"], labels["test"]),
    }


CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def as_tree(home: Path, canonical: dict) -> None:
    for part, (colours, labels) in canonical.items():
        seen = dict.fromkeys(CIFAR10, 0)
        for colour, label in zip(colours, labels, strict=True):
            path = home / part / CIFAR10[label] / f"{seen[CIFAR10[label]]:04}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.tile(colour, (32, 32, 1))).save(path, quality=75)
            seen[CIFAR10[label]] += 1


def test_every_source_gives_the_same_order(canonical, tmp_path):
    files = sources.open_source("cifar10", tmp_path, download=False)
    assert files.origin.startswith("torchvision's files") and files.classes == CIFAR10
    for part, (colours, labels) in canonical.items():
        order = np.argsort(labels, kind="stable")
        np.testing.assert_array_equal(files.images[part][:, :, 5, 7], colours[order])
        np.testing.assert_array_equal(files.labels[part], labels[order])

    as_tree(tmp_path / "rooted" / "cifar10", canonical)
    tree = sources.open_source("cifar10", tmp_path / "rooted", download=False)
    packed = tmp_path / "packed" / "cifar10" / "cifar10-jpeg.tar.gz"
    packed.parent.mkdir(parents=True)
    with tarfile.open(packed, "w:gz") as tar:
        for part in ("train", "test"):
            tar.add(tmp_path / "rooted" / "cifar10" / part, f"./{part}")
        for name in (
            "../outside.jpg",
            "train/../outside.jpg",
            "train/../../outside.jpg",
            "train/cat/../outside.jpg",
            "/outside.jpg",
        ):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
        link = tarfile.TarInfo("train/cat/link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hosts"
        tar.addfile(link)
    archive = sources.open_source("cifar10", tmp_path / "packed", download=False)
    assert not list(tmp_path.rglob("outside.jpg")) and not list(tmp_path.rglob("link.jpg"))
    for part in ("train", "test"):
        np.testing.assert_array_equal(tree.images[part], archive.images[part])
        np.testing.assert_array_equal(tree.labels[part], files.labels[part])
        assert abs(tree.images[part].astype(int) - files.images[part]).max() <= 4  # JPEG
    packed.write_bytes(b"")  # unpacked once is enough
    sources.open_source("cifar10", tmp_path / "packed", download=False)


def test_another_order_is_refused(canonical, tmp_path):
    as_tree(tmp_path / "rooted" / "cifar10", canonical)
    files = sources.open_source("cifar10", tmp_path)
    levels = np.concatenate([sources.luminance(files.images[part]) for part in ("train", "test")])
    np.save(tmp_path / "luminance.npy", levels)
    split = replace(read_split("cifar10"), folder=tmp_path)
    sources.check_fingerprint(files, split)
    sources.check_fingerprint(
        sources.open_source("cifar10", tmp_path / "rooted"), split
    )  # JPEG changes little
    files.images["train"][:] = files.images["train"][::-1].copy()
    with pytest.raises(DataError, match=r"order of pictures differs.*must not be used"):
        sources.check_fingerprint(files, split)
    np.save(tmp_path / "luminance.npy", levels[:-1])
    with pytest.raises(DataError, match="70 pictures; expected 69"):
        sources.check_fingerprint(files, split)


def test_incomplete_trees_and_damaged_archives_are_refused(canonical, tmp_path):
    as_tree(tmp_path / "rooted" / "cifar10", canonical)
    (tmp_path / "rooted" / "cifar10" / "train" / "dog" / "0002.jpg").unlink()
    with pytest.raises(DataError, match="49 pictures of 10 classes; CIFAR-10 has 50 of 10"):
        sources.open_source("cifar10", tmp_path / "rooted")
    archive = tmp_path / "other" / "cifar10" / "cifar10-jpeg.tar.gz"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be unpacked"):
        sources.open_source("cifar10", tmp_path / "other")
    with tarfile.open(archive, "w:gz"):
        pass
    with pytest.raises(DataError, match="no train/<class>/<picture> in it"):
        sources.open_source("cifar10", tmp_path / "other")
    assert not any((tmp_path / "other" / "cache").iterdir())


def test_fashion_mnist_and_cifar100_come_through_torchvision(tmp_path, monkeypatch):
    import torchvision

    raw = tmp_path / "fashion-mnist" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for part, n in (("train", 60), ("t10k", 20)):
        labels = (np.arange(n) % 10).astype(np.uint8)
        header = b"\0\0\x08\x03" + b"".join(v.to_bytes(4, "big") for v in (n, 28, 28))
        greys = labels + (100 if part == "t10k" else 0)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + np.repeat(greys, 784).tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(
            b"\0\0\x08\x01" + n.to_bytes(4, "big") + labels.tobytes()
        )
    dataset = load_dataset(
        "fashion-mnist", root=tmp_path, sizes={"search": 10, "calibration": 10}, download=False
    )
    assert dataset.train.images.shape == (40, 1, 28, 28) and len(dataset.test) == 20
    for name in SPLITS:
        part = getattr(dataset, name)
        assert keys(part) == (part.labels + (100 if name == "test" else 0)).tolist()

    base = tmp_path / "cifar-100-python"  # directly under the root is fine as well
    base.mkdir()
    for part, n in (("train", 200), ("test", 100)):
        labels = np.arange(n) % 100
        pixels = np.repeat(labels[:, None].astype(np.uint8), 3072, 1)
        (base / part).write_bytes(pickle.dumps({"data": pixels, "fine_labels": labels.tolist()}))
    (base / "meta").write_bytes(pickle.dumps({"fine_label_names": [f"class {i}" for i in range(100)]}))
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *args: True)
    dataset = load_dataset("cifar100", root=tmp_path)
    assert dataset.train.images.shape == (140, 3, 32, 32) and len(dataset.classes) == 100
    assert keys(dataset.search) == dataset.search.labels.tolist()


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "fashion-mnist"])
def test_a_failed_download_is_explained(name, tmp_path, monkeypatch):
    import torchvision

    def offline(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", offline)
    monkeypatch.setattr(torchvision.datasets.mnist, "download_and_extract_archive", offline)
    with pytest.raises(DataError, match=rf"{name} is missing\. Looked for .*torchvision could not give it"):
        load_dataset(name, root=tmp_path)


def test_damaged_torchvision_files_are_refused(canonical, tmp_path, monkeypatch):
    monkeypatch.undo()  # the real check of the files' MD5 sums
    with pytest.raises(DataError, match="torchvision could not give it"):
        load_dataset("cifar10", root=tmp_path, download=False)


def test_all_of_cifar10():
    root = data_root()
    try:
        dataset = load_dataset("cifar10", root=root, download=False)
    except DataError as error:
        if "is missing" not in str(error):
            raise
        pytest.skip(f"splits of the real CIFAR-10 not checked: REGNAS_DATA ({root}) has no cifar10")
    assert {name: len(getattr(dataset, name)) for name in SPLITS} == read_split("cifar10").info["sizes"]
    assert dataset.classes == CIFAR10
    for name in SPLITS:
        part = getattr(dataset, name)
        assert part.images.shape == (len(part), 3, 32, 32)
        assert np.ptp(np.bincount(part.labels, minlength=10)) <= 2
    train = dataset.train.images[:5000] / 255
    assert train.mean((0, 2, 3)) == pytest.approx(dataset.mean, abs=0.01)
    assert train.std((0, 2, 3)) == pytest.approx(dataset.std, abs=0.02)
