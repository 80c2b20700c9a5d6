"""The eight claims of the paper, each with its estimate, its interval and a verdict."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ..workbench.workbench import Workbench
from .base import decided
from .family import families, family_claims
from .searches import fig5a, fig5a_claims, gap_claim, sweep, sweep_claims
from .space import fig4a, fig4a_claims
from .strategies import table1, table1_claims, table2, table2_claims, table3, table3_claims

CLAIMS = {
    1: "NFR falls from independent training over focal distillation and R0 to R2 and R2 + CAS; R1 is lowest",
    2: "Among networks that contain the reference, Top-1 and NFR are uncorrelated",
    3: "Networks that contain the reference have lower NFR and higher Top-1 than others of their size",
    4: "R2 + CAS costs little Top-1 against R0",
    5: "With CAS a search reaches a low NFR in earlier generations",
    6: "A smaller gap in accuracy does not mean fewer flips; R2 + CAS beats R0 at every size",
    7: "In a family that was searched against one reference, every pair has a low NFR",
    8: "Fine-tuning with focal distillation lowers NFR further, with cross entropy it raises it",
}


def claims(bench: Workbench) -> pd.DataFrame:
    """All claims on this preset, by several tests each, with verdicts corrected for the number of tests.

    One row a test: number (of :data:`CLAIMS`), claim, value, low, high (95 %), trainings, p (of the claim's
    bar), p_holm, verdict (see :func:`decided`). Values are percentage points, but for correlations.
    """
    swept = sweep(bench)
    rows = [
        *table1_claims(table1(bench)),
        *table2_claims(table2(bench)),
        *table2_claims(table2(bench, matched=True), ", equal size"),
        *fig4a_claims(fig4a(bench)),
        *fig5a_claims(fig5a(bench)),
        *sweep_claims(swept),
        *gap_claim(swept),
        *family_claims(families(bench)),
        *table3_claims(table3(bench)),
    ]
    table = pd.DataFrame(rows).drop_duplicates(["number", "value"])  # what two items test
    table = decided(table.sort_values("number", kind="stable").reset_index(drop=True))
    columns = ["number", "claim", "value", "low", "high", "trainings", "p", "p_holm", "verdict"]
    return table[columns]


def named(claims: pd.DataFrame) -> pd.DataFrame:
    """Claims with a column ``test``: the claim in words that fit every preset.

    A test that names a preset's own sizes is known by their order: "at 2 M" is "at budget 1".
    """
    text = claims["claim"].str.replace(r"after \d+ of \d+ generations", "early in the search", regex=True)
    sized = text.str.contains(r" at [\d.]+ M", regex=True)
    text = text.str.replace(r" at [\d.]+ M", " at budget #", regex=True)
    order = text.groupby([claims["number"], text]).cumcount() + 1
    return claims.assign(
        test=[t.replace("#", str(n)) if s else t for t, n, s in zip(text, order, sized, strict=True)]
    )


def side_by_side(recorded: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Claims of several presets: one row a test, one column a preset, in it "estimate verdict".

    A test that a preset does not have is an empty text.

    Args:
        recorded: by the preset's name, tables of :func:`claims`.
    """
    columns, tests = {}, {}
    for name, table in recorded.items():
        table = named(table)
        tests |= dict.fromkeys(zip(table["number"], table["test"], strict=True))
        cells = table["value"].map("{:+.2f} ".format).str.replace("-", "−") + table["verdict"]
        columns[name] = cells.set_axis(pd.MultiIndex.from_frame(table[["number", "test"]]))
    rows = pd.MultiIndex.from_tuples(sorted(tests, key=lambda test: test[0]), names=["number", "claim"])
    beside = pd.DataFrame({name: cells.reindex(rows) for name, cells in columns.items()}, index=rows)
    return beside.fillna("").reset_index()
