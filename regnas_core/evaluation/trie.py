"""Sub-networks arranged by common prefixes, so that what they have in common is done once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..spaces.steps import Step


@dataclass(eq=False)
class Node:
    """A step behind one particular prefix, with what belongs to it.

    Attributes:
        step: the step; None at the root.
        children: the steps that follow, with their nodes.
        rows: places of the sub-networks that end here.
        moments: (mean, variance), each (C,), of every BatchNorm of the step, in order.
        layers: functions that do the step, while they are wanted.
    """

    step: Step | None = None
    children: dict[Step, Node] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    moments: list[tuple[Any, Any]] = field(default_factory=list)
    layers: list[Callable] = field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        """All nodes below this one, parents first."""
        for child in self.children.values():
            yield child
            yield from child.walk()

    def lend(self, other: Node) -> bool:
        """Give the moments of these nodes to those of another trie; whether it has all of its own then."""
        for step, child in other.children.items():
            own = self.children.get(step)
            if own is None or not own.lend(child):
                return False
            child.moments = own.moments
        return True

    def paths(self) -> Iterator[list[Node]]:
        """The nodes down to each end of a sub-network, neighbours after one another."""
        for child in self.children.values():
            if child.rows:
                yield [child]
            yield from ([child, *path] for path in child.paths())

    @property
    def size(self) -> int:
        """Number of weights that the step uses."""
        return sum(region.size for region in self.step.regions)


def build_trie(paths: Sequence[Sequence[Step]]) -> Node:
    """Arrange sub-networks, given as their steps, by common prefixes."""
    root = Node()
    for row, steps in enumerate(paths):
        node = root
        for step in steps:
            node = node.children.setdefault(step, Node(step))
        node.rows.append(row)
    return root


def portions(root: Node, limit: int) -> Iterator[set[Node]]:
    """Cut a trie into portions of at most ``limit`` weights, but at least one sub-network each.

    Only the prefix at a cut is in two portions.
    """
    portion: set[Node] = set()
    total = 0
    for path in root.paths():
        new = [node for node in path if node not in portion]
        if portion and total + sum(node.size for node in new) > limit:
            yield portion
            portion, total, new = set(), 0, path
        portion.update(new)
        total += sum(node.size for node in new)
    yield portion
