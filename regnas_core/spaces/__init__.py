"""The super-networks' search spaces, one file each."""

from __future__ import annotations

from importlib import import_module

from ..errors import GeneError
from ..space import Space

# Name → (module, class, arguments); a module is imported when one of its spaces is first asked for, because
# once-for-all's need torch and ofa, the others neither.
_SPACES = {
    "mini": ("mini", "MiniSpace", {}),
    "mini-cifar10": ("mini", "MiniSpace", {}),
    "mini-resnet": ("mini_resnet", "MiniResNetSpace", {}),
    "mini-resnet-cifar10": ("mini_resnet", "MiniResNetSpace", {}),
    "ofa-mbv3-w1.0": ("ofa", "OfaMobileNetSpace", {"width": 1.0}),
    "ofa-mbv3-w1.2": ("ofa", "OfaMobileNetSpace", {"width": 1.2}),
    "ofa-resnet50": ("ofa", "OfaResNetSpace", {}),
    "fbnetv3": ("fbnetv3", "FBNetV3Space", {}),
}


def get_space(name: str, **changes) -> Space:
    """The search space called ``name``.

    Args:
        name: one of :func:`space_names`.
        **changes: options of the space: for mini super-networks fields of
            :class:`~regnas_core.spaces.mini.MiniConfig` or
            :class:`~regnas_core.spaces.mini_resnet.MiniResNetConfig`, such as ``classes=37`` or
            ``image=(3, 64, 64)``; for the others ``resolutions``, from which their resolution gene is drawn.

    Raises:
        GeneError: unknown name or option.

    >>> space = get_space("mini")
    >>> space.macs(space.smallest) < space.macs(space.largest)
    True
    """
    if name not in _SPACES:
        raise GeneError(f"Unknown search space {name!r}; known: {', '.join(space_names())}.")
    module, kind, fixed = _SPACES[name]
    try:
        return getattr(import_module(f".{module}", __name__), kind)(name, **fixed, **changes)
    except TypeError as error:
        raise GeneError(f"{name}: {error}; see get_space for the options of a space.") from None


def space_names() -> list[str]:
    """Names that :func:`get_space` knows."""
    return list(_SPACES)
