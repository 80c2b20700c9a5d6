"""family: all pairs of its members, oriented by accuracy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from regnas_core import experiments

pytestmark = pytest.mark.slow


def test_all_pairs_of_a_family_are_oriented_by_accuracy(wide):
    found = experiments.families(wide)
    assert [len(family.members) for family in found] == [4, 4, 4, 4]
    table = experiments.family_pairs(found)
    assert len(table) == 4 * 6
    one = found[0].members
    rows = [
        (b if a.mean() > b.mean() else a) & ~(a if a.mean() > b.mean() else b)
        for a, b in zip(one[1].right, one[3].right, strict=True)
    ]
    pair = table[
        (table["family"] == "REG-NAS") & (table["small"] == one[1].model) & (table["large"] == one[3].model)
    ]
    assert pair["nfr_pct"].item() == pytest.approx(100 * np.mean(rows))
    for seed in (0, 1):  # a chain: everyone contains its predecessor
        archs = [wide.space.parse(member.archs[seed]) for member in found[1].members]
        assert all(wide.space.contains(b, a) for a, b in pairwise(archs))
    assert len(experiments.family_claims(found)) == 3
    alone, together = experiments.fig1(wide)
    assert len(alone.members) == len(together.members) == 3
