"""gate: from files to verdicts, exit codes and pages; and what is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as xml

import numpy as np
import pandas as pd
import pytest

from regnas_core import cli
from regnas_core.errors import PredictionError
from regnas_core.flips.gate import (
    BROKEN,
    Limits,
    as_json,
    as_markdown,
    as_text,
    assert_no_regression,
    compare,
    flipped,
    gate,
    join,
    rate,
    read_policy,
    read_table,
)
from regnas_core.flips.gate.command import write_pages
from regnas_core.flips.gate.forecast import more_for_gain, more_for_rate, more_for_slices
from regnas_core.flips.gate.limits import (
    Bounded,
    at_least,
    at_most,
    effective_items,
    flip_rate,
    gain,
    gain_bounds,
    rate_bounds,
    slices_at_most,
)
from regnas_core.flips.intervals import rate_interval
from regnas_core.resources import project_path

N = 400
README = project_path("README.md").read_text(encoding="utf-8")


@pytest.fixture
def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """A baseline with labels, and a candidate: 300 of 400 right, and 5 negative, 25 positive flips."""
    label = np.arange(N) % 10
    old, new = label.copy(), label.copy()
    old[:100] += 1
    new[25:100] += 1
    new[100:105] += 2
    columns = {
        "item": np.arange(N) + 1000,
        "label": label,
        "kind": np.where(np.arange(N) % 4, "day", "night"),
    }
    baseline = pd.DataFrame({**columns, "prediction": old % 10})
    return baseline, pd.DataFrame({"item": columns["item"], "prediction": new % 10})


@pytest.fixture
def files(frames, tmp_path) -> tuple[Path, Path]:
    paths = tmp_path / "old.parquet", tmp_path / "new.parquet"
    for frame, path in zip(frames, paths, strict=True):
        frame.to_parquet(path)
    return paths


@pytest.fixture
def asked(files) -> list:
    """The command's words for these files."""
    return ["--baseline", files[0], "--candidate", files[1]]


def run(monkeypatch, capsys, *words) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["regnas", "flips", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr()
    return end.value.code or 0, said.out, said.err


# ── counting ─────────────────────────────────────────────────────────────────────────────────────
def test_flips_count_from_the_baseline_even_to_a_worse_candidate(files):
    old, new = files
    one = gate(old, [new]).candidates[0]
    assert (one.counts.negative, one.counts.positive) == (5, 25) and one.verdict is None
    labels = old  # a file of labels may have more columns
    back = gate(new, [old], labels).candidates[0]
    assert (back.counts.negative, back.counts.positive) == (25, 5)
    assert back.counts.target_top1 < back.counts.reference_top1
    assert one.churn == pytest.approx(30 / N) and one.top_flips is None and one.soft_flips is None


def test_rows_in_another_order_are_joined_by_id_and_refused_without(frames, tmp_path):
    old, new = frames
    old.to_parquet(tmp_path / "old.parquet")
    new.sample(frac=1, random_state=0).to_parquet(tmp_path / "new.parquet")
    joined = gate(tmp_path / "old.parquet", [tmp_path / "new.parquet"], id="item")
    assert joined.candidates[0].counts.negative == 5 and joined.items.notes == ["joined by item"]
    with pytest.raises(PredictionError, match=r"column item, and it differs .* --id item"):
        gate(tmp_path / "old.parquet", [tmp_path / "new.parquet"])


def test_ids_are_strict(frames, tmp_path):
    old, new = frames
    old.to_parquet(tmp_path / "old.parquet")
    for name, changed, message in (
        ("twice", pd.concat([new, new[:3]]), r"3 rows repeat an item, such as 1000"),
        ("missing", new.assign(item=new["item"].where(new["item"] != 1003)), r"1 rows without item"),
        ("fewer", new[7:], r"beyond the 393 that all have: .*old.parquet 7"),
        ("others", new.assign(item=new["item"] + 10_000), r"beyond the 0 that all have"),
    ):
        changed.to_parquet(tmp_path / f"{name}.parquet")
        with pytest.raises(PredictionError, match=message):
            gate(tmp_path / "old.parquet", [tmp_path / f"{name}.parquet"], id="item")
    dropped = gate(tmp_path / "old.parquet", [tmp_path / "fewer.parquet"], id="item", on_missing="drop")
    assert len(dropped.items) == 393 and "left out" in dropped.items.notes[1]
    with pytest.raises(PredictionError, match="no item that all tables have"):
        gate(tmp_path / "old.parquet", [tmp_path / "others.parquet"], id="item", on_missing="drop")


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl", "npy", "pt", "folder"])
def test_every_format_says_the_same(frames, tmp_path, suffix):
    old, new = frames
    np.save(tmp_path / "y.npy", old["label"])
    path = tmp_path / f"new.{suffix}"
    if suffix == "csv":
        new.to_csv(path, index=False)
    elif suffix == "parquet":
        new.to_parquet(path)
    elif suffix == "jsonl":
        new.to_json(path, orient="records", lines=True)
    elif suffix == "npy":
        np.save(path, new["prediction"])
    elif suffix == "pt":
        torch = pytest.importorskip("torch")
        torch.save(torch.tensor(new["prediction"].to_numpy()), path)
    else:
        pa = pytest.importorskip("pyarrow")
        path.mkdir()
        table = pa.Table.from_pandas(new, preserve_index=False)
        with (
            pa.OSFile(str(path / "data-00000-of-00001.arrow"), "wb") as sink,
            pa.ipc.new_stream(sink, table.schema) as out,
        ):
            out.write_table(table)
        (path / "state.json").write_text(
            json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]})
        )
    np.save(tmp_path / "old.npy", old["prediction"])
    found = gate(tmp_path / "old.npy", [path], tmp_path / "y.npy").candidates[0]
    assert (found.counts.negative, found.counts.positive) == (5, 25)


