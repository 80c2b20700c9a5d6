"""workbench: predictions are made once and kept, searches replay, and the test split is left alone."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from regnas_core import Evaluator, flips, load_supernet, open_workbench, workbench
from regnas_core.data import Dataset
from regnas_core.errors import CheckpointError, DataError, PresetError, RegnasError
from regnas_core.presets import load_preset
from regnas_core.search import reward
from regnas_core.space import Arch
from regnas_core.workbench import Workbench, train_preset


@pytest.fixture
def bench(make_bench, tmp_path) -> Workbench:
    return make_bench(tmp_path)


@pytest.fixture
def archs(bench) -> list[Arch]:
    rng = np.random.default_rng(0)
    return [bench.space.sample(rng) for _ in range(5)]


@pytest.fixture
def predicted(monkeypatch) -> Counter:
    """How often each architecture has been run."""
    counts, predict = Counter(), Evaluator.predict

    def counted(self, archs, images, **kwargs):
        counts.update(archs)
        return predict(self, archs, images, **kwargs)

    monkeypatch.setattr(Evaluator, "predict", counted)
    return counts


# ── predictions ──────────────────────────────────────────────────────────────────────────────────
def test_predictions_are_made_once_and_read_by_the_next_workbench(
    bench, archs, predicted, make_bench, tmp_path
):
    images = bench.images("search")
    expected = Evaluator(bench.net, bench.data.calibration.images, device="cpu").predict(archs, images.images)
    predicted.clear()
    wanted = [archs[2], *archs[:3], archs[2]]
    assert (bench.predictions(wanted, "search") == expected[[2, 0, 1, 2, 2]]).all()
    assert (bench.predictions(archs, "search") == expected).all()
    assert predicted == Counter(archs)
    assert (make_bench(tmp_path).predictions(archs, "search") == expected).all()
    assert predicted == Counter(archs)
    assert (bench.correct(archs, "search") == (expected == images.labels)).all()


def test_predictions_survive_a_killed_run(bench, archs, make_bench, tmp_path, monkeypatch):
    expected = make_bench(tmp_path / "whole").predictions(archs, "search")
    predict, asked = Evaluator.predict, []

    def dies_on_the_second_call(self, archs, images, **kwargs):
        asked.append(archs)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return predict(self, archs, images, **kwargs)

    monkeypatch.setattr(workbench, "CHUNK", 2)
    monkeypatch.setattr(Evaluator, "predict", dies_on_the_second_call)
    with pytest.raises(KeyboardInterrupt):
        bench.predictions(archs, "search")
    assert (make_bench(tmp_path).predictions(archs, "search") == expected).all()
    assert [len(chunk) for chunk in asked] == [2, 2, 2, 1]
    assert asked[0] != asked[1] == asked[2]  # what was kept is not run again


def test_predictions_of_other_weights_images_or_statistics_are_not_mixed_up(
    bench, archs, predicted, make_bench, lively, tmp_path
):
    before = bench.predictions(archs, "search")
    other_net = lively.net("mini", 1, **bench.space.options)
    others = [
        make_bench(tmp_path, net=other_net),
        make_bench(tmp_path, net=replace(bench.net, mean=(0.4,))),
        make_bench(tmp_path, data={"name": "folder", "search_images": 30}),
        make_bench(tmp_path, evaluation={"calibration_batch": 16}),
    ]
    for other in others:
        predicted.clear()
        found = other.predictions(archs, "search")
        images = other.images("search").images
        batch = other.preset.evaluation.calibration_batch
        alone = Evaluator(other.net, other.data.calibration.images, device="cpu", calibration_batch=batch)
        assert predicted == Counter(archs)
        assert (found == alone.predict(archs, images)).all()
    assert not (others[0].predictions(archs, "search") == before).all()
    assert bench.predictions(archs, "test").shape == (5, 70)
    assert len(list((tmp_path / "runs" / "predictions").iterdir())) == 6


def test_a_preset_may_take_fewer_images(make_bench, tmp_path):
    bench = make_bench(tmp_path, data={"name": "folder", "search_images": 10, "test_images": 20})
    assert (bench.images("search").images == bench.data.search.images[:10]).all()
    assert len(bench.images("test")) == 20
    with pytest.raises(DataError, match="toy/search has 60 pictures, not 61"):
        make_bench(tmp_path, data={"name": "folder", "search_images": 61}).images("search")


def test_measure_agrees_with_the_arithmetic_of_flips(bench, archs):
    table = bench.measure(archs, archs[0], "test")
    predictions, labels = bench.predictions(archs, "test"), bench.images("test").labels
    assert list(table["arch"]) == list(map(str, archs))
    for row, arch, classes in zip(table.itertuples(), archs, predictions, strict=True):
        counts = flips.flip_counts(predictions[0], classes, labels)
        assert row.top1_pct == pytest.approx(100 * counts.target_top1)
        assert (row.nfr_pct, row.pfr_pct) == pytest.approx((100 * counts.nfr, 100 * counts.pfr))
        assert (row.nfr_low_pct, row.nfr_high_pct) == pytest.approx(
            [100 * x for x in counts.nfr_interval()[-2:]]
        )
        assert row.mmacs == bench.space.macs(arch) / 1e6 and row.params == bench.space.params(arch)
        assert row.contains_reference == bench.space.contains(arch, archs[0])
    assert table["nfr_pct"][0] == 0 and table["nfr_pct"][1:].gt(0).any()


# ── rewards and searches ─────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("weights", ["R0", "R1", "R2", (0.5, 2.0)])
def test_scores_are_rewards_on_the_search_split(bench, archs, weights):
    right = bench.correct(archs, "search")
    nfr = [(right[0] & ~row).mean() for row in right]
    scores = bench.score(weights, archs[0])(archs[1:])
    assert scores == pytest.approx(reward(right.mean(1), np.array(nfr), weights)[1:])
    assert len(set(scores)) > 1


def test_without_a_reference_there_is_top1_alone(bench, archs):
    assert bench.score("R0", None)(archs) == pytest.approx(bench.correct(archs, "search").mean(1))
    for weights in ("R1", "R2", (1.0, 0.5)):
        with pytest.raises(RegnasError, match="needs a reference"):
            bench.score(weights, None)


@pytest.fixture
def reference(bench) -> Arch:
    return bench.space.sample(np.random.default_rng(1), max_cost=7e4)


@pytest.mark.parametrize("cas", [False, True])
def test_a_search_respects_its_limits_and_keeps_its_log(bench, reference, cas):
    found = bench.search("R2", reference=reference, cas=cas, seed=3)
    assert found.log.groupby("generation").size().tolist() == [8, 6]
    assert max(map(bench.space.macs, found.archs)) <= 0.14e6
    assert all(bench.space.contains(a, reference) for a in found.archs) == cas
    path = bench.runs / "searches" / f"R2{'+CAS' if cas else ''}-0.14M-seed3.parquet"
    kept = pd.read_parquet(path)
    pd.testing.assert_frame_equal(kept, found.log)
    measured = bench.measure(found.archs, reference, "search")
    for column in ("arch", "top1_pct", "nfr_pct", "pfr_pct"):
        assert kept[column].tolist() == measured[column].tolist()
    assert kept["score"].tolist() == pytest.approx(((kept["top1_pct"] - kept["nfr_pct"]) / 100).tolist())
    assert str(found.best) == kept["arch"][kept["score"].idxmax()]


def test_budget_and_label_of_a_search_can_be_given(bench, reference):
    found = bench.search("R0", budget=0.08, label="small")
    assert max(map(bench.space.macs, found.archs)) <= 0.08e6
    assert "nfr_pct" not in found.log
    bench.search((1, 0.5), reference=reference)
    assert {p.name for p in (bench.runs / "searches").iterdir()} == {
        "small-0.08M-seed0.parquet",
        "1,0.5-0.14M-seed0.parquet",
    }


def test_a_budget_can_be_in_any_cost(bench, reference):
    found = bench.search("R2", reference=reference, cost="params", budget=0.012)
    assert max(map(bench.space.params, found.archs)) <= 12_000
    assert found.log["cost"].tolist() == [bench.space.params(arch) for arch in found.archs]
    found = bench.search("R2", reference=reference, cas=True, cost="latency", budget=1000)
    assert all(bench.space.contains(arch, reference) for arch in found.archs)
    assert (bench.runs.parent / "latency").is_dir() and (found.log["cost"] > 0).all()
    names = {p.name for p in (bench.runs / "searches").iterdir()}
    assert {"R2-0.012M-seed0.parquet", "R2+CAS-1000ms-seed0.parquet"} <= names
    with pytest.raises(RegnasError, match="A search by note10 needs a budget"):
        bench.search("R2", reference=reference, cost="note10")


def test_a_repeated_search_replays_from_the_store(bench, reference, make_bench, tmp_path, monkeypatch):
    found = bench.search("R2", reference=reference, cas=True)
    monkeypatch.setattr(Evaluator, "predict", lambda *_, **__: pytest.fail("a network was run again"))
    again = make_bench(tmp_path).search("R2", reference=reference, cas=True)
    assert again.best == found.best
    pd.testing.assert_frame_equal(again.log, found.log)


def test_a_killed_search_goes_on_where_it_stopped(
    bench, reference, predicted, make_bench, tmp_path, monkeypatch
):
    whole = make_bench(tmp_path / "whole").search("R2", reference=reference)
    once = Counter(predicted)
    predicted.clear()
    with monkeypatch.context() as patch:
        score = bench.score("R2", reference)
        calls = []

        def dies_in_the_second_generation(archs):
            calls.append(archs)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return score(archs)

        patch.setattr(Workbench, "score", lambda *_: dies_in_the_second_generation)
        with pytest.raises(KeyboardInterrupt):
            bench.search("R2", reference=reference)
    resumed = make_bench(tmp_path).search("R2", reference=reference)
    pd.testing.assert_frame_equal(resumed.log, whole.log)
    assert predicted == once  # over both runs, each network once


def test_a_search_opens_neither_test_nor_training_pictures(make_bench, tmp_path, reference):
    blind = make_bench(tmp_path, splits=("calibration", "search"))
    for weights, cas in (("R0", False), ("R1", False), ("R2", True)):
        blind.search(weights, reference=reference, cas=cas)
    with pytest.raises(AssertionError, match="the test split was opened"):
        blind.measure([reference], reference, "test")


# ── from a preset ────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def toy_data(make_bench, tmp_path, monkeypatch) -> Dataset:
    """Stands in for every data set that a preset names; trains on its search split."""
    data = make_bench(tmp_path).data
    data = replace(
        data, open_split=lambda split, first=data.open_split: first(split.replace("train", "search"))
    )
    monkeypatch.setattr(workbench, "load_dataset", lambda name, **_: replace(data, name=name))
    return data


OPTIONS = {"image": [1, 16, 16], "classes": 4, "stem": 4, "head": 16, "widths": [6, 8, 8]}


def test_a_preset_is_opened_with_its_changes(toy_data, tmp_path):
    changes = {"supernet.weights": "random:5", "search.population": 8}
    bench = open_workbench("demo", changes, seed=3, out=tmp_path)
    assert bench.name == "demo+search.population=8+seed=3+supernet.weights=random_5"
    assert bench.preset == load_preset("demo", changes | {"seed": 3})
    assert bench.runs == tmp_path / "runs" / bench.name and bench.figures == tmp_path / "figures" / bench.name
    assert bench.net.digest() == load_supernet("mini", "random:5").digest()
    assert bench.data.name == "glyphs"
    assert open_workbench("demo", {"supernet.weights": "random:0"}).preset.seed == 0


def test_the_output_folder_may_come_from_the_environment(toy_data, tmp_path, monkeypatch):
    monkeypatch.setenv("REGNAS_OUT", str(tmp_path / "elsewhere"))
    bench = open_workbench("demo", {"supernet.weights": "random:0"})
    assert bench.runs.parent.parent == tmp_path / "elsewhere"


def test_mistakes_in_a_preset_are_reported(toy_data, tmp_path):
    with pytest.raises(PresetError, match=r"did you mean search\.population"):
        open_workbench("demo", {"search.populaton": 8})
    with pytest.raises(CheckpointError, match=r"No checkpoint at .*none\.safetensors"):
        open_workbench("demo", {"supernet.weights": str(tmp_path / "none.safetensors")})


def test_a_preset_is_trained_saved_and_opened(toy_data, tmp_path):
    changes = {"supernet.options": OPTIONS, "training.epochs": 1, "training.batch_size": 20, "device": "cpu"}
    path = train_preset(load_preset("demo", changes), tmp_path / "training", command="by hand")
    assert path == tmp_path / "training" / "mini.safetensors"
    bench = open_workbench("demo", changes | {"supernet.weights": str(path)}, out=tmp_path)
    assert bench.net.info["command"] == "by hand" and bench.net.info["dataset"] == "glyphs"
    assert bench.net.info["images"] == toy_data.train.digest
    assert (bench.net.mean, bench.net.std) == (toy_data.mean, toy_data.std)
    assert bench.predictions([bench.space.smallest], "test").shape == (1, 70)


def test_predictions_can_be_shared_out_to_an_executors_workers(tmp_path):
    changes = {"data.search_images": 60, "evaluation.workers": 2}
    with ThreadPoolExecutor(2) as executor:
        shared = open_workbench("demo", changes, out=tmp_path / "shared", executor=executor)
        archs = [shared.space.sample(np.random.default_rng(seed)) for seed in range(5)]
        found = shared.predictions(archs, "search")
    alone = open_workbench("demo", {"data.search_images": 60}, out=tmp_path / "alone")
    np.testing.assert_array_equal(found, alone.predictions(archs, "search"))
    assert len(list((tmp_path / "shared").rglob("*.parquet"))) == 2  # one a stretch


def test_predictions_of_another_precision_are_kept_apart(make_bench, tmp_path):
    single, half = (
        make_bench(tmp_path, evaluation={"precision": precision}) for precision in ("float32", "bfloat16")
    )
    archs = [single.space.smallest, single.space.largest]
    a, b = (bench.predictions(archs, "search") for bench in (single, half))
    assert len(list((tmp_path / "runs" / "predictions").iterdir())) == 2
    assert (a == b).mean() > 0.5


# ── racing ───────────────────────────────────────────────────────────────────────────────────────
def _racing(level: float | None) -> dict:
    return {
        "generations": 3,
        "population": 12,
        "racing": level,
        "reference_mmacs": 0.07,
        "target_mmacs": 0.14,
    }


@pytest.mark.parametrize("weights", ["R0", "R2", (0.5, 2.0)])
def test_a_search_that_races_by_the_exact_bound_finds_the_same(make_bench, tmp_path, reference, weights):
    plain, raced = (
        make_bench(tmp_path / str(level), search=_racing(level)).search(weights, reference=reference)
        for level in (None, 0.0)
    )
    assert raced.best == plain.best and raced.archs == plain.archs
    kept = raced.log["top1_pct"].notna()
    assert raced.log.loc[kept, "score"].tolist() == pytest.approx(plain.log.loc[kept, "score"].tolist())
    for column in ("top1_pct", "nfr_pct", "pfr_pct"):
        assert (raced.log.loc[kept, column] == plain.log.loc[kept, column]).all()
    dropped = ~kept & (raced.log["generation"] == 3)
    assert (raced.log.loc[dropped, "score"] < raced.log["score"].nlargest(3).min()).all()


def test_a_race_drops_candidates_and_replays_from_the_store(make_bench, tmp_path, reference, monkeypatch):
    options = {"search": _racing(0.4)}
    found = make_bench(tmp_path, **options).search("R2", reference=reference, cas=True)
    assert found.log["top1_pct"].isna().any() and found.log["top1_pct"].notna().any()
    monkeypatch.setattr(Evaluator, "predict", lambda *_, **__: pytest.fail("a network was run again"))
    monkeypatch.setattr(Evaluator, "calibrate", lambda *_, **__: pytest.fail("statistics were taken again"))
    again = make_bench(tmp_path, **options).search("R2", reference=reference, cas=True)
    pd.testing.assert_frame_equal(again.log, found.log)


def test_a_race_takes_a_generations_statistics_once(make_bench, tmp_path, reference, monkeypatch):
    calls, calibrate = [], Evaluator.calibrate

    def counted(self, archs, **kwargs):
        calls.append(len(archs))
        return calibrate(self, archs, **kwargs)

    monkeypatch.setattr(Evaluator, "calibrate", counted)
    make_bench(tmp_path, search=_racing(0.0)).search("R2", reference=reference)
    assert calls == [12, 9, 9]


def test_a_companion_has_another_network_and_the_same_protocol(tmp_path):
    changes = {
        "companions": ["demo-resnet"],
        "search.population": 8,
        "seed": 5,
        "data.test_images": 40,
        "supernet.weights": "random:0",
    }
    bench = open_workbench("demo", changes, out=tmp_path)
    (other,) = bench.companions
    assert other is bench.companion("demo-resnet") and other.space.name == "mini-resnet"
    assert (other.preset.search.population, other.preset.seed, len(other.images("test"))) == (8, 5, 40)
    assert other.preset.search.target_mmacs == load_preset("demo-resnet").search.target_mmacs
    assert other.name.startswith("demo-resnet+") and "seed=5" in other.name
    assert other.images("search").digest == bench.images("search").digest
    assert other.runs.parent == bench.runs.parent
