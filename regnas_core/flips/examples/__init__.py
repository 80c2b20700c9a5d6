"""Predictions of real networks on real images, to count flips on: they ship with the package."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from ...errors import DataError

FOLDER = Path(__file__).parent


def load_example(name: str = "imagenet") -> pd.DataFrame:
    """One row an image: image (its number), source, label, and a column of predicted classes a network.

    ``"imagenet"``: 1,099 validation images; EfficientNet-Lite 0 to 2 and MCUNet, each also as quantised to
    eight bits (``…-int8``). What they are and where they come from is in ``.attrs["about"]``.

    Raises:
        DataError: no such example.
    """
    path = FOLDER / f"{name}.parquet"
    if not path.is_file():
        there = sorted(file.stem for file in FOLDER.glob("*.parquet"))
        raise DataError(f"No example {name!r}; there are: {', '.join(there)}.")
    table = pq.read_table(path)
    frame = table.to_pandas()
    frame.attrs["about"] = table.schema.metadata[b"about"].decode()
    return frame


def named_example(name: str = "imagenet") -> pd.DataFrame:
    """The same, with the classes' English names, as torchvision has them (BSD licence).

    Raises:
        DataError: no such example.
    """
    frame = load_example(name)
    names = (FOLDER / f"{name}.txt").read_text("utf-8").splitlines()
    classes = [column for column in frame if column not in ("image", "source")]
    return frame.assign(**{column: [names[k] for k in frame[column]] for column in classes})
