"""What a budget can be in: MACs, parameters, or time: a phone's, recorded, this machine's, a roofline's.

A cost is a function of an architecture. Whatever draws or searches takes one as ``cost=``, beside a
budget in its units, ``max_cost=``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RegnasError
from .complexity import hcm
from .tables import note10, recorded_latency

if TYPE_CHECKING:
    from ..spaces.space import Cost, Space
    from ..supernets.supernet import SuperNet


def get_cost(name: str, space: Space, net: SuperNet | None = None, path: str | Path | None = None) -> Cost:
    """The cost called ``name``, as a function of the architectures of ``space``.

    Args:
        name: ``"macs"`` (multiply-accumulates of one image), ``"params"`` (learned weights), ``"note10"``
            (ms, :func:`note10`), ``"hcm"`` (ms, :func:`~regnas_core.costs.complexity.hcm`), ``"latency"``
            (ms, :class:`~regnas_core.costs.timing.LatencyTable`), or the path of a latency table that was
            recorded, here or elsewhere (ms, :func:`recorded_latency`).
        space: the search space.
        net: for ``"latency"``: a super-network of that space; by default one with random weights.
        path: for ``"latency"``: the table's file; by default it is not kept.

    Raises:
        RegnasError: an unknown name, or a cost that this space does not have.

    >>> from regnas_core import get_space
    >>> space = get_space("mini")
    >>> get_cost("params", space)(space.smallest)
    24932
    """
    if is_recorded(name):
        return recorded_latency(space, name)
    if name not in NAMES:
        raise RegnasError(
            f"Unknown cost {name!r}; choose one of {', '.join(NAMES)}, or the path of a latency table (.csv)."
        )
    return _MAKERS[name](space, net, path)


def is_recorded(name: str) -> bool:
    """Whether a cost's name is the path of a recorded latency table."""
    return name.endswith(".csv")


def unit(name: str) -> tuple[float, str]:
    """(1e6, "M") of MACs and parameters, which budgets give in millions; (1, "ms") of latencies."""
    return (1e6, "M") if name in ("macs", "params") else (1, "ms")


def _latency(space: Space, net: SuperNet | None, path: str | Path | None) -> Cost:
    from ..supernets.supernet import SuperNet, random_weights
    from .timing import LatencyTable

    return LatencyTable(net or SuperNet(space, random_weights(space, 0), *space.normalisation), path)


_MAKERS = {
    "macs": lambda space, *_: space.macs,
    "params": lambda space, *_: space.params,
    "note10": lambda space, *_: note10(space),
    "latency": _latency,
    "hcm": lambda space, *_: hcm(space),
}
NAMES = tuple(_MAKERS)
