"""files: what is written is there as a whole, or as it was before."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regnas_core.errors import WriteError
from regnas_core.files import write_atomically, write_table

READ = {".csv": pd.read_csv, ".parquet": pd.read_parquet}


def test_a_crash_while_writing_leaves_the_old_content_and_no_part(tmp_path):
    path = tmp_path / "new" / "table.txt"
    assert write_atomically(path, lambda part: part.write_text("old")) == path

    def crash(part: Path) -> None:
        part.write_text("half")
        assert part.parent == path.parent and part.suffix == path.suffix
        assert path.read_text() == "old"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, crash)
    assert os.listdir(path.parent) == ["table.txt"]
    assert path.read_text() == "old"
    with path.open() as reader:
        write_atomically(path, lambda part: part.write_text("new"))
        assert reader.read() == "old"  # another file in its place, not the same one written over
    assert path.read_text() == "new"


def test_a_writer_that_writes_nothing_is_an_error_and_the_old_content_stays(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text("old")
    with pytest.raises(WriteError, match=r"table\.txt cannot be written: .* untouched"):
        write_atomically(path, lambda part: None)
    assert path.read_text() == "old"


def test_what_killed_writers_left_is_removed_after_a_day_and_nothing_else(tmp_path):
    names = (
        ".0123456789ab.log.csv",
        ".ba9876543210.log.csv",
        ".0123456789ab",
        ".hidden.csv",
        "0123456789ab.csv",
    )
    for name in names:
        (tmp_path / name).write_text("part")
        os.utime(tmp_path / name, (0, 0) if name != names[1] else None)
    write_atomically(tmp_path / "log.csv", lambda part: part.write_text("whole"))
    assert sorted(os.listdir(tmp_path)) == sorted([*names[1:], "log.csv"])


def test_a_path_may_be_text(tmp_path):
    path = tmp_path / "new" / "note.txt"
    assert write_atomically(str(path), lambda part: part.write_text("a")) == path
    assert write_table(pd.DataFrame({"n": [1]}), str(path.with_suffix(".csv"))) == path.with_suffix(".csv")
    assert sorted(os.listdir(path.parent)) == ["note.csv", "note.txt"]


@pytest.mark.parametrize("suffix", READ)
def test_tables_come_back_in_either_format(tmp_path, suffix):
    frame = pd.DataFrame({"arch": ["a", "b", "c"], "top1_pct": [70.5, 1 / 3, np.nan], "seed": [0, 1, 2]})
    path = write_table(frame, tmp_path / "searches" / f"log{suffix}")
    pd.testing.assert_frame_equal(READ[suffix](path), frame)


def test_a_csv_has_no_column_for_the_index(tmp_path):
    assert write_table(pd.DataFrame({"n": [1]}), tmp_path / "table.csv").read_text() == "n\n1\n"


@pytest.mark.parametrize("suffix", READ)
def test_a_table_is_replaced_as_a_whole(tmp_path, monkeypatch, suffix):
    path, old, new = tmp_path / "new" / f"table{suffix}", pd.DataFrame({"n": [1]}), pd.DataFrame({"n": [2]})
    write_table(old, path)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("regnas_core.files.os.replace", fail)
        with pytest.raises(OSError, match="disk full"):
            write_table(new, path)
    pd.testing.assert_frame_equal(READ[suffix](path), old)
    assert os.listdir(path.parent) == [path.name]
    write_table(new, path)
    pd.testing.assert_frame_equal(READ[suffix](path), new)
    assert os.listdir(path.parent) == [path.name]
