"""Latency measured on the machine at hand, step by step, so that a search knows that of any sub-network."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from time import perf_counter_ns

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from ..errors import RegnasError
from ..evaluation.evaluator import arithmetic, pick_device
from ..evaluation.folding import fold
from ..files import held, write_atomically
from ..spaces.arch import Arch
from ..spaces.steps import Shape, Step
from ..supernets.layers import apply, bind, norms
from ..supernets.supernet import SuperNet
from .tables import COLUMNS, Key, latency_key, read_latencies

PATIENCE = 100  # draws without a new step after which a table counts as full
Work = Callable[[], object]


class LatencyTable:
    """Latency of sub-networks on this machine: the sum of their steps' median times, in ms a batch.

    Called with an architecture, it times the steps that it does not know yet, and sums. What is timed is
    PyTorch as :class:`~regnas_core.Evaluator` uses it: eager, BatchNorm folded into the convolutions,
    channels last, no gradients. An architecture's steps are all timed in turn, round after round, so that
    drift meets all of them alike and each finds the caches as cold as within the network.

    Args:
        net: the super-network; what its weights are does not matter, random ones will do.
        path: CSV file that the table is read from, and written to whenever it grows; None keeps none. Its
            first line holds the conditions; the columns are step, input (C x H x W), batch, median_ms,
            q25_ms, q75_ms (quartiles), and repeats.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, …
        batch: images a batch.
        threads: of PyTorch on a CPU, during timing; by default as many as it has now.
        warmup, repeats: rounds before those that count, and rounds that count.
        timer: runs a function and returns ms; by default by the clock, or by CUDA's events.

    Raises:
        RegnasError: the file is no table or was made in other conditions (super-network, device, version of
            torch, threads, dtype, batch); the device is neither a CPU nor CUDA.
    """

    def __init__(
        self,
        net: SuperNet,
        path: str | Path | None = None,
        *,
        device: str | torch.device = "auto",
        batch: int = 1,
        threads: int | None = None,
        warmup: int = 5,
        repeats: int = 30,
        timer: Callable[[Work], float] | None = None,
    ) -> None:
        self.device = pick_device(device)
        if self.device.type not in ("cpu", "cuda"):
            raise RegnasError(f"Latency is measured on 'cpu' or 'cuda', not on {device!s}.")
        cuda = self.device.type == "cuda"
        self.net, self.path = net.to(self.device), path and Path(path).expanduser()
        self.batch, self.warmup, self.repeats = batch, warmup, repeats
        self.threads = None if cuda else threads or torch.get_num_threads()
        self._kind = {"device": self.device, "dtype": next(iter(net.weights.values())).dtype}
        self._timer = timer or (partial(_cuda_ms, self.device) if cuda else _wall_ms)
        self.conditions = {
            "space": net.space.identity,
            "device": _device_name(self.device),
            "torch": str(torch.__version__),
            "threads": self.threads,
            "dtype": str(self._kind["dtype"]).removeprefix("torch."),
            "batch": batch,
        }
        self.date = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._rows: dict[Key, tuple] = {}
        if self.path and self.path.exists():
            self._read()

    def __call__(self, arch: Arch) -> float:
        """Latency in ms of one batch; measures what is missing."""
        return self._sum(arch, "median_ms")

    def spread(self, arch: Arch) -> tuple[float, float]:
        """(low, high) in ms: the sums of the steps' lower and upper quartiles.

        As if all steps were fast or slow together, so wider than the quartiles of the network's latency.
        """
        return self._sum(arch, "q25_ms"), self._sum(arch, "q75_ms")

    def network_ms(self, arch: Arch) -> float:
        """Median time in ms of the whole network in one go, to compare the sum with; it is not kept."""
        space = self.net.space
        work = self._work(space.steps(arch), space.input_shape(arch))
        return float(np.median(self._time([work])))

    def measure(self, archs: Iterable[Arch] | None = None, *, seed: int = 0, progress: bool = True) -> None:
        """Fill the table in advance, so that a search seldom has to time anything.

        Args:
            archs: architectures whose steps are wanted; by default random ones, until 100 draws in a row
                bring no new step.
            seed: of those draws.
            progress: whether to show a bar.
        """
        archs = list(self._draw(np.random.default_rng(seed)) if archs is None else archs)
        for arch in tqdm(archs, desc="latency", leave=False) if progress else archs:
            self._complete(arch)

    @property
    def frame(self) -> pd.DataFrame:
        """The table: one row a step and shape of its input, in the order of measurement."""
        return pd.DataFrame([(*key, *row) for key, row in self._rows.items()], columns=list(COLUMNS))

    # ── inside ───────────────────────────────────────────────────────────────────────────────────
    def _sum(self, arch: Arch, column: str) -> float:
        at = list(COLUMNS).index(column) - len(COLUMNS)
        return sum(self._rows[key][at] for key in self._complete(arch))

    def _draw(self, rng: np.random.Generator) -> Iterator[Arch]:
        known, idle = set(self._rows), 0
        while idle < PATIENCE:
            arch = self.net.space.sample(rng)
            keys = {latency_key(*place) for place in self.net.space.places(arch)}
            idle = idle + 1 if keys <= known else 0
            if not idle:
                known |= keys
                yield arch

    def _complete(self, arch: Arch) -> list[Key]:
        """Keys of the architecture's steps, all of which are in the table afterwards, and in its file."""
        steps = list(self.net.space.places(arch))
        keys = [latency_key(*place) for place in steps]
        if not self._rows.keys() >= set(keys):
            with self._alone():
                if not self._rows.keys() >= set(keys):
                    self._measure(steps, keys)
        return keys

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from this table for a while, once what they have measured is read.

        They would lose rows to each other, and timing side by side they would slow each other down.
        """
        if not self.path:
            yield
            return
        with held(self.path):
            if self.path.exists():
                self._read()
            yield

    def _measure(self, steps: list[tuple[Step, Shape]], keys: list[Key]) -> None:
        times = self._time([self._work([step], shape) for step, shape in steps])
        quartiles = np.quantile(times, (0.5, 0.25, 0.75), axis=0).T.round(6)  # to the nanosecond
        for key, values in zip(keys, quartiles.tolist(), strict=True):
            self._rows.setdefault(key, (self.batch, *values, self.repeats))
        if self.path:
            write_atomically(self.path, self._write)

    def _time(self, works: list[Work]) -> np.ndarray:
        """Times in ms (repeats, works), all works in turn."""
        with _threads(self.threads), arithmetic(), torch.no_grad():
            for work in works * self.warmup:
                work()
            return np.array([[self._timer(work) for work in works] for _ in range(self.repeats)])

    @torch.no_grad()
    def _work(self, steps: Iterable[Step], shape: Shape) -> Work:
        """A function that runs ``steps`` on a batch of normal noise of ``shape``."""
        layers: list[Callable[[Tensor], Tensor]] = []
        for step in steps:
            bound = bind(step.ops, self.net.weights)
            moments = ((torch.zeros_like(norm.shift), torch.ones_like(norm.shift)) for norm in norms(bound))
            layers += fold(bound, moments)
        x = torch.randn(self.batch, *shape, generator=torch.Generator().manual_seed(0)).to(**self._kind)
        x = x.contiguous(memory_format=torch.channels_last)
        return partial(apply, layers, x)

    # ── file ─────────────────────────────────────────────────────────────────────────────────────
    def _write(self, path: Path) -> None:
        head = json.dumps({**self.conditions, "date": self.date})
        path.write_text(f"# {head}\n{self.frame.to_csv(index=False)}", encoding="utf-8")

    def _read(self) -> None:
        found, rows = read_latencies(self.path)
        for name, here in self.conditions.items():
            if found.get(name) != here:
                raise RegnasError(
                    f"The latencies in {self.path} were measured with {name} {found.get(name)}, now it is "
                    f"{here}; they do not compare. Give another path, or move the file away."
                )
        self.date = found.get("date", self.date)
        self._rows = rows | self._rows  # what was told stays


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """Let PyTorch have this number of threads on the CPU, for a while; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _wall_ms(work: Work) -> float:
    start = perf_counter_ns()
    work()
    return (perf_counter_ns() - start) / 1e6


def _cuda_ms(device: torch.device, work: Work) -> float:
    with torch.cuda.device(device):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        return start.elapsed_time(end)


def _device_name(device: torch.device) -> str:
    """What the device calls itself; of a CPU also the number of its cores."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.is_file() else None
    name = model[1] if model else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"
