"""Threads that share out a machine's cores, one core each.

Small networks give a core little to do at a time: two cores that work on two batches side by side finish
sooner than two cores that share every operation of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

Map = Callable[[Callable, Iterable], Iterator]


@contextmanager
def crew(device: torch.device) -> Iterator[Map]:
    """Something like ``map``: it works as many at a time as PyTorch has threads, in order, without gradients.

    On a GPU, or with one thread, it is ``map`` itself. PyTorch's number of threads is
    as before at the end.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        yield map
        return
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield lambda work, items: pool.map(torch.no_grad()(work), items)
    finally:
        torch.set_num_threads(threads)  # threads that are made later take the last number that was set
