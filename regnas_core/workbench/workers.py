"""Workers: orders go out to an executor, results come back as they are done, and what failed is named."""

from __future__ import annotations

import os
import pickle
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

import torch

from ..errors import DataError, RegnasError

Key = TypeVar("Key")


@dataclass(frozen=True)
class Order:
    """The workbench that a worker is to work with.

    Attributes:
        open: makes a workbench of a preset, given as JSON, that keeps its results under ``root``.
        preset, root: what ``open`` takes.
        parcel: a pickled super-network in place of the preset's.
        identities: (split, :meth:`Workbench.identity` that is asked for), of the splits that matter.
    """

    open: Callable[[str, str], Any]
    preset: str
    root: str
    parcel: bytes | None
    identities: tuple[tuple[str, str], ...]


def start_pool(workers: int) -> ProcessPoolExecutor:
    """So many processes on this machine, which share its cores; with several GPUs each takes its own.

    They end with the last workbench that holds the pool, and where this process is killed outright.
    """
    context, threads = get_context("spawn"), max(1, torch.get_num_threads() // workers)
    numbers = context.SimpleQueue()
    for number in range(workers):
        numbers.put(number)
    return ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(threads, numbers))


def results(
    executor: Executor, order: Order, work: Callable[..., Any], parts: Mapping[Key, Sequence[Any]]
) -> Iterator[tuple[Key, Any]]:
    """``work(bench, part)`` of each part, as it comes. A part that fails costs its own result only.

    Raises:
        DataError: a worker has other weights, images, or another kind of device than asked for.
        RegnasError: workers died.
        Exception: what else went wrong first; the results of all other parts came before.
    """
    futures, failed = {}, None
    try:
        for key, part in parts.items():
            futures[executor.submit(_work, order, work, list(part))] = key
        for future in as_completed(futures):
            if (error := future.exception()) is None:
                yield futures[future], future.result()
            failed = failed or error
        if type(failed).__name__ == "KilledWorker":  # Dask's, after several tries
            raise BrokenExecutor(str(failed))
        if failed is not None:
            raise failed
    except BrokenExecutor as error:
        raise RegnasError(
            f"A worker died, killed or out of memory ({error}). What was done before is kept: run the same "
            "again, in a new process; with fewer evaluation.workers if memory is short."
        ) from error
    finally:
        for future in futures:
            future.cancel()


# ── in a worker ──────────────────────────────────────────────────────────────────────────────────
_numbers: list[int] = []  # this worker's, among those of its pool


def _begin(threads: int, numbers: Any) -> None:
    torch.set_num_threads(threads)
    _numbers.append(numbers.get())
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A pool's worker would wait for ever for work from a process that was killed."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


def own_device(asked: str) -> str:
    """The device of this worker: of several GPUs the one of its number, unless a certain one is asked for."""
    gpus = torch.cuda.device_count()
    return f"cuda:{_number() % gpus}" if asked in ("auto", "cuda") and gpus > 1 else asked


def _number() -> int:
    if _numbers:
        return _numbers[-1]
    if (distributed := sys.modules.get("distributed")) is not None:
        with suppress(ValueError):  # no worker of Dask's
            digits = re.search(r"\d+$", str(distributed.get_worker().name))
            return int(digits[0]) if digits else 0
    return 0


def _work(order: Order, work: Callable[..., Any], part: list[Any]) -> Any:
    return work(_opened(order), part)


@lru_cache(maxsize=4)
def _opened(order: Order) -> Any:
    bench = order.open(order.preset, order.root)
    if order.parcel is not None:
        bench = replace(bench, net=pickle.loads(order.parcel))  # of the process that asks
    for split, asked in order.identities:
        if (found := bench.identity(split)) != asked:
            raise DataError(
                f"A worker has {found} for the {split} split, where {asked} was asked for (weights, "
                "calibration, images, device, precision, version). Give workers the same data and the same "
                "version, and name the device, as by --set device=cuda."
            )
    return bench
