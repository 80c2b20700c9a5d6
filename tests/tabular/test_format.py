"""format: a table comes back whole, or its damage is told."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from tables import contents

from regnas_core.errors import DataError
from regnas_core.tabular.format import read, write


@pytest.mark.parametrize("name", ["mini", "mini-resnet"])
def test_a_table_comes_back(name, tmp_path):
    before = contents(name)
    after = read(write(tmp_path / "a.npz", before))
    assert after.space.identity == before.space.identity and after.info == before.info
    for field in ("grid", "macs", "params"):
        np.testing.assert_array_equal(getattr(after, field), getattr(before, field))
    for split in ("search", "test"):
        np.testing.assert_array_equal(after.bits[split], before.bits[split])
        np.testing.assert_array_equal(after.labels[split], before.labels[split])


def test_a_table_is_the_same_file_each_time(tmp_path):
    paths = [write(tmp_path / name, contents()) for name in ("a.npz", "b.npz")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_no_code_is_run_from_a_table(tmp_path):
    path = write(tmp_path / "a.npz", contents())
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, "genes": np.array([{"an": "object"}], object)})
    with pytest.raises(DataError, match="pickle"):
        read(path)


@pytest.mark.parametrize("damage", ["cut", "text", "bit", "format", "missing"])
def test_a_damaged_table_is_refused(damage, tmp_path):
    path = write(tmp_path / "a.npz", contents())
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-400])
    elif damage == "text":
        path.write_text("not a table")
    else:
        arrays = dict(np.load(path))
        if damage == "bit":
            arrays["macs"][3] += 1
        elif damage == "format":
            header = json.loads(arrays["header"].tobytes()) | {"format": "regnas-table/9"}
            arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        else:
            del arrays["right_test"]
        np.savez(path, **arrays)
    words = {"bit": "checksum", "format": "regnas-table/9", "missing": "checksum"}
    with pytest.raises(DataError, match=words.get(damage, "truncated, damaged or no table")):
        read(path)


def test_a_table_is_a_plain_archive_of_arrays(tmp_path):
    with zipfile.ZipFile(write(tmp_path / "a.npz", contents())) as archive:
        assert sorted(archive.namelist()) == [
            "genes.npy",
            "header.npy",
            "labels_search.npy",
            "labels_test.npy",
            "macs.npy",
            "params.npy",
            "right_search.npy",
            "right_test.npy",
        ]
