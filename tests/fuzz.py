"""Fuzzing everything that a user hands over: ``python tests/fuzz.py --cases 100000``.

Each kind of file is made valid, broken in its bytes or in what it holds (:mod:`mutations`), and read as a
user would have it read. What may come of it: the same values; other values, where the format has no checksum,
that are fit for use; or an error of this package. Any other exception, and other values in spite of a
checksum, are faults.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mutations
import numpy as np
import pandas as pd
from kinds import KINDS, Kind

from regnas_core.errors import RegnasError

MEMORY = 8 << 30  # bytes: a file that asks for more is a fault, not the end of the machine


@dataclass
class Outcome:
    """What came of a kind's cases."""

    cases: int = 0
    same: int = 0
    other: int = 0
    errors: Counter = field(default_factory=Counter)
    said: Counter = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def run(kind: Kind, cases: int, seed: int, home: Path) -> Outcome:
    """Break a valid file of a kind in so many ways."""
    outcome, valid = Outcome(), home / "valid"
    valid.mkdir(parents=True)
    broken = kind.make(valid).relative_to(valid)
    content, expected = (valid / broken).read_bytes(), _plain(kind.read(valid))
    for case in range(cases):
        rng = np.random.default_rng([seed, *kind.name.encode(), case])
        ways = (mutations.bytewise, *kind.inside)
        way = ways[rng.integers(len(ways))]
        mutated = way(content, rng)
        folder = home / "case"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(valid, folder)
        (folder / broken).write_bytes(mutated)
        outcome.cases += 1
        try:
            found = _plain(kind.read(folder))
        except RegnasError as error:
            assert str(error), "an error without a word"
            outcome.errors[type(error).__name__] += 1
            outcome.said[re.sub(r"\S*/|\d+", "", str(error))[:110]] += 1
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            said = f"{type(error).__name__}: {str(error)[:150]} ({Path(place.filename).name}:{place.lineno})"
            outcome.faults.append(f"{kind.name}, case {case} of seed {seed}: {said}")
        else:
            if found == expected:
                outcome.same += 1
            elif kind.sealed and way is mutations.bytewise:
                outcome.faults.append(f"{kind.name}, case {case} of seed {seed}: other values, no error")
            else:
                outcome.other += 1
    return outcome


def _plain(value: Any) -> Any:
    """Values that can be compared, arrays and tensors among them."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "detach"):
        return str(value.dtype), tuple(value.shape), repr(value)
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return repr(value) if isinstance(value, float) else value


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz everything that a user hands over.")
    parser.add_argument("--cases", type=int, default=10_000, help="of all kinds together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="kinds whose name contains this")
    parser.add_argument("--words", type=int, default=0, help="print so many messages of each kind")
    parser.add_argument("--csv", type=Path, help="write the table here")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    kinds, rows, faults = [kind for kind in KINDS if given.only in kind.name], [], []
    for kind in kinds:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as home:
            found = run(kind, -(-given.cases // len(kinds)), given.seed, Path(home))
        faults += found.faults
        counts = {"cases": found.cases, "errors": sum(found.errors.values())}
        counts |= {"same": found.same, "other": found.other, "faults": len(found.faults)}
        named = ", ".join(f"{name} {count}" for name, count in found.errors.most_common())
        rows.append({"kind": kind.name, **counts, "named": named})
        print(*rows[-1].values(), f"{time.perf_counter() - start:.0f} s", sep="  ", flush=True)
        if given.words:
            print(*(f"    {n} {words}" for words, n in found.said.most_common(given.words)), sep="\n")
        for fault in found.faults[:20]:
            print("   ", fault, flush=True)
    table = pd.DataFrame(rows)
    print(table.drop(columns=["kind", "named"]).sum().to_string())
    if given.csv:
        table.to_csv(given.csv, index=False)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
