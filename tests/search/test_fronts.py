"""fronts: dominance by hand and by brute force, hypervolume by counting and by pymoo."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regnas_core.search.course import SearchResult
from regnas_core.search.fronts import front, hypervolume, nondominated, ranks

grids = st.integers(1, 3).flatmap(
    lambda k: st.lists(st.lists(st.integers(0, 4), min_size=k, max_size=k), min_size=1, max_size=12)
)


@given(grids)
def test_a_point_stays_unless_another_is_as_good_everywhere_and_better_somewhere(points):
    expected = [
        not any(all(x >= y for x, y in zip(b, a, strict=True)) and b != a for b in points) for a in points
    ]
    assert nondominated(points).tolist() == expected


@given(grids)
def test_the_volume_is_that_of_the_unit_cubes_below(points):
    dims = len(points[0])
    cubes = np.indices((4,) * dims).reshape(dims, -1).T  # a cube from c to c + 1
    below = [any((c + 1 <= p).all() for p in np.array(points)) for c in cubes]
    assert hypervolume(points, [0] * dims) == pytest.approx(sum(below))


def test_the_volume_is_pymoos():
    indicators = pytest.importorskip("pymoo.indicators.hv")
    points = np.random.default_rng(0).random((40, 4))
    theirs = indicators.HV(ref_point=np.zeros(4))(-points)
    assert hypervolume(points, [0] * 4) == pytest.approx(theirs)


def test_fronts_are_peeled_off():
    points = [[3, 0], [0, 3], [2, 0], [0, 2], [1, 0]]
    assert ranks(points).tolist() == [0, 0, 1, 1, 2]
    assert ranks(points, most=2).tolist() == [0, 0, 1, 1, 1]


def test_nothing_above_the_worst_has_no_volume():
    assert hypervolume([[1, 0]], [0, 0]) == 0


def test_the_front_of_a_search():
    log = pd.DataFrame(
        {"score": [0.5, 0.6, 0.7], "cost": [3, 2, 9], "objective_1": [1, 2, 3], "objective_2": [0, 0, -1]}
    )
    found = SearchResult(None, log, ())
    assert front(found)["cost"].tolist() == [2, 9]
    alone = SearchResult(None, log[["score", "cost"]], ())
    assert front(alone)["score"].tolist() == [0.6, 0.7]
