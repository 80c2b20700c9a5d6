"""style: one look of an idea everywhere, and figures written with what they show."""

from __future__ import annotations

import numpy as np
import pandas as pd

from regnas_core.plots.style import COLOURS, LABELS, MARKERS, new_figure, save_figure, whiskers


def test_every_design_has_its_colour_marker_and_label():
    designs = {"reference", "independent", "FD-KL", "FD-LM", "R0", "R1", "R2", "R2+CAS"}
    assert designs <= {*COLOURS} and designs <= {*MARKERS} and designs - {"reference"} <= {*LABELS}
    assert len({COLOURS[design] for design in designs}) == len({MARKERS[d] for d in designs}) == len(designs)
    assert COLOURS["REG-NAS"] == COLOURS["R2+CAS"]


def test_whiskers_are_distances_to_the_ends_of_the_interval():
    table = pd.DataFrame(
        {"nfr_pct": [2.0, 3.0], "nfr_low_pct": [1.5, np.nan], "nfr_high_pct": [2.75, np.nan]}
    )
    np.testing.assert_allclose(whiskers(table, "nfr"), [[0.5, np.nan], [0.75, np.nan]])


def test_a_figure_is_written_with_the_table_that_it_shows(tmp_path):
    figure, table = new_figure()[0], pd.DataFrame({"x": [1.23456]})
    assert save_figure(figure, table, tmp_path / "item") is figure
    assert sorted(path.name for path in tmp_path.iterdir()) == ["item.csv", "item.png", "item.svg"]
    assert pd.read_csv(tmp_path / "item.csv")["x"].tolist() == [1.2346]
