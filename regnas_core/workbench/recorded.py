"""Tables that were recorded: on these very images, or on copies of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..data.datasets import Dataset
from ..tabular.benchmark import TabularBenchmark, find_table, stamp

COPIED = ("cifar10",)  # data sets of which results are taken that were made with copies of the images


def find_recorded(
    made_of: Mapping[str, Any], data: Dataset, labels: Mapping[str, np.ndarray], training: int
) -> TabularBenchmark | None:
    """The tabular benchmark that was made of these weights and images, or None.

    Of CIFAR-10 one will do that was made with copies of the images, as another compression makes them (that
    they are the same pictures was checked when they were opened); a warning says so.

    Args:
        made_of: what the table's networks depend on (``Workbench.made_of``).
        labels: classes of the images, by split.
        training: the training's number, for the warning.
    """
    if (table := find_table(stamp(made_of))) is not None or data.name not in COPIED:
        return table
    table = find_table(stamp(made_of, pixels=False), pixels=False)
    if table is None or any(not np.array_equal(table.labels(split), labels[split]) for split in labels):
        return None
    warn_of_copies(f"The table of training {training}", data)
    return table


def with_tables(trained: tuple[Any, ...]) -> tuple[Any, ...]:
    """Of workbenches of several trainings those that have a table; all, where none has.

    A wheel has the first training's alone. Without one, searches of a training would evaluate their networks
    on images: days instead of minutes, so a warning tells how to ask for that.
    """
    known = tuple(bench for bench in trained if bench.table is not None)
    if known and len(known) < len(trained):
        warnings.warn(
            f"{trained[0].name}: {len(known)} of {len(trained)} trainings have a table here (a wheel has the "
            "first's, a checkout all), so results are of these alone. --set recompute=true takes all and "
            "evaluates networks on images; `regnas plan` says how long that takes.",
            stacklevel=3,
        )
    return known or trained


def warn_of_copies(what: str, data: Dataset) -> None:
    """Say that results are of other pixels than those at hand."""
    warnings.warn(
        f"{what}: made with copies of {data.name}'s pictures that were compressed otherwise than those here "
        f"({data.source}), with equal labels. Its numbers are taken as they were recorded; --set "
        "recompute=true makes them from the pictures here.",
        stacklevel=3,
    )
