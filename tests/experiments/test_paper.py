"""paper: what is recorded of it is consistent with itself."""

from __future__ import annotations

import pandas as pd

from regnas_core.experiments import paper


def test_what_the_paper_says_is_consistent_with_itself():
    both = paper.TABLE1.merge(paper.TABLE2, on=["space", "design"])
    for column in ("model", "mmacs", "top1_pct", "nfr_pct"):
        pd.testing.assert_series_equal(both[f"{column}_x"], both[f"{column}_y"], check_names=False)
    a, b = (paper.part(paper.TABLE1, which).set_index("design")["nfr_pct"] for which in "ab")
    assert (
        round(100 * (1 - a["R2+CAS"] / a["FD-KL"])) == 34
        and round(100 * (1 - b["R2+CAS"] / b["FD-KL"])) == 49
    )
