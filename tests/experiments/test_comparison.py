"""comparison: means and differences against arithmetic on the predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from regnas_core import experiments
from regnas_core.experiments import DESIGNS, Comparison, Group
from regnas_core.flips.intervals import crossed_mean

PAIRS = [("R1", "R0"), ("R2", "R0"), ("R2+CAS", "R0"), ("R2+CAS", "R2")]
TRAININGS, SEEDS = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])


def right(bench, design: str) -> np.ndarray:
    """Straight from the predictions: which images each repetition's network gets right."""
    rows = []
    for rep in experiments.repetitions(bench):
        arch = experiments.reference(rep) if design == "reference" else experiments.target(rep, design)
        rows.append(rep.bench.predictions([arch], "test")[0] == bench.images("test").labels)
    return np.array(rows)


def flipped(ref: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Negative flips, row by row, of the less accurate network's correct answers."""
    rows = [(a, b) if a.sum() <= b.sum() else (b, a) for a, b in zip(ref, target, strict=True)]
    return np.array([a & ~b for a, b in rows])


def assert_mean(row, name: str, values: np.ndarray, *, rate: bool = False) -> None:
    expected = crossed_mean(values, TRAININGS, SEEDS)
    low, high = expected.interval()
    if rate:
        low, high = max(low, 0), min(high, 1)
    found = [row[f"{name}_{end}_pct" if end else f"{name}_pct"] for end in ("", "low", "high", "sd")]
    assert found == pytest.approx([100 * x for x in (expected.value, low, high, expected.sd)])
    assert found[0] == pytest.approx(100 * values.mean())


def test_means_are_those_of_the_predictions(bench, found):
    means, ref = found.means(), right(bench, "reference")
    assert means["design"].tolist() == ["reference", *DESIGNS]
    assert (means["trainings"] == 2).all() and (means["networks"] == 4).all()
    assert_mean(means.iloc[0], "top1", ref, rate=True)
    assert means.iloc[0].filter(like="nfr").isna().all()
    for (_, row), design in zip(means[1:].iterrows(), DESIGNS, strict=True):
        own = right(bench, design)
        assert_mean(row, "top1", own, rate=True)
        assert_mean(row, "nfr", flipped(ref, own), rate=True)
        assert row["below_reference"] == (own.mean(1) < ref.mean(1)).mean()


def test_differences_are_paired_by_repetition_and_image(bench, found):
    rows, ref = found.differences(PAIRS), right(bench, "reference")
    own = {design: right(bench, design) for design in DESIGNS}
    flips = {design: flipped(ref, values).astype(float) for design, values in own.items()}
    assert rows["comparison"].tolist() == [f"{a} − {b}" for a, b in PAIRS]
    for (_, row), (a, b) in zip(rows.iterrows(), PAIRS, strict=True):
        assert_mean(row, "nfr", flips[a] - flips[b])
        assert_mean(row, "top1", own[a].astype(float) - own[b])
        relative = 100 * (flips[a].mean() / flips[b].mean() - 1)
        assert row["relative_nfr_change_pct"] == pytest.approx(relative)
        assert row["nfr_p"] == pytest.approx(crossed_mean(flips[a] - flips[b], TRAININGS, SEEDS).p())


def group(design: str, keys, rows) -> Group:
    networks = pd.DataFrame(keys, columns=["training", "seed"]).assign(arch=design, mmacs=1.0, params=1)
    return Group(design, design, networks, np.array(rows, bool))


def test_only_repetitions_that_both_have_are_compared_each_with_its_own_reference():
    reference = group("reference", [(0, 0), (0, 1), (1, 0)], [[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]])
    a = group("a", [(1, 0), (0, 0)], [[0, 1, 1, 1], [1, 0, 1, 1]])
    b = group("b", [(0, 0), (0, 1), (1, 0)], [[0, 0, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]])
    c = Comparison(reference, (a, b))
    assert c.flips(a).astype(int).tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]
    assert c.difference("a", "b", "nfr").value == pytest.approx((0 - 0.25 + 0.25) / 2 + 0)
    assert c.differences([("a", "b"), ("a", "nobody")])["networks"].tolist() == [2]


def test_the_less_accurate_network_is_the_first():
    reference = group("reference", [(0, 0)], [[1, 1, 1, 0]])
    worse = group("worse", [(0, 0)], [[1, 0, 0, 1]])
    c = Comparison(reference, (worse,))
    assert c.flips(worse).astype(int).tolist() == [[0, 0, 0, 1]]
    means = c.means().set_index("design")
    assert means.loc["worse", "below_reference"] == 1 and means.loc["worse", "nfr_pct"] == 25
    assert c.networks()["pfr_pct"].tolist() == [0, 50]
