"""ImageNet's presets, from a tree of files to the tables: on a miniature tree with untrained weights."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from miniature import BUDGETS, CLASSES, SMALL, make_tree, write_preset

from regnas_core import experiments
from regnas_core.errors import PresetError
from regnas_core.workbench.presets import load_preset
from regnas_core.workbench.workbench import open_workbench


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("data") / "imagenet")


@pytest.fixture
def open_bench(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("REGNAS_DATA", str(tree.parent))

    def open_bench(preset: str, **changes):
        reference, target = BUDGETS[preset]
        budgets = {"search.reference_mmacs": reference, "search.target_mmacs": target}
        return open_workbench(preset, {**SMALL, **budgets, **changes}, out=tmp_path / "out")

    return open_bench


@pytest.mark.parametrize("name", BUDGETS)
def test_the_presets_are_the_papers(name):
    preset = load_preset(name)
    assert (preset.search.generations, preset.search.population, preset.samples) == (20, 100, 300)
    assert preset.search.images == "search" and preset.supernet.weights.startswith("pretrained")
    if name in ("imagenet", "imagenet-resnet50"):
        budgets = (preset.search.reference_mmacs, preset.search.target_mmacs)
        assert budgets == {"imagenet": (150, 300), "imagenet-resnet50": (2000, 3000)}[name]


@pytest.mark.parametrize("name", BUDGETS)
def test_a_miniature_of_a_preset_names_miniatures_alone(name, tmp_path):
    preset = load_preset(str(write_preset(name, tmp_path)))
    for one in (preset, *map(load_preset, preset.companions)):
        assert one.supernet.weights == "random:0" and one.networks.published == ()
        assert one.supernet.options["resolutions"] == [one.data.size]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in BUDGETS if name != "imagenet-alphanet"])  # as AttentiveNAS
def test_a_preset_runs_from_pictures_to_its_table(open_bench, name):
    bench = open_bench(name)
    assert bench.data.classes == tuple(CLASSES) and "split of its own" in bench.data.source
    assert bench.images("search").images.shape == (12, 3, 32, 32) and len(bench.images("test")) == 16
    found = experiments.table2(bench)
    table = found.networks()
    assert table["model"].nunique() == 5 and len(table) == 10
    budget = np.where(table["design"] == "reference", *BUDGETS[name])
    assert (table["mmacs"] <= budget).all()
    pairs = zip(found.reference.networks["arch"], found["R2+CAS"].networks["arch"], strict=True)
    assert all(bench.space.contains(bench.space.parse(b), bench.space.parse(a)) for a, b in pairs)
    assert len(found.means()) == 5
    predictions = {str(path) for path in (bench.runs.parent / "predictions").rglob("*.parquet")}
    again = open_bench(name)
    assert experiments.table2(again).networks().equals(table)
    assert {str(path) for path in (bench.runs.parent / "predictions").rglob("*.parquet")} == predictions


def test_search_on_validation_images_marks_its_results(open_bench):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bench = open_bench("imagenet-fbnetv3", **{"search.images": "validation"})
    assert any("too good" in str(w.message) for w in caught)
    assert "validation" in bench.name and "validation" in bench.figures.name
    assert bench.images("search").digest == bench.images("test").digest
    assert bench.images("search").digest != open_bench("imagenet-fbnetv3").images("search").digest


def test_images_have_the_size_that_costs_are_counted_at_or_are_resized_to_it(open_bench):
    free = {key: value for key, value in SMALL.items() if "resolutions" not in key}
    with pytest.raises(PresetError, match=r"takes pictures of 3 x 224 x 224 .* Set data\.size=224"):
        open_workbench("imagenet", free)
    assert open_bench("imagenet", **{"data.size": 96}).images("test").images.shape[-1] == 96
    assert open_bench("imagenet-fbnetv3", **{"data.size": 96}).images("test").images.shape[-1] == 96


def test_the_fixed_resolution_is_a_choice_among_several(open_bench):
    bench = open_bench("imagenet", **{"supernet.options.resolutions": [32, 64]})
    archs = [bench.space.sample(np.random.default_rng(seed)) for seed in range(4)]
    assert {arch.r for arch in archs} == {32, 64}
    assert bench.predictions(archs, "test").shape == (4, 16)
