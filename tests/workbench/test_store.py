"""store: what was written is read back whole; what was not is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regnas_core.errors import DataError, WriteError
from regnas_core.files import write_atomically
from regnas_core.workbench import store as module
from regnas_core.workbench.store import PredictionStore

CLASSES = np.random.default_rng(0).integers(0, 20, (3, 50))
KEYS = ['{"ks":[3]}', '{"ks":[5]}', '{"ks":[7]}']


@pytest.fixture
def folder(tmp_path) -> Path:
    """A store with one shard."""
    folder = tmp_path / "predictions" / "net-images"
    PredictionStore(folder, 50).write(KEYS, CLASSES)
    return folder


def shard(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


# ── predictions ──────────────────────────────────────────────────────────────────────────────────
def test_predictions_are_read_back_in_any_order(folder):
    for store in (PredictionStore(folder, 50), PredictionStore(str(folder), 50)):
        assert len(store) == 3 and KEYS[1] in store and '{"ks":[9]}' not in store
        read = store.read([KEYS[2], KEYS[0], KEYS[2]])
        assert (read == CLASSES[[2, 0, 2]]).all() and read.dtype == np.uint8


def test_a_store_grows_from_run_to_run(folder):
    PredictionStore(folder, 50).write(["more"], CLASSES[:1] + 1)
    again = PredictionStore(folder, 50)
    assert len(again) == 4 and len(list(folder.iterdir())) == 2
    assert (again.read(["more", KEYS[0]]) == [CLASSES[0] + 1, CLASSES[0]]).all()


@pytest.mark.parametrize(("largest", "dtype"), [(255, np.uint8), (256, np.uint16), (21_840, np.uint16)])
def test_more_than_256_classes_take_two_bytes(tmp_path, largest, dtype):
    classes = np.array([[0, largest, 1]])
    PredictionStore(tmp_path, 3).write(["a"], classes)
    PredictionStore(tmp_path, 3).write(["b"], np.array([[1, 2, 3]]))
    read = PredictionStore(tmp_path, 3).read(["a"])
    assert read.dtype == dtype and (read == classes).all()
    both = PredictionStore(tmp_path, 3).read(["b", "a"])
    assert (both == [[1, 2, 3], [0, largest, 1]]).all()


@pytest.mark.parametrize("shape", [(3, 49), (2, 50), (150,)])
def test_predictions_of_the_wrong_shape_are_refused(tmp_path, shape):
    store = PredictionStore(tmp_path / "new", 50)
    with pytest.raises(DataError, match=r"Predictions have shape .*; expected \(3, 50\)"):
        store.write(KEYS, np.zeros(shape, int))
    assert len(store) == 0 and not (tmp_path / "new").exists()


# ── what a crash, or another run, may have left ──────────────────────────────────────────────────
def test_a_crash_while_writing_a_shard_loses_that_shard_alone(folder, monkeypatch):
    def crash(table, path, **_):
        Path(path).write_bytes(b"PAR1 half")
        raise OSError("disk full")

    store = PredictionStore(folder, 50)
    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", crash)
        with pytest.raises(
            WriteError, match=r"parquet cannot be written: disk full.*run the same command again"
        ):
            store.write(["more"], CLASSES[:1])
    assert "more" not in store
    again = PredictionStore(folder, 50)
    assert len(again) == 3 and (again.read(KEYS) == CLASSES).all()
    again.write(["more"], CLASSES[:1])
    assert len(PredictionStore(folder, 50)) == 4


def test_what_a_killed_writer_left_is_not_read(folder):
    """A process that is killed outright cannot remove its temporary file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(SystemExit):
            write_atomically(folder / "other.parquet", lambda part: [part.write_bytes(b"PAR1"), exit(9)])
    assert len(list(folder.iterdir())) == 2
    assert len(PredictionStore(folder, 50)) == 3


