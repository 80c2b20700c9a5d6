"""Spaces: a name comes in, a search space goes out: genes, architectures, what each uses and costs.

A sub-network is a list of steps, and a step says which slices of the super-network's tensors it uses; MACs,
shared weights and containment follow from that one list. It knows shapes and names, no tensors' numbers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from ..errors import GeneError
from .arch import Arch, Gene
from .space import Cost, Space
from .tied import TiedSpace

__all__ = ["Arch", "Cost", "Gene", "Space", "get_space", "register_space", "space_names"]

Factory = Callable[..., Space]
ENTRY_POINTS = "regnas.spaces"  # of installed packages: name = "module:factory"

# Name → (module, class, arguments); a module is imported when one of its spaces is first asked for, because
# once-for-all's need torch and ofa, the others neither.
_OWN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "mini": ("mini", "MiniSpace", {}),
    "mini-cifar10": ("mini", "MiniSpace", {}),
    "mini-wide": ("mini", "MiniSpace", {}),
    "mini-cifar10-wide": ("mini", "MiniSpace", {}),
    "mini-resnet": ("mini_resnet", "MiniResNetSpace", {}),
    "mini-resnet-cifar10": ("mini_resnet", "MiniResNetSpace", {}),
    "ofa-mbv3-w1.0": ("ofa", "OfaMobileNetSpace", {"width": 1.0}),
    "ofa-mbv3-w1.2": ("ofa", "OfaMobileNetSpace", {"width": 1.2}),
    "ofa-resnet50": ("ofa", "OfaResNetSpace", {}),
    "fbnetv3": ("fbnetv3", "FBNetV3Space", {}),
}
_registered: dict[str, Factory] = {}


def get_space(name: str, *, tied: bool = False, **options: Any) -> Space:
    """The search space called ``name``.

    Args:
        name: one of :func:`space_names`.
        tied: only the networks with one value of each gene a stage, few enough to evaluate them all: a
            :class:`~regnas_core.spaces.tied.TiedSpace`.
        **options: of the space: for mini super-networks fields of
            :class:`~regnas_core.spaces.mini.MiniConfig` or
            :class:`~regnas_core.spaces.mini_resnet.MiniResNetConfig`, such as ``classes=37`` or
            ``image=(3, 64, 64)``; for the others ``resolutions``, from which their resolution gene is drawn.

    Raises:
        GeneError: unknown name or option, or an option's value makes no sense.

    >>> space = get_space("mini")
    >>> space.macs(space.smallest) < space.macs(space.largest)
    True
    """
    factory, fixed = _factory(name)
    if not isinstance(tied, bool):
        raise GeneError(f"{name}: option tied={tied!r}: expected true or false.")
    try:
        inspect.signature(factory).bind(name, **fixed, **options)
    except TypeError as error:
        raise GeneError(f"{name}: {error}; see get_space for the options of a space.") from None
    space = factory(name, **fixed, **options)
    return TiedSpace(space) if tied else space


def register_space(name: str, factory: Factory) -> None:
    """Make a search space of one's own known by a name, to presets and to all that takes a space's name.

    Known in this process. An installed package makes its spaces known everywhere, in the processes of
    notebooks and workers too, by entry points of the group ``regnas.spaces``.

    Args:
        name: a new one.
        factory: called as ``factory(name, **options)``; returns a :class:`Space`.

    Raises:
        GeneError: the name is taken.
    """
    if name in space_names():
        raise GeneError(f"There is a search space {name!r} already; register yours under another name.")
    _registered[name] = factory


def space_names() -> list[str]:
    """Names that :func:`get_space` knows: the package's, other packages', and registered ones."""
    return list(dict.fromkeys([*_OWN, *_registered, *entry_points(group=ENTRY_POINTS).names]))


def _factory(name: str) -> tuple[Factory, dict[str, Any]]:
    """What makes a space, and its first arguments."""
    if name in _OWN:
        module, kind, fixed = _OWN[name]
        return getattr(import_module(f".{module}", __name__), kind), fixed
    if name in _registered:
        return _registered[name], {}
    if found := entry_points(group=ENTRY_POINTS, name=name):
        return next(iter(found)).load(), {}
    raise GeneError(f"Unknown search space {name!r}; known: {', '.join(space_names())}.")
