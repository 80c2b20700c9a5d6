"""The paper's published numbers, to stand beside ours. MACs in mega; Top-1 and NFR in percent.

From "Towards Regression-Free Neural Networks for Diverse Compute Platforms" (ECCV 2022,
arXiv 2209.13740); all on ImageNet, means of three seeds but for the references.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

_COLUMNS = ["space", "design", "model", "mmacs", "top1_pct", "nfr_pct"]
_MB, _RN = "OFA MobileNet-V3", "OFA ResNet-50"

# The text's introduction calls the first network EfficientNet-B1, its Table 1 EfficientNet-B0.
TABLE1 = pd.DataFrame(
    [
        (_MB, "reference", "MB-R0-150", 149, 73.70, None),
        (_MB, "independent", "EfficientNet", 385, 77.08, 4.25),
        (_MB, "FD-KL", "EfficientNet + FD", 385, 76.25, 3.25),
        (_MB, "R0", "MB-R0-300", 298, 77.11, 2.51),
        (_MB, "R2+CAS", "MB-(R2+CAS)-300", 294, 76.83, 2.16),
        (_RN, "reference", "RN-R0-2000", 1973, 78.25, None),
        (_RN, "independent", "ResNet-101", 7598, 79.21, 4.83),
        (_RN, "FD-KL", "ResNet-101 + FD", 7598, 79.90, 3.06),
        (_RN, "R0", "RN-R0-3000", 2941, 78.78, 2.04),
        (_RN, "R2+CAS", "RN-(R2+CAS)-3000", 2915, 78.80, 1.57),
    ],
    columns=_COLUMNS,
)
TABLE2 = pd.DataFrame(
    [
        (_MB, "reference", "MB-R0-150", 149, 73.70, None),
        (_MB, "R0", "MB-R0-300", 298, 77.11, 2.51),
        (_MB, "R1", "MB-R1-300", 279, 76.20, 2.07),
        (_MB, "R2", "MB-R2-300", 292, 76.90, 2.25),
        (_MB, "R2+CAS", "MB-(R2+CAS)-300", 294, 76.83, 2.16),
        (_RN, "reference", "RN-R0-2000", 1973, 78.25, None),
        (_RN, "R0", "RN-R0-3000", 2941, 78.78, 2.04),
        (_RN, "R1", "RN-R1-3000", 2537, 78.57, 1.28),
        (_RN, "R2", "RN-R2-3000", 2972, 78.87, 1.76),
        (_RN, "R2+CAS", "RN-(R2+CAS)-3000", 2915, 78.80, 1.57),
    ],
    columns=_COLUMNS,
)


def part(table: pd.DataFrame, which: str) -> pd.DataFrame:
    """Part ``"a"`` (OFA MobileNet-V3) or ``"b"`` (OFA ResNet-50) of a table."""
    return table[table["space"] == {"a": _MB, "b": _RN}[which]].reset_index(drop=True)


def differences(table: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """First minus second of designs, in both spaces: space, comparison, nfr_pct, top1_pct (points)."""
    rows = []
    for space, part_rows in table.groupby("space", sort=False):
        rates = part_rows.set_index("design")[["nfr_pct", "top1_pct"]].astype(float)
        for a, b in pairs:
            if {a, b} <= {*rates.index}:
                rows.append({"space": space, "comparison": f"{a} − {b}", **(rates.loc[a] - rates.loc[b])})
    return pd.DataFrame(rows)
