"""recorded: of several trainings those that have a table, with a warning where others have none."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest

from regnas_core.workbench.recorded import with_tables


def trained(*tables: bool) -> tuple:
    return tuple(SimpleNamespace(name="toy", table=object() if there else None) for there in tables)


@pytest.mark.parametrize("tables", [(True, True, True), (False, False)])
def test_all_or_none_are_taken_as_they_are(tables):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert with_tables(every := trained(*tables)) == every


def test_trainings_without_a_table_are_left_out_by_name():
    every = trained(True, False, True)
    with pytest.warns(UserWarning, match=r"toy: 2 of 3 trainings have a table .*recompute=true"):
        assert with_tables(every) == (every[0], every[2])
