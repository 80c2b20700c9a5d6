"""resources: where data and the project's files are found, in a checkout and in a wheel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from regnas_core import resources
from regnas_core.errors import DataError


def test_data_root(monkeypatch):
    monkeypatch.setenv("REGNAS_DATA", "~/somewhere")
    assert resources.data_root() == Path.home() / "somewhere"
    monkeypatch.delenv("REGNAS_DATA")
    assert "regnas" in str(resources.data_root())


def test_read_only_data_is_decoded_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert resources.cache_root(tmp_path) != tmp_path / "cache"


def test_project_files_are_found_in_a_wheel_too(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "regnas_core"
    packaged = package / "_project" / "data_splits"
    packaged.mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert resources.project_path("data_splits") == packaged
    (tmp_path / "site-packages" / "data_splits").mkdir()  # a stranger's, without our pyproject.toml
    assert resources.project_path("data_splits") == packaged
    (tmp_path / "site-packages" / "pyproject.toml").touch()
    assert resources.project_path("data_splits") == tmp_path / "site-packages" / "data_splits"
    with pytest.raises(DataError, match=r"neither in .* nor in"):
        resources.project_path("notebooks/none")
