"""Kill it anywhere: runs that are killed outright, again and again, must end as an undisturbed run does.

    python tests/attack.py --kills 80 --csv figures/benchmark/kills.csv

A run is a command on a small image folder, in a process that is forked from one which has imported all, so
that kills hit work and not imports. Half of the kills come at a random time; half at a file: when its half
is written, before it gets its name, or right after.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

PRELOAD = [f"regnas_core.{name}" for name in ("cli", "reproduction.run", "experiments", "workbench.trained")]
PRESET = """\
title: A small image folder
data: {name: folder, path: PICTURES, size: 16, sizes: {calibration: 32, search: 64}}
supernet: {space: mini, weights: "random:0", options: OPTIONS}
training: {epochs: 4, batch_size: 32, shift: 1}
evaluation: {calibration_batch: 32}
search: {reference_mmacs: 0.048, target_mmacs: 0.068, generations: 3, population: 8}
networks: {epochs: 2}
samples: 20
seeds: 1
device: cpu
"""
OPTIONS = {
    "image": [3, 16, 16], "classes": 4, "stem": 4, "head": 16, "widths": [4, 6, 6], "kernels": [3, 5],
    "depths": [1, 2],
}  # fmt: skip
SHARE = {"reproduce": 0.25}  # of the kills: it starts a kernel each time
PHASES = ("half", "before", "after")


def prepare(home: Path) -> None:
    """Pictures, and a preset of them, in ``home``."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for split, pictures in {"train": 80, "test": 30}.items():
        for label in range(4):
            folder = home / "pictures" / split / "abcd"[label]
            folder.mkdir(parents=True)
            for i in range(pictures):
                coarse = rng.integers(0, 160, (4, 4, 3)) + 30 * (np.arange(4) == label)[:, None, None]
                Image.fromarray(coarse.repeat(4, 0).repeat(4, 1).astype(np.uint8)).save(folder / f"{i}.png")
    text = PRESET.replace("PICTURES", str(home / "pictures")).replace("OPTIONS", json.dumps(OPTIONS))
    (home / "small.yaml").write_text(text)


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────
def command(out: Path, *words: str) -> None:
    """A command of `regnas`, in this process."""
    from regnas_core.cli.commands import app

    app([words[0], "--preset", str(out.parent / "small.yaml"), *words[1:]], standalone_mode=False)


def search(out: Path) -> list:
    import pandas as pd

    command(out, "search", "--out", str(out))
    logs = sorted((out / "runs" / "small" / "searches").glob("[!.]*.parquet"))
    return [[log.name, pd.read_parquet(log).to_json(double_precision=15)] for log in logs]


def tabulate(out: Path) -> list:
    from regnas_core import load_tabular
    from regnas_core.workbench import tabulation

    tabulation.STRETCH = 8
    command(out, "tabulate", "--networks", "64", "--out", str(out), "--file", str(out / "table.npz"))
    table = load_tabular(out / "table.npz")
    return [table.info["weights"], *(table.right(split).tobytes().hex() for split in ("search", "test"))]


def train_supernet(out: Path) -> list:
    import pandas as pd

    from regnas_core import load_supernet

    command(out, "train-supernet", "--out", str(out / "training"))
    losses = pd.read_csv(out / "training" / "log.csv")["loss_largest"].tolist()
    return [load_supernet("mini", out / "training" / "mini.safetensors", **OPTIONS).digest(), losses]


def networks(out: Path) -> list:
    from regnas_core import open_workbench
    from regnas_core.supernets.distillation import Objective
    from regnas_core.workbench.trained import Job, job_predictions, trained_network

    bench = open_workbench(str(out.parent / "small.yaml"), out=out)
    small = bench.space.smallest
    distilled = Objective("FD-KL", weight=1.0, temperature=2.0)
    jobs = [
        Job(small, 0, Objective(), "scratch", 2, 0.1),
        Job(bench.space.largest, 0, distilled, "super-network", 2, 0.02, small),
    ]
    found = job_predictions(bench, jobs, "test")
    return [found.tolist(), *(trained_network(bench, job).digest() for job in jobs)]


