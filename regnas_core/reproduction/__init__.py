"""Reproduction: a preset comes in; executed notebooks, figures, tables and one HTML report go out.

What notebooks share lives here, too: their parameters, the lesson's predictions, controls to play with. It
does not know how any number is computed.
"""

from ..doors import open_doors

__getattr__, __dir__, __all__ = open_doors(
    __name__,
    {
        "lesson": ("Lesson", "load_lesson"),
        "notebook": ("open_notebook", "open_tables", "parameters"),
        "controls": ("explore_pair", "explore_reward"),
        "run": ("reproduce",),
    },
)
