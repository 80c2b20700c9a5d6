"""complexity: bit operations by hand, and a roofline whose ends are known."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest

from regnas_core import get_space
from regnas_core.costs import get_cost
from regnas_core.costs.complexity import _layers, bit_operations, hcm
from regnas_core.errors import RegnasError
from regnas_core.spaces.steps import Conv, Linear, Region, Residual

CONV = Conv(Region.leading("w", 6, 4, 3, 3), stride=2)
SPACES = ("mini", "mini-resnet", "ofa-mbv3-w1.0", "ofa-resnet50", "fbnetv3")


def test_a_convolution_by_hand():
    (found,) = _layers([CONV], (4, 8, 8), 4, 2)
    assert found.operations == pytest.approx(6 * 4 * 9 * 16 * (4 * 2 + 4 + 2 + log2(36)))
    assert found.bits == 6 * 4 * 9 * 4 + (4 * 64 + 6 * 16) * 2


def test_depthwise_kernels_have_one_input_channel():
    (found,) = _layers([Conv(Region.leading("w", 6, 1, 5, 5), groups=6)], (6, 4, 4), 8, 8)
    assert found.operations == pytest.approx(6 * 25 * 16 * (64 + 16 + log2(25)))


def test_branches_and_classifiers_count():
    linear = Linear(Region.leading("l", 10, 6), Region.leading("b", 10))
    works = list(_layers([Residual((CONV,), (CONV,)), linear], (4, 8, 8), 8, 8))
    assert works[0] == works[1] and works[2].operations == pytest.approx(60 * (80 + log2(6)))


@pytest.mark.parametrize("name", SPACES)
def test_every_space_has_the_cost_and_larger_networks_more_of_it(name):
    space = get_space(name)
    bops, ms = bit_operations(space), get_cost("hcm", space)
    assert 0 < bops(space.smallest) < bops(space.largest)
    assert 0 < ms(space.smallest) < ms(space.largest)
    a = space.sample(np.random.default_rng(0))
    assert 80 < 1e9 * bops(a) / space.macs(a) < 96, "8 · 8 + 8 + 8 bits a multiplication, and the sum's"


@pytest.mark.parametrize("name", ["mini"])
def test_the_roof_is_flat_for_a_fast_memory_and_slanted_for_a_slow_one(name):
    space = get_space(name)
    a = space.sample(np.random.default_rng(1))
    flat = hcm(space, peak=1e12, bandwidth=1e30)(a)
    assert flat == pytest.approx(1e3 * bit_operations(space)(a) * 1e9 / 1e12)
    slow = [hcm(space, peak=1e30, bandwidth=width)(a) for width in (1e9, 2e9)]
    assert slow[0] == pytest.approx(2 * slow[1])


def test_numbers_above_0_are_needed():
    with pytest.raises(RegnasError, match="above 0"):
        hcm(get_space("mini"), bandwidth=0)
