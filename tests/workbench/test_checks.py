"""checks: what cannot work is told before anything runs, and trained-on pictures never come back held out."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import yaml
from PIL import Image

from regnas_core import load_supernet
from regnas_core.data.datasets import Dataset, ImageSet
from regnas_core.errors import CheckpointError, DataError, PresetError
from regnas_core.workbench import checks
from regnas_core.workbench.presets import load_preset, preset_names
from regnas_core.workbench.training import train_preset
from regnas_core.workbench.workbench import open_workbench

OPTIONS = {"image": [3, 16, 16], "classes": 3, "stem": 4, "head": 8, "widths": [6, 8, 8]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """train/ with 30 pictures a class, val/ with 10, and a preset's file for them."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 30), ("val", 10)):
        for name in "abc":
            home = tmp_path / "pictures" / part / name
            home.mkdir(parents=True)
            for i in range(n):
                Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(home / f"{i:03}.png")
    tree = {
        "title": "Mine",
        "data": {"name": "folder", "path": str(tmp_path / "pictures"), "size": 16},
        "supernet": {"options": OPTIONS, "weights": "random:0"},
        "training": {"epochs": 1, "batch_size": 16},
        "search": {"reference_mmacs": 0.1, "target_mmacs": 0.2},
        "device": "cpu",
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(tree))
    monkeypatch.setenv("REGNAS_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pictures"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"supernet.space": "minus"}, r"supernet\.space: Unknown search space 'minus'; known: mini,"),
        ({"supernet.options.kernels": [7, 5, 3]}, r"supernet\.options: .*kernels=\(7, 5, 3\).*ascending"),
        ({"supernet.options.kernels": [2, 4]}, r"supernet\.options: .*kernels=\(2, 4\): expected odd sizes"),
        ({"supernet.options.image": [16, 16, 3]}, r"supernet\.options: .*\(channels, height, width\)"),
        ({"supernet.options.depths": [1, 2**31]}, r"supernet\.options: .*expected at most 1000 layers"),
        ({"supernet.options.tied": "yes"}, r"supernet\.options: .*tied='yes': expected true or false"),
        ({"supernet.options.colours": 3}, r"supernet\.options: .*unknown option colours"),
        (
            {"search.reference_mmacs": 0.01},
            r"search\.reference_mmacs is 0\.01; .* have 0\.05\d+ to 0\.27\d+ million",
        ),
        ({"search.target_mmacs": 9}, r"search\.target_mmacs is 9; networks of"),
        ({"search.sweep": [0.2, 9, 10]}, r"search\.sweep\[1\] is 9"),
        ({"device": "gpu"}, r"device: 'gpu' is none; expected auto, cpu"),
        ({"supernet.options.image": [1, 16, 16]}, r"takes pictures of 1 x 16 x 16 .* have 3 x 16 x 16"),
        ({"data.size": 24}, r"have 3 x 24 x 24\. Set data\.size=16, supernet\.options\.image=\[3, 24, 24\]"),
        ({"data.size": None}, r"have 3 x 224 x 224\. Set data\.size=16"),
        ({"supernet.options.classes": 2}, r"tells 2 classes apart; folder .* has 3: a, b, c\. Set supernet"),
        (
            {"supernet.options.classes": 4, "supernet.weights": "none.safetensors"},
            r"tells 4 classes apart; .*has 3",
        ),
    ],
)
def test_what_cannot_work_is_told_by_its_key(folder, changes, message):
    with pytest.raises(PresetError, match=message):
        open_workbench("mine.yaml", changes)
    if not changes.get("supernet.weights"):
        with pytest.raises(PresetError, match=message):
            train_preset(load_preset("mine.yaml", changes), "training", command="")
    assert not (folder.parent / "data" / "cache").exists()  # no picture was decoded


@pytest.mark.parametrize("name", preset_names())
def test_presets_that_ship_have_networks_for_their_budgets(name):
    checks.open_space(load_preset(name))


def trained(**changes) -> dict:
    """Train; what opens the preset with these weights."""
    path = train_preset(load_preset("mine.yaml", changes), "training", command="")
    return {**changes, "supernet.weights": str(path)}


