"""Leaves out, with a reason, notebooks whose data is not on this machine."""

import os
from pathlib import Path

import pytest

from regnas_core.reproduction.catalogue import read_notebook

if "PYTEST_XDIST_WORKER" in os.environ:  # notebooks share the cores; threads that wait for one keep it busy
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items):
    paths = {Path(item.path) for item in items if item.path.suffix == ".ipynb"}
    paths = {path for path in paths if path.parent == Path(__file__).parent}  # lessons need nothing
    missing = {path: read_notebook(path).missing("demo", {}) for path in paths}
    for item in items:
        if lacks := missing.get(item.path):
            item.add_marker(pytest.mark.skip(reason=f"{item.path.name} not run: {lacks[0]} is missing"))
