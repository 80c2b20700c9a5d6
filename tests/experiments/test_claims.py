"""claims: those of several presets share their rows."""

from __future__ import annotations

import pandas as pd

from regnas_core import experiments
from regnas_core.resources import project_path


def recorded(number, claims, values, verdicts):
    return pd.DataFrame({"number": number, "claim": claims, "value": values, "verdict": verdicts})


def test_claims_of_presets_with_other_sizes_share_their_rows():
    first = recorded(
        [1, 5, 6, 6],
        [
            "R1 has less",
            "CAS after 2 of 6 generations",
            "CAS at 2 M (one search each)",
            "CAS at 2.6 M (one search each)",
        ],
        [-1, 0.126, 2, 3],
        ["holds", "not enough data", "does not hold", "holds"],
    )
    second = recorded(
        [1, 1, 5, 6],
        ["R2 has less", "R1 has less", "CAS after 3 of 8 generations", "CAS at 4.5 M"],
        [1, 2, 3, 4],
        ["holds", "does not hold", "holds", "holds"],
    )
    table = experiments.side_by_side({"one": first, "two": second})
    assert table.to_numpy().tolist() == [
        [1, "R1 has less", "−1.00 holds", "+2.00 does not hold"],
        [1, "R2 has less", "", "+1.00 holds"],
        [5, "CAS early in the search", "+0.13 not enough data", "+3.00 holds"],
        [6, "CAS at budget 1", "+2.00 does not hold", "+4.00 holds"],
        [6, "CAS at budget 2", "+3.00 holds", ""],
    ]


def test_recorded_claims_of_demo_and_cifar10_share_all_rows_but_one():
    files = {name: project_path("figures") / name / "claims.csv" for name in ("demo", "cifar10")}
    table = experiments.side_by_side({name: pd.read_csv(path) for name, path in files.items()})
    alone = table[(table["demo"] == "") | (table["cifar10"] == "")]
    assert alone["claim"].tolist() == ["FD-LM has a lower NFR than independent training"]
    assert len(table) == 28


def test_no_claims_are_an_empty_table():
    assert experiments.side_by_side({}).columns.tolist() == ["number", "claim"]
