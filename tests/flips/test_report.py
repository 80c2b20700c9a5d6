"""flip_report: files in, tables out, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regnas_core.errors import PredictionError
from regnas_core.flips.counts import flip_counts
from regnas_core.flips.report import (
    flip_table,
    flips_command,
    format_table,
    per_class_table,
    read_predictions,
)

LABELS = np.array([0, 0, 1, 1, 2, 2, 3, 3])
WEAK = np.array([0, 0, 1, 0, 2, 1, 0, 0])  # 4 of 8 right
MIDDLE = np.array([0, 1, 1, 1, 0, 2, 3, 0])  # 5 of 8 right
STRONG = np.array([0, 0, 1, 1, 0, 2, 3, 3])  # 7 of 8 right


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def save(path: Path, values: np.ndarray) -> Path:
    np.save(path, values)
    return path


# Reading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "3\n1\n2\n",
        "3\r\n1\r\n2",
        "prediction\n3\n1\n2\n",
        "anything\n3\n1\n2\n",
        "image, prediction\na.jpg, 3\nb.jpg, 1\nc.jpg, 2\n",
        ",Label\n0,3\n1,1\n2,2\n",
        "label,prediction\n9,3\n9,1\n9,2\n",
    ],
)
def test_csv_forms(tmp_path: Path, text: str) -> None:
    values = read_predictions(write(tmp_path / "a.csv", text))
    assert values.tolist() == [3, 1, 2]
    assert values.dtype.kind == "i"


def test_of_scores_the_highest_is_the_prediction(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    frame = pd.DataFrame({"image": np.arange(8), "logits": scores.tolist()})
    frame.to_parquet(tmp_path / "b.parquet")
    frame.to_json(tmp_path / "b.jsonl", orient="records", lines=True)
    for path in (save(tmp_path / "a.npy", scores), tmp_path / "b.parquet", tmp_path / "b.jsonl"):
        assert read_predictions(path).tolist() == scores.argmax(1).tolist()


def test_label_column_is_preferred_for_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "both.csv", "label,prediction\n9,3\n8,1\n")
    assert read_predictions(path, column="label").tolist() == [9, 8]


def test_npy_and_parquet(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npy", WEAK.astype(np.int16))
    assert read_predictions(path).tolist() == WEAK.tolist()
    assert read_predictions(str(path)).dtype == np.int16
    pytest.importorskip("pyarrow", reason="needs pyarrow to read Parquet")
    frame = pd.DataFrame({"score": 0.5, "prediction": pd.array(WEAK, dtype="Int64")})
    frame.to_parquet(tmp_path / "a.parquet")
    assert read_predictions(tmp_path / "a.parquet").tolist() == WEAK.tolist()
    frame["prediction"] = frame["prediction"].mask(frame.index == 2)
    frame.to_parquet(tmp_path / "missing.parquet")
    with pytest.raises(
        PredictionError, match=r"missing\.parquet: 1 of 8 values are missing, first for image 2"
    ):
        read_predictions(tmp_path / "missing.parquet")
    pd.DataFrame({"right": [True, False]}).to_parquet(tmp_path / "bool.parquet")
    with pytest.raises(PredictionError, match=r"bool\.parquet has type bool"):
        read_predictions(tmp_path / "bool.parquet")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "1\n", r"a\.txt: unknown suffix '\.txt'; expected one of \.npy, \.csv, \.parquet"),
        ("a.csv", "", r"a\.csv: cannot be read \(.*\); expected a whole \.csv file"),
        ("a.csv", "prediction\n", r"a\.csv is empty"),
        ("a.csv", "0.1,0.9\n0.8,0.2\n", r"a\.csv: 2 columns, and numbers for names .* column of lists"),
        ("a.csv", "label,label\n1,2\n", r"a\.csv has the column label twice"),
        ("a.csv", "1\n2,3\n", r"a\.csv: cannot be read"),
        (
            "a.csv",
            "prediction,x\n0,2,3\n1,5,6\n",
            r"a\.csv: cannot be read \(ParserWarning: Length of header",
        ),
        ("a.csv", "1.0\n2.0\n", r"a\.csv has type float64; expected integer class indices"),
        ("a.csv", "prediction\n1\ncat\n", r"a\.csv: .*cat.*; expected integer class indices"),
        ("a.csv", "1\n\n2\n", r"a\.csv: 1 of 3 values are missing, first for image 1"),
        ("a.csv", "\n1\n2\n", r"a\.csv: cannot be read"),
        ("a.csv", "nan\n1\n2\n", r"a\.csv: 1 of 3 values are missing, first for image 0"),
        ("a.csv", "1\n-1\n", r"a\.csv holds class -1"),
        ("a.npy", "", r"a\.npy: cannot be read"),
        ("a.npy", "not an array", r"a\.npy: cannot be read"),
        ("a.parquet", "not a table", r"a\.parquet: cannot be read"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(PredictionError, match=message):
        read_predictions(write(tmp_path / name, text))


def test_arrays_and_paths_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match=r"none\.npy: no such file; expected \.npy, \.csv"):
        read_predictions(tmp_path / "none.npy")
    with pytest.raises(PredictionError, match=r"float\.npy has type float64; expected integer class indices"):
        read_predictions(save(tmp_path / "float.npy", np.zeros(4)))
    with pytest.raises(PredictionError, match=r"logits\.npy is NaN for 4 of 4 images"):
        read_predictions(save(tmp_path / "logits.npy", np.full((4, 10), np.nan)))
    with pytest.raises(PredictionError, match=r"cube\.npy holds float64 \(4, 3, 2\); expected classes"):
        read_predictions(save(tmp_path / "cube.npy", np.zeros((4, 3, 2))))
    whole = save(tmp_path / "whole.npy", LABELS).read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-8])
    with pytest.raises(PredictionError, match=r"cut\.npy: cannot be read"):
        read_predictions(tmp_path / "cut.npy")
    np.save(tmp_path / "objects.npy", np.array([1, "a"], dtype=object), allow_pickle=True)
    with pytest.raises(PredictionError, match=r"objects\.npy: cannot be read .*Python objects"):
        read_predictions(tmp_path / "objects.npy")


# Tables ----------------------------------------------------------------------------------------------


def test_flip_table_by_hand() -> None:
    table = flip_table({"strong": STRONG, "weak": WEAK, "middle": MIDDLE}, LABELS, level=0.9)
    assert list(zip(table["reference"], table["target"], strict=True)) == [
        ("weak", "middle"),
        ("weak", "strong"),
        ("middle", "strong"),
    ]
    names = "n reference_top1_pct target_top1_pct nfr_pct nfr_low_pct nfr_high_pct pfr_pct relative_nfr nfi"
    assert " ".join(table.columns) == f"reference target {names}"
    first = table.iloc[0]
    assert first["n"] == 8
    assert (first["reference_top1_pct"], first["target_top1_pct"]) == (50, 62.5)
    assert (first["nfr_pct"], first["pfr_pct"]) == (25, 37.5)
    assert first["relative_nfr"] == pytest.approx(0.25 / (0.5 * 0.375))
    assert first["nfi"] == pytest.approx(2 / 3)
    bounds = flip_counts(WEAK, MIDDLE, LABELS).nfr_interval(0.9)
    assert (first["nfr_low_pct"], first["nfr_high_pct"]) == pytest.approx(
        (100 * bounds.low, 100 * bounds.high)
    )
    assert table["nfr_pct"].tolist() == [25, 12.5, 0]


def test_flip_table_keeps_the_order_of_a_tie() -> None:
    mirrored = {"b": STRONG, "a": STRONG}
    assert flip_table(mirrored, LABELS).loc[0, ["reference", "target"]].tolist() == ["b", "a"]


def test_per_class_table_by_hand() -> None:
    # Class 1 renamed 5: classes 1 and 4 have no image.
    labels, weak, middle = (np.where(v == 1, 5, v) for v in (LABELS, WEAK, MIDDLE))
    table = per_class_table({"middle": middle, "weak": weak}, labels)
    assert set(table["reference"]) == {"weak"}
    assert table["class"].tolist() == [0, 2, 3, 5]
    assert table["n"].tolist() == [2, 2, 2, 2]
    assert table["negative"].tolist() == [1, 1, 0, 0]
    assert table["nfr_pct"].tolist() == [50, 50, 0, 0]


def test_tables_refuse() -> None:
    with pytest.raises(PredictionError, match="1 model given; expected at least two"):
        flip_table({"weak": WEAK}, LABELS)
    with pytest.raises(PredictionError, match="middle covers 7 images, labels 8"):
        flip_table({"weak": WEAK, "middle": MIDDLE[:7]}, LABELS)
    with pytest.raises(PredictionError, match="weak has type float64"):
        per_class_table({"weak": WEAK.astype(float), "middle": MIDDLE}, LABELS)
    with pytest.raises(PredictionError, match="at level 2"):
        flip_table({"weak": WEAK, "middle": MIDDLE}, LABELS, level=2)


def test_format_is_aligned_text() -> None:
    table = pd.DataFrame(
        {"reference": ["a", "long"], "n": [8, 10_000], "nfr_pct": [2.5, 12.345], "nfi": [np.nan, 0.5]}
    )
    assert format_table(table).splitlines() == [
        "reference      n  nfr_pct    nfi",
        "a              8     2.50      -",
        "long       10000    12.35  0.500",
    ]


# Command ---------------------------------------------------------------------------------------------


def test_command_prints_and_writes_the_same_table(tmp_path: Path) -> None:
    labels = write(tmp_path / "y.csv", "\n".join(map(str, LABELS)))
    models = [save(tmp_path / "strong.npy", STRONG), save(tmp_path / "weak.npy", WEAK)]
    text = flips_command(labels, models, csv=tmp_path / "pairs.csv")
    note, blank, header, row = text.splitlines()
    assert note.startswith("8 images; the reference is the model with the lower Top-1")
    assert "95 % interval" in note
    assert blank == ""
    assert header.split()[:3] == ["reference", "target", "n"]
    assert row.split()[:6] == ["weak", "strong", "8", "50.00", "87.50", "12.50"]
    written = pd.read_csv(tmp_path / "pairs.csv")
    pd.testing.assert_frame_equal(
        written, flip_table({"strong": STRONG, "weak": WEAK}, LABELS), check_dtype=False
    )
    by_class = flips_command(labels, models, csv=tmp_path / "classes.csv", per_class=True)
    assert len(by_class.splitlines()) == 3 + 4
    assert pd.read_csv(tmp_path / "classes.csv")["negative"].tolist() == [0, 0, 1, 0]


def test_command_names_models_by_path_where_file_names_repeat(tmp_path: Path) -> None:
    labels = save(tmp_path / "y.npy", LABELS)
    paths = []
    for folder, values in (("one", WEAK), ("two", STRONG)):
        (tmp_path / folder).mkdir()
        paths.append(save(tmp_path / folder / "predictions.npy", values))
    text = flips_command(labels, paths)
    assert str(paths[0]) in text
    assert str(paths[1]) in text


def test_command_refuses(tmp_path: Path) -> None:
    labels, weak = save(tmp_path / "y.npy", LABELS), save(tmp_path / "weak.npy", WEAK)
    short = save(tmp_path / "short.npy", WEAK[:7])
    with pytest.raises(
        PredictionError, match=r"short\.npy has 7 images, .*y\.npy has 8; expected the same images"
    ):
        flips_command(labels, [weak, short])
    with pytest.raises(PredictionError, match="a file is given twice"):
        flips_command(labels, [weak, weak])
    with pytest.raises(PredictionError, match="1 model given"):
        flips_command(labels, [weak])
    with pytest.raises(PredictionError, match=r"none\.npy: no such file"):
        flips_command(labels, [weak, tmp_path / "none.npy"], csv=tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
