"""Experiments: a workbench comes in, the numbers of an item of the paper go out, as a DataFrame.

One function an item; beside them the claims with their verdicts, and the paper's own numbers. It does not
know how they are drawn.
"""

from .base import (
    DESIGNS,
    SIZES,
    Repetition,
    decided,
    firsts,
    judge,
    model_name,
    reference,
    repetitions,
    target,
    targets,
    uniform,
)
from .claims import CLAIMS, claims, named, side_by_side
from .comparison import Comparison, Group
from .controls import Controls
from .family import Family, families, family_claims, family_pairs, fig1, imagenet_family
from .recipe import fig3
from .searches import (
    appendix_b,
    appendix_c,
    fig5a,
    fig5a_claims,
    fig5b,
    gap_claim,
    platforms,
    supernet_claims,
    supernets,
    sweep,
    sweep_claims,
    sweep_differences,
)
from .space import Clouds, appendix_a, appendix_a_claims, fig4a, fig4a_claims, fig4b, fig4b_choices
from .strategies import (
    PAIRS,
    parts,
    table1,
    table1_claims,
    table2,
    table2_claims,
    table3,
    table3_claims,
    titled,
)

__all__ = [
    "CLAIMS",
    "DESIGNS",
    "PAIRS",
    "SIZES",
    "Clouds",
    "Comparison",
    "Controls",
    "Family",
    "Group",
    "Repetition",
    "appendix_a",
    "appendix_a_claims",
    "appendix_b",
    "appendix_c",
    "claims",
    "decided",
    "families",
    "family_claims",
    "family_pairs",
    "fig1",
    "fig3",
    "fig4a",
    "fig4a_claims",
    "fig4b",
    "fig4b_choices",
    "fig5a",
    "fig5a_claims",
    "fig5b",
    "firsts",
    "gap_claim",
    "imagenet_family",
    "judge",
    "model_name",
    "named",
    "parts",
    "platforms",
    "reference",
    "repetitions",
    "side_by_side",
    "supernet_claims",
    "supernets",
    "sweep",
    "sweep_claims",
    "sweep_differences",
    "table1",
    "table1_claims",
    "table2",
    "table2_claims",
    "table3",
    "table3_claims",
    "target",
    "targets",
    "titled",
    "uniform",
]
