"""Runs that were recorded in ``figures/benchmark``: a table and, beside it, what it was measured with."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from ..files import write_atomically, write_table
from ..resources import project_path


def keep(table: pd.DataFrame, summary: dict, path: str | Path) -> None:
    """Write a table as .csv and its summary as .json beside it."""
    path = Path(path)
    write_table(table.round(6), path.with_suffix(".csv"))
    text = json.dumps(summary, indent=2) + "\n"
    write_atomically(path.with_suffix(".json"), lambda part: part.write_text(text))


def recorded() -> pd.DataFrame:
    """All recorded comparisons of routes on a CPU: space, resolution, and the columns of ``compare``."""
    parts = []
    for path in _comparisons():
        summary = json.loads(path.with_suffix(".json").read_text())
        parts.append(pd.read_csv(path).assign(space=summary["name"], resolution=summary["resolution"]))
    table = pd.concat(parts, ignore_index=True)
    return table[["space", "resolution", *(c for c in table if c not in ("space", "resolution"))]]


def recorded_summaries() -> pd.DataFrame:
    """Their summaries, one row a super-network."""
    summaries = [json.loads(path.with_suffix(".json").read_text()) for path in _comparisons()]
    return pd.DataFrame(summaries).set_index("name")


def recorded_table(name: str) -> pd.DataFrame:
    """Another recorded table: ``"growth"``, ``"flips"``, ``"tabulate"``, ``"precision"``, ``"racing"``,
    ``"compiled"``, or one of a GPU, ``"ofa-mbv3-w1.0-cuda"`` or ``"tabulate-cuda"``.
    """
    return pd.read_csv(project_path("figures/benchmark") / f"{name}.csv")


def _comparisons() -> list[Path]:
    """Of a search's generations, on a CPU; ``tabulate`` is of neighbours."""
    every = sorted(project_path("figures/benchmark").glob("*.csv"))
    routes = [p for p in every if "route" in p.read_text().partition("\n")[0].split(",")]
    return [p for p in routes if not p.stem.startswith("tabulate") and not p.stem.endswith("-cuda")]