@pytest.mark.parametrize("kind", ["probabilities", "logits"])
def test_scores_give_classes_top_k_and_soft_flips(tmp_path, kind):
    rng = np.random.default_rng(0)
    label, logits = rng.integers(0, 6, 300), rng.normal(0, 2, (2, 300, 6))
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    for name, scores in zip(("old", "new"), p if kind == "probabilities" else logits, strict=True):
        pd.DataFrame({"label": label, kind: list(scores)}).to_parquet(tmp_path / f"{name}.parquet")
    one = gate(tmp_path / "old.parquet", [tmp_path / "new.parquet"], top=2).candidates[0]
    right = p.argmax(-1) == label
    assert one.counts.negative == (right[0] & ~right[1]).sum()
    own = np.take_along_axis(p, np.broadcast_to(label[:, None], (2, 300, 1)), -1)
    near = (p > own).sum(-1) < 2
    assert one.top_flips == pytest.approx((near[0] & ~near[1]).mean())
    loss = np.clip(own[0, :, 0] - own[1, :, 0], 0, None)
    assert one.soft_flips == pytest.approx(loss.mean(), abs=1e-6)
    confidence = flipped(compare(join(*_tables(tmp_path))), one)["confidence"].to_numpy()
    assert (np.diff(confidence) <= 0).all() and confidence.max() <= 1


def _tables(folder: Path):
    return read_table(folder / "old.parquet"), [read_table(folder / "new.parquet")]


def test_an_item_of_several_labels_is_right_if_all_are(tmp_path):
    label = ["cat", "cat dog", "dog", "cat dog", ""]
    pd.DataFrame({"id": range(5), "label": label, "prediction": label}).to_parquet(tmp_path / "old.parquet")
    new = ["cat dog", "cat dog", "dog", "dog", ""]  # one label too many, one too few
    pd.DataFrame({"id": range(5), "prediction": new}).to_parquet(tmp_path / "new.parquet")
    found = join(read_table(tmp_path / "old.parquet"), [read_table(tmp_path / "new.parquet")], id="id")
    assert found.candidates[0].right.tolist() == [False, True, True, False, True]


def test_names_of_classes_stand_for_scores(tmp_path):
    pd.DataFrame({"label": ["cat", "dog"], "prediction": ["cat", "dog"]}).to_csv(
        tmp_path / "old.csv", index=False
    )
    np.save(tmp_path / "new.npy", np.array([[0.9, 0.1], [0.8, 0.2]]))
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    one = gate(tmp_path / "old.csv", [tmp_path / "new.npy"], classes=tmp_path / "classes.txt").candidates[0]
    assert one.counts.negative == 1
    with pytest.raises(PredictionError, match="--classes"):
        gate(tmp_path / "old.csv", [tmp_path / "new.npy"])


