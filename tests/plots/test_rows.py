"""rows: super-networks, platforms and claims, one a row."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import comparisons, control_tables, errorbars, platform_table, supernet_table, texts, verdicts

from regnas_core import plots
from regnas_core.plots.style import COLOURS


@pytest.mark.parametrize(("draw", "table"), [("supernets", supernet_table), ("platforms", platform_table)])
def test_rows_stand_at_their_rates(draw, table):
    table = table()
    figure = getattr(plots, draw)(table)
    for ax, column in zip(figure.axes, ("nfr_pct", "top1_pct"), strict=True):
        for design in ("R0", "R2+CAS"):
            expected = table.loc[table["design"] == design, column]
            np.testing.assert_allclose(errorbars(ax)[COLOURS[design]].T, [expected, [0, 1]])
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    names = {"supernets": ["demo", "demo-resnet"]}
    assert labels == names.get(draw, ["parameters\n(≤ 0.123 M)", "latency\n(≤ 0.418 ms)"])


def test_claims_are_all_there_and_wrapped():
    table = verdicts()
    figure = plots.claims({"demo": table, "other": table[:2]}, {2: "A title"})
    shown = texts(figure)
    assert {*table["test"][:2], "A title"} <= {*shown}
    assert [text for text in shown if text in "1257"] == ["1", "2", "5", "7"]
    long = table["test"][4]  # on two lines
    assert sum(len(text) > 10 and text in long for text in shown) == 2
    points = [bars.lines[0].get_xdata()[0] for bars in figure.axes[1].containers]
    assert points == [*table["value"], *table["value"][:2]]
    looks = [bars.lines[0] for bars in figure.axes[1].containers][:5]
    hollow = [look.get_markerfacecolor() == "white" for look in looks]
    assert hollow == [False, True, False, True, True]


def test_differences_stand_at_their_values_the_papers_beside_them():
    one, two, paper = comparisons(), comparisons(0.3), comparisons(-0.2)
    figure = plots.differences(("one", one), ("two", two), paper=paper)
    for ax, column in zip(figure.axes, ("nfr_pct", "top1_pct"), strict=True):
        for bars, table in zip(ax.containers, (one, two), strict=True):
            np.testing.assert_allclose(bars.lines[0].get_xdata(orig=False), table[column])
        np.testing.assert_allclose(ax.collections[-1].get_offsets(), np.c_[paper[column], range(3)])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == one["comparison"].tolist()


def test_controls_stand_in_groups_of_equal_top1():
    kinds, steps = control_tables()
    figure = plots.controls(kinds, steps)
    found = np.concatenate([bars.lines[0].get_xydata() for bars in figure.axes[0].containers])
    np.testing.assert_allclose(found, np.c_[kinds["nfr_pct"], range(4)])
    falls = figure.axes[1].containers[0].lines[0].get_xydata()
    np.testing.assert_allclose(falls, np.c_[steps["nfr_fall_pct"], range(3)])
