"""baselines: run once on the pictures of a workbench, as they were trained to see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regnas_core.data.datasets import load_dataset
from regnas_core.data.sources import IMAGENET_ENDS
from regnas_core.errors import DataError, RegnasError
from regnas_core.evaluation import baselines as published
from regnas_core.evaluation.baselines import REGNETS, Baseline, load_baseline, predict
from regnas_core.workbench import baselines
from regnas_core.workbench.baselines import baseline_predictions
from regnas_core.workbench.checks import open_data
from regnas_core.workbench.workbench import Workbench

# Small trees: two search pictures of 1,000 classes are fewer than anyone would search on.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*has no picture of:UserWarning")]

SMALL = "mobilenet_v3_small"


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("REGNAS_DATA", str(tmp_path / "data"))


def write_tree(root: Path, classes: list[str], lively) -> Path:
    """One test picture and two training pictures a class, 40 px."""
    parts = {"val": 1, "train": 2}
    pictures = iter(lively.pictures(3 * len(classes), (3, 40, 40), 0).transpose(0, 2, 3, 1))
    for part, count in parts.items():
        for name in classes:
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(next(pictures)).save(folder / f"{number}.bmp")
    return root


@pytest.fixture(scope="session")
def imagenet(lively, tmp_path_factory) -> Path:
    """An image tree with 1,000 classes that are called like ImageNet's first, last, and some between."""
    first, last = (int(name[1:]) for name in IMAGENET_ENDS)
    classes = [f"n{number:08d}" for number in np.linspace(first, last, 1000).astype(int)]
    return write_tree(tmp_path_factory.mktemp("trees") / "imagenet", classes, lively)


@pytest.fixture
def open_bench(make_bench, tmp_path) -> Callable[..., Workbench]:
    """``open_bench(tree)``: a workbench on 10 test pictures of a tree, at 32 px."""

    def make(tree: Path, name: str = "imagenet", **changes) -> Workbench:
        data = {"name": name, "path": str(tree), "size": 32, "sizes": {"calibration": 2, "search": 2}}
        bench = make_bench(tmp_path, data={**data, "test_images": 10, **changes})
        return replace(bench, data=open_data(bench.preset))

    return make


@pytest.fixture
def ran(monkeypatch, state_file) -> list[str]:
    """Names of the baselines that were run; lively weights take the place of the published ones."""
    names, original = [], predict

    def noted(baseline: Baseline, *args, **kwargs) -> np.ndarray:
        names.append(baseline.name)
        return original(baseline, *args, **kwargs)

    monkeypatch.setattr(published, "published_file", state_file)
    monkeypatch.setattr(baselines, "predict", noted)
    return names


def test_baselines_are_run_once_on_the_pictures_of_the_workbench(
    open_bench, imagenet, ran, state_file, tmp_path
):
    bench, names = open_bench(imagenet), [SMALL, "efficientnet_b1", "regnet_x_400mf", SMALL]
    found = baseline_predictions(bench, names)
    assert found.shape == (4, 10) and found.dtype.kind == "u" and (found[0] == found[3]).all()
    assert ran == names[:3]
    for name, row in zip(names[:3], found[:3], strict=True):
        baseline = load_baseline(name, state_file(name))
        view = {"size": baseline.size, "resize": baseline.resize, "interpolation": baseline.interpolation}
        view |= {"sizes": bench.preset.data.sizes, "limit": 10}
        test = load_dataset("imagenet", path=imagenet, **view).test
        assert (test.labels == bench.images("test").labels).all()
        assert (row == predict(baseline, test.images, "cpu")).all() and len(set(row)) > 3
    del ran[:]
    assert (baseline_predictions(open_bench(imagenet), names[::-1]) == found[::-1]).all()
    assert ran == []
    kept = tmp_path / "runs" / "predictions"
    assert len(list(kept.iterdir())) == 3 and bench.runs.parent == kept.parent


def test_predictions_of_other_weights_or_pictures_are_not_mixed_up(open_bench, imagenet, ran, state_file):
    bench = open_bench(imagenet)
    first = baseline_predictions(bench, [SMALL])
    other = baseline_predictions(bench, [SMALL], state_file(SMALL, seed=1))
    fewer = baseline_predictions(open_bench(imagenet, test_images=8), [SMALL])
    assert ran == [SMALL] * 3
    assert not (other == first).all() and (fewer == first[:, :8]).all()
    assert (baseline_predictions(bench, [SMALL]) == first).all() and len(ran) == 3


def test_a_folder_with_the_classes_of_imagenet_will_do(open_bench, imagenet, ran):
    expected = baseline_predictions(open_bench(imagenet), [SMALL])
    assert (baseline_predictions(open_bench(imagenet, name="folder"), [SMALL]) == expected).all()
    assert ran == [SMALL]


def test_other_classes_are_refused(open_bench, make_bench, ran, lively, imagenet, tmp_path):
    with pytest.raises(DataError, match=r"1,000 classes apart; folder \(made here\) has 4\. Use a tree"):
        baseline_predictions(make_bench(tmp_path, splits=()), REGNETS)
    mini = write_tree(tmp_path / "mini", list(IMAGENET_ENDS), lively)
    with pytest.raises(
        DataError, match=r"imagenet \(image tree mini, .*\) has 2\. Use a tree with all 1,000"
    ):
        baseline_predictions(open_bench(mini, test_images=2), REGNETS)
    bench = open_bench(imagenet)
    named = replace(bench.data, classes=tuple(f"{i:03d}" for i in range(1000)))
    with pytest.raises(DataError, match=r"go from 000 to 999; baselines need WordNet numbers from n01440764"):
        baseline_predictions(replace(bench, data=named), REGNETS)
    with pytest.raises(RegnasError, match="Unknown baseline 'vgg16'"):
        baseline_predictions(bench, [SMALL, "vgg16"])
    assert ran == []


def test_pictures_with_other_labels_are_refused(open_bench, imagenet, ran):
    bench = open_bench(imagenet)
    order = np.arange(10)[::-1]
    shuffled = replace(bench.data, open_split=lambda split: bench.data.open_split(split).take(order))
    with pytest.raises(DataError, match="imagenet/test at 224 pixels has other labels than the workbench's"):
        baseline_predictions(replace(bench, data=shuffled), [SMALL])
    assert ran == []
