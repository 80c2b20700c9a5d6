"""What other kinds of device, or other precisions, predicted: kept apart, and compared where both are."""

from __future__ import annotations

import pandas as pd

from .store import PredictionStore

CHUNK = 128  # networks that are compared at a time


def compare_devices(store: PredictionStore) -> pd.DataFrame:
    """How many predictions came out otherwise on another device, in another precision or by another version.

    Args:
        store: of a workbench, by :meth:`Workbench.store`.

    Returns:
        One row for each other way in which the same weights predicted on the same images: how (such as
        ``"cuda-float32-v1"``), networks that both ran, their predictions, and how many of them differ.
    """
    made_of = store.folder.name.rsplit("-", 3)[0]
    folders = sorted(store.folder.parent.glob(f"{made_of}-*-*-v*"))
    rows = []
    for folder in folders:
        how = folder.name.removeprefix(f"{made_of}-")
        if folder == store.folder or how.count("-") != 2:  # of a part of the images
            continue
        other = PredictionStore(folder, store.images)
        keys = [key for key in store if key in other]
        chunks = (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))
        differing = sum(int((store.read(chunk) != other.read(chunk)).sum()) for chunk in chunks)
        rows.append(
            {
                "how": how,
                "networks": len(keys),
                "predictions": len(keys) * store.images,
                "differing": differing,
            }
        )
    return pd.DataFrame(rows, columns=["how", "networks", "predictions", "differing"])
