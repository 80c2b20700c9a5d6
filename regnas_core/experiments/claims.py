"""The eight claims of the paper, each with its estimate, its interval and a verdict."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ..workbench.workbench import Workbench
from .base import ONCE
from .family import families, family_claims
from .searches import fig5a, fig5a_claims, fig5b_claims, sweep
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
    """All claims on this preset, by several tests each.

    One row a test: number (of :data:`CLAIMS`), claim, value, low, high (95 %), p (of no effect), verdict.
    Values are percentage points, but for correlations.
    """
    rewards, points = table2_claims(table2(bench)), fig4a_claims(fig4a(bench))
    found = {
        1: [table1_claims(table1(bench)), rewards.iloc[:-1]],
        2: [points.iloc[2:]],
        3: [points.iloc[:2]],
        4: [rewards.iloc[-1:]],
        5: [fig5a_claims(fig5a(bench))],
        6: [fig5b_claims(sweep(bench))],
        7: [family_claims(families(bench))],
        8: [table3_claims(table3(bench))],
    }
    parts = [part.assign(number=number) for number, several in found.items() for part in several]
    table = pd.concat(parts, ignore_index=True)
    repeated = table.duplicated(["number", "claim"])  # R2 + CAS against R0 is in Tables 1 and 2
    return table.loc[~repeated, ["number", "claim", "value", "low", "high", "p", "verdict"]].reset_index(
        drop=True
    )


def side_by_side(recorded: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Claims of several presets: one row a test, one column a preset, in it "estimate verdict".

    A test that names a preset's own sizes is known by their order ("at 2 M" is "at budget 1"), so that it
    shares its row with the other presets'. A test that a preset does not have is an empty text.

    Args:
        recorded: by the preset's name, tables of :func:`claims`.
    """
    columns, tests = {}, {}
    for name, table in recorded.items():
        text = table["claim"].str.replace(ONCE, "", regex=False)
        text = text.str.replace(r"after \d+ of \d+ generations", "early in the search", regex=True)
        sized = text.str.contains(r" at [\d.]+ M", regex=True)
        text = text.str.replace(r" at [\d.]+ M", " at budget", regex=True)
        order = text.groupby([table["number"], text]).cumcount() + 1
        text = text.mask(sized, text + " " + order.astype(str))
        tests |= dict.fromkeys(zip(table["number"], text, strict=True))
        cells = table["value"].map("{:+.2f} ".format).str.replace("-", "−") + table["verdict"]
        columns[name] = cells.set_axis(pd.MultiIndex.from_arrays([table["number"], text]))
    rows = pd.MultiIndex.from_tuples(sorted(tests, key=lambda test: test[0]), names=["number", "claim"])
    beside = pd.DataFrame({name: cells.reindex(rows) for name, cells in columns.items()}, index=rows)
    return beside.fillna("").reset_index()
