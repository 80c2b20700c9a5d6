"""Splits: drawn by rule, disjoint, checksummed, and refused when damaged."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regnas_core import resources
from regnas_core.data import splits
from regnas_core.errors import DataError

SHIPPED = {"glyphs": 81_024, "cifar10": 50_000, "imagenet": 1_281_167}


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=200),
    shares=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)),
    seed=st.integers(0, 2**32),
)
def test_draw_split_is_a_stratified_partition(labels, shares, seed):
    sizes = {"a": int(shares[0] * len(labels)), "b": int(shares[1] * len(labels)), "rest": None}
    cut = splits.draw_split(np.array(labels), sizes, seed)
    assert sorted(np.concatenate(list(cut.values()))) == list(range(len(labels)))
    assert [len(cut["a"]), len(cut["b"])] == [sizes["a"], sizes["b"]]
    order, labels = np.concatenate(list(cut.values())), np.array(labels)
    for value in np.unique(labels):  # every stretch from the start holds each class in proportion
        member = labels[order] == value
        expected = np.arange(1, len(labels) + 1) * member.mean()
        assert abs(member.cumsum() - expected).max() <= len(np.unique(labels))


def test_draw_split_is_pinned():
    cut = splits.draw_split(np.arange(20) % 2, {"search": 6, "train": None}, seed=0)
    assert cut["search"].tolist() == [11, 2, 3, 18, 8, 13]
    assert (
        cut["search"].tolist()
        != splits.draw_split(np.arange(20) % 2, {"search": 6}, seed=1)["search"].tolist()
    )


@pytest.mark.parametrize("sizes", [{"a": 6, "b": 5}, {"a": -1}])
def test_draw_split_asks_for_what_is_there(sizes):
    with pytest.raises(DataError, match="need"):
        splits.draw_split(np.zeros(10), sizes, 0)


@given(st.lists(st.integers(0, 60), max_size=60))
def test_index_files_keep_values_and_order(tmp_path_factory, indices):
    path = tmp_path_factory.mktemp("indices") / "part.txt"
    splits.write_indices(path, indices)
    assert splits.read_indices(path).tolist() == indices


def test_index_files_shorten_runs(tmp_path):
    splits.write_indices(tmp_path / "part.txt", [7, 0, 1, 2, 3, 9, 10])
    assert (tmp_path / "part.txt").read_text() == "7\n0-3\n9\n10\n"


def test_index_files_report_lines_that_are_no_indices(tmp_path):
    (tmp_path / "part.txt").write_text("1\n2-\n")
    with pytest.raises(DataError, match="line 2: '2-'"):
        splits.read_indices(tmp_path / "part.txt")
    with pytest.raises(DataError, match="missing"):
        splits.read_indices(tmp_path / "none.txt")


@pytest.mark.parametrize("dataset", SHIPPED)
def test_shipped_splits_are_disjoint_and_complete(dataset):
    split = splits.read_split(dataset)
    numbered = {name: part for name, part in split.indices.items() if dataset == "glyphs" or name != "test"}
    together = np.concatenate(list(numbered.values()))
    assert len(np.unique(together)) == len(together) == SHIPPED[dataset]
    assert together.max() == SHIPPED[dataset] - 1
    assert together.min() == 0 and all(part.dtype == np.int64 for part in split.indices.values())
    if dataset != "glyphs":
        n = {"cifar10": 10_000, "imagenet": 50_000}[dataset]
        assert sorted(split.indices["test"]) == list(range(n))
    assert {name: len(part) for name, part in split.indices.items()} == split.info["sizes"]
    filed = ("calibration", "search") if dataset == "imagenet" else splits.SPLITS
    assert set(split.info["sha256"]) >= {f"{name}.txt" for name in filed}
    assert all(path.stat().st_size < 500_000 for path in split.folder.iterdir())


def test_cifar10_split_follows_its_rule():
    split = splits.read_split("cifar10")
    labels = np.repeat(np.arange(10), 5000)
    cut = splits.draw_split(
        labels, {"calibration": 1_024, "search": 10_000, "train": None}, split.info["seed"]
    )
    cut |= splits.draw_split(np.repeat(np.arange(10), 1000), {"test": None}, split.info["seed"])
    for name in splits.SPLITS:
        np.testing.assert_array_equal(split.indices[name], cut[name])
    for name in splits.SPLITS:  # and it is stratified
        counts = np.bincount(split.indices[name] // (1000 if name == "test" else 5000), minlength=10)
        assert np.ptp(counts) <= 2


def test_imagenet_split_follows_its_rule():
    split = splits.read_split("imagenet")
    assert split.info["sizes"] == {
        "train": 1_259_119,
        "calibration": 2_048,
        "search": 20_000,
        "test": 50_000,
    }
    values = np.random.PCG64(0).random_raw(1_281_167)
    in_order = np.concatenate([split.indices[name] for name in ("calibration", "search", "train")])
    assert (np.diff(values[in_order].astype(np.float64)) >= 0).all()
    assert (np.diff(values[:50_000][split.indices["test"]].astype(np.float64)) >= 0).all()
    for name in ("calibration", "search", "train"):  # a random sample of the list: evenly spread
        counts = np.histogram(split.indices[name], 16, (0, 1_281_167))[0]
        assert abs(counts - counts.mean()).max() < 4 * counts.mean() ** 0.5


def test_splits_without_files_are_left_out_of_the_list(tmp_path):
    info = {"lists": {"train": 8, "test": 3}, "seed": 5, "command": "none"}
    splits.write_split(tmp_path, {"calibration": [6, 1], "search": [0, 7, 2]}, info)
    split = splits.read_split("toy", tmp_path)
    assert split.info["sizes"] == {"train": 3, "calibration": 2, "search": 3, "test": 3}
    assert split.indices["train"].tolist() == [i for i in splits.draw_order(8, 5) if i in (3, 4, 5)]
    assert split.indices["test"].tolist() == splits.draw_order(3, 5).tolist()


def test_draw_order_is_pinned():
    assert splits.draw_order(10, seed=0).tolist() == [3, 2, 1, 8, 6, 0, 7, 4, 5, 9]
    assert splits.draw_order(10, seed=1).tolist() != splits.draw_order(10, seed=0).tolist()
    assert sorted(splits.draw_order(1000, seed=2)) == list(range(1000))


@pytest.mark.parametrize("damage", ["changed", "removed", "no json"])
def test_damaged_splits_are_refused(tmp_path, damage):
    folder = shutil.copytree(resources.project_path("data_splits/glyphs"), tmp_path / "glyphs")
    if damage == "changed":
        (folder / "search.txt").write_text("0-9999\n")
    else:
        (folder / ("test.txt" if damage == "removed" else "split.json")).unlink()
    with pytest.raises(DataError, match="Restore it from the repository"):
        splits.read_split("glyphs", folder)


def test_line_ends_of_the_system_do_not_matter(tmp_path):
    folder = shutil.copytree(resources.project_path("data_splits/glyphs"), tmp_path / "glyphs")
    path = folder / "train.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(splits.read_split("glyphs", folder).indices["train"]) == 50_000
