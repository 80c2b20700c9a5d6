"""Figure 3: the recipe of CAS on real architectures."""

from __future__ import annotations

import pandas as pd

from ..spaces.arch import Arch
from ..spaces.space import Space
from ..spaces.steps import Conv, Residual
from ..workbench.workbench import Workbench
from .base import reference, repetitions, target


def fig3(bench: Workbench) -> pd.DataFrame:
    """Fig. 3: the three rules of CAS on real architectures.

    Panels "layers", "channels" and "kernels" each take the reference and apply one rule as far as it
    goes (a space without elastic kernels has no such panel); "all" is the target found with R2 + CAS. One
    row a layer of a panel's target: panel, stage, layer, kernel, channels (of the layer's middle, as a share
    of the largest network's), and reference_kernel, reference_channels (0 where the reference has no such
    layer); weights, reference_weights and shared_weights are the panel's N(W_a), N(W_r), N(W_a ∩ W_r).
    """
    first, space = repetitions(bench)[0], bench.space
    ref = reference(first)
    rules = dict.fromkeys(gene.rule for gene in space.genes if gene.rule)
    grown = {rule: _grow(space, ref, rule) for rule in ("layers", "channels", "kernels") if rule in rules}
    grown["all"] = target(first, "R2+CAS")
    return pd.concat(
        [_layers(space, ref, arch).assign(panel=panel) for panel, arch in grown.items()], ignore_index=True
    )


def _grow(space: Space, ref: Arch, rule: str) -> Arch:
    """The reference after one rule at its utmost; layers that this adds are as small as can be."""
    values = {}
    for name, slots in space.slots.items():
        own = ref.genes[name] if len(slots) > 1 else [ref.genes[name]]
        genes = [space.genes[slot] for slot in slots]
        values[name] = [
            gene.drawn[-1] if gene.rule == rule else gene.drawn[0] if value is None else value
            for gene, value in zip(genes, own, strict=True)
        ]
    return space.arch(**values)


def _layers(space: Space, ref: Arch, arch: Arch) -> pd.DataFrame:
    middles = {which: _middles(space, net) for which, net in (("ref", ref), ("full", space.largest))}
    rows = []
    for (stage, i), (kernel, channels) in _middles(space, arch).items():
        had, full = middles["ref"].get((stage, i), (0, 0)), middles["full"][stage, i][1]
        rows.append(
            {
                "stage": stage + 1,
                "layer": i + 1,
                "kernel": kernel,
                "channels": channels / full,
                "reference_kernel": had[0],
                "reference_channels": had[1] / full,
            }
        )
    shared = {"shared_weights": space.shared_weights(arch, ref), "reference_weights": space.params(ref)}
    return pd.DataFrame(rows).assign(weights=space.params(arch), **shared)


def _middles(space: Space, arch: Arch) -> dict[tuple[int, int], tuple[int, int]]:
    """(stage, layer) → kernel and channels of the block's spatial convolution."""
    found = {}
    for step in space.steps(arch):
        if step.layer:
            body = step.ops[0].body if isinstance(step.ops[0], Residual) else step.ops
            shapes = [op.weight.shape for op in body if isinstance(op, Conv)]
            shape = max(shapes, key=lambda shape: shape[-1])
            found[step.layer] = (shape[-1], shape[0])
    return found
