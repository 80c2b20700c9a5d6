"""draw: the command draws the shipped splits again."""

from __future__ import annotations

import json

import numpy as np

from regnas_core import resources
from regnas_core.data import draw as draw_splits
from regnas_core.data import splits


def test_command_draws_the_shipped_imagenet_split_again(tmp_path):
    draw_splits.main(["imagenet", "--out", str(tmp_path)])
    shipped = resources.project_path("data_splits/imagenet")
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "imagenet").iterdir()}
    assert drawn == {path.name: path.read_bytes() for path in shipped.iterdir()}
    assert drawn.keys() == {"calibration.txt", "search.txt", "split.json"}


def test_command_draws_the_shipped_cifar10_split_again(tmp_path, monkeypatch):
    from regnas_core.data import sources

    labels = {"train": np.repeat(np.arange(10), 5000), "test": np.repeat(np.arange(10), 1000)}
    images = {part: np.zeros((len(labels[part]), 3, 1, 1), np.uint8) for part in labels}
    source = sources.Source(images, labels, tuple("0123456789"), "a test")
    monkeypatch.setattr(draw_splits, "open_source", lambda *args, **kwargs: source)
    draw_splits.main(["cifar10", "--out", str(tmp_path)])
    shipped = resources.project_path("data_splits/cifar10")
    for name in splits.SPLITS:
        assert (tmp_path / "cifar10" / f"{name}.txt").read_text() == (shipped / f"{name}.txt").read_text()
    drawn, kept = (json.loads((f / "split.json").read_text()) for f in (tmp_path / "cifar10", shipped))
    pixels = {"sha256": 0, "pixels_sha256": 0}
    assert {**drawn, **pixels} == {**kept, **pixels}
