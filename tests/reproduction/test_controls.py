"""controls: a picture at once, and another one when a control is moved."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from regnas_core import load_lesson, plots
from regnas_core.reproduction import controls


@pytest.fixture
def shown(monkeypatch) -> list:
    found: list = []
    monkeypatch.setattr("IPython.display.display", found.append)
    return found


def test_two_networks_are_oriented_by_accuracy(shown):
    figure = controls.explore_pair(load_lesson(), -1, 0)
    assert isinstance(figure, Figure) and "NFR" in figure.get_suptitle()
    (box,) = shown
    assert repr(box).startswith("Where a kernel runs")  # and not VBox(children=…
    first, second = box.children[0].children
    assert figure.get_suptitle() != controls.explore_pair(load_lesson(), 0, 1).get_suptitle()
    first.value, second.value = second.value, first.value
    names = {first.value, second.value}
    assert all(name in figure.get_suptitle() for name in names)


def test_a_moved_slider_chooses_by_its_ratio(shown):
    visited = pd.DataFrame({"top1_pct": [84.0, 83.0, 80.0], "nfr_pct": [4.0, 2.5, 1.0]})
    figure = controls.explore_reward(visited)
    assert "NFR 2.50" in figure.axes[0].get_title()
    slider = shown[0].children[0].children[0]
    slider.value = 0.0
    (redrawn,) = shown[1:]
    assert "Top-1 84.00" in redrawn.axes[0].get_title()
    slider.value = 100.0
    assert "NFR 1.00" in shown[-1].axes[0].get_title()


@pytest.mark.parametrize("ratio", [0.0, 1.0, 100.0])
def test_the_choice_has_the_highest_reward(ratio):
    rng = np.random.default_rng(0)
    visited = pd.DataFrame({"top1_pct": rng.normal(83, 1, 50), "nfr_pct": rng.normal(3, 0.5, 50)})
    best = visited.loc[(visited["top1_pct"] - ratio * visited["nfr_pct"]).idxmax()]
    (marker,) = (line for line in plots.chosen(visited, ratio).axes[0].lines if line.get_marker() == "D")
    assert marker.get_xdata()[0] == best["top1_pct"] and marker.get_ydata()[0] == best["nfr_pct"]
