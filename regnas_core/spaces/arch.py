"""Genes, and the architectures that are made of them: plain values that can be hashed, printed and stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Value = int | float


@dataclass(frozen=True)
class Gene:
    """One decision of a search space.

    Attributes:
        name: the gene's name in the literature of its space; genes of one name form a list.
        choices: allowed values, ascending.
        depth_of: stage whose number of layers this gene sets, for depth genes.
        layer: ``(stage, i)`` for a gene of a layer of that stage: active when the stage's depth gene
            exceeds i.
        rule: which rule of CAS a larger value follows, adding layers, channels, or to kernels; None for a
            gene that owns no weights, such as the resolution.
        fixed: the value that random draws keep, though an architecture may have any of the choices.
        aliases: other values, each with the choice that makes the same network.
    """

    name: str
    choices: tuple[Value, ...]
    depth_of: int | None = None
    layer: tuple[int, int] | None = None
    rule: Literal["layers", "channels", "kernels"] | None = "channels"
    fixed: Value | None = None
    aliases: tuple[tuple[Value, Value], ...] = ()

    @property
    def drawn(self) -> tuple[Value, ...]:
        """The values that random draws choose from."""
        return self.choices if self.fixed is None else (self.fixed,)


@dataclass(frozen=True)
class Arch:
    """A canonical architecture: equal networks are equal, hashable values.

    ``genes`` maps each gene's name to its value, or to a tuple with ``None`` for the layers that the
    depth switches off. Genes read as attributes: ``arch.ks``.
    """

    space: str
    items: tuple[tuple[str, Value | tuple[Value | None, ...]], ...]

    @property
    def genes(self) -> dict[str, Value | tuple[Value | None, ...]]:
        return dict(self.items)

    def __hash__(self) -> int:  # asked for again and again in a search, so it is kept
        known: int | None = self.__dict__.get("_hash")
        if known is None:
            known = self.__dict__["_hash"] = hash((self.space, self.items))
        return known

    def __reduce__(self) -> tuple[Any, ...]:  # without the hash, which is another one in another process
        return Arch, (self.space, self.items)

    def __getattr__(self, name: str) -> Any:
        for gene, value in object.__getattribute__(self, "items"):
            if gene == name:
                return value
        raise AttributeError(f"{self.space} architectures have no gene {name!r}")

    def __str__(self) -> str:
        return json.dumps(self.genes, separators=(",", ":"))


def identity(name: str, options: Mapping[str, Any]) -> str:
    """What tells a space from others: its name, and what was changed against what the name stands for."""
    changes = ", ".join(f"{key}={_tupled(value)}" for key, value in sorted(options.items()))
    return f"{name}({changes})" if changes else name


def _tupled(value: Any) -> Any:
    return tuple(map(_tupled, value)) if isinstance(value, list | tuple) else value
