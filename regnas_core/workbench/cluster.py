"""Several machines or GPUs: Dask shares the work out.

A cluster is processes of this machine, started here, or one that is there already: started by hand
(``dask scheduler``, ``dask worker --nthreads 1``), on Slurm by dask-jobqueue, on Kubernetes by
dask-kubernetes. Its workers need this package, the data, and the folder for results in the same places.
"""

from __future__ import annotations

import os
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from ..errors import PresetError, RegnasError

if TYPE_CHECKING:
    from distributed import LocalCluster

VARIABLE = "REGNAS_DASK"  # address of the scheduler by which workbenches share their work out
PATIENCE = 60  # seconds to wait for a scheduler, and for its first worker
_started: list[LocalCluster] = []  # they end with this process


def use_cluster(where: str) -> None:
    """Let every workbench that is opened from now on, here or in a notebook's kernel, share its work out.

    Args:
        where: how many processes to start here (with several GPUs each takes its own), or the address of a
            scheduler, as "tcp://10.0.0.5:8786".

    Raises:
        PresetError: it is neither.
    """
    if where.isdecimal() and int(where):
        where = _start(int(where))
    if "://" not in where:
        raise PresetError(
            f"--dask {where}: expected a number of processes, or an address, as tcp://10.0.0.5:8786."
        )
    os.environ[VARIABLE] = where


def _start(processes: int) -> str:
    from distributed import LocalCluster

    threads = str(max(1, (os.cpu_count() or 1) // processes))
    alone = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": None}
    cluster = LocalCluster(processes, **alone, env={"OMP_NUM_THREADS": threads})
    _started.append(cluster)
    return cluster.scheduler_address


def connect(address: str) -> tuple[Executor, int]:
    """An executor of the cluster at an address, and how many workers it has.

    Raises:
        RegnasError: nobody answers, or no worker comes.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
        client.wait_for_workers(1, timeout=PATIENCE)
    except (OSError, TimeoutError, ValueError) as error:
        raise RegnasError(
            f"No cluster with workers answers at {address} ({type(error).__name__}). Start one, as with "
            "`dask scheduler` and `dask worker ADDRESS --nthreads 1`, or give a number of processes."
        ) from None
    return client.get_executor(pure=False), len(client.nthreads())
