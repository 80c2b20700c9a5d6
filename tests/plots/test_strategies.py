"""strategies: designs stand at their means, their seeds around them."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import TABLE1, TABLE2, TABLE3, means, networks, panel, written

from regnas_core import plots
from regnas_core.plots.style import COLOURS, LABELS


@pytest.mark.parametrize("designs", [TABLE1, TABLE2, TABLE3])
def test_designs_stand_at_their_means_and_seeds(designs):
    title, mean, seeds = panel("one", *designs)
    figure = plots.designs((title, mean, seeds))
    (ax,) = figure.axes
    found = mean[mean["design"] != "reference"]
    shown = [bars.lines[0].get_xydata()[0] for bars in ax.containers]
    np.testing.assert_allclose(shown, found[["top1_pct", "nfr_pct"]])
    clouds = [c.get_offsets() for c in ax.collections]
    for design in found["design"]:
        expected = seeds.loc[seeds["design"] == design, ["top1_pct", "nfr_pct"]]
        assert any(np.array_equal(cloud, expected) for cloud in clouds)
    ends = [bars.lines[2][0].get_segments()[0] for bars in ax.containers]
    np.testing.assert_allclose([e[:, 0] for e in ends], found[["top1_low_pct", "top1_high_pct"]])
    assert len(figure.legends[0].get_texts()) == len(found)
    assert "81.6" in ax.get_xlabel() and ax.get_title() == "one"
    arrows = [text.arrow_patch for text in ax.texts if text.arrow_patch]
    assert len(arrows) == sum(", " in design for design in designs)


def test_tuned_designs_keep_the_colour_and_are_hollow():
    figure = plots.designs(panel("", *TABLE3))
    looks = [bars.lines[0] for bars in figure.axes[0].containers]
    assert [line.get_color() for line in looks] == [COLOURS["R0"]] * 3 + [COLOURS["R2+CAS"]] * 3
    assert [line.get_markerfacecolor() == "white" for line in looks] == [False, True, True] * 2
    assert len({line.get_marker() for line in looks[:3]}) == 3


def test_a_single_seed_of_a_design_has_no_interval():
    figure = plots.designs(("", means("R0", "R2+CAS", half=np.nan), networks("R0", "R2+CAS", count=1)))
    assert written(figure) and figure.axes[0].get_xlabel() == "Top-1 on the test split (%)"


def test_panels_share_one_legend():
    figure = plots.designs(panel("(a)", *TABLE1), panel("(b)", *TABLE2, shift=1))
    assert [ax.get_title() for ax in figure.axes] == ["(a)", "(b)"]
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == [LABELS[d] for d in ("independent", "FD-KL", "FD-LM", "R0", "R1", "R2", "R2+CAS")]
