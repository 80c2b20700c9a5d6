"""The README says what the recorded runs say, and its links lead somewhere."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from regnas_core.resources import project_path

README = project_path("README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("preset", ["demo", "cifar10"])
def test_table_2_is_the_recorded_one(preset):
    table = pd.read_csv(project_path(f"figures/{preset}/table2.csv")).set_index("design")
    for design in ("R0", "R1", "R2", "R2+CAS"):
        row = table.loc[design]
        line = next(x for x in README.splitlines() if x.startswith(f"| {design.replace('+', ' + ')} ("))
        assert (
            f" {row.top1_pct:.1f} | {row.nfr_pct:.2f} [{row.nfr_low_pct:.2f}, {row.nfr_high_pct:.2f}]" in line
        )


def test_relative_links_lead_to_files():
    links = [x for x in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in x]
    assert len(links) > 15
    assert not [x for x in links if not (project_path("README.md").parent / x).exists()]
