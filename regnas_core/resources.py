"""Files that lie beside the package in a checkout and inside it in an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import DataError

_PACKAGE = Path(__file__).resolve().parent


def project_path(relative: str) -> Path:
    """Path of a file or folder of the project, such as ``data_splits/cifar10``.

    In a checkout it lies at the top level, next to the package; a wheel carries a copy of
    ``notebooks`` and ``data_splits`` in ``regnas_core/_project``.

    Raises:
        DataError: it is in neither place.
    """
    tops = (_PACKAGE.parent, _PACKAGE / "_project")
    for top in tops:
        # site-packages may hold a stranger's "notebooks": the top level counts only beside our own pyproject
        if (top / relative).exists() and (top == tops[1] or (top / "pyproject.toml").is_file()):
            return top / relative
    raise DataError(
        f"{relative} belongs to the project but is neither in {tops[0]} nor in {tops[1]}. "
        "Work in a checkout of the repository, or install the package again."
    )


def output_root() -> Path:
    """Where ``runs/`` and ``figures/`` go: ``REGNAS_OUT``, else the checkout, else the working directory."""
    if given := os.environ.get("REGNAS_OUT"):
        return Path(given).expanduser()
    top = _PACKAGE.parent
    return top if (top / "pyproject.toml").is_file() else Path.cwd()