# ── verdicts ─────────────────────────────────────────────────────────────────────────────────────
def test_bounds_are_exact_and_one_sided():
    found = flip_rate(np.arange(100) < 3, None, 0.95)
    assert (found.value, found.n) == (0.03, 100)
    assert found.high == pytest.approx(0.0757, abs=1e-4) and found.low == pytest.approx(0.0082, abs=1e-4)
    assert flip_rate(np.zeros(50, bool), None, 0.95).low == 0
    same = flip_rate(np.arange(100) < 3, np.full(100, 7.0), 0.95)
    assert (same.value, same.high) == pytest.approx((found.value, found.high))


@pytest.mark.slow
@pytest.mark.parametrize("true", [0.005, 0.02, 0.1])
def test_a_verdict_is_wrong_as_rarely_as_it_says(true):
    rng, limit = np.random.default_rng(0), true
    drawn = [flip_rate(rng.random(800) < true, None, 0.95) for _ in range(400)]
    wrong = [at_most(one, limit * (1 + 1e-9)) == "fail" for one in drawn]
    passed = [at_most(one, limit * (1 - 1e-9)) == "pass" for one in drawn]
    assert np.mean(wrong) <= 0.08 and np.mean(passed) <= 0.08


@pytest.mark.parametrize("flips_more", [False, True])
def test_bounds_of_weighted_items_cover_the_rate_even_where_heavy_ones_flip_more(flips_more):
    """A tenth of the items weighs ten times as much, as of a country that the sample neglects."""
    rng, n, rates, gains = np.random.default_rng(0), 400, [], []
    light, heavy = 0.01, 0.2 if flips_more else 0.01
    truth = (0.9 * light + 0.1 * 10 * heavy) / (0.9 + 0.1 * 10)
    for _ in range(600):
        weights = np.where(rng.random(n) < 0.1, 10.0, 1.0)
        flips = rng.random(n) < np.where(weights > 1, heavy, light)
        rates.append(flip_rate(flips, weights, 0.95))
        gains.append(gain(np.ones(n, bool), ~flips, weights, 0.95))
    for found, true in ((rates, truth), (gains, -truth)):
        low, high = (np.array([getattr(one, end) for one in found]) for end in ("low", "high"))
        # 95 % within what 600 samples tell (three standard errors, 0.9 points each)
        assert (low <= true).mean() > 0.923 and (high >= true).mean() > 0.923
        assert np.mean([one.value for one in found]) == pytest.approx(true, abs=0.003)


def test_fewer_effective_items_where_heavy_ones_differ():
    weights = np.repeat([1.0, 5.0], [80, 20])
    kish = weights.sum() ** 2 / (weights**2).sum()
    light, heavy = np.arange(100) < 8, np.arange(100) >= 92
    assert effective_items(heavy, weights) < effective_items(light, weights) == pytest.approx(kish)
    assert effective_items(np.zeros(100), weights) == pytest.approx(kish)


def test_verdicts_lie_between_the_bounds():
    one = Bounded(0.02, 0.01, 0.03, 1000)
    assert [at_most(one, x) for x in (0.04, 0.02, 0.005)] == ["pass", "inconclusive", "fail"]
    assert [at_least(one, x) for x in (0.005, 0.02, 0.04)] == ["pass", "inconclusive", "fail"]


@pytest.mark.parametrize(("count", "n"), [(0, 1), (0, 268), (3, 40), (15, 1099), (33, 4000), (9, 9)])
@pytest.mark.parametrize("limit", [0.01, 0.02, 0.9])
def test_so_many_more_items_would_decide_and_no_fewer(count, n, limit):
    def verdict(more: int):
        return at_most(rate_bounds(count / n * (n + more), n + more, 0.95), limit)

    if verdict(0) == "inconclusive":
        more = more_for_rate(rate_bounds(count, n, 0.95), limit, 0.95, n)
        assert verdict(more) != "inconclusive" == verdict(more - 1)


def test_no_flip_among_so_few_items_says_little():
    for n, more in ((268, 31), (1, 298)):  # 299 items without a flip show 1 %
        assert more_for_rate(flip_rate(np.zeros(n, bool), None, 0.95), 0.01, 0.95, n) == more
        assert at_most(flip_rate(np.zeros(n + more, bool), None, 0.95), 0.01) == "pass"
    assert more_for_rate(rate_bounds(20, 1000, 0.95), 0.02, 0.95, 1000) is None  # the limit itself