@pytest.mark.parametrize("keep", [0, 3, 100, -1])
def test_a_truncated_shard_is_named_with_what_to_do(folder, keep):
    path = shard(folder)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(
        DataError, match=rf"{path.name} cannot be read .*Delete it: what it held is computed again"
    ):
        PredictionStore(folder, 50)
    path.unlink()
    assert len(PredictionStore(folder, 50)) == 0


def test_a_table_of_another_kind_is_named(folder):
    pq.write_table(
        pa.table({"x": [1]}).replace_schema_metadata({"dtype": "|u1"}), folder / "stranger.parquet"
    )
    with pytest.raises(DataError, match=r"stranger\.parquet cannot be read"):
        PredictionStore(folder, 50)


def test_predictions_of_other_images_are_refused(folder):
    with pytest.raises(DataError, match=rf"{shard(folder).name} holds .* other images than the 40 expected"):
        PredictionStore(folder, 40)


# ── many networks, many processes ────────────────────────────────────────────────────────────────
@pytest.fixture
def large(tmp_path) -> tuple[Path, list[str], np.ndarray]:
    """A store with one shard of several groups."""
    classes = np.random.default_rng(1).integers(0, 20, (3 * module.GROUP + 5, 50))
    keys = [f"network {i}" for i in range(len(classes))]
    PredictionStore(tmp_path / "large", 50).write(keys, classes)
    return tmp_path / "large", keys, classes


def test_what_is_not_asked_for_is_not_read(large, monkeypatch):
    folder, keys, classes = large
    store, asked = PredictionStore(folder, 50), []
    read = pq.ParquetFile.read_row_groups
    monkeypatch.setattr(pq.ParquetFile, "read", None)
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_groups",
        lambda self, groups, *a: asked.extend(groups) or read(self, groups, *a),
    )
    chosen = [2 * module.GROUP + 3, 1, module.GROUP - 1]
    assert (store.read([keys[i] for i in chosen]) == classes[chosen]).all() and asked == [0, 2]


def test_a_flipped_byte_gives_the_right_predictions_or_a_named_error(large):
    folder, keys, classes = large
    path, named, right = shard(folder), 0, 0
    whole = path.read_bytes()
    for at in range(0, len(whole), 11):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        try:
            store = PredictionStore(folder, 50)
            there = [i for i, key in enumerate(keys) if key in store]
            assert (store.read([keys[i] for i in there]) == classes[there]).all()
            right += 1
        except DataError as error:
            assert path.name in str(error)
            named += 1
    assert named > 5 * right > 0


def test_predictions_of_one_process_are_seen_by_another(folder):
    first, second = PredictionStore(folder, 50), PredictionStore(folder, 50)
    assert second.missing(["more", KEYS[0], "more"]) == ["more"]
    first.write(["more"], CLASSES[:1])
    assert "more" not in second and second.missing(["more", "other"]) == ["other"]
    assert (second.read(["more"]) == CLASSES[:1]).all()


def test_what_another_process_wrote_first_stays(folder):
    """Threads may round otherwise; what one has read, all read."""
    PredictionStore(folder, 50).write(KEYS, CLASSES + 1)
    assert (PredictionStore(folder, 50).read(KEYS) == CLASSES).all()


def test_a_shard_of_another_store_or_version_is_refused(folder, tmp_path, monkeypatch):
    moved = folder.with_name("other-images")
    folder.rename(moved)
    with pytest.raises(DataError, match="holds predictions of net-images, not of other-images"):
        PredictionStore(moved, 50)
    with monkeypatch.context() as patch:
        patch.setattr(module, "FORMAT", "regnas-predictions/9")
        PredictionStore(tmp_path / "later", 50).write(KEYS, CLASSES)
    with pytest.raises(DataError, match=r"it is regnas-predictions/9, this version has regnas-predictions/2"):
        PredictionStore(tmp_path / "later", 50)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    store = PredictionStore(tmp_path / "file" / "predictions", 50)
    with pytest.raises(WriteError, match=r"file/predictions/.* cannot be written"):
        store.write(KEYS, CLASSES)
    assert store.missing(KEYS) == KEYS
