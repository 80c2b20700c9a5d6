"""family: all pairs of its members, oriented by accuracy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from regnas_core import experiments


def test_independent_networks_on_imagenet_flip_as_the_papers_do():
    table = experiments.imagenet_family()
    assert table["nfr_pct"].round(2).tolist() == [4.09, 4.37, 4.82] and (table["images"] == 1099).all()
    assert table[["nfr_low_pct", "nfr_high_pct"]].round(2).to_numpy().tolist() == [
        [3.07, 5.43],
        [3.31, 5.74],
        [3.71, 6.25],
    ]
    assert (table["small_top1_pct"] < table["large_top1_pct"]).all()


@pytest.mark.slow
def test_all_pairs_of_a_family_are_oriented_by_accuracy(wide):
    found = experiments.families(wide)
    assert [len(family.members) for family in found] == [4, 4, 4, 4]
    table = experiments.family_pairs(found)
    assert len(table) == 4 * 6
    one = found[0]
    keys = [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert one.keys == keys and found[3].keys == keys
    rows = [
        (b if a.mean() > b.mean() else a) & ~(a if a.mean() > b.mean() else b)
        for a, b in zip(one.members[1].right, one.members[3].right, strict=True)
    ]
    np.testing.assert_array_equal(one.flips(1, 3), rows)
    pair = table[(table["family"] == "REG-NAS") & (table["steps_apart"] == 2)].iloc[1]
    assert pair["nfr_pct"] == pytest.approx(100 * np.mean(rows))
    for row in range(4):  # a chain: everyone contains its predecessor
        archs = [wide.space.parse(member.networks["arch"][row]) for member in found[1].members]
        assert all(wide.space.contains(b, a) for a, b in pairwise(archs))
    claims = experiments.family_claims(found)
    assert len(claims) == 3 and all(row["number"] == 7 for row in claims)
    among = [one.flips(a, b).mean() for a, b in ((1, 2), (1, 3), (2, 3))]
    against = [one.flips(0, b).mean() for b in (1, 2, 3)]
    assert claims[2]["value"] == pytest.approx(100 * (np.mean(among) - np.mean(against)), abs=1e-4)
    alone, together = experiments.fig1(wide)
    assert len(alone.members) == len(together.members) == 3