@pytest.mark.parametrize(("up", "down", "limit"), [(55, 45, 0), (45, 55, 0), (9, 14, -0.01), (80, 20, 0.05)])
def test_so_many_more_items_would_decide_about_a_gain(up, down, limit):
    def verdict(more: int):
        grown = (1000 + more) / 1000
        return at_least(gain_bounds(up * grown, down * grown, 1000 + more, 0.95), limit)

    more = more_for_gain(gain_bounds(up, down, 1000, 0.95), down / 1000, limit, 0.95, 1000)
    assert verdict(0) == verdict(more - 1) == "inconclusive" != verdict(more)
    if (up, down) == (55, 45):
        assert 1500 < more < 1900  # gains are paired: p (1 - p) of 1 % would say 1


def test_so_many_more_items_would_decide_about_a_slice_among_others():
    found, sizes = (
        [rate_bounds(k, n, 0.95) for k, n in ((6, 50), (0, 40), (1, 50), (0, 500))],
        (50, 40, 50, 500),
    )
    assert slices_at_most(found, 0.04, 0.95) == ["inconclusive"] * 3 + ["pass"]
    needed = more_for_slices(found, 0.04, 0.95, sizes)
    assert needed[3] is None
    for place, more in enumerate(needed[:3]):
        for extra, decided in ((more - 1, False), (more, True)):
            n = sizes[place] + extra
            grown = [*found[:place], rate_bounds(found[place].value * n, n, 0.95), *found[place + 1 :]]
            assert (slices_at_most(grown, 0.04, 0.95)[place] != "inconclusive") == decided


def test_weighted_items_are_counted_as_items(frames, files, tmp_path):
    old, _ = frames
    old.assign(w=np.where(np.arange(N) % 10, 1.0, 30.0)).to_parquet(tmp_path / "w.parquet")
    one = gate(tmp_path / "w.parquet", [files[1]], weight="w", max_nfr="1.5%").best
    (said,) = (int(x.replace(",", "")) for x in re.findall(r"some ([\d,]+) more items", one.reasons[0][1]))
    effective = more_for_rate(one.nfr, 0.015, 0.95, round(one.nfr.n))
    assert said == pytest.approx(effective * N / one.nfr.n, rel=0.02) and said > effective


def test_the_more_slices_the_surer_a_failure_must_be():
    bad = flip_rate(np.arange(100) < 10, None, 0.95)
    good = flip_rate(np.zeros(100, bool), None, 0.95)
    assert slices_at_most([bad], 0.05, 0.95) == ["fail"]
    assert slices_at_most([bad] + [good] * 9, 0.05, 0.95) == ["inconclusive"] + ["pass"] * 9


def test_gains_are_paired():
    old, new = np.arange(1000) < 700, np.arange(1000) < 720
    found = gain(old, new, None, 0.95)
    assert found.value == pytest.approx(0.02) and 0.01 < found.low < 0.02 < found.high < 0.03


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), 0),
        (("--max-nfr", "5%"), 0),
        (("--max-nfr", "0.3%"), 1),
        (("--max-nfr", "1.5%"), 3),
        (("--min-top1-gain", "2%"), 0),
        (("--min-top1-gain", "20%"), 1),
        (("--max-nfr-slice", "10%", "--slice", "kind"), 0),
        (("--max-nfr-slice", "0.1%", "--slice", "kind,label"), 3),
        (("--max-nfr", "120%"), 4),
        (("--max-nfr", "much"), 4),
        (("--slice", "nothing"), 4),
        (("--max-nfr-slice", "1%"), 4),
        (("--no-such-option",), 4),
        (("--id", "nothing"), 4),
        (("--confidence", "20%", "--max-nfr", "1%"), 4),
        (("--max-nfr", "1"), 4),
        (("--min-top1-gain", "-2"), 4),
        (("--confidence", "95", "--max-nfr", "1%"), 4),
        (("--top", "0"), 4),
        (("--top", "-3"), 4),
        (("--min-slice", "0"), 4),
        (("--csv", "flips.csv"), 4),
        (("--per-class",), 4),
        (("--level", "0.9"), 4),
        (("another.npy",), 4),
        (("--images", "."), 4),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_exit_codes(asked, monkeypatch, capsys, options, code):
    found, out, err = run(monkeypatch, capsys, *asked, *options)
    assert found == code, (out, err)
    assert ("Error:" in err) == (code == 4)


