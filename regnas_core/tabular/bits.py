"""Right or wrong as one bit each: M networks and N images are (M, W) words of 64 images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint64]
WORD = 64
BLOCK = 4 * WORD  # images that are turned at a time: little memory, and it stays in a cache
ROWS = 128  # networks that are counted at a time, for the same reason
_COUNT = np.array([bin(i).count("1") for i in range(256)], np.uint8)


def words(images: int) -> int:
    """How many words hold so many images."""
    return -(-images // WORD)


def pack(right: NDArray[np.bool_]) -> Bits:
    """(M, N) to (M, W); the last word's unused bits are 0."""
    networks, images = right.shape
    packed = np.zeros((networks, 8 * words(images)), np.uint8)
    packed[:, : -(-images // 8)] = np.packbits(right, axis=1, bitorder="little")
    return packed.view("<u8")


def unpack(bits: Bits, images: int) -> NDArray[np.bool_]:
    """(M, W) to (M, N)."""
    unpacked = np.unpackbits(bits.view(np.uint8), axis=-1, count=images, bitorder="little")
    return unpacked.view(np.bool_)


def count(bits: Bits) -> NDArray[np.int64]:
    """How many bits of each row are set: (..., W) to (...)."""
    if hasattr(np, "bitwise_count"):  # numpy 2
        return np.bitwise_count(bits).sum(-1, dtype=np.int64)
    return _COUNT[bits.view(np.uint8)].sum(-1, dtype=np.int64)


def shared(bits: Bits, own: Bits) -> NDArray[np.int64]:
    """How many bits of each row are set in ``own``, (W,), too: (M, W) to (M,)."""
    parts = [count(bits[start : start + ROWS] & own) for start in range(0, len(bits), ROWS)]
    return np.concatenate(parts or [np.zeros(0, np.int64)])


def chosen(bits: Bits, places: NDArray[np.integer]) -> Bits:
    """Words of some images alone, in the order of their places: (M, W) to (M, fewer)."""
    parts = []
    for start in range(0, len(places), BLOCK):
        part = places[start : start + BLOCK].astype(np.uint64)
        parts.append(pack((bits[:, part // WORD] >> (part % WORD) & 1).astype(bool)))
    return np.concatenate(parts, axis=1)


def by_column(bits: Bits, images: int) -> NDArray[np.int64]:
    """How many bits of each image are set: (M, W) to (N,)."""
    starts = range(0, bits.shape[1], BLOCK // WORD)
    parts = [unpack(bits[:, start : start + BLOCK // WORD].copy(), BLOCK).sum(0) for start in starts]
    return np.concatenate(parts)[:images]


def by_image(bits: Bits, images: int) -> NDArray[np.uint8]:
    """(M, W) words of images to (N, M / 8) bytes of networks: one row an image."""
    turned = np.zeros((images, -(-len(bits) // 8)), np.uint8)
    for start in range(0, images, BLOCK):
        part = unpack(bits[:, start // WORD : (start + BLOCK) // WORD], min(BLOCK, images - start))
        turned[start : start + BLOCK] = np.packbits(part.T, axis=1, bitorder="little")
    return turned


def by_network(turned: NDArray[np.uint8], networks: int) -> Bits:
    """The inverse of :func:`by_image`."""
    images = len(turned)
    bits = np.zeros((networks, words(images)), np.uint64)
    for start in range(0, images, BLOCK):
        part = np.unpackbits(turned[start : start + BLOCK], axis=1, count=networks, bitorder="little")
        bits[:, start // WORD : (start + BLOCK) // WORD] = pack(np.ascontiguousarray(part.T))
    return bits
