"""What surrounds the package: its checkout or wheel, the output folder, installed versions."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import DataError

if TYPE_CHECKING:
    import pandas as pd

PACKAGES = (
    *("regnas-core", "torch", "torchvision", "ofa", "numpy", "scipy", "pandas"),
    *("matplotlib", "seaborn", "papermill"),
)
_PACKAGE = Path(__file__).resolve().parent


def project_path(relative: str) -> Path:
    """Path of a file or folder of the project, such as ``data_splits/cifar10``.

    In a checkout it lies at the top level, next to the package; a wheel carries a copy of
    ``notebooks``, ``data_splits`` and recorded results of ``figures`` in ``regnas_core/_project``.

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


def read_record(place: str, what: str, how: str, command: str) -> pd.DataFrame:
    """A table (.parquet) that was recorded at a place in the project.

    Args:
        place: as ``figures/cifar10/direct.parquet``.
        what: it holds, for the message that it is not there.
        how: to record it, in words, and the ``command`` that does, but for ``--file``.

    Raises:
        DataError: there is none.
    """
    import pandas as pd

    try:
        return pd.read_parquet(project_path(place))
    except DataError:
        raise DataError(f"No {what} at {place}. {how}: `{command} --file {place}`.") from None


def output_root() -> Path:
    """Where ``runs/`` and ``figures/`` go: ``REGNAS_OUT``, else the checkout, else the working directory."""
    if given := os.environ.get("REGNAS_OUT"):
        return Path(given).expanduser()
    top = _PACKAGE.parent
    return top if (top / "pyproject.toml").is_file() else Path.cwd()


def versions() -> dict[str, str]:
    """Installed versions of the packages that matter to the numbers."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def find_path(path: str | Path) -> Path:
    """A path that a user names: relative to the working directory, else to the output root."""
    given = Path(path).expanduser()
    return given if given.exists() or given.is_absolute() else output_root() / given


def data_root() -> Path:
    """Folder of the data: ``REGNAS_DATA``, or else the user's cache folder."""
    if given := os.environ.get("REGNAS_DATA"):
        return Path(given).expanduser()
    import pooch

    return Path(pooch.os_cache("regnas"))


def cache_root(root: Path) -> Path:
    """Folder for what is made from data, such as decoded pictures and converted weights.

    It lies under the data root, or in the user's cache where that is read-only.
    """
    if os.access(next(p for p in (root, *root.absolute().parents) if p.exists()), os.W_OK):
        return root / "cache"
    import pooch

    return Path(pooch.os_cache("regnas")) / "cache"
