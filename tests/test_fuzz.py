"""Broken files of every kind give the right result or a named error; CONTRIBUTING.md has the long run."""

from __future__ import annotations

import pytest
from fuzz import run
from kinds import KINDS

CASES = 52  # of each kind, 2,000 and more together


def test_there_are_enough_cases():
    assert CASES * len(KINDS) > 2_000 and len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_broken_file_is_refused_by_name_or_read_right(kind, tmp_path):
    found = run(kind, CASES, 0, tmp_path)
    assert not found.faults
    assert found.cases == CASES == sum(found.errors.values()) + found.same + found.other
    assert found.errors or kind.name.startswith(("picture", "decoded"))  # which are left out, with a warning