def reproduce(out: Path) -> list:
    command(out, "reproduce", "--only", "fig4a", "--out", str(out))
    assert (out / "runs" / "small" / "report.html").stat().st_size > 1000
    return [(out / "figures" / "small" / "fig4a.csv").read_text()]


RUNS: dict[str, Callable[[Path], list]] = {
    run.__name__: run for run in (search, tabulate, train_supernet, networks, reproduce)
}


# ── kills ────────────────────────────────────────────────────────────────────────────────────────
def child(name: str, out: Path, pin: tuple[int, str] | None, note: str) -> None:
    """A run, in a process of its own; dies at a file's writing, by number, if ``pin`` says so."""
    import torch

    torch.set_num_threads(1)
    os.environ |= {"REGNAS_DATA": str(out / "data"), "MPLBACKEND": "Agg"}
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (until the process ends)
    replace, count = os.replace, 0

    def watched(part, path) -> None:
        nonlocal count
        count += 1
        if pin and count == pin[0]:
            if pin[1] == "half":
                os.truncate(part, os.path.getsize(part) // 2)
            if pin[1] == "after":
                replace(part, path)
            os.kill(os.getpid(), signal.SIGKILL)
        replace(part, path)

    os.replace = watched
    begin = time.perf_counter()
    found = RUNS[name](out)
    seconds = time.perf_counter() - begin
    (out.parent / f"{note}.json").write_text(json.dumps([found, count, seconds]))


def start(
    name: str,
    out: Path,
    pin: tuple[int, str] | None = None,
    seconds: float | None = None,
    note: str | None = None,
) -> bool:
    """Run, and kill after so many seconds; whether it was killed. What came out is in ``note``.json.

    Raises:
        RuntimeError: it failed by itself.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    process = context.Process(target=child, args=(name, out, pin, note or out.name))
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
    if process.exitcode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{name} in {out} ended with {process.exitcode}")
    return process.exitcode != 0


def attack(name: str, home: Path, kills: int, seed: int = 0) -> dict[str, object]:
    """Kill runs, until there were so many kills; what was killed, and what came out otherwise."""
    rng, whole = np.random.default_rng(seed), home / f"{name}-whole"
    start(name, whole)
    expected, files, seconds = json.loads(whole.with_suffix(".json").read_text())
    done = {"at a time": 0, **dict.fromkeys(PHASES, 0)}
    runs = differing = 0
    while sum(done.values()) < kills:
        out, runs = home / f"{name}-{runs}", runs + 1
        while sum(done.values()) < kills:
            reach = rng.choice([0.3, 1])  # soon, or anywhere
            if rng.random() < 0.5:
                phase, how = "at a time", {"seconds": rng.uniform(0, reach * seconds)}
            else:
                phase = str(rng.choice(PHASES))
                how = {"pin": (1 + int(rng.integers(np.ceil(reach * files))), phase)}
            if not start(name, out, **how):
                break
            done[phase] += 1
        start(name, out)
        differing += json.loads(out.with_suffix(".json").read_text())[0] != expected
    kinds = {f"kills_{kind.replace(' ', '_')}": number for kind, number in done.items()}
    return {"run": name, "kills": sum(done.values()), **kinds, "runs": runs, "differing": differing,
            "files": files, "seconds": round(seconds, 2)}  # fmt: skip


def main() -> None:
    import pandas as pd

    from regnas_core.files import write_table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=80, help="of each kind of run; of reproduce a quarter")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--run", choices=RUNS, action="append")
    given = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    with TemporaryDirectory() as folder:
        home = Path(folder)
        prepare(home)
        rows = []
        for name in given.run or RUNS:
            rows.append(attack(name, home, round(given.kills * SHARE.get(name, 1)), given.seed))
            print(rows[-1], flush=True)
            if given.csv:
                write_table(pd.DataFrame(rows), given.csv)


if __name__ == "__main__":
    main()