def test_golden_items_must_not_flip(asked, tmp_path, monkeypatch, capsys):
    words = [*asked, "--id", "item", "--golden", tmp_path / "golden.txt"]
    for ids, code in (("1100\n1200\n", 2), ("1200\n1300\n", 0), ("1200\n7\n", 4)):
        (tmp_path / "golden.txt").write_text(ids)
        found, out, err = run(monkeypatch, capsys, *words)
        assert found == code, (out, err)
    assert "1 of 2 golden ids are no items, such as 7" in err


def test_golden_items_may_have_names(frames, tmp_path):
    old, new = (frame.assign(item="i" + frame["item"].astype(str)) for frame in frames)
    old.to_parquet(tmp_path / "old.parquet")
    new.to_parquet(tmp_path / "new.parquet")
    (tmp_path / "golden.txt").write_text("i1100\ni1200\n")
    files = tmp_path / "old.parquet", [tmp_path / "new.parquet"]
    release = gate(*files, id="item", golden=tmp_path / "golden.txt")
    assert release.verdict == "golden failure" and release.best.golden == ["i1100"]


def test_files_of_one_name_stay_apart(frames, tmp_path):
    old, new = frames
    paths = [tmp_path / folder / "model.parquet" for folder in ("a", "b", "c")]
    for path, frame in zip(paths, (old, new, old), strict=True):
        path.parent.mkdir()
        frame.to_parquet(path)
    release = gate(paths[0], paths[1:])
    assert [one.name for one in release.candidates] == [str(path) for path in paths[1:]]
    assert [len(flipped(release, one)) for one in release.candidates] == [5, 0]


def test_a_policy_file_stands_for_options(asked, tmp_path, monkeypatch, capsys):
    (tmp_path / "golden.txt").write_text("1100\n")
    (tmp_path / "policy.yaml").write_text("max_nfr: 5%\nmin_top1_gain: 0.01\ngolden: golden.txt\n")
    words = [*asked, "--id", "item", "--policy", tmp_path / "policy.yaml"]
    assert run(monkeypatch, capsys, *words)[0] == 2
    for text, message in (
        ("max_flips: 5%\n", r"max_flips is no limit; there are max_nfr"),
        ("max_nfr: 5%\nmax_nfr: 50%\n", "max_nfr stands there twice"),
        ("max_nfr: 1\n", r"1 is 100 % where no % is written: say 1% or 0\.01"),
        ("slice: {kind: 1}\n", "slice is .* a column"),
        ("weight: [a, b]\n", "weight is .* a column"),
        ("min_slice: 3%\n", "min_slice is '3%'; expected a number"),
    ):
        (tmp_path / "policy.yaml").write_text(text)
        with pytest.raises(PredictionError, match=message):
            read_policy(tmp_path / "policy.yaml")
    assert rate("1.5%") == rate(0.015) == 0.015 and rate("100%") == 1


def test_a_policy_file_has_slices_and_weights_that_options_replace(frames, files, tmp_path):
    old, _ = frames
    old.assign(w=1.0 + old["label"]).to_parquet(tmp_path / "w.parquet")
    (tmp_path / "policy.yaml").write_text("max_nfr_slice: 20%\nslice: kind\nweight: w\nmin_slice: 150\n")
    asked = {"baseline": tmp_path / "w.parquet", "candidates": [files[1]], "policy": tmp_path / "policy.yaml"}
    release = gate(**asked)
    assert (release.weight, release.least) == ("w", 150)
    assert {s.name: s.verdict for s in release.best.slices} == {"kind=day": "pass", "kind=night": None}
    other = gate(**asked, slices=["kind,label"], least=5)
    assert other.least == 5 and len(other.best.slices) == 15
    (tmp_path / "policy.yaml").write_text("slice: [kind, label]\n")
    assert len(gate(**asked).best.slices) == 12


def test_a_confidence_is_kept_where_no_limit_is_given(files):
    release = gate(files[0], [files[1]], slices=["kind"], confidence="99%")
    assert json.loads(as_json(release))["confidence"] == 0.99
    assert release.best.nfr == flip_rate(release.best.flips, None, 0.99)


