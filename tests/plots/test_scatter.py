"""scatter: every network is a point, and means and correlations are those of the points."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import centres, clouds, errorbars, visits, written

from regnas_core import plots


def test_fig4a_marks_the_means_of_its_clouds():
    table, found = clouds(), centres(plots.fig4a(clouds()))
    expected = [table[table["subset"] == s][["top1_pct", "nfr_pct"]].mean() for s in ("A_c", "A_t")]
    np.testing.assert_allclose(found, [*expected, *expected])


def test_fig4b_outlines_what_was_chosen():
    table = visits()
    chosen = table.groupby(["reward", "training"], as_index=False).first()
    figure = plots.fig4b(table, chosen)
    points = np.asarray(figure.axes[0].collections[4].get_offsets())  # R1's, behind three clouds and R0's
    np.testing.assert_allclose(points, chosen[chosen["reward"] == "R1"][["top1_pct", "nfr_pct"]])


def test_fig2b_shows_members_of_a_t_and_their_correlation():
    table = clouds()
    figure = plots.fig2b(table)
    rows = table[table["subset"] == "A_t"]
    (ax,) = figure.axes
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), rows[["top1_pct", "nfr_pct"]])
    slope, start = np.polyfit(rows["top1_pct"], rows["nfr_pct"], 1)
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(y, slope * x + start)
    r = np.corrcoef(rows["top1_pct"], rows["nfr_pct"])[0, 1]
    assert f"r = {r:.2f}".replace("-", "−") in ax.get_title() and "60 members" in ax.get_title()
    for few in (1, 2, 3):
        assert written(plots.fig2b(rows.head(few)))


def test_appendix_a_shows_every_network_and_means_of_bins():
    table = clouds()
    (ax,) = plots.appendix_a(table).axes
    for cloud, subset in zip(ax.collections[:2], ("A_c", "A_t"), strict=True):
        rows = table[table["subset"] == subset]
        np.testing.assert_allclose(
            cloud.get_offsets(), np.column_stack([100 * rows["shared_fraction"], rows["nfr_pct"]])
        )
    (points,) = errorbars(ax).values()
    outside = table[table["subset"] == "A_c"].sort_values("shared_fraction")
    assert points[:, 1] == pytest.approx(outside["nfr_pct"].to_numpy().reshape(6, 10).mean(1))
