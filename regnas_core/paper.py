"""The paper's published numbers, to stand beside ours. MACs in mega; Top-1 and NFR in percent.

From "Towards Regression-Free Neural Networks for Diverse Compute Platforms" (ECCV 2022,
arXiv 2209.13740); all on ImageNet, means of three seeds but for the references.
"""

from __future__ import annotations

import pandas as pd

_COLUMNS = ["space", "model", "mmacs", "top1_pct", "nfr_pct"]
_MB, _RN = "OFA MobileNet-V3", "OFA ResNet-50"

REFERENCES = pd.DataFrame(
    [(_MB, "MB-R0-150", 149, 73.70, None), (_RN, "RN-R0-2000", 1973, 78.25, None)], columns=_COLUMNS
)
TABLE2 = pd.DataFrame(
    [
        (_MB, "MB-R0-300", 298, 77.11, 2.51),
        (_MB, "MB-R1-300", 279, 76.20, 2.07),
        (_MB, "MB-R2-300", 292, 76.90, 2.25),
        (_MB, "MB-(R2+CAS)-300", 294, 76.83, 2.16),
        (_RN, "RN-R0-3000", 2941, 78.78, 2.04),
        (_RN, "RN-R1-3000", 2537, 78.57, 1.28),
        (_RN, "RN-R2-3000", 2972, 78.87, 1.76),
        (_RN, "RN-(R2+CAS)-3000", 2915, 78.80, 1.57),
    ],
    columns=_COLUMNS,
)