def test_views_refuse_each_others_options(tmp_path, monkeypatch, capsys):
    np.save(tmp_path / "y.npy", np.arange(4))
    np.save(tmp_path / "a.npy", np.arange(4))
    np.save(tmp_path / "b.npy", np.arange(4) // 2)
    family = ["--labels", tmp_path / "y.npy", tmp_path / "a.npy", tmp_path / "b.npy"]
    page = tmp_path / "fam.html"
    code, out, err = run(monkeypatch, capsys, *family, "--max-nfr", "0.01%", "--json", "--html", page)
    assert (code, out) == (4, "") and not page.exists()
    assert "--max-nfr, --json, --html" in err and "--baseline and --candidate" in err
    assert run(monkeypatch, capsys, *family, "--per-class", "--level", "0.9")[0] == 4
    assert run(monkeypatch, capsys, *family, "--level", "0.9")[0] == 0
    code, _, err = run(monkeypatch, capsys, "--example", "imagenet", tmp_path / "a.npy", "--csv", "f.csv")
    assert code == 4 and "no files, --csv" in err


def test_a_candidate_given_twice_is_refused(files, asked, monkeypatch, capsys):
    code, _, err = run(monkeypatch, capsys, *asked, "--candidate", files[1].parent / "." / "new.parquet")
    assert code == 4 and "given twice" in err


def test_an_error_of_the_program_is_no_verdict(asked, monkeypatch, capsys):
    for error in (RuntimeError("unforeseen"), ModuleNotFoundError("no_such", name="no_such")):

        def broken(*_, error=error, **__):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr("regnas_core.flips.gate.command.gate", broken)
            code, _, err = run(patch, capsys, *asked)
        assert code == BROKEN == 70 and "Traceback" in err and str(error) in err


def test_an_example_ships(monkeypatch, capsys):
    code, out, _ = run(monkeypatch, capsys, "--example", "imagenet", "--max-nfr", "3%", "--slice", "source")
    assert code == 0 and "efficientnet-lite0-int8 against efficientnet-lite0: PASS" in out
    assert "efficientnet-lite1 against efficientnet-lite0: FAIL" in out  # one of them may go
    words = ["--example", "imagenet", "--baseline", "mcunet", "--candidate", "mcunet-int8", "--max-nfr", "1%"]
    assert run(monkeypatch, capsys, *words)[0] == 1
    assert run(monkeypatch, capsys, "--example", "imagenet", "--candidate", "me")[0] == 4


def test_the_recorded_page_is_what_the_command_of_the_readme_makes(tmp_path, monkeypatch, capsys):
    (command,) = re.findall(r"^regnas flips (--example imagenet .*) --html page\.html$", README, re.MULTILINE)
    assert run(monkeypatch, capsys, *command.split(), "--html", tmp_path / "page.html")[0] == 3
    made, recorded = (tmp_path / "page.html", project_path("figures/flips/imagenet.html"))
    assert made.read_text("utf-8") == recorded.read_text("utf-8")
    assert "Rhodesian ridgeback</td><td>vizsla" in recorded.read_text("utf-8")  # by their names


# ── pages ────────────────────────────────────────────────────────────────────────────────────────
def test_pages_and_the_last_line(asked, tmp_path, monkeypatch, capsys):
    out = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "md", "xml", "html")}
    words = [*asked, "--id", "item", "--slice", "kind"]
    words += ["--max-nfr", "1.5%", "--max-nfr-slice", "20%", "--json", "--flipped", out["csv"]]
    words += ["--markdown", out["md"], "--junit", out["xml"], "--html", out["html"]]
    code, text, _ = run(monkeypatch, capsys, *words)
    last = json.loads(text.splitlines()[-1])
    assert code == 3 and last["verdict"] == "inconclusive"
    assert last["release"]["verdict"] == "inconclusive" and last["pairs"] == []
    assert last["weight"] is None and last["weighting"] == "every item counts once"
    keys = {
        "n",
        "negative",
        "positive",
        "nfr",
        "nfr_low",
        "nfr_high",
        "baseline_top1",
        "candidate_top1",
        "slices",
    }
    assert keys <= set(last) and (last["n"], last["negative"], last["nfr"]) == (N, 5, 5 / N)
    assert {one["slice"]: one["n"] for one in last["slices"]} == {"kind=day": 300, "kind=night": 100}
    for one in (last, *last["slices"]):  # keys mean the same at both places
        assert (one["nfr_low"], one["nfr_high"]) == tuple(rate_interval(one["negative"], one["n"]))
        bounds = rate_bounds(one["negative"], one["n"], 0.95)
        assert (one["lower_bound"], one["upper_bound"]) == (bounds.low, bounds.high)
    assert pd.read_csv(out["csv"])["id"].tolist() == [1100, 1101, 1102, 1103, 1104]
    assert "| new | **inconclusive** | 5 (1.25%)" in out["md"].read_text()
    suite = xml.parse(out["xml"]).getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "0", "1")
    page = out["html"].read_text()
    assert 'class="key"' in page and "Holm" in page  # what the dashed line is, who is judged by it
    assert "cannot be judged yet" in page and "kind=night (100)" in page and "more items would decide" in page
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")


