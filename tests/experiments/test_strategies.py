"""strategies: Tables 1, 2 and 3 hold the networks that they name, measured on the test split."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from straight import right

from regnas_core import experiments
from regnas_core.experiments import DESIGNS


def test_table2_has_the_reference_and_one_row_a_design_and_seed(bench, ref, table2):
    assert list(table2) == [
        *("model", "design", "seed", "arch", "mmacs", "params"),
        *("top1_pct", "nfr_pct", "nfr_low_pct", "nfr_high_pct", "pfr_pct"),
    ]
    rows = [("reference", 0), *((design, seed) for design in DESIGNS for seed in (0, 1))]
    assert list(zip(table2["design"], table2["seed"], strict=True)) == rows
    assert table2["model"].tolist()[::2] == [
        *("Mini-R0-0.07", "Mini-R0-0.14", "Mini-R1-0.14", "Mini-R2-0.14", "Mini-(R2+CAS)-0.14"),
    ]
    assert table2["arch"][0] == str(ref) and table2["nfr_pct"][0] == 0
    for design, group in table2[1:].groupby("design"):
        assert group["arch"].tolist() == list(map(str, experiments.targets(bench, ref, design)))


def test_table2_is_measured_on_the_test_split(bench, table2):
    correct = right(bench, table2["arch"])
    assert table2["top1_pct"].tolist() == pytest.approx((100 * correct.mean(1)).tolist())
    assert table2["nfr_pct"].tolist() == pytest.approx((100 * (correct[0] & ~correct).mean(1)).tolist())
    assert table2["pfr_pct"].tolist() == pytest.approx((100 * (~correct[0] & correct).mean(1)).tolist())
    assert table2["nfr_pct"][1:].nunique() > 2  # the toy networks do differ


def test_table2_claims_are_judged_by_the_differences():
    columns = [
        "comparison",
        "nfr_pct",
        "nfr_low_pct",
        "nfr_high_pct",
        "nfr_p",
        "top1_pct",
        "top1_low_pct",
        "top1_high_pct",
        "top1_p",
    ]
    differences = pd.DataFrame(
        [
            ("R1 − R0", -0.5, -0.7, -0.3, 0.01, 0, 0, 0, 1),
            ("R2 − R0", -0.1, -0.3, 0.1, 0.2, 0, 0, 0, 1),
            ("R2+CAS − R0", 0.4, 0.1, 0.7, 0.03, -0.1, -0.2, 0.0, 0.06),
            ("R2+CAS − R2", -0.4, -0.5, -0.3, 0.01, -9, -9, -9, 0),
            ("R1 − R2+CAS", -0.4, -0.9, 0.1, 0.1, -9, -9, -9, 0),
        ],
        columns=columns,
    )
    claims = experiments.table2_claims(SimpleNamespace(differences=lambda pairs: differences))
    assert claims["verdict"].tolist() == [
        *("holds", "not enough data", "does not hold", "holds", "not enough data", "holds")
    ]
    assert claims["value"].tolist() == [-0.5, -0.1, 0.4, -0.4, -0.4, -0.1]
    assert claims[["low", "high"]].iloc[-1].tolist() == [-0.2, 0.0]
    assert claims["p"][:5].tolist() == [0.01, 0.2, 0.03, 0.01, 0.1] and np.isnan(claims["p"][5])  # bar: −0.3


@pytest.mark.slow
def test_table1_has_networks_of_every_strategy(wide):
    found = experiments.table1(wide)
    assert found.designs == ["independent", "FD-KL", "FD-LM", "R0", "R2+CAS"]
    assert len({*found["independent"].archs, *found["FD-KL"].archs}) == 1
    assert found["independent"].right.shape == (2, 70)
    assert not (found["independent"].right == found["FD-LM"].right).all()
    claims = experiments.table1_claims(found)
    means = found.means().set_index("design")["nfr_pct"]
    assert claims["value"][0] == pytest.approx(means["FD-KL"] - means["independent"])


@pytest.mark.slow
def test_table3_tunes_what_was_found(wide):
    found = experiments.table3(wide)
    assert found.designs == ["R0", "R0, CE", "R0, FD", "R2+CAS", "R2+CAS, CE", "R2+CAS, FD"]
    assert found["R0, CE"].archs == found["R0"].archs
    assert len(experiments.table3_claims(found)) == 4
