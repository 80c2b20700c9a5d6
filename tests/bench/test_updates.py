"""updates: the study in small, from trainings to its table; and what a second run makes of the first."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from regnas_core.bench import updates
from regnas_core.data import ImageSet
from regnas_core.supernets import Recipe


@pytest.fixture
def data() -> SimpleNamespace:
    """Four classes, a bright corner each, under noise."""
    rng, sets = np.random.default_rng(0), {}
    for name, n in (("train", 192), ("search", 64), ("test", 64)):
        labels = rng.integers(0, 4, n)
        pictures = rng.integers(0, 140, (n, 1, 32, 32))
        for picture, label in zip(pictures, labels, strict=True):
            picture[0, 16 * (label // 2) :, 16 * (label % 2) :][:16, :16] += 40
        sets[name] = ImageSet(pictures.astype(np.uint8), labels, ("a", "b", "c", "d"), f"corners/{name}")
    return SimpleNamespace(name="corners", classes=("a", "b", "c", "d"), mean=(0.3,), std=(0.2,), **sets)


def test_every_way_is_measured_and_a_second_run_reads_the_first(data, tmp_path):
    options = {"width": 2, "recipe": Recipe(epochs=2, batch_size=32, lr=0.1, shift=1, flip=False)}
    table, about = updates(data, tmp_path, seeds=1, **options)
    assert (about["seeds"], about["pictures"]["train"]) == (1, 192)
    rows = table.set_index("way")
    assert len(rows) == 12 and rows.index.is_unique and rows["old_top1_pct"].nunique() == 1
    assert rows[["top1_pct", "nfr_pct", "churn_pct"]].to_numpy().min() >= 0
    assert (rows["nfr_pct"] <= rows["churn_pct"]).all() and rows["churn_pct"].max() > 0
    assert rows["setting"].notna().sum() == 4
    costs = rows["trainings"]
    assert (costs["new"], costs["new, longer"], costs["several new"]) == (1, 1.5, 3)
    assert costs["FD"] == pytest.approx(4 / 3, abs=1e-3) and costs["ELODI, fine-tuned"] == 4
    assert rows["passes"].loc[["new", "old and new", "several new"]].tolist() == [1, 2, 3]
    assert 1 <= rows["passes"]["guard"] <= 2
    (kept,) = tmp_path.glob("0-*.csv")
    kept.write_text(kept.read_text().replace("old and new", "kept"))
    again, _ = updates(data, tmp_path, seeds=1, **options)
    pd.testing.assert_frame_equal(again, table.replace("old and new", "kept"))
