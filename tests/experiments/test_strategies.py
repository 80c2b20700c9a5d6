"""strategies: Tables 1, 2 and 3 hold the networks that they name, measured on the test split."""

from __future__ import annotations

import pytest

from regnas_core import experiments
from regnas_core.experiments import DESIGNS


def test_table2_has_one_row_a_design_and_repetition_the_references_first(bench, table2):
    assert list(table2) == [
        *("model", "design", "training", "seed", "arch", "mmacs", "params"),
        *("top1_pct", "nfr_pct", "nfr_low_pct", "nfr_high_pct", "pfr_pct"),
    ]
    reps = experiments.repetitions(bench)
    keys = [(rep.training, rep.seed) for rep in reps]
    assert list(zip(table2["training"], table2["seed"], strict=True)) == keys * 5
    assert table2["model"].tolist()[::4] == [
        *("Mini-R0-0.07", "Mini-R0-0.14", "Mini-R1-0.14", "Mini-R2-0.14", "Mini-(R2+CAS)-0.14"),
    ]
    assert table2["arch"][:4].tolist() == [str(experiments.reference(rep)) for rep in reps]
    assert (table2["nfr_pct"][:4] == 0).all() and table2["nfr_pct"][4:].nunique() > 2
    for design in DESIGNS:
        own = table2.loc[table2["design"] == design, "arch"].tolist()
        assert own == [str(experiments.target(rep, design)) for rep in reps]


def test_table2_claims_are_of_the_differences(found):
    claims = experiments.table2_claims(found, ", here")
    differences = found.differences(experiments.PAIRS["table2"]).set_index("comparison")
    assert [row["value"] for row in claims[:-1]] == pytest.approx(differences["nfr_pct"].tolist())
    assert [row["p"] for row in claims[:-1]] == pytest.approx(differences["nfr_p"].tolist())
    assert claims[2]["claim"] == "R2 + CAS has a lower NFR than R0, here"
    assert (claims[-1]["number"], claims[-1]["bar"]) == (4, -0.3)
    assert claims[-1]["value"] == pytest.approx(differences["top1_pct"]["R2+CAS − R0"])


@pytest.mark.slow
def test_table1_has_networks_of_every_strategy(wide):
    found = experiments.table1(wide)
    assert found.designs == ["independent", "FD-KL", "FD-LM", "R0", "R2+CAS"]
    alone, distilled = found["independent"].networks, found["FD-KL"].networks
    assert len({*alone["arch"], *distilled["arch"]}) == 1
    assert (len(alone), len(distilled)) == (
        4,
        2,
    )  # one beside all seeds, one for the first's reference
    rows = found["independent"].right
    assert (rows[0] == rows[1]).all() and (rows[0] != rows[2]).any()  # one a training
    claims = experiments.table1_claims(found)
    assert claims[0]["claim"] == "FD-KL has a lower NFR than independent training"
    assert claims[0]["value"] == pytest.approx(100 * found.difference("FD-KL", "independent", "nfr").value)


@pytest.mark.slow
def test_table3_tunes_what_was_found_for_the_first_seed_of_each_training(wide):
    found = experiments.table3(wide)
    assert found.designs == ["R0", "R0, CE", "R0, FD", "R2+CAS", "R2+CAS, CE", "R2+CAS, FD"]
    own = found["R0"].networks.query("seed == 0")["arch"].tolist()
    assert found["R0, CE"].networks["arch"].tolist() == own == found["R0, FD"].networks["arch"].tolist()
    claims = experiments.table3_claims(found)
    assert [row["claim"].split()[0] for row in claims] == ["FD", "CE", "FD", "CE"]
    assert all(row["inside"] == (row["value"] < 0) for row in claims[::2])
    assert all(row["inside"] == (row["value"] > 0) for row in claims[1::2])
