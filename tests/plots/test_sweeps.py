"""sweeps: courses of searches, budgets, and weights of the reward."""

from __future__ import annotations

import numpy as np
from drawn import course, errorbars, ratios, sweep

from regnas_core import plots
from regnas_core.plots.style import COLOURS


def test_fig5a_draws_trainings_their_mean_and_the_middle_of_the_searches():
    table = course()
    short = table[~((table["seed"] == 2) & (table["generation"] > 4))]  # a search that stopped earlier
    (ax,) = plots.fig5a(short).axes
    for design, lines in zip(("R2", "R2+CAS"), (ax.lines[:4], ax.lines[4:]), strict=True):
        rows = short[short["design"] == design]
        wide = rows.pivot(index="generation", columns=["training", "seed"], values="nfr_pct").ffill()
        for training, line in enumerate(lines[:3]):
            np.testing.assert_allclose(line.get_ydata(), wide[training].mean(axis=1))
        np.testing.assert_allclose(lines[3].get_ydata(), wide.mean(axis=1))
        assert lines[3].get_color() == COLOURS[design]
    assert all(tick == int(tick) for tick in ax.get_xticks())


def test_fig5b_shows_both_designs_of_both_sizes_and_the_reference():
    table = sweep(2.6, 2.0, 3.4)
    nfr, top1 = plots.fig5b(table).axes
    for ax, column in ((nfr, "nfr_pct"), (top1, "top1_pct")):
        shown = errorbars(ax)
        for design in ("R0", "R2+CAS"):
            rows = table[table["design"] == design].sort_values(["sizes", "budget"], ascending=[False, True])
            np.testing.assert_allclose(shown[COLOURS[design]], rows[["mmacs", column]])
    assert errorbars(top1)[COLOURS["reference"]].tolist() == [[1.29, 81.56]]
    assert COLOURS["reference"] not in errorbars(nfr)


def test_appendix_b_orders_the_weights():
    table = ratios()
    figure = plots.appendix_b(table.sample(frac=1, random_state=0))
    for ax, column in zip(figure.axes, ("nfr_pct", "top1_pct"), strict=True):
        np.testing.assert_allclose(ax.lines[0].get_ydata(), table[column])
    labels = [label.get_text() for label in figure.axes[1].get_xticklabels()]
    assert labels == ["0\n(R0)", "0.5", "1\n(R2)", "2", "∞\n(R1)"]
    points = {line.get_color() for line in (bars.lines[0] for bars in figure.axes[0].containers)}
    assert points == {COLOURS[name] for name in ("R0", "R2", "R1", "other")}
