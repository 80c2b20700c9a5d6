"""speed: what grows and what racing saves."""

from __future__ import annotations

import numpy as np
from drawn import growth_table, races

from regnas_core import plots


def test_growth_has_a_panel_for_each_thing_that_grows():
    table = growth_table()
    figure = plots.growth(table)
    panels = [ax for ax in figure.axes if ax.get_xlabel()]
    for ax, (_, rows) in zip(panels, table.groupby("axis", sort=False), strict=True):
        np.testing.assert_allclose(ax.lines[0].get_xydata(), rows[["value", "seconds_per_network"]])
        assert [label.get_text() for label in ax.get_xticklabels()] == [str(v) for v in rows["value"]]
    assert len(figure.axes) == 8
    assert len(plots.growth(table[table["axis"] == "images"]).axes) == 2


def test_racing_shows_every_search_and_counts_outcomes():
    table = races()
    (ax,) = plots.racing(table).axes
    clouds = [c for c in ax.collections if len(c.get_offsets()) == 10]
    for cloud, (_, rows) in zip(clouds, table.groupby("level"), strict=True):
        np.testing.assert_allclose(cloud.get_offsets()[:, 1], 100 * rows["work"])
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == ["0 (exact)\n10 of 10", "0.001\n6 of 10", "0.01\n6 of 10", "0.05\n6 of 10"]
