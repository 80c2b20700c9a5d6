"""The super-networks' search spaces, one file each."""

from __future__ import annotations

from ..errors import GeneError
from ..space import Space
from .mini import CONFIGS as MINI
from .mini import MiniSpace


def get_space(name: str, **changes) -> Space:
    """The search space called ``name``.

    Args:
        name: one of :func:`space_names`.
        **changes: fields of the space's configuration to set, such as ``classes=37`` or
            ``image=(3, 64, 64)`` for a mini super-network of one's own data.

    Raises:
        GeneError: unknown name or field.

    >>> space = get_space("mini")
    >>> space.macs(space.smallest) < space.macs(space.largest)
    True
    """
    if name not in MINI:
        raise GeneError(f"Unknown search space {name!r}; known: {', '.join(space_names())}.")
    try:
        return MiniSpace(name, **changes)
    except TypeError as error:
        raise GeneError(f"{name}: {error}; fields are those of regnas_core.spaces.mini.MiniConfig.") from None


def space_names() -> list[str]:
    """Names that :func:`get_space` knows."""
    return list(MINI)
