"""tables: a stretch of a tied space, three ways, with the same predictions."""

from __future__ import annotations

import pytest

from regnas_core import bench


@pytest.mark.slow
def test_a_stretch_is_measured_three_ways():
    table, summary = bench.tabulate(
        "mini", images=16, calibration=24, networks=12, baseline=2, device="cpu", progress=False
    )
    assert table["route"].tolist() == ["generation", "one by one", "ofa"]
    assert table["networks"].tolist() == [12, 2, 2] and (table["agreement"] > 0.95).all()
    assert summary["space_networks"] == 27**3 and 0 < summary["stretch_distinct_macs"] < 0.5
    assert summary["space_hours"] == pytest.approx(27**3 / summary["networks_per_second"] / 3600, abs=1e-3)
