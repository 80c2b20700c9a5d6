"""workbench: predictions are made once and kept, searches replay, and the test split is left alone."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from regnas_core import Evaluator, load_supernet, open_workbench
from regnas_core.data.datasets import SPLITS, Dataset
from regnas_core.errors import CheckpointError, DataError, PresetError
from regnas_core.evaluation import evaluator
from regnas_core.flips import counts as flips
from regnas_core.workbench import checks, workbench
from regnas_core.workbench.presets import load_preset
from regnas_core.workbench.training import train_preset


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


@pytest.mark.slow
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
        assert row.mmacs == bench.space.macs(arch) / 1e6 and row.params == bench.space.params(arch)
        assert row.contains_reference == bench.space.contains(arch, archs[0])
    assert table["nfr_pct"][0] == 0 and table["nfr_pct"][1:].gt(0).any()


# ── from a preset ────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def toy_data(make_bench, tmp_path, monkeypatch) -> Dataset:
    """Stands in for every data set that a preset names."""
    data = make_bench(tmp_path, SPLITS).data
    monkeypatch.setattr(checks, "load_dataset", lambda name, **_: replace(data, name=name))
    return data


OPTIONS = {"image": [1, 16, 16], "classes": 4, "stem": 4, "head": 16, "widths": [6, 8, 8]}


@pytest.fixture
def preset(toy_data, tmp_path) -> str:
    """A preset's file, for those pictures."""
    tree = {
        "title": "Toy",
        "data": {"name": "glyphs"},
        "supernet": {"options": OPTIONS, "weights": "random:0"},
        "training": {"epochs": 1, "batch_size": 20},
        "search": {"reference_mmacs": 0.07, "target_mmacs": 0.14},
        "device": "cpu",
    }
    (tmp_path / "toy.yaml").write_text(json.dumps(tree))
    return str(tmp_path / "toy.yaml")


def test_a_preset_is_opened_with_its_changes(preset, tmp_path):
    changes = {"supernet.weights": "random:5", "search.population": 8}
    bench = open_workbench(preset, changes, seed=3, out=tmp_path)
    assert bench.name == "toy+search.population=8+seed=3+supernet.weights=random_5"
    assert bench.preset == load_preset(preset, changes | {"seed": 3})
    assert bench.runs == tmp_path / "runs" / bench.name and bench.figures == tmp_path / "figures" / bench.name
    assert bench.net.digest() == load_supernet("mini", "random:5", **OPTIONS).digest()
    assert bench.data.name == "glyphs"
    assert open_workbench(preset, out=tmp_path).preset.seed == 0


def test_the_output_folder_may_come_from_the_environment(preset, tmp_path, monkeypatch):
    monkeypatch.setenv("REGNAS_OUT", str(tmp_path / "elsewhere"))
    assert open_workbench(preset).root == tmp_path / "elsewhere"


def test_mistakes_in_a_preset_are_reported(preset, tmp_path):
    with pytest.raises(PresetError, match=r"did you mean search\.population"):
        open_workbench(preset, {"search.populaton": 8})
    with pytest.raises(CheckpointError, match=r"No checkpoint at .*none\.safetensors"):
        open_workbench(preset, {"supernet.weights": str(tmp_path / "none.safetensors")})


def test_a_preset_is_trained_saved_and_opened(preset, toy_data, tmp_path):
    path = train_preset(load_preset(preset), tmp_path / "training", command="by hand")
    assert path == tmp_path / "training" / "mini.safetensors"
    bench = open_workbench(preset, {"supernet.weights": str(path)}, out=tmp_path)
    assert bench.net.info["command"] == "by hand" and bench.net.info["dataset"] == "glyphs"
    assert bench.net.info["images"] == toy_data.train.digest
    assert (bench.net.mean, bench.net.std) == (toy_data.mean, toy_data.std)
    assert bench.predictions([bench.space.smallest], "test").shape == (1, 70)


@pytest.mark.slow
def test_predictions_can_be_shared_out_to_an_executors_workers(tmp_path):
    changes = {"data.search_images": 60, "evaluation.workers": 2}
    with ThreadPoolExecutor(2) as executor:
        shared = open_workbench("demo", changes, out=tmp_path / "shared", executor=executor)
        archs = [shared.space.sample(np.random.default_rng(seed)) for seed in range(5)]
        found = shared.predictions(archs, "search")
    alone = open_workbench("demo", {"data.search_images": 60}, out=tmp_path / "alone")
    np.testing.assert_array_equal(found, alone.predictions(archs, "search"))
    assert len(list((tmp_path / "shared").rglob("*.parquet"))) == 2  # one a stretch