def test_pictures_that_were_trained_on_are_refused_by_their_content(folder):
    weights = trained()
    net = open_workbench("mine.yaml", weights).net
    assert len(net.trained_on) == 90 - 18 - 9 and (np.diff(net.trained_on.astype(float)) > 0).all()
    with pytest.raises(DataError, match=r"search \d+ of 40\. .*data\.sizes or data\.path have changed"):
        open_workbench("mine.yaml", weights | {"data.sizes": {"calibration": 9, "search": 40}})

    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(folder / "train" / "a" / "one_more.png")
    with pytest.raises(DataError, match=r"calibration \d of 9; search \d+ of 18\. Results on them"):
        open_workbench("mine.yaml", weights)
    (folder / "train" / "a" / "one_more.png").unlink()

    home = folder / "train"
    for i, picture in enumerate(sorted(home.rglob("*.png"))):  # other names, so another order
        picture.rename(picture.with_name(f"{i * 7 % 90:03}x.png"))
    with pytest.raises(DataError, match="that the super-network was trained on are held out"):
        open_workbench("mine.yaml", weights)


def test_a_trained_on_picture_among_test_pictures_is_found(folder, tmp_path):
    weights = trained()
    data = open_workbench("mine.yaml", weights).data
    Image.fromarray(data.train.images[5].transpose(1, 2, 0)).save(folder / "val" / "b" / "copy.bmp")
    with pytest.raises(DataError, match=r"held out .*: test 1 of 31\. "):
        open_workbench("mine.yaml", weights)


def test_copies_are_left_out_of_the_training(folder):
    for name in ("000.png", "001.png"):
        shutil.copy(folder / "val" / "a" / name, folder / "train" / "a" / f"copy_{name}")
    data = checks.open_data(load_preset("mine.yaml", {"data.sizes": {"calibration": 3, "search": 3}}))
    with pytest.warns(UserWarning, match="2 of the 86 training pictures of image tree pictures are copies"):
        assert len(data.train) == 84
    assert not np.isin(data.test.fingerprints, data.train.fingerprints).any()
    assert data.train.labels.shape == (84,) and len(data.test) == 30


def test_other_classes_or_another_size_than_in_training_are_refused(folder):
    weights = trained()
    for part in ("train", "val"):
        (folder / part / "c").rename(folder / part / "A")
    with pytest.raises(CheckpointError, match=r"trained on the classes a, b, c, in .* has A, a, b"):
        open_workbench("mine.yaml", weights)
    net = load_supernet("mini", weights["supernet.weights"], **OPTIONS)
    other = Dataset("folder", ("a", "b", "c"), net.mean, net.std, 24, "elsewhere", pytest.fail)
    with pytest.raises(CheckpointError, match=r"pictures of 3 x 16 x 16; at data\.size=24 nothing tells"):
        checks.check_unseen(net, other)


def test_weights_of_an_earlier_version_keep_a_digest_alone(folder, monkeypatch):
    weights = trained()
    bench = open_workbench("mine.yaml", weights)
    old = replace(bench.net, trained_on=None, info={**bench.net.info, "dataset": "folder"})
    checks.check_unseen(old, bench.data)  # the same training pictures
    changed = checks.open_data(load_preset("mine.yaml", {"data.sizes": {"calibration": 9, "search": 40}}))
    with pytest.raises(CheckpointError, match="keeps no list of the pictures, and folder's training"):
        checks.check_unseen(old, changed)

    recorded = replace(bench.data, name="cifar10", open_split=pytest.fail)
    shipped = replace(old, info={**old.info, "dataset": "cifar10"})
    checks.check_unseen(shipped, recorded)  # recorded splits are disjoint: nothing is decoded
    monkeypatch.setattr(checks, "load_dataset", lambda name, download: bench.data)
    with pytest.raises(DataError, match=r"search \d+ of 40"):  # its pictures as a folder, cut in another way
        checks.check_unseen(shipped, changed)
    checks.check_unseen(replace(old, info={}), changed)  # a publisher's


def test_pictures_are_told_apart_by_their_pixels_alone():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 3, 8, 8), np.uint8)
    whole = ImageSet(images, np.arange(50), tuple("ab"), "toy/test")
    assert len(set(whole.fingerprints.tolist())) == 50 and whole.fingerprints.dtype == np.uint64
    again = ImageSet(np.asfortranarray(images[::-1]), np.zeros(50, int), (), "other")
    np.testing.assert_array_equal(again.fingerprints[::-1], whole.fingerprints)
    images[7, 2, 7, 7] ^= 1
    assert (ImageSet(images, whole.labels, (), "").fingerprints != whole.fingerprints).nonzero()[
        0
    ].tolist() == [7]
