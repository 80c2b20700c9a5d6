"""rows: super-networks, platforms, budgets and claims, one a row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn import (
    comparisons,
    control_tables,
    errorbars,
    platform_table,
    reductions,
    supernet_table,
    texts,
    verdicts,
)

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


def test_appendix_c_shows_changes_with_their_intervals():
    table = reductions()
    figure = plots.appendix_c(table)
    fall, change = figure.axes
    names = ["cifar10, 6 M", "demo, 2 M", "demo, 2.6 M", "demo, 3.4 M", "demo-resnet, 3 M"]
    assert [label.get_text() for label in fall.get_yticklabels()] == names
    expected = pd.concat([table[table["sizes"] == sizes] for sizes in ("up to", "matched")])
    base = -100 * expected["nfr_change_pct"] / expected["relative_reduction_pct"]
    reduced = [-100 * expected[f"nfr_change_{end}_pct"] / base for end in ("high", "low")]
    ends = {
        fall: ("relative_reduction_pct", np.transpose(reduced)),
        change: ("top1_change_pct", expected[["top1_change_low_pct", "top1_change_high_pct"]].to_numpy()),
    }
    for ax, (column, interval) in ends.items():
        x, y = np.concatenate([bars.lines[0].get_xydata() for bars in ax.containers]).T
        np.testing.assert_allclose(x, expected[column])
        rows = [
            f"{where}, {budget:g} M"
            for where, budget in zip(expected["where"], expected["budget"], strict=True)
        ]
        assert [names[round(place)] for place in y] == rows
        across = np.concatenate([bars.lines[2][0].get_segments() for bars in ax.containers])
        np.testing.assert_allclose(across[:, :, 0], interval)


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
    spaces = pd.concat([paper.assign(space="A"), paper[1:].assign(space="B")])
    figure = plots.differences(("one", one), ("two", two), paper=spaces)
    for ax, column in zip(figure.axes, ("nfr_pct", "top1_pct"), strict=True):
        for bars, table in zip(ax.containers, (one, two), strict=True):
            np.testing.assert_allclose(bars.lines[0].get_xdata(orig=False), table[column])
        first, second = (papers.get_offsets() for papers in ax.collections[-2:])
        np.testing.assert_allclose(first, np.c_[paper[column], range(3)])
        np.testing.assert_allclose(second, first[1:])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == one["comparison"].tolist()


def test_controls_stand_in_groups_of_equal_top1():
    kinds, steps = control_tables()
    figure = plots.controls(kinds, steps)
    found = np.concatenate([bars.lines[0].get_xydata() for bars in figure.axes[0].containers])
    np.testing.assert_allclose(found, np.c_[kinds["nfr_pct"], range(4)])
    falls = figure.axes[1].containers[0].lines[0].get_xydata()
    np.testing.assert_allclose(falls, np.c_[steps["nfr_fall_pct"], range(3)])
