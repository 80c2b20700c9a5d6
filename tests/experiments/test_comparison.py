"""comparison: means and differences against arithmetic on the predictions."""

from __future__ import annotations

import numpy as np
import pytest
from straight import right

from regnas_core.experiments import DESIGNS
from regnas_core.flips.intervals import mean_over_seeds

PAIRS = [("R1", "R0"), ("R2", "R0"), ("R2+CAS", "R0"), ("R2+CAS", "R2")]
PREFIXES = ("top1", "nfr")
SUFFIXES = ("pct", "low_pct", "high_pct", "seed_sd_pct")


def assert_mean(row, name: str, values: np.ndarray) -> None:
    """The four columns of ``name`` are the mean over seeds and images of ``values`` (S, N), in percent."""
    found = [row[f"{name}_{suffix}"] for suffix in SUFFIXES]
    assert found == pytest.approx([100 * x for x in mean_over_seeds(values)[:4]], nan_ok=True)
    assert found[0] == pytest.approx(100 * values.mean())
    assert (
        np.isnan(found[3])
        if len(values) == 1
        else found[3] == pytest.approx(100 * values.mean(1).std(ddof=1))
    )


def test_table2_means_are_those_of_the_predictions(bench, found, table2):
    means, correct = found.means(), right(bench, table2["arch"])
    assert list(means) == [
        "model",
        "design",
        "seeds",
        "mmacs",
        *(f"{p}_{s}" for p in PREFIXES for s in SUFFIXES),
    ]
    assert means["design"].tolist() == ["reference", *DESIGNS] and means["seeds"].tolist() == [1, 2, 2, 2, 2]
    assert means["mmacs"].tolist() == pytest.approx(
        table2.groupby("design", sort=False)["mmacs"].mean().tolist()
    )
    assert_mean(means.iloc[0], "top1", correct[:1])
    assert means.iloc[0].filter(like="nfr").isna().all()
    for i, row in means[1:].iterrows():
        seeds = correct[2 * i - 1 : 2 * i + 1]
        assert_mean(row, "top1", seeds)
        assert_mean(row, "nfr", correct[0] & ~seeds)


def test_table2_differences_are_paired_by_seed_and_image(bench, found, table2):
    rows, correct = found.differences(PAIRS), right(bench, table2["arch"]).astype(float)
    seeds = {design: correct[2 * i + 1 : 2 * i + 3] for i, design in enumerate(DESIGNS)}
    flips = {design: correct[0] * (1 - values) for design, values in seeds.items()}
    pairs = [("R1", "R0"), ("R2", "R0"), ("R2+CAS", "R0"), ("R2+CAS", "R2")]
    assert rows["comparison"].tolist() == [f"{a} − {b}" for a, b in pairs]
    for (_, row), (a, b) in zip(rows.iterrows(), pairs, strict=True):
        assert_mean(row, "nfr", flips[a] - flips[b])
        assert_mean(row, "top1", seeds[a] - seeds[b])
        relative = 100 * (flips[a].mean() / flips[b].mean() - 1)
        assert row["relative_nfr_change_pct"] == pytest.approx(relative)
    means = found.means().set_index("design")
    for _, row in rows.iterrows():
        a, b = row["comparison"].split(" − ")
        assert row["nfr_pct"] == pytest.approx(means["nfr_pct"][a] - means["nfr_pct"][b])
        assert row["top1_pct"] == pytest.approx(means["top1_pct"][a] - means["top1_pct"][b])
