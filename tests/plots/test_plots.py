"""plots: every drawing has labelled axes and legible text, whatever the settings, and minds gaps."""

from __future__ import annotations

from functools import cache
from itertools import combinations, pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from drawn import (
    TABLE1,
    TABLE2,
    TABLE3,
    all_families,
    clouds,
    comparisons,
    control_tables,
    course,
    differences,
    growth_table,
    pairs,
    panel,
    platform_table,
    published_differences,
    races,
    ratios,
    reductions,
    repetitions,
    supernet_table,
    sweep,
    texts,
    verdicts,
    visits,
    whole,
    written,
)
from matplotlib.container import ErrorbarContainer

from regnas_core import plots

DRAWN = {
    "fig1": lambda: plots.fig1(pairs("independent", level=4.4), pairs()),
    "fig1_names": lambda: plots.fig1(
        pairs("independent", level=4.4, names=["regnet_y_400mf", "regnet_y_800mf", "regnet_y_1_6gf"]), pairs()
    ),
    "fig1_four": lambda: plots.fig1(pairs("independent", members=4, level=4.4), pairs()),
    "families_4": lambda: plots.families(all_families(4)),
    "families_10": lambda: plots.families(all_families(10)),
    "families_one": lambda: plots.families(pairs(members=3)),
    "designs_1": lambda: plots.designs(panel("Table 1", *TABLE1)),
    "designs_2": lambda: plots.designs(panel("(a) Mini", *TABLE2), panel("(b) MiniRN", *TABLE2, shift=-1)),
    "designs_3": lambda: plots.designs(panel("Table 3", *TABLE3)),
    "designs_33": lambda: plots.designs(panel("(a)", *TABLE3), panel("(b)", *TABLE3, shift=1)),
    "fig2b": lambda: plots.fig2b(clouds()),
    "fig4a": lambda: plots.fig4a(clouds()),
    "fig4b": lambda: plots.fig4b(visits(), visits().groupby(["reward", "training"], as_index=False).first()),
    "fig5a": lambda: plots.fig5a(course()),
    "fig5a_one": lambda: plots.fig5a(course(1, 1, generations=20)),
    "fig5b": lambda: plots.fig5b(sweep(2.0, 2.6, 3.4)),
    "fig5b_one": lambda: plots.fig5b(sweep(2.6, half=np.nan)),
    "supernets": lambda: plots.supernets(supernet_table()),
    "platforms": lambda: plots.platforms(platform_table()),
    "appendix_a": lambda: plots.appendix_a(clouds()),
    "appendix_a_few": lambda: plots.appendix_a(clouds(4)),
    "appendix_b": lambda: plots.appendix_b(ratios()),
    "appendix_b_nan": lambda: plots.appendix_b(ratios(np.nan)),
    "appendix_c": lambda: plots.appendix_c(reductions()),
    "appendix_c_nan": lambda: plots.appendix_c(reductions(np.nan)),
    "claims": lambda: plots.claims({"demo": verdicts()}),
    "claims_titles": lambda: plots.claims(
        {"demo": verdicts(), "cifar10": verdicts()[1:]},
        {n: f"What claim {n} of the paper says" for n in range(9)},
    ),
    "differences": lambda: plots.differences(("(a) Mini", comparisons())),
    "differences_2": lambda: plots.differences(
        ("(a) Mini", comparisons()), ("(b) MiniRN", comparisons(0.3)), paper=published_differences()
    ),
    "controls": lambda: plots.controls(*control_tables()),
    "nested": lambda: plots.nested(
        np.eye(96, 24), np.arange(25.0).reshape(5, 5), {"e = 1": 24, "e = 2": 48, "e = 4": 96}, inner=3
    ),
    "repeated": lambda: plots.repeated(repetitions(), claimed=-1.8),
    "decided": lambda: plots.decided(
        pd.DataFrame(
            {"items": [100, 1000, 10_000], "rate_pct": 1.4, "low_pct": 0.9, "high_pct": [4, 2.1, 1.6]}
        ),
        limit=2,
    ),
    "growth": lambda: plots.growth(growth_table()),
    "growth_blind": lambda: plots.growth(growth_table().assign(peak_gbytes=None).query("axis != 'images'")),
    "racing": lambda: plots.racing(races()),
    "racing_one": lambda: plots.racing(races(1)),
    "regimes": lambda: plots.regimes(whole("regimes")),
    "optima": lambda: plots.optima(whole("optima")),
    "optima_3": lambda: plots.optima(whole("optima", trainings=3)),
    "collapse": lambda: plots.collapse(whole("collapse")),
    "genes": lambda: plots.genes(whole("genes")),
    "searches": lambda: plots.searches(whole("searches")),
    "constraint": lambda: plots.constraint(differences()),
    "constraint_few": lambda: plots.constraint(differences(9)),
}
drawn = cache(lambda name: DRAWN[name]())  # in the usual settings
UNLABELLED = ("fig1", "claims")  # their axes are none


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_it_is_drawn_with_labelled_axes_and_does_not_depend_on_settings(name):
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        figure = DRAWN[name]()
    picture = written(figure)
    assert picture.startswith(b"\x89PNG") and picture == written(drawn(name))
    if not name.startswith(UNLABELLED):
        shown = [ax for ax in figure.axes if ax.axison]
        rows = ("supernets", "platforms", "differences", "controls", "appendix_c")
        named = name.startswith(rows)  # the rows' names are the vertical axis
        assert any(ax.get_xlabel() for ax in shown) and (named or any(ax.get_ylabel() for ax in shown))
        for ax in shown:  # what has no label of its own shares a labelled axis
            assert ax.get_xlabel() or ax.get_ylabel() or any(other.get_xlabel() for other in shown)


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_text_is_legible_and_does_not_overlap(name):
    figure = drawn(name)
    figure.draw_without_rendering()
    words = [text for ax in figure.axes for text in ax.texts if text.get_text()]
    ticks = [t for ax in figure.axes for t in (*ax.get_xticklabels(), *ax.get_yticklabels()) if t.get_text()]
    assert all(text.get_fontsize() >= 7 for text in (*words, *ticks))
    boxes = [(text.get_text(), text.get_window_extent()) for text in words]
    for (one, a), (other, b) in combinations(boxes, 2):
        assert not (a.x0 < b.x1 - 1 and b.x0 < a.x1 - 1 and a.y0 < b.y1 - 2 and b.y0 < a.y1 - 2), (one, other)
    for ax in figure.axes:
        labels = [t.get_window_extent() for t in ax.get_xticklabels() if t.get_text()]
        labels = sorted((box for box in labels if ax.bbox.x0 - 1 <= box.x1), key=lambda box: box.x0)
        assert all(a.x1 <= b.x0 for a, b in pairwise(labels))
        for points in (bars.lines[0] for bars in ax.containers if isinstance(bars, ErrorbarContainer)):
            assert all(
                ax.viewLim.contains(*point) for point in points.get_xydata() if np.isfinite(point).all()
            )
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert not any(box.overlaps(ax.bbox) for ax in figure.axes)


@pytest.mark.parametrize(
    "draw",
    [
        *("families", "fig2b", "fig5a", "fig5b", "supernets", "platforms"),
        *("appendix_a", "appendix_b", "appendix_c", "growth", "racing"),
    ],
)
def test_an_empty_table_says_so(draw):
    figure = getattr(plots, draw)(pd.DataFrame())
    assert texts(figure) == ["nothing to draw"] and written(figure)
