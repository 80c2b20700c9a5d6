"""Strategies of search by name. Each is a function of a :class:`~regnas_core.search.course.Course`, in a file
of its own: it draws candidates inside the limits, asks for their scores in batches, until none are left.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from ...errors import RegnasError
from ...extras import missing_extra
from ...spaces.arch import Arch
from ...spaces.space import Cost, Space
from ..course import Course, SearchResult
from ..rewards import Score

Strategy = Callable[..., None]
ENTRY_POINTS = "regnas.strategies"  # of installed packages: name = "module:function"

_OWN = {  # name → (module, function); imported when first asked for, as some need an extra
    "evolution": ("..evolution", "evolution"),
    "random": (".random", "random"),
    "local": (".local", "local"),
    "surrogate": (".surrogate", "surrogate"),
    "monas": (".monas", "monas"),
    "dpp-net": (".dpp_net", "dpp_net"),
    "moboga": (".moboga", "moboga"),
    "pnag": (".pnag", "pnag"),
    "nsga2": (".nsga", "nsga2"),
    "nsga3": (".nsga", "nsga3"),
    "tpe": (".tpe", "tpe"),
}
_registered: dict[str, Strategy] = {}


def search(
    space: Space,
    score: Score,
    strategy: str | Strategy = "evolution",
    evaluations: int = 1525,
    seed: int = 0,
    max_cost: float | None = None,
    min_cost: float | None = None,
    cost: Cost | None = None,
    reference: Arch | None = None,
    exclude: Iterable[Arch] = (),
    *,
    progress: bool = False,
    **settings: Any,
) -> SearchResult:
    """Search ``space`` for the architecture with the highest score, by any strategy.

    Every strategy constructs its candidates within the budget and, given a reference, around its weights;
    none asks for an architecture twice, and a seed decides all.

    Args:
        space: where to search.
        score: called with lists of new architectures; returns their scores. A score may have parts: equally
            many objectives of each, higher is better, such as (Top-1, −NFR). Their sum is the score; the
            strategies of several objectives (nsga2, nsga3, moboga, dpp-net) take them, and the cost, one by
            one (:func:`~regnas_core.search.fronts.front` is what they look for).
        strategy: one of :func:`strategy_names`, or a function of a
            :class:`~regnas_core.search.course.Course`.
        evaluations: that may be asked for; 1,525 is the paper's number.
        seed: of all random choices.
        max_cost, min_cost, cost, reference, exclude: as for :func:`regnas_core.evolve`.
        progress: whether to show a bar.
        **settings: of the strategy.

    Raises:
        InfeasibleError: no architecture satisfies budget and reference.
        RegnasError: an unknown strategy or setting; no evaluations; a score is not a number.
        MissingExtraError: the strategy needs a package that is not installed.

    >>> from regnas_core import load_tabular
    >>> table = load_tabular("demo")
    >>> found = search(table.space, table.score("R0"), "surrogate", 60, max_cost=1e6)
    >>> found.best == table.best("R0", max_cost=1e6)
    True
    """
    run = get_strategy(strategy) if isinstance(strategy, str) else strategy
    if evaluations < 1:
        raise RegnasError(f"evaluations={evaluations}: a search needs at least one.")
    try:
        inspect.signature(run).bind(None, **settings)
    except TypeError as error:
        raise RegnasError(f"The strategy {strategy}: {error}; see its own docstring for settings.") from None
    course = Course(
        space,
        score,
        evaluations=evaluations,
        seed=seed,
        max_cost=max_cost,
        min_cost=min_cost,
        cost=cost,
        reference=reference,
        exclude=exclude,
        progress=progress,
    )
    run(course, **settings)
    if course.left and course.archs and course.stopped is None:
        found = len(course.archs)
        if course.exhausted:
            course.stopped = f"all {found} architectures within the limits were evaluated"
        else:
            course.stopped = f"after {found} evaluations of {evaluations} it found no new architecture"
            warnings.warn(f"{space.name}: search ended early, {course.stopped}.", stacklevel=2)
    return course.result()


def register_strategy(name: str, strategy: Strategy) -> None:
    """Make a strategy of one's own known by a name, in this process.

    An installed package makes its strategies known everywhere by entry points of the group
    ``regnas.strategies``.

    Args:
        name: a new one.
        strategy: called with a :class:`~regnas_core.search.course.Course` and its own settings.

    Raises:
        RegnasError: the name is taken.
    """
    if name in strategy_names():
        raise RegnasError(f"There is a strategy {name!r} already; register yours under another name.")
    _registered[name] = strategy


def strategy_names() -> list[str]:
    """Names that :func:`search` knows: the package's, other packages', and registered ones."""
    return list(dict.fromkeys([*_OWN, *_registered, *entry_points(group=ENTRY_POINTS).names]))


def get_strategy(name: str) -> Strategy:
    """The strategy called ``name``.

    Raises:
        RegnasError: unknown.
        MissingExtraError: a package that it needs is not installed.
    """
    if name in _OWN:
        module, function = _OWN[name]
        try:
            return getattr(import_module(module, __name__), function)
        except ModuleNotFoundError as error:
            if (missing := missing_extra(error, f"The strategy {name}")) is None:
                raise
            raise missing from error
    if name in _registered:
        return _registered[name]
    if found := entry_points(group=ENTRY_POINTS, name=name):
        return next(iter(found)).load()
    raise RegnasError(f"Unknown strategy {name!r}; known: {', '.join(strategy_names())}.")
