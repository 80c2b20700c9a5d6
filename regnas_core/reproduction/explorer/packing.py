"""A table and its pictures, packed for a page."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from io import BytesIO
from itertools import product
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.datasets import ImageSet, load_dataset
from ...errors import DataError
from ...spaces.arch import Arch
from ...spaces.tied import TiedSpace
from ...tabular.benchmark import TabularBenchmark
from ...tabular.format import SPLITS

PAIRS = 64  # of which the stages' shared weights must add up
QUALITY = 70  # of the pictures' JPEG


Places = dict[str, NDArray[np.int64]]  # split → which of its images a page keeps


def spread(tables: Sequence[TabularBenchmark], images: int) -> Places:
    """So many images of each split, evenly from the easiest to the hardest (all, where there are fewer).

    Images at random would do, but few of them may by chance be easy ones in one split and hard ones in the
    other. How hard an image is, the share of all networks tells that get it right.
    """
    places = {}
    for split in SPLITS:
        order = np.argsort(np.mean([table.image_top1(split) for table in tables], axis=0), kind="stable")
        count = min(images, len(order))
        places[split] = np.sort(order[((np.arange(count) + 0.5) * len(order) / count).astype(int)])
    return places


def pack_table(name: str, title: str, table: TabularBenchmark, places: Places) -> tuple[dict[str, Any], str]:
    """What a page has to know of a table, and its arrays on some images of each split.

    Returns:
        plain data; and base64 of zlib of MACs (uint32, M), genes (M, genes), right or wrong image by image
        for search and test (as in a table's file), and the test images' classes (uint16), in this order.

    Raises:
        DataError: containment is not read off the genes, or shared weights do not add up stage by stage.
    """
    space, short = table.space, table.take(places)
    if not space.by_genes:
        raise DataError(
            f"{space.identity}: the explorer takes spaces where larger genes contain smaller ones."
        )
    kept = {split: len(short.labels(split)) for split in SPLITS}  # type: ignore[arg-type]
    parts = [
        table.macs.astype("<u4").tobytes(),
        table.grid.tobytes(),
        *(np.packbits(short.right(split).T, axis=1, bitorder="little").tobytes() for split in SPLITS),
        short.labels("test").astype("<u2").tobytes(),
    ]
    genes = [
        {"name": gene.name, "choices": gene.choices, "rule": gene.rule, "stage": space.stage(slot)}
        for slot, gene in enumerate(space.genes)
    ]
    about = {
        "name": name,
        "title": title,
        "dataset": table.info["dataset"],
        "classes": table.info["classes"],
        "space": space.identity,
        "networks": len(table),
        "genes": genes,
        "images": kept,
        "whole": {split: len(table.labels(split)) for split in SPLITS},  # type: ignore[arg-type]
        "shared": shared_weights(space),
    }
    return about, base64.b64encode(zlib.compress(b"".join(parts), 9)).decode()


def shared_weights(space: TiedSpace) -> dict[str, Any]:
    """Shared weights as sums over stages: ``smallest``, what the two smallest networks share, and for each of
    ``stages`` what two settings of its genes share beyond that, (settings, settings), the last gene fastest.
    """
    own = [gene.choices[0] for gene in space.genes]
    smallest, tables = space.params(space.smallest), []
    for stage in sorted({space.stage(slot) for slot in range(len(own))}):
        slots = [slot for slot in range(len(own)) if space.stage(slot) == stage]
        archs = [
            space.canonical([dict(zip(slots, values, strict=True)).get(i, v) for i, v in enumerate(own)])
            for values in product(*(space.genes[slot].choices for slot in slots))
        ]
        tables.append([[space.shared_weights(a, b) - smallest for b in archs] for a in archs])
    found = {"smallest": smallest, "stages": tables}
    rng = np.random.default_rng(0)
    for _ in range(PAIRS):
        a, b = space.sample(rng), space.sample(rng)
        if _sum(found, space, a, b) != space.shared_weights(a, b):
            raise DataError(
                f"{space.identity}: shared weights are no sum over stages, as the explorer needs."
            )
    return found


def _sum(shared: dict[str, Any], space: TiedSpace, a: Arch, b: Arch) -> int:
    total = shared["smallest"]
    places = space.grid([a, b])
    for stage, table in enumerate(shared["stages"]):
        slots = [slot for slot, _ in enumerate(space.genes) if space.stage(slot) == stage]
        sizes = [len(space.genes[slot].choices) for slot in slots]
        first, second = (np.ravel_multi_index(tuple(row[slots]), sizes) for row in places)
        total += table[first][second]
    return total


def find_pictures(tables: Sequence[TabularBenchmark]) -> ImageSet | None:
    """The test images of these tables, all of one data set; None where its pictures are not on this machine.

    Raises:
        DataError: its pictures here are others than those that the tables were made with.
    """
    info = tables[0].info
    try:
        test = load_dataset(info["dataset"], download=False).test
    except DataError:
        return None
    if any(table.info["images"]["test"] != test.digest for table in tables):
        raise DataError(f"The test images of {info['dataset']} here are not those of the tables.")
    return test


def pack_pictures(
    test: ImageSet, tables: Sequence[TabularBenchmark], places: NDArray[np.int64], most: int
) -> dict[str, Any]:
    """A sheet of those test images of ``places`` that networks disagree on most, as these may flip."""
    share = np.mean([table.image_top1("test")[places] for table in tables], axis=0)
    chosen = np.sort(np.argsort(-share * (1 - share), kind="stable")[:most])
    columns = isqrt(len(chosen))
    rows = -(-len(chosen) // columns)
    _, channels, height, width = test.images.shape
    sheet = np.zeros((rows * columns, channels, height, width), np.uint8)
    sheet[: len(chosen)] = test.images[places[chosen]]
    sheet = sheet.reshape(rows, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    address = _jpeg(sheet.reshape(rows * height, columns * width, channels).squeeze())
    return {"index": chosen.tolist(), "columns": columns, "size": width, "address": address}


def _jpeg(pixels: np.ndarray) -> str:
    """A picture as a data: address."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
