"""The search without images, with a predictor of random weights in the published one's place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from regnas_core import plots
from regnas_core.experiments import laptop
from regnas_core.search.predictor import PREDICTORS, AccuracyPredictor


@pytest.fixture(scope="module")
def machine():
    """Predictions grow with cost, so that budgets bind."""

    def load(space):
        generator = torch.Generator().manual_seed(0)
        shapes = PREDICTORS[space.name].shapes
        weights = {name: torch.randn(s, generator=generator).abs() / 50 for name, s in shapes.items()}
        return AccuracyPredictor(space, weights)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(laptop, "load_predictor", load)
        return laptop.Laptop()


@pytest.fixture
def small(monkeypatch):
    """Fewer budgets, and searches of 8 + 6 networks."""
    evolve = laptop.evolve

    def short(*args, **kwargs):
        return evolve(*args, **kwargs, generations=2, population=8)

    monkeypatch.setattr(laptop, "evolve", short)
    monkeypatch.setattr(laptop, "TARGET_MMACS", (250, 400))
    monkeypatch.setattr(laptop, "TARGET_MS", (25,))


@pytest.mark.slow
def test_targets_keep_their_budgets_and_the_constraint(machine, small):
    reference = machine.reference()
    assert machine.space.macs(reference) <= 150e6
    table = machine.targets(reference, seeds=range(2))
    assert len(table) == (2 + 2 + 1) * 2
    by_ms = table["design"] == "latency"
    assert (table["mmacs"] <= table["budget"])[~by_ms].all() and (table["note10_ms"] <= 25)[by_ms].all()
    assert table.loc[table["design"] == "MACs + CAS", "contains_reference"].all()
    archs = [machine.space.parse(text) for text in table["arch"]]
    assert table["top1_pct"].tolist() == pytest.approx((100 * machine.predict(archs)).tolist())
    assert machine.targets(reference, seeds=range(2)).equals(table)

    price = laptop.price_of_cas(table)
    assert price["budget"].tolist() == [250, 400]
    assert price["price"].tolist() == pytest.approx((price["MACs + CAS"] - price["MACs"]).tolist())

    figure = plots.laptop(machine.cloud(20, reference), table, machine.describe([reference], reference))
    assert len(figure.axes) == 2 and len(figure.legends[0].get_texts()) == 5


def test_the_cloud_is_random_and_repeatable(machine):
    cloud = machine.cloud(30, machine.space.smallest, seed=1)
    assert cloud.equals(machine.cloud(30, machine.space.smallest, seed=1))
    resolutions = {machine.space.parse(text).r for text in cloud["arch"]}
    assert resolutions == {160, 176, 192, 208, 224}
    assert np.corrcoef(cloud["mmacs"], cloud["note10_ms"])[0, 1] > 0.9
