"""tables: what is printed is what was measured, and the paper's numbers stand apart."""

from __future__ import annotations

import pandas as pd
import pytest

from regnas_core.experiments import paper
from regnas_core.plots import tables

MEANS = pd.DataFrame(
    {
        "model": ["Mini-R0-1.3", "Mini-R0-2.6", "Mini-(R2+CAS)-2.6"],
        "design": ["reference", "R0", "R2+CAS"],
        "trainings": [3, 3, 3],
        "networks": [60, 60, 60],
        "mmacs": [1.304, 2.5501, 294.4],
        "top1_pct": [81.256, 84.1, 84.0],
        "nfr_pct": [float("nan"), 2.894, 2.46],
        "nfr_low_pct": [float("nan"), 1.94, 1.98],
        "nfr_high_pct": [float("nan"), 3.84, 2.94],
    }
)


@pytest.fixture
def table() -> pd.DataFrame:
    return tables.printed(MEANS, paper.part(paper.TABLE2, "a"))


def test_numbers_are_rounded_to_what_is_known(table):
    ours = table[tables.OURS]
    assert ours["MACs (M)"].tolist() == ["1.30", "2.55", "294"]
    assert ours["NFR (%)"].tolist() == ["", "2.89", "2.46"]
    assert ours["95 % interval"].tolist() == ["", "[1.94, 3.84]", "[1.98, 2.94]"]


def test_the_papers_rows_stand_beside_the_same_design(table):
    theirs = table[tables.PAPER]
    assert theirs["model"].tolist() == ["MB-R0-150", "MB-R0-300", "MB-(R2+CAS)-300"]
    assert theirs["NFR (%)"].tolist() == ["", "2.51", "2.16"]
    assert tables.PAPER not in tables.printed(MEANS).columns.get_level_values(0)


def test_markdown_and_latex_are_written(table, tmp_path):
    assert tables.save_printed(table, tmp_path / "t", "Table 2a, 95 %") is table
    lines = (tmp_path / "t.md").read_text("utf-8").splitlines()
    assert lines[0] == "**Table 2a, 95 %**" and lines[2].count("*paper:*") == 4
    assert len({line.count("|") for line in lines[2:]}) == 1 and len(lines) == 4 + 3
    latex = (tmp_path / "t.tex").read_text("utf-8")
    assert r"\toprule" in latex and r"95 \%" in latex and "MB-(R2+CAS)-300" in latex
    assert latex.count(r"\\") >= 5


def test_the_papers_columns_look_different(table):
    html = tables.shown(table).to_html()
    assert "italic" in html and "border-left" in html
    assert "italic" not in tables.shown(tables.printed(MEANS)).to_html()


VERDICTS = ("holds", "does not hold", "undecided", "no effect", "one training", "")


def test_claims_have_the_colours_of_their_verdicts():
    cells = [verdict and f"+1.00 {verdict}" for verdict in VERDICTS]
    html = tables.shown_side_by_side(pd.DataFrame({"number": 1, "claim": "less", "demo": cells})).to_html()
    assert all(colour in html for colour in (*tables.COLOURS.values(), tables.GREY))
    row = {"number": 1, "claim": "less", "value": 1.0, "low": 0.5, "high": 1.5, "trainings": 3, "p": 0.0001}
    html = tables.shown_claims(
        [row | {"p_holm": 0.2, "verdict": v, "inside": True} for v in VERDICTS]
    ).to_html()
    assert all(colour in html for colour in (*tables.COLOURS.values(), tables.GREY))
    assert "< 0.001" in html and "0.200" in html and "inside" not in html
    assert "verdict" not in tables.shown_claims([row]).to_html()
