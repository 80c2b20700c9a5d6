"""datasets: splits are disjoint, decoded once and when looked at; what is missing or wrong is said."""

from __future__ import annotations

import json

import numpy as np
import pytest
from imagery import CIFAR10, WNIDS, keys, numbers, picture
from PIL import Image

from regnas_core.data import splits
from regnas_core.data import trees as folder
from regnas_core.data.datasets import ImageSet, load_dataset
from regnas_core.data.splits import SPLITS, read_split
from regnas_core.errors import DataError
from regnas_core.resources import data_root


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


def test_broken_pictures_are_left_out_and_named(tree, tmp_path):
    (tree / "val" / "cat" / "broken.jpg").write_bytes(b"no picture")
    whole = (tree / "val" / "dog" / "000.png").read_bytes()
    (tree / "val" / "dog" / "cut.png").write_bytes(whole[:60])
    dataset = load_dataset("folder", path=tree, root=tmp_path, size=8)
    with pytest.warns(
        UserWarning, match=r"2 of 7 pictures .*(cat/broken|dog/cut).* left out; repair or"
    ) as said:
        test = dataset.test
    assert "cat/broken.jpg" in str(said[0].message) and "dog/cut.png" in str(said[0].message)
    assert sorted(keys(test)) == [0, 1, 2, 100, 101]
    assert test.labels.tolist() == [int(key >= 100) for key in keys(test)]


def test_a_picture_that_vanishes_is_named(tree, tmp_path):
    dataset = load_dataset("folder", path=tree, root=tmp_path, size=8)
    (tree / "val" / "dog" / "001.PNG").unlink()
    with pytest.warns(UserWarning, match=r"1 of 5 pictures .*dog/001\.PNG"):
        assert sorted(keys(dataset.test)) == [0, 1, 2, 100]


def test_classes_that_a_split_has_no_picture_of_are_named(tree, tmp_path):
    for name, n in (("ant", 0), ("bee", 1)):
        (tree / "train" / name).mkdir()
        for i in range(n):
            picture(tree / "train" / name / f"{i}.png", value=200)
    message = (
        r"train has no picture of 1 of 4 classes: ant; search has no picture of 2 of 4 classes: ant, bee; "
        r"test has no picture of 2 of 4 classes: ant, bee\."
    )
    with pytest.warns(UserWarning, match=message):
        load_dataset("folder", path=tree, root=tmp_path, size=8)


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
    done = json.loads(next((tmp_path / "cache").glob("imagenet-search-16px-*.progress")).read_text())[0]
    assert done in (2, 4, 6)
    seen.clear()
    monkeypatch.setattr(folder, "decode_picture", lambda *args: seen.append(args) or decode_picture(*args))
    assert load_dataset("imagenet", root=tmp_path, size=16).search.digest == whole.digest
    assert len(seen) == 10 - done


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
