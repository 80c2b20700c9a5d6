"""counting: sums by hand."""

from __future__ import annotations

from regnas_core import get_space
from regnas_core.spaces import counting
from regnas_core.spaces.steps import Activation, BatchNorm, Conv, GlobalPool, Linear, Region, Step


def two_layers(channels: int) -> tuple[Step, Step]:
    """A 3×3 convolution of 4 channels with BatchNorm, and a classifier for 5 classes."""
    conv = Conv(Region.leading("conv", channels, 4, 3, 3), stride=2)
    stem = (conv, BatchNorm("norm", channels), Activation())
    head = (GlobalPool(), Linear(Region.leading("linear", 5, channels), Region.leading("bias", 5)))
    return Step(("stem", channels), stem), Step(("head", channels), head)


def test_two_layers_by_hand():
    net, smaller = two_layers(6), two_layers(2)
    assert counting.macs(net, (4, 9, 9)) == 5 * 5 * 6 * 4 * 9 + 6 * 5
    assert counting.params(net) == 6 * 4 * 9 + 2 * 6 + 6 * 5 + 5
    assert counting.shared_weights(net, smaller) == counting.params(smaller) == 2 * 4 * 9 + 2 * 2 + 2 * 5 + 5
    assert counting.shared_weights(net, net[:1]) == 6 * 4 * 9 + 2 * 6
    assert set(counting.regions(net)) == {"conv", "norm.weight", "norm.bias", "linear", "bias"}


def test_spaces_that_use_one_key_for_different_layers_are_not_mixed_up():
    """Costs are remembered from step to step; a key names a layer within its space alone."""
    spaces = [get_space("mini"), get_space("mini", classes=37), get_space("mini", widths=(16, 24, 48))]
    assert len({space.steps(space.smallest)[-1].key for space in spaces}) == 1
    few, many, wide = (space.macs(space.smallest) for space in spaces)
    assert many - few == (37 - 20) * 96
    assert wide > many
