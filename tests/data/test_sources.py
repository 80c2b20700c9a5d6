"""sources: CIFAR-10 is the same from every source, and what is incomplete or damaged is refused."""

from __future__ import annotations

import io
import pickle
import shutil
import subprocess
import tarfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from imagery import CIFAR10, WNIDS, as_tree, keys, numbers, picture

from regnas_core.data import sources
from regnas_core.data import trees as folder
from regnas_core.data.datasets import load_dataset
from regnas_core.data.splits import SPLITS, read_split
from regnas_core.errors import DataError


# ── ImageNet ─────────────────────────────────────────────────────────────────────────────────────
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

    def decode(tree, name, **_):
        decoded[name] = tree.files
        return None, tree

    monkeypatch.setattr("regnas_core.data.datasets.decode", decode)
    dataset, split = load_dataset("imagenet", root=tmp_path), read_split("imagenet")
    for name in ("calibration", "search", "test"):
        labels = getattr(dataset, name).labels
        assert decoded[f"imagenet-{name}"] == tuple(map(str, split.indices[name]))
        assert len(labels) == split.info["sizes"][name]
    assert len(np.unique(dataset.search.labels)) == 1000
    assert np.bincount(dataset.search.labels).std() < 6  # a random sample: about 20 of each class


# ── CIFAR-10: the canonical files, an image tree and an archive of it, in miniature ──────────────
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


def test_damaged_torchvision_files_are_refused(canonical, tmp_path, monkeypatch):
    monkeypatch.undo()  # the real check of the files' MD5 sums
    with pytest.raises(DataError, match="torchvision could not give it"):
        load_dataset("cifar10", root=tmp_path, download=False)


# ── through torchvision ──────────────────────────────────────────────────────────────────────────
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
