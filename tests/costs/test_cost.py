"""cost: by name, and imported without torch."""

from __future__ import annotations

import subprocess
import sys

import pytest
from stopwatch import NET, SMALL, SPACE

from regnas_core import get_space
from regnas_core.costs.cost import get_cost
from regnas_core.costs.tables import note10
from regnas_core.costs.timing import LatencyTable
from regnas_core.errors import RegnasError


def test_costs_by_name():
    phone = get_space("ofa-mbv3-w1.2", resolutions=(160, 176, 192, 208, 224))
    arch = phone.smallest
    assert get_cost("macs", phone)(arch) == phone.macs(arch)
    assert get_cost("params", phone)(arch) == phone.params(arch)
    assert get_cost("note10", phone)(arch) == note10(phone)(arch)


def test_latency_by_name(tmp_path):
    table = get_cost("latency", SPACE, path=tmp_path / "t.csv")
    assert isinstance(table, LatencyTable) and table(SMALL) > 0 and (tmp_path / "t.csv").is_file()
    assert get_cost("latency", SPACE, NET).net.weights.keys() == NET.weights.keys()


def test_an_unknown_cost_is_refused():
    with pytest.raises(
        RegnasError,
        match="Unknown cost 'flops'; choose one of macs, params, note10, latency, hcm, or the path",
    ):
        get_cost("flops", SPACE)


def test_costs_are_imported_without_torch():
    code = "import sys; sys.modules['torch'] = None; import regnas_core.costs.cost"
    subprocess.run([sys.executable, "-c", code], check=True)
