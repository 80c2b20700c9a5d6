"""Packages that come with an extra: what to install where one of them is missing."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires

from .errors import MissingExtraError

PROJECT = "regnas-core"
DISTRIBUTIONS = {"PIL": "pillow", "IPython": "ipython", "adjustText": "adjusttext"}


def missing_extra(
    error: ModuleNotFoundError, who: str, extras: tuple[str, ...] = ()
) -> MissingExtraError | None:
    """The error that says what to install; None where no extra brings what is missing.

    Args:
        error: an import of a package that is not installed.
        who: what needs it, such as "regnas reproduce".
        extras: all that ``who`` needs, beside the one that brings the package.
    """
    package = (error.name or "").partition(".")[0]
    brings = _extra_of(DISTRIBUTIONS.get(package, package))
    if brings is None:
        return None
    names = ",".join(dict.fromkeys((*extras, brings)))
    return MissingExtraError(
        f"{who} needs the package {package}, which is not installed. "
        f"It comes with an extra: pip install '{PROJECT}[{names}]'"
    )


def _extra_of(distribution: str) -> str | None:
    """The extra that brings a distribution, as this package's own metadata say; _ and - are one."""
    distribution = distribution.lower().replace("_", "-")
    try:
        lines = requires(PROJECT) or []
    except PackageNotFoundError:  # run from a copy that was never installed
        return None
    for line in lines:
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra == ['\"](\w+)['\"]", line)
        if name and extra and extra[1] != "all" and name[0].lower() == distribution:
            return extra[1]
    return None
