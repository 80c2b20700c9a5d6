"""rows: super-networks, platforms and claims, one a row."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import errorbars, platform_table, supernet_table, texts, verdicts

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
    figure = plots.claims(table, {2: "A title"})
    shown = texts(figure)
    assert {*table["claim"][:4], *table["verdict"], "A title", "−0.37", "[−1.74, +0.88]"} <= {*shown}
    long = table["claim"][4]  # on two lines
    assert sum(len(text) > 10 and text in long for text in shown) == 2
    assert [text for text in shown if text in "1257"] == ["1", "2", "5", "7"]
    assert not any("nan" in text for text in shown)
