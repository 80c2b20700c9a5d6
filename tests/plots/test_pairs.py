"""pairs: every pair of a family is there with its flips."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from drawn import all_families, pairs, texts, written
from matplotlib.patches import Arc

from regnas_core import plots


def test_fig1_labels_every_pair_and_member():
    independent, regnas = pairs("independent", level=4.4), pairs()
    figure = plots.fig1(independent, regnas)
    for ax, table in zip(figure.axes, (independent, regnas), strict=True):
        shown = [text.get_text() for text in ax.texts]
        for row in table.itertuples():
            assert f"{row.nfr_pct:.2f}" in shown
            assert f"[{row.nfr_low_pct:.2f}, {row.nfr_high_pct:.2f}]" in shown
        assert [label.get_text() for label in ax.get_xticklabels()] == [
            "1.3M\n81.6",
            "1.95M\n82.8",
            "2.6M\n84.0",
        ]
        assert sum(isinstance(patch, Arc) for patch in ax.patches) == 1
    blind = plots.fig1(independent, regnas.assign(nfr_low_pct=np.nan, nfr_high_pct=np.nan))
    assert not any("nan" in text for text in texts(blind)) and written(blind)


def test_members_of_one_name_stay_apart():
    table = pairs(members=4, names=["1.3M", "2.5M", "2.5M", "3M"])
    (ax, _) = plots.families(table).axes
    grid = ax.collections[0].get_array()
    expected = np.ma.masked_all((3, 3))
    for (a, b), value in zip(combinations(range(4), 2), table["nfr_pct"], strict=True):
        expected[b - 1, a] = value
    np.testing.assert_array_equal(grid.mask, expected.mask)
    np.testing.assert_array_equal(grid.compressed(), expected.compressed())
    labels = [label.get_text().split("\n") for label in ax.get_yticklabels()]
    top1 = [f"{value:.1f}" for value in table["large_top1_pct"][:3]]
    assert labels == [list(pair) for pair in zip(["2.5M", "2.5M", "3M"], top1, strict=True)]


def test_families_share_one_scale_and_show_half_of_the_interval():
    table = all_families(4)
    figure = plots.families(table)
    *maps, bar = figure.axes
    limits = {ax.collections[0].get_clim() for ax in maps}
    assert limits == {(0, table["nfr_pct"].max())} and bar.get_ylabel().startswith("NFR (%)")
    for ax, (name, rows) in zip(maps, table.groupby("family", sort=False), strict=True):
        assert ax.get_title().replace("\n", " ") == f"{name} mean {rows['nfr_pct'].mean():.2f}"
        assert sorted(t.get_text() for t in ax.texts) == sorted(f"{v:.1f}\n±0.4" for v in rows["nfr_pct"])
    assert not any("±" in t for t in texts(plots.families(table.assign(nfr_low_pct=np.nan))))
