"""Doors of a room whose files are heavy: a name is imported from its file when it is first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from .extras import missing_extra


def open_doors(
    room: str, files: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """``__getattr__``, ``__dir__`` and ``__all__`` of a package.

    Args:
        room: the package, its ``__name__``.
        files: below the package, the file of each name that it hands on: file → names. A file that hands on
            its own name is a door itself: a module that can be called.
    """
    homes = {name: file for file, names in files.items() for name in names}

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        try:
            value = import_module(f".{homes[name]}", room)
            value = value if name == homes[name] else getattr(value, name)
        except ModuleNotFoundError as error:
            if (missing := missing_extra(error, f"{room}.{name}")) is None:
                raise
            raise missing from error
        setattr(sys.modules[room], name, value)  # the next access is an ordinary one
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[room]), *homes})

    return get, names, list(homes)
