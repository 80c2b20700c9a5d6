"""Search spaces side by side: genes, sizes, costs, and what a reference leaves of them (paper, Sec. 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from tqdm import tqdm

from ..spaces.arch import Gene
from ..spaces.space import Space

REFERENCE_MMACS = {  # sizes of references; the paper's are 150 (MobileNet-V3) and 2,000 (ResNet-50)
    "ofa-mbv3-w1.0": (130, 150, 200, 250, 300, 400),
    "ofa-mbv3-w1.2": (210, 250, 300, 400, 500, 600),
    "ofa-resnet50": (1200, 1500, 2000, 2500, 3000, 4000),
    "fbnetv3": (230, 250, 300, 400, 600, 800),
}
PAPER_SPACES = tuple(REFERENCE_MMACS)


def compare(spaces: Sequence[Space]) -> pd.DataFrame:
    """One row a space: its genes, its number of architectures, its smallest and largest network."""
    rows = []
    for space in spaces:
        small, large = space.smallest, space.largest
        rows.append(
            {
                "space": space.name,
                "genes": ", ".join(_described(space, name) for name in space.slots),
                "architectures": space.size(),
                "min_mmacs": space.macs(small) / 1e6,
                "max_mmacs": space.macs(large) / 1e6,
                "min_mparams": space.params(small) / 1e6,
                "max_mparams": space.params(large) / 1e6,
                "contains_by_genes": space.by_genes,
            }
        )
    return pd.DataFrame(rows)


def genes(space: Space) -> pd.DataFrame:
    """One row a kind of gene: how many there are, their choices, and the rule of CAS that enlarges them."""
    rows = []
    for name, slots in space.slots.items():
        kinds = [space.genes[slot] for slot in slots]
        choices = list(dict.fromkeys(gene.drawn for gene in kinds))
        rows.append(
            {
                "gene": name,
                "values": len(slots),
                "choices": " | ".join("/".join(f"{value:g}" for value in values) for values in choices),
                "per": _owner(kinds),
                "CAS rule": kinds[0].rule or "owns no weights",
            }
        )
    return pd.DataFrame(rows)


def references(spaces: Sequence[Space], count: int, rng: np.random.Generator) -> pd.DataFrame:
    """What random references of several sizes leave inside A_t = {a : W_r ⊆ W_a}.

    Args:
        spaces: some of :data:`REFERENCE_MMACS`.
        count: references a size, drawn within 3 % below it.
        rng: source of randomness.

    Returns:
        One row a reference: space, budget_mmacs, mmacs, inside (|A_t|, the reference included),
        share (of all architectures).
    """
    rows = []
    for space, budget in tqdm([(s, b) for s in spaces for b in REFERENCE_MMACS[s.name]], leave=False):
        for _ in range(count):
            ref = space.sample(rng, min_cost=0.97e6 * budget, max_cost=1e6 * budget, tries=2000)
            inside = space.size(containing=ref)
            cost = {"budget_mmacs": budget, "mmacs": space.macs(ref) / 1e6}
            rows.append({"space": space.name, **cost, "inside": inside, "share": inside / space.size()})
    return pd.DataFrame(rows)


def medians(inside: pd.DataFrame) -> pd.DataFrame:
    """The middle and the ends of :func:`references`, one row a space and size."""
    groups = inside.groupby(["space", "budget_mmacs"], sort=False)["inside"]
    table = groups.agg(fewest="min", median=lambda values: sorted(values)[len(values) // 2], most="max")
    share = inside.groupby(["space", "budget_mmacs"], sort=False)["share"].median()
    return table.assign(median_share_pct=100 * share).reset_index()


def spread(spaces: Sequence[Space], count: int, rng: np.random.Generator) -> pd.DataFrame:
    """Size and cost of random architectures, every gene drawn uniformly: space, mmacs, mparams."""
    archs = [(space, space.sample(rng)) for space in spaces for _ in range(count)]
    return pd.DataFrame(
        {
            "space": [space.name for space, _ in archs],
            "mmacs": [space.macs(arch) / 1e6 for space, arch in archs],
            "mparams": [space.params(arch) / 1e6 for space, arch in archs],
        }
    )


def _described(space: Space, name: str) -> str:
    count = len(space.slots[name])
    return name if count == 1 else f"{name}[{count}]"


def _owner(kinds: list[Gene]) -> str:
    if kinds[0].layer is not None:
        return "layer"
    return "network" if len(kinds) == 1 else "stage"
