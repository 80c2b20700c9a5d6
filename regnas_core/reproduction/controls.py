"""Controls to play with in a notebook: sliders over what is already computed.

Each shows a picture at once, which stays where no kernel runs, and controls that draw it anew where one does.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from matplotlib.figure import Figure

from .. import plots
from ..flips import counts as flips
from .lesson import Lesson


def explore_pair(lesson: Lesson, small: int = 0, large: int = -1):
    """Choose two of the lesson's networks and see their flips; the one with the lower Top-1 plays φ1.

    Args:
        lesson: its networks are chosen from.
        small, large: indices of the two that are shown first.
    """
    names = list(lesson.names)

    def draw(first: str, second: str) -> Figure:
        pair = sorted(
            (lesson.predictions[names.index(name)] for name in (first, second)),
            key=lambda answers: (answers == lesson.labels).sum(),
        )
        counts = flips.flip_counts(*pair, lesson.labels)
        figure = plots.contingency(counts)
        figure.suptitle(f"{first} and {second}: NFR {counts.nfr:.2%}", fontsize=9)
        return figure

    choices = {"first": names, "second": names}
    return _controlled(draw, choices, {"first": names[small], "second": names[large]})


def explore_reward(visited: pd.DataFrame):
    """Slide λ, and see which of the visited networks has the highest Top-1 − λ · NFR.

    Args:
        visited: columns top1_pct and nfr_pct, such as :func:`regnas_core.experiments.fig4b` gives.
    """
    ratios = [0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 100.0]
    return _controlled(lambda ratio: plots.chosen(visited, ratio), {"λ": ratios}, {"λ": 1.0}, slide=True)


def _controlled(draw: Callable[..., Figure], choices: dict, first: dict, *, slide: bool = False) -> Figure:
    """Show controls whose every change draws anew; returns the first picture, to be shown below them."""
    import ipywidgets as widgets
    from IPython.display import display

    Choice = widgets.SelectionSlider if slide else widgets.Dropdown
    calm = {"continuous_update": False} if slide else {}  # draws when the slider is let go
    controls = {
        name: Choice(options=options, value=first[name], description=name, **calm)
        for name, options in choices.items()
    }
    screen = widgets.Output()

    def update(_change=None) -> None:
        screen.clear_output(wait=True)
        with screen:
            display(draw(*(control.value for control in controls.values())))

    for control in controls.values():
        control.observe(update, names="value")

    class Box(widgets.VBox):
        def __repr__(self) -> str:  # what a page without a kernel shows in its place
            return "Where a kernel runs, controls stand here; this is what they show first:"

    display(Box([widgets.HBox(list(controls.values())), screen]))
    return draw(*first.values())
