"""bits: what is packed comes back, and is counted without unpacking it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from regnas_core.tabular import bits

right = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=200))


@given(right)
def test_what_is_packed_comes_back(right):
    packed = bits.pack(right)
    assert packed.dtype == np.uint64 and packed.shape == (len(right), -(-right.shape[1] // 64))
    np.testing.assert_array_equal(bits.unpack(packed, right.shape[1]), right)


@given(right)
def test_what_is_turned_is_turned_back(right):
    packed = bits.pack(right)
    turned = bits.by_image(packed, right.shape[1])
    assert turned.dtype == np.uint8
    np.testing.assert_array_equal(np.unpackbits(turned, 1, len(right), "little"), right.T)
    np.testing.assert_array_equal(bits.by_network(turned, len(right)), packed)


@pytest.mark.parametrize("images", [1, 1023, 1024, 1025, 2500])
def test_turning_goes_block_by_block(images):
    right = np.random.default_rng(images).random((9, images)) < 0.5
    packed = bits.pack(right)
    np.testing.assert_array_equal(bits.by_network(bits.by_image(packed, images), 9), packed)


@given(right, st.booleans())
def test_bits_are_counted(right, numpy_1):
    packed, own = bits.pack(right), np.__dict__.get("bitwise_count")
    with pytest.MonkeyPatch.context() as patch:
        if numpy_1 and own:
            patch.delattr(np, "bitwise_count")
        assert bits.count(packed).tolist() == right.sum(1).tolist()
        assert bits.shared(packed, packed[0]).tolist() == (right & right[0]).sum(1).tolist()
