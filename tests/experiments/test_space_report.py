"""Search spaces side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from regnas_core import get_space, plots
from regnas_core.experiments import space_report

NAMES = ("ofa-mbv3-w1.0", "fbnetv3")


@pytest.fixture(scope="module")
def spaces():
    return [get_space(name) for name in NAMES]


def test_the_summary_has_exact_counts_and_costs(spaces):
    table = space_report.compare(spaces).set_index("space")
    assert table["architectures"].tolist() == [(9**2 + 9**3 + 9**4) ** 5, 440_301_256_704]
    assert table.loc["fbnetv3", ["min_mmacs", "max_mmacs"]].tolist() == [203.389568, 1939.335808]
    assert table.loc["ofa-mbv3-w1.0", "genes"] == "ks[20], e[20], d[5], r"
    assert table["contains_by_genes"].tolist() == [True, False]


def test_genes_are_described_with_their_rule(spaces):
    table = space_report.genes(spaces[1]).set_index("gene")
    assert table["values"].to_dict() == {
        "resolution": 1,
        "width": 9,
        "depth": 7,
        "kernel_size": 7,
        "expand_ratio": 7,
    }
    rules = ["owns no weights", "channels", "layers", "kernels", "channels"]
    assert table["CAS rule"].tolist() == rules
    assert table.loc["kernel_size", "choices"] == "3/5" and table.loc["resolution", "per"] == "network"


@pytest.mark.slow
def test_references_have_their_size_and_leave_what_is_counted(spaces, monkeypatch):
    monkeypatch.setattr(space_report, "REFERENCE_MMACS", {"ofa-mbv3-w1.0": (150,), "fbnetv3": (250, 400)})
    inside = space_report.references(spaces, 2, np.random.default_rng(0))
    assert len(inside) == 6
    assert inside["mmacs"].between(0.97 * inside["budget_mmacs"], inside["budget_mmacs"]).all()
    total = inside["space"].map({space.name: space.size() for space in spaces})
    assert (inside["inside"] >= 1).all() and (inside["inside"] < total).all()
    assert inside["share"].tolist() == pytest.approx((inside["inside"] / total).tolist())
    medians = space_report.medians(inside)
    assert len(medians) == 3 and (medians["fewest"] <= medians["median"]).all()
    assert (medians["median"] <= medians["most"]).all()
    assert set(medians["median"]) <= set(inside["inside"])


def test_the_drawing_shows_every_space(spaces):
    rng = np.random.default_rng(0)
    sizes = space_report.spread(spaces, 20, rng)
    assert sizes.groupby("space").size().tolist() == [20, 20]
    inside = pd.DataFrame(
        {"space": np.repeat(NAMES, 2), "budget_mmacs": [1, 2] * 2, "mmacs": [1.0, 2.0] * 2, "share": 0.1}
    )
    figure = plots.search_spaces(sizes, inside, space_report.compare(spaces))
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == list(NAMES)
    assert [text.get_text() for text in right.get_legend().get_texts()] == list(NAMES)