def test_more_slices_than_are_shown_are_counted_and_small_ones_come_last(frames, files, tmp_path):
    old, _ = frames
    group = np.where(np.arange(N) < 300, np.arange(N) // 20, np.arange(N))  # 15 of 20 items, 100 of one
    group[100] = 999  # flips alone: a rate of 100 %
    old.assign(group=group).to_parquet(tmp_path / "old.parquet")
    for limit in (None, "30%"):
        release = gate(tmp_path / "old.parquet", [files[1]], slices=["group"], least=15, max_nfr_slice=limit)
        text, markdown = as_text(release), as_markdown(release)
        assert "group=5:" in text and "group=999" not in text and "and 104 more slices" in text
        assert "| group=5 |" in markdown and "group=999" not in markdown and "and 104 more slices" in markdown
        assert len(json.loads(as_json(release))["slices"]) == 116


def test_a_slice_that_is_inconclusive_says_how_many_more_items_decide(files):
    release = gate(files[0], [files[1]], slices=["label"], max_nfr_slice="4%")
    (worst,) = {s.more for s in release.best.slices if s.negative == 1 and s.verdict == "inconclusive"}
    assert f"1 of 40 flip (2.50%, at most 11.32%); some {worst:,} more would decide" in as_text(release)
    assert f"needs most, some {worst:,} more items" in release.best.reasons[0][1]
    assert f"| inconclusive, some {worst:,} more items would decide |" in as_markdown(release)
    assert worst in [one["more_items"] for one in json.loads(as_json(release))["slices"]]


def test_weights_are_said_and_accuracies_differ_by_the_gain(frames, files, tmp_path):
    from regnas_core.flips.gate import as_html

    old, _ = frames
    old.assign(visits=np.where(old["item"] < 1105, 3.0, 1.0)).to_parquet(tmp_path / "w.parquet")
    release = gate(tmp_path / "w.parquet", [files[1]], weight="visits", slices=["kind"])
    found = json.loads(as_json(release))
    assert found["weight"] == "visits" and "counts are of items" in found["weighting"]
    change = found["candidate_top1"] - found["baseline_top1"]
    assert change == pytest.approx(found["top1_gain"]["value"]) and found["candidate_top1"] < 0.8
    assert found["negative"] == 5 and found["nfr"] == pytest.approx(15 / (N + 210))
    said = f"{found['baseline_top1']:.2%} → {found['candidate_top1']:.2%}"
    for page in (as_text(release), as_markdown(release)):
        assert said in page and "weighted by visits; counts are of items" in page
    page = as_html(release)
    assert "weighted by the column visits" in page and "Every item, once, unweighted" in page
    assert f"{found['candidate_top1']:.2%} after" in page and "negative flips, of all items, weighted" in page


def test_pictures_that_are_missing_are_counted_and_listed(asked, tmp_path, monkeypatch, capsys):
    page, folder = tmp_path / "page.html", tmp_path / "pictures"
    words = [*asked, "--id", "item", "--html", page, "--images", folder]
    code, _, err = run(monkeypatch, capsys, *words)
    assert code == 4 and "no such folder" in err and not page.exists()
    folder.mkdir()
    (folder / "1100.png").write_bytes(b"one")
    assert run(monkeypatch, capsys, *words)[0] == 0
    text = page.read_text()
    assert text.count("<figure>") == 1 and '<span class="soft">1100</span>' in text
    assert "4 of these have no picture" in text and "<td>1104</td>" in text and "<td>1100</td>" not in text
    junit = tmp_path / "junit.xml"
    code, _, err = run(monkeypatch, capsys, *words, "--image-column", "nothing", "--junit", junit)
    assert code == 4 and "no column nothing" in err and not junit.exists()  # before anything is written


def test_names_are_escaped(frames, tmp_path):
    old, new = frames
    old.assign(kind="<script>|x").to_parquet(tmp_path / "a<b.parquet")
    new.to_parquet(tmp_path / "c&d.parquet")
    from regnas_core.flips.gate import as_html, as_junit, as_markdown

    release = gate(tmp_path / "a<b.parquet", [tmp_path / "c&d.parquet"], slices=["kind"])
    page = as_html(release)
    assert "<script>" not in page and "a&lt;b" in page and "c&amp;d" in page
    assert "\\|x" in as_markdown(release) and xml.fromstring(as_junit(release)) is not None


def test_candidates_are_compared_image_by_image(frames, files, tmp_path):
    _, new = frames
    worse = new.assign(prediction=new["prediction"].where(new.index < 300, (new["prediction"] + 1) % 10))
    worse.to_parquet(tmp_path / "worse.parquet")
    release = gate(files[0], [tmp_path / "worse.parquet", files[1]], max_nfr="5%")
    assert [one.verdict for one in release.candidates] == ["fail", "pass"]
    assert release.best.name == "new" and release.verdict == "pass"
    found = json.loads(as_json(release))
    assert found["release"]["candidate"] == "new" and "best" in found["release"]["rule"]
    assert found["pairs"] == release.pairs.to_dict("records") and len(found["candidates"]) == 2
    assert "release: PASS, by new" in as_text(release) and "The release: PASS, by new" in as_markdown(release)
    assert "| worse | 100 | new | 0 | < 0.001 | < 0.001 |" in as_markdown(release)
    write_pages(release, html=tmp_path / "page.html")
    assert "The release: PASS, by new" in (tmp_path / "page.html").read_text()
    (pair,) = release.pairs.itertuples()
    assert (pair.only_a, pair.only_b) == (100, 0) and pair.p_holm < 1e-6


def test_weights_count(files, tmp_path, frames):
    old, _ = frames
    old.assign(weight=np.where(old["item"] < 1105, 3.0, 1.0)).to_parquet(tmp_path / "weighted.parquet")
    one = gate(tmp_path / "weighted.parquet", [files[1]], id="item", weight="weight").candidates[0]
    assert one.nfr.value == pytest.approx(15 / (N + 2 * 105)) and one.counts.negative == 5
    assert one.nfr_interval.low < one.nfr.value < one.nfr_interval.high
    with pytest.raises(PredictionError, match="weights must be positive"):
        old.assign(weight=0.0).to_parquet(tmp_path / "zero.parquet")
        gate(tmp_path / "zero.parquet", [files[1]], id="item", weight="weight")


def test_an_assertion_for_tests(frames):
    old, new = frames
    arrays = old["prediction"].to_numpy(), new["prediction"].to_numpy(), old["label"].to_numpy()
    assert assert_no_regression(*arrays, max_nfr="5%").verdict == "pass"
    with pytest.raises(AssertionError, match=r"1\.25% found"):
        assert_no_regression(*arrays, max_nfr="1%")
    with pytest.raises(PredictionError, match="expected the same"):
        assert_no_regression(arrays[0], arrays[1][:-1], arrays[2], max_nfr="1%")
    with pytest.raises(PredictionError, match="empty"):
        assert_no_regression([], [], [], max_nfr="1%")
    with pytest.raises(PredictionError, match="confidence"):
        Limits(confidence=1.0)


def test_an_assertion_takes_what_the_gate_takes(frames):
    old, new = frames
    labels, before, after = (
        "class " + values.astype(str) for values in (old["label"], old["prediction"], new["prediction"])
    )
    assert assert_no_regression(before, after, list(labels), max_nfr="5%").verdict == "pass"
    more = {"ids": old["item"], "slices": {"kind": old["kind"]}}
    release = assert_no_regression(before, after, labels, max_nfr_slice="20%", confidence="90%", **more)
    assert [s.name for s in release.best.slices] == ["kind=day", "kind=night"]
    with pytest.raises(AssertionError, match="golden items that flip: 1 of 2"):
        assert_no_regression(before, after, labels, golden=[1100, 1200], **more)
    for given, message in (
        ({}, "no limit to assert"),
        ({"max_nfr": 0.05, "ids": [1, 2]}, "ids has shape"),
        ({"max_nfr": 0.05, "slices": {"label": labels}}, "another name"),
    ):
        with pytest.raises(PredictionError, match=message):
            assert_no_regression(before, after, labels, **given)
    with pytest.raises(PredictionError, match="give both alike"):
        assert_no_regression(before, new["prediction"], labels, max_nfr="5%")


def test_an_assertion_holds_where_python_leaves_assertions_out():
    code = (
        "from regnas_core.flips import assert_no_regression as check\n"
        "check([0, 1] * 50, [1, 0] * 50, [0, 1] * 50, max_nfr='1%')"
    )
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "AssertionError" in done.stderr and "FAIL" in done.stderr
