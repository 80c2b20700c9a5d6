"""Files of answers, up to the gate: what is read as what, how rows are joined, and what is refused."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regnas_core import cli
from regnas_core.errors import PredictionError
from regnas_core.flips.gate import assert_no_regression, flipped, gate, join, read_table
from regnas_core.flips.gate.command import write_pages

N, C = 200, 10
LABEL = np.arange(N) % C
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(N, C)) + 3 * np.eye(C)[LABEL]
P = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)


def frame(**more) -> pd.DataFrame:
    """A table whose answers are right but for ten."""
    table = pd.DataFrame({"item": np.arange(N) + 1000, "label": LABEL, "prediction": LABEL})
    table.loc[:9, "prediction"] += 1
    return table.assign(**more)


def save(path: Path, table: pd.DataFrame) -> Path:
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix == ".jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_csv(path, index=False, sep="\t" if ".tsv" in path.name else ",")
    return path


def judge(home: Path, old: pd.DataFrame, new: pd.DataFrame, suffix: str = ".parquet", **options):
    return gate(save(home / f"old{suffix}", old), [save(home / f"new{suffix}", new)], **options)


def run(monkeypatch, capsys, *words) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["regnas", "flips", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr()
    return end.value.code or 0, said.out + said.err


# ── labels and classes ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_missing_labels_are_refused(tmp_path, suffix):
    gaps = frame().assign(label=pd.Series(LABEL).where(np.arange(N) >= 90))
    with pytest.raises(PredictionError, match=r"old.*: 90 rows without a label. Fill them in"):
        judge(tmp_path, gaps, frame().drop(columns="label"), suffix, max_nfr="20%")
    names = frame(label="c" + pd.Series(LABEL).astype(str), prediction="c1")
    blank = names.assign(label=names["label"].where(np.arange(N) >= 90, ""))
    with pytest.raises(PredictionError, match=r"90 rows without a label"):
        judge(tmp_path, blank, names.drop(columns="label"), suffix, max_nfr="20%")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (np.where(LABEL == 3, -1, LABEL), r"scores 10 classes; 20 labels are not among 0 to 9, such as -1"),
        (np.where(LABEL == 3, 10, LABEL), r"20 labels are not among 0 to 9, such as 10"),
        (np.where(LABEL == 3, np.nan, LABEL), r"old.parquet: 20 rows without a label"),
    ],
)
def test_labels_beside_scores_are_classes(tmp_path, label, message):
    table = frame(label=label, logits=list(LOGITS)).drop(columns="prediction")
    with pytest.raises(PredictionError, match=message):
        judge(tmp_path, table, table.drop(columns="label"))


def test_as_many_names_as_scores(tmp_path):
    np.save(tmp_path / "p.npy", P)
    names = pd.Series([f"c{k}" for k in LABEL])
    old = save(tmp_path / "old.csv", frame(label=names, prediction=names))
    (tmp_path / "classes.txt").write_text("\n".join(f"c{k}" for k in range(C + 1)))
    with pytest.raises(PredictionError, match=r"scores 10 classes, and 11 have names"):
        gate(old, [tmp_path / "p.npy"], classes=tmp_path / "classes.txt")


def test_answers_of_other_classes_than_the_labels_are_refused(tmp_path):
    names = np.where(LABEL % 2, "CAT", "DOG")
    small = pd.Series(names).str.lower()
    with pytest.raises(
        PredictionError, match=r"old.*no prediction is among .* one is 'dog', a label is 'DOG'"
    ):
        judge(tmp_path, frame(label=names, prediction=small), frame(prediction=small).drop(columns="label"))
    new = frame(prediction=LABEL + 100).drop(columns="label")
    with pytest.raises(PredictionError, match=r"new.*one is 100, a label is 0"):
        judge(tmp_path, frame(), new)
    with pytest.raises(PredictionError, match=r"no prediction is among the labels' classes"):
        assert_no_regression(LABEL, LABEL, LABEL + 100, max_nfr="1%")


def test_blanks_around_the_names_of_a_csv_are_nothing(tmp_path):
    names = pd.Series(np.where(LABEL % 2, "cat", "dog"))
    release = judge(
        tmp_path,
        frame(label=names, prediction=names + " "),
        frame(prediction=" " + names).drop(columns="label"),
        ".csv",
    )
    assert release.candidates[0].counts.both_correct == N


@pytest.mark.parametrize("name", ["None", "NA", "nan", "null"])
def test_a_class_may_be_called_none(tmp_path, name):
    names = pd.Series(np.where(LABEL % 2, name, "cat"))
    table = frame(label=names, prediction=names)
    assert judge(tmp_path, table, table, ".csv").candidates[0].counts.both_correct == N


def test_columns_of_a_csv_are_numbers_where_all_are(tmp_path):
    (tmp_path / "a.csv").write_text(
        "id,n,gap,rate,right,name,code\n007,1,1,0.5,True,x ,12345678901234567890123\n100,2,NA,,False, ,5\n"
    )
    read = read_table(tmp_path / "a.csv").columns
    assert read["id"].tolist() == ["007", "100"] and read["n"].tolist() == [1, 2]
    assert read["gap"].isna().tolist() == read["rate"].isna().tolist() == [False, True]
    assert read["right"].tolist() == [True, False] and read["code"].tolist()[1] == "5"
    assert read["name"][0] == "x" and read["name"].isna()[1]


# ── joining ──────────────────────────────────────────────────────────────────────────────────────
def test_rows_in_another_order_are_seen_beside_a_file_of_labels(tmp_path):
    np.save(tmp_path / "y.npy", LABEL)
    old = frame().drop(columns="label")
    with pytest.raises(PredictionError, match=r"column item, and it differs .* --id item"):
        judge(tmp_path, old, old[::-1], labels=tmp_path / "y.npy")


@pytest.mark.parametrize("values", [[["a"], ["a", "b"]], [[1, 2], [3]]], ids=["texts", "numbers"])
def test_columns_of_lists_and_categories_are_compared(tmp_path, values):
    tags = [values[i % 2] for i in range(N)]
    kinds = pd.Categorical(np.where(LABEL % 2, "day", "night"))
    old, fewer = frame(tags=tags, kind=kinds), pd.Categorical(np.full(N, "day"))
    assert judge(tmp_path, old, old.drop(columns="label")).candidates[0].counts.negative == 0
    with pytest.raises(PredictionError, match=r"column tags, and it differs"):
        judge(tmp_path, old, old.assign(tags=tags[::-1]))
    with pytest.raises(PredictionError, match=r"column kind, and it differs"):
        judge(tmp_path, old, old.assign(kind=fewer))


@pytest.mark.parametrize("column", ["label", "prediction", "item"])
@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_lists_are_no_labels_predictions_or_ids(tmp_path, column, suffix):
    table = frame(**{column: [[k] for k in LABEL]})
    with pytest.raises(PredictionError, match=f"200 rows have a list in the column {column}"):
        judge(tmp_path, table, frame().drop(columns="label"), suffix, id="item" if column == "item" else None)


def test_labels_that_contradict_each_other_are_refused(tmp_path):
    other = frame(label=np.where(np.arange(N) < 5, 9, LABEL))
    with pytest.raises(PredictionError, match=r"5 labels of .*new.* as of item 1000: 9 and 0. Mend"):
        judge(tmp_path, frame(), other[::-1], id="item")
    with pytest.raises(PredictionError, match=r"5 labels of .*new.* as of item 0: 9 and 0. .*--id"):
        judge(tmp_path, frame(), other)
    assert judge(tmp_path, frame(), frame()[::-1], id="item").candidates[0].counts.negative == 0


# ── ids ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("suffixes", [(".parquet", ".jsonl"), (".jsonl", ".csv"), (".csv.gz", ".parquet")])
def test_ids_with_zeros_stay_text(tmp_path, suffixes):
    ids = [f"{i:012}" for i in range(N)]
    old = save(tmp_path / f"old{suffixes[0]}", frame(item=ids, prediction=LABEL))
    new = save(tmp_path / f"new{suffixes[1]}", frame(item=ids).drop(columns="label"))
    (tmp_path / "golden.txt").write_text(f"{ids[3]}\n{ids[50]}\n")
    release = gate(old, [new], id="item", golden=tmp_path / "golden.txt")
    assert release.best.golden == [ids[3]] and release.best.counts.negative == 10


def test_ids_that_are_text_here_and_numbers_there(tmp_path):
    with pytest.raises(
        PredictionError, match=r"item is text in .*new.parquet, such as '1000', and a number in .*old.parquet"
    ):
        judge(tmp_path, frame(), frame(item=frame()["item"].astype(str)), id="item", on_missing="drop")


def test_bytes_may_come_in_another_order(tmp_path):
    np.save(tmp_path / "swapped.npy", np.arange(N).astype(">i4"))
    read = read_table(tmp_path / "swapped.npy").columns["prediction"]
    assert read.dtype.isnative and (read.iloc[::-1] == np.arange(N)[::-1]).all()


def test_golden_lines_are_read_as_the_ids_are(tmp_path, monkeypatch, capsys):
    files = ["--baseline", save(tmp_path / "old.csv", frame(prediction=LABEL))]
    files += ["--candidate", save(tmp_path / "new.csv", frame()), "--golden", tmp_path / "golden.txt"]
    for lines, code, message in (
        ("1003\n", 2, "golden items that flip: 1 of 1"),
        ("01003\n", 2, "golden items that flip: 1 of 1"),
        ("²\n", 4, "1 of 1 golden ids are no items, such as ²"),
    ):
        (tmp_path / "golden.txt").write_text(lines, encoding="utf-8")
        found, said = run(monkeypatch, capsys, *files, "--id", "item")
        assert found == code and message in said, said
    (tmp_path / "golden.txt").write_text("3\n")
    found, said = run(monkeypatch, capsys, *files)
    assert found == 4 and "name the column of ids (--id)" in said


# ── scores ───────────────────────────────────────────────────────────────────────────────────────
def ragged(suffix: str, path: Path) -> Path:
    rows = [list(row) for row in P]
    rows[1], rows[2] = rows[1][:9], [*rows[2], 0.0]
    if suffix == ".parquet":
        pq.write_table(pa.table({"item": np.arange(N) + 1000, "logits": rows}), path)
    else:
        path.write_text(
            "".join(json.dumps({"item": 1000 + i, "logits": r}) + "\n" for i, r in enumerate(rows))
        )
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_scores_have_one_length(tmp_path, suffix):
    old = save(tmp_path / "old.csv", frame())
    with pytest.raises(PredictionError, match="unequal length: row 1 has 9 numbers, those before have 10"):
        gate(old, [ragged(suffix, tmp_path / f"new{suffix}")])


@pytest.mark.parametrize("suffix", [".npy", ".pt"])
@pytest.mark.parametrize("kind", ["probabilities", "logits"])
def test_what_unnamed_scores_are_is_found_and_said(tmp_path, suffix, kind):
    scores = {"probabilities": P, "logits": LOGITS}[kind].astype(np.float32)
    old = save(tmp_path / "old.parquet", frame(probabilities=list(P)).drop(columns="prediction"))
    path = tmp_path / f"new{suffix}"
    if suffix == ".npy":
        np.save(path, scores)
    else:
        torch = pytest.importorskip("torch")
        torch.save(torch.tensor(scores, requires_grad=True), path)
    release = gate(old, [path])
    assert release.candidates[0].soft_flips == pytest.approx(0, abs=1e-6)
    assert f"new: scores taken for {kind}" in release.items.notes


def test_a_dictionary_of_tensors_may_require_gradients(tmp_path):
    torch = pytest.importorskip("torch")
    logits = torch.tensor(LOGITS, requires_grad=True)
    torch.save({"logits": logits, "label": torch.tensor(LABEL), "w": logits[:, 0] + 9}, tmp_path / "a.pt")
    assert len(join(read_table(tmp_path / "a.pt"), [read_table(tmp_path / "a.pt")])) == N


def test_probabilities_are_some(tmp_path):
    table = frame(probabilities=list(LOGITS)).drop(columns="prediction")
    with pytest.raises(PredictionError, match=r"probabilities are none in row 0: .* Call the column logits"):
        judge(tmp_path, table, table)


# ── pages ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["confidence", "candidate", "baseline", "model", "id"])
@pytest.mark.parametrize("scored", [True, False])
def test_columns_that_are_called_as_ours_stay_apart(tmp_path, name, scored):
    own = [f"mine{i % 7}" for i in range(N)]
    old = frame(prediction=LABEL, **{name: own})
    new = frame().drop(columns="label")
    if scored:
        old = old.drop(columns="prediction").assign(probabilities=list(np.eye(C)[LABEL]))
        new = new.drop(columns="prediction").assign(probabilities=list(P[::-1]))
    release = judge(tmp_path, old, new, id="item")
    table = flipped(release, release.best)
    assert table[f"given_{name}"].str.startswith("mine").all() and ("confidence" in table) == scored
    write_pages(
        release, flipped_csv=tmp_path / "f.csv", html=tmp_path / "f.html", images=tmp_path, image_column=name
    )
    written = pd.read_csv(tmp_path / "f.csv")
    assert (written["model"] == "new").all() and written[f"given_{name}"].str.startswith("mine").all()
    assert ("the surest first" in (tmp_path / "f.html").read_text("utf-8")) == scored


def test_a_column_of_pictures_must_be_there(tmp_path, monkeypatch, capsys):
    files = ["--baseline", save(tmp_path / "old.csv", frame(prediction=LABEL))]
    files += ["--candidate", save(tmp_path / "new.csv", frame()), "--html", tmp_path / "o.html"]
    code, said = run(monkeypatch, capsys, *files, "--image-column", "nope")
    assert code == 4 and "There is no column nope" in said


# ── files ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("suffix", [".tsv", ".csv.gz", ".tsv.gz", ".jsonl.gz"])
def test_tabs_and_compressed_text(tmp_path, suffix):
    old, path = save(tmp_path / "old.csv", frame(prediction=LABEL)), tmp_path / f"new{suffix}"
    if suffix == ".jsonl.gz":
        with gzip.open(path, "wt") as file:
            frame().to_json(file, orient="records", lines=True)
    else:
        save(path, frame())
    assert gate(old, [path], id="item").candidates[0].counts.negative == 10
    path.rename(tmp_path / "new.npy.gz")
    with pytest.raises(PredictionError, match="unknown suffix"):
        read_table(tmp_path / "new.npy.gz")


def test_several_splits_are_too_many(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(PredictionError, match=r"several splits \(train, test\); give the folder of one"):
        read_table(tmp_path / "set")


def test_scores_in_columns_of_a_csv_are_told(tmp_path):
    pd.DataFrame(P).to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(PredictionError, match=r"10 columns, and numbers for names .* one column of lists"):
        read_table(tmp_path / "new.csv")
    pd.DataFrame(P, columns=list("abcdefghij")).to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(PredictionError, match=r"no column prediction, nor a column of lists"):
        gate(save(tmp_path / "old.csv", frame()), [tmp_path / "new.csv"])


def test_a_line_of_json_is_an_object(tmp_path):
    (tmp_path / "a.jsonl").write_text("[1, 2]\n")
    with pytest.raises(PredictionError, match="a line is no object"):
        read_table(tmp_path / "a.jsonl")


@pytest.mark.slow
def test_scores_in_parquet_are_streamed(tmp_path):
    path, parts = tmp_path / "scores.parquet", 40
    rows, classes = 4096, 500  # 8 MB a part
    values = pa.array(np.random.default_rng(0).random(rows * classes, np.float32))
    lists = pa.ListArray.from_arrays(np.arange(0, (rows + 1) * classes, classes, np.int32), values)
    with pq.ParquetWriter(path, pa.schema([("logits", lists.type)]), use_dictionary=False) as writer:
        for _ in range(parts):
            writer.write_table(pa.table({"logits": lists}))
    code = (
        "import resource, sys\nfrom regnas_core.flips.tables import read_table\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "blocks = read_table(sys.argv[1]).scores()\nnext(blocks)\nbefore = peak()\n"
        "rows = sum(len(block) for block in blocks)\nprint(rows, peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    rest, grown = map(float, done.stdout.split())
    assert rest > 30 * rows and grown < 150  # of 320 MB