def test_workers_get_the_network_that_they_are_asked_to_run(
    bench, archs, lively, make_bench, tmp_path, monkeypatch
):
    """And not the preset's, of which they would store predictions under this network's name."""
    other = lively.net("mini", 1, **bench.space.options)
    expected = make_bench(tmp_path / "alone", net=other).predictions(archs, "search")
    own = bench.predictions(archs, "search")
    monkeypatch.setattr(workbench, "_reopened", lambda preset, root: make_bench(tmp_path / "worker"))
    with ThreadPoolExecutor(2) as executor:
        shared = replace(bench, net=other, executor=executor, opened=bench.net.digest())
        found = shared.predictions(archs, "search")
    assert (found == expected).all() and not (found == own).all()
    assert (make_bench(tmp_path, net=other).predictions(archs, "search") == expected).all()


@pytest.mark.parametrize(
    "changes", [{"evaluation": {"calibration_batch": 16}}, {"data": {"name": "folder", "search_images": 30}}]
)
def test_workers_with_other_images_or_settings_refuse(
    bench, archs, make_bench, tmp_path, monkeypatch, changes
):
    monkeypatch.setattr(
        workbench, "_reopened", lambda preset, root: make_bench(tmp_path / "worker", **changes)
    )
    with ThreadPoolExecutor(1) as executor:
        shared = replace(bench, executor=executor, opened=bench.net.digest())
        with pytest.raises(DataError, match=r"A worker has .* for the search split, where .* was asked for"):
            shared.predictions(archs, "search")
    assert len(shared.store("search")) == 0


def test_kept_predictions_are_named_by_all_that_they_depend_on(bench, make_bench, tmp_path, monkeypatch):
    def name(other=bench) -> str:
        return other.identity("search")

    names = [name(), bench.identity("test")]
    names.append(name(make_bench(tmp_path, evaluation={"precision": "tf32"})))
    names.append(name(make_bench(tmp_path, evaluation={"calibration_batch": 16})))
    with monkeypatch.context() as patch:
        patch.setattr(evaluator, "VERSION", evaluator.VERSION + 1)
        names.append(name())
    with monkeypatch.context() as patch:
        patch.setattr("torch.cuda.is_available", lambda: True)
        names.append(name(make_bench(tmp_path, device="cuda")))
    with monkeypatch.context() as patch:  # the same weights, used otherwise
        patch.setattr(type(bench.space), "steps", lambda self, arch: ("other", arch))
        names.append(name())
    assert len(set(names)) == len(names) and name() == names[0]


def test_predictions_of_another_precision_are_kept_apart(make_bench, tmp_path):
    single, half = (
        make_bench(tmp_path, evaluation={"precision": precision}) for precision in ("float32", "bfloat16")
    )
    archs = [single.space.smallest, single.space.largest]
    a, b = (bench.predictions(archs, "search") for bench in (single, half))
    assert len(list((tmp_path / "runs" / "predictions").iterdir())) == 2
    assert (a == b).mean() > 0.5


def test_a_companion_has_another_network_and_the_same_protocol(tmp_path):
    changes = {
        "companions": ["demo-resnet"],
        "evaluation.calibration_batch": 64,
        "search.population": 8,
        "seed": 5,
        "data.test_images": 40,
        "supernet.weights": "random:0",
    }
    bench = open_workbench("demo", changes, out=tmp_path)
    (other,) = bench.companions
    assert other is bench.companion("demo-resnet") and other.space.name == "mini-resnet"
    assert (other.preset.search.population, other.preset.seed, len(other.images("test"))) == (8, 5, 40)
    assert other.preset.evaluation == bench.preset.evaluation
    assert other.preset.search.target_mmacs == load_preset("demo-resnet").search.target_mmacs
    assert other.name.startswith("demo-resnet+") and "seed=5" in other.name
    (own, few) = (load_preset(name).data.search_images for name in ("demo", "demo-resnet"))
    assert few < own and len(other.images("search")) == few  # no more than either preset asks for
    np.testing.assert_array_equal(other.images("search").images, bench.images("search").images[:few])
    assert other.runs.parent == bench.runs.parent
