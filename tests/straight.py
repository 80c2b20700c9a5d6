"""Which pictures networks are right on, straight from the evaluator; for the tests of experiments."""

from __future__ import annotations

import numpy as np

from regnas_core.workbench.workbench import Workbench


def right(bench: Workbench, texts: list[str]) -> np.ndarray:
    """bool (M, N) on the test split, straight from the evaluator."""
    images = bench.data.test
    archs = [bench.space.parse(text) for text in texts]
    return bench.evaluator.predict(archs, images.images) == images.labels
