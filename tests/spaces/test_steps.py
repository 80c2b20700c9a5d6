"""steps: regions against boolean masks, shapes and costs against torch, sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from regnas_core.spaces.steps import (
    Activation,
    BatchNorm,
    Conv,
    GlobalPool,
    Linear,
    PixelUnshuffle,
    Region,
)
from regnas_core.supernets.layers import bind, run_layers

FULL = (6, 5)
bounds = st.tuples(*(st.tuples(st.integers(0, n), st.integers(0, n)).map(sorted).map(tuple) for n in FULL))


def mask(region: Region, shape: tuple[int, ...] = FULL) -> np.ndarray:
    used = np.zeros(shape, bool)
    used[tuple(slice(*bound) for bound in region.bounds)] = True
    return used


@given(bounds, bounds)
def test_sizes_and_overlaps_count_the_entries_of_masks(a, b):
    first, second = Region("w", a), Region("w", b)
    assert first.size == mask(first).sum() == np.prod(first.shape)
    assert first.overlap(second) == second.overlap(first) == (mask(first) & mask(second)).sum()
    assert first.overlap(Region("other", b)) == 0


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_a_kernel_is_the_innermost_part_of_the_full_one(size):
    used = mask(Region.kernel("w", 2, 3, size, full=7), (4, 3, 7, 7))
    assert used.sum() == 2 * 3 * size**2
    assert used[0, 0, 3, 3] and not used[2:].any()
    assert (used == used[:, :, ::-1, ::-1]).all()  # centred


@pytest.mark.parametrize(
    ("op", "shape"),
    [
        *((Conv(Region.leading("w", 6, 4, k, k), stride), (4, 9, 8)) for k in (1, 3, 7) for stride in (1, 2)),
        (Conv(Region.kernel("w", 6, 2, 3, 5), 2, groups=2), (4, 7, 7)),
        (Conv(Region.kernel("w", 4, 1, 5, 5), 1, groups=4), (4, 3, 2)),
        (BatchNorm("n", 3), (3, 4, 5)),
        (Activation(), (3, 4, 5)),
        (PixelUnshuffle(2), (3, 4, 6)),
        (GlobalPool(), (3, 4, 6)),
        (Linear(Region.leading("w", 5, 3), Region.leading("b", 5)), (3, 1, 1)),
    ],
    ids=str,
)
def test_shapes_and_macs_are_those_of_torch(op, shape):
    weights = {region.tensor: torch.ones([stop for _, stop in region.bounds]) for region in op.regions}
    with FlopCounterMode(display=False) as counter:
        y = run_layers(bind([op], weights), torch.ones(2, *shape), norm=lambda norm, x: x)
    assert op.out_shape(shape) == (*y.shape[1:], 1, 1)[:3]
    assert op.macs(shape) == counter.get_total_flops() / 2 / 2  # two images; a MAC is two FLOPs
