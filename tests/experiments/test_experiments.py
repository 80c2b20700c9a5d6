"""experiments: searches see the search split alone."""

from __future__ import annotations

import pytest

from regnas_core import experiments


@pytest.mark.slow
def test_searches_see_the_search_split_alone(make_bench, tmp_path):
    blind = make_bench(tmp_path, splits=("calibration", "search"))
    experiments.targets(blind, "R2+CAS")
    experiments.fig4b(blind)
    with pytest.raises(AssertionError, match="the test split was opened"):
        experiments.table2(blind)
