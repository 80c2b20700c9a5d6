"""claims: those of several presets share their rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from regnas_core import experiments
from regnas_core.experiments.claims import PRIMARY
from regnas_core.experiments.controls import EQUAL_TOP1
from regnas_core.flips.intervals import holm


def recorded(number, claims, values, verdicts):
    return pd.DataFrame({"number": number, "claim": claims, "value": values, "verdict": verdicts})


def test_claims_of_presets_with_other_sizes_share_their_rows():
    first = recorded(
        [1, 5, 6, 6],
        [
            "R1 has less",
            "CAS after 2 of 6 generations",
            "CAS at 2 M, equal size",
            "CAS at 2.6 M, equal size",
        ],
        [-1, 0.126, 2, 3],
        ["holds", "undecided", "does not hold", "holds"],
    )
    second = recorded(
        [1, 1, 5, 6],
        ["R2 has less", "R1 has less", "CAS after 3 of 8 generations", "CAS at 4.5 M, equal size"],
        [1, 2, 3, 4],
        ["holds", "does not hold", "holds", "holds"],
    )
    table = experiments.side_by_side({"one": first, "two": second})
    assert table.to_numpy().tolist() == [
        [1, "R1 has less", "−1.00 holds", "+2.00 does not hold"],
        [1, "R2 has less", "", "+1.00 holds"],
        [5, "CAS early in the search", "+0.13 undecided", "+3.00 holds"],
        [6, "CAS at budget 1, equal size", "+2.00 does not hold", "+4.00 holds"],
        [6, "CAS at budget 2, equal size", "+3.00 holds", ""],
    ]


@pytest.mark.slow
def test_all_claims_are_tested_and_corrected_together(wide):
    table = experiments.claims(wide)
    assert set(table["number"]) == set(experiments.CLAIMS) and table["number"].is_monotonic_increasing
    assert not table.duplicated(["number", "claim"]).any() and table["verdict"].notna().all()
    for _, tests in table.groupby("primary"):
        np.testing.assert_allclose(tests["p_holm"], holm(tests["p"].to_numpy()))
    assert wide.table is None  # pairs of equal Top-1 are looked up in tables
    assert {*table.loc[table["primary"], "claim"]} == {*PRIMARY} - {EQUAL_TOP1}
    assert (table["p_holm"] >= table["p"]).all() and (table["trainings"] == 2).all()


def test_no_claims_are_an_empty_table():
    assert experiments.side_by_side({}).columns.tolist() == ["number", "claim"]
