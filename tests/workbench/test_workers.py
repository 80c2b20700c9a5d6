"""workers: what is done is kept when another part fails, and no process outlives who asked."""

from __future__ import annotations

import os
import time
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from regnas_core.errors import DataError, RegnasError
from regnas_core.workbench.workers import Order, results, start_pool


def order(identity: str = "net-images") -> Order:
    class Bench:
        def identity(self, split: str) -> str:
            return identity

    return Order(lambda preset, root: Bench(), "{}", "", None, (("search", "net-images"),))


def work(bench, archs: list):
    if isinstance(archs[0], Exception):
        time.sleep(0.05)
        raise archs[0]
    return len(archs)


def test_a_part_that_fails_costs_its_own_result_only():
    parts, came = {"a": [1, 2], "b": [ValueError("bad")], "c": [3], "d": [4, 5, 6]}, {}
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="bad"):
        for key, found in results(executor, order(), work, parts):
            came[key] = found
    assert came == {"a": 2, "c": 1, "d": 3}


def test_dead_workers_are_named_with_what_to_do():
    with ThreadPoolExecutor(1) as executor, pytest.raises(RegnasError, match=r"A worker died.*is kept: run"):
        list(results(executor, order(), work, {"a": [BrokenExecutor("terminated abruptly")]}))


def test_a_worker_that_holds_something_else_refuses():
    refused = pytest.raises(DataError, match="has other for the search split, where net-images was asked")
    with ThreadPoolExecutor(1) as executor, refused:
        list(results(executor, order("other"), work, {"a": [1]}))


def hold_a_pool(told: Path) -> None:
    pool = start_pool(1)
    told.write_text(str(pool.submit(os.getpid).result()))
    time.sleep(600)


@pytest.mark.slow
def test_workers_end_with_a_process_that_is_killed(tmp_path):
    told = tmp_path / "pid"
    process = get_context("spawn").Process(target=hold_a_pool, args=(told,))
    process.start()
    while not (told.exists() and told.read_text()):
        assert process.is_alive()
        time.sleep(0.1)
    worker = int(told.read_text())
    assert _alive(worker)
    process.kill()
    process.join()
    assert _gone(worker)


@pytest.mark.slow
def test_workers_end_with_the_last_who_holds_them():
    pool = start_pool(1)
    worker = pool.submit(os.getpid).result()
    assert _alive(worker)
    del pool
    assert _gone(worker)


def _alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def _gone(pid: int) -> bool:
    for _ in range(300):
        if not _alive(pid):
            return True
        time.sleep(0.1)
    return False
