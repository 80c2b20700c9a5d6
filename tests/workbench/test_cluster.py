"""cluster: searches shared out by Dask are the same, whoever dies."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from regnas_core import cli
from regnas_core.errors import PresetError, RegnasError
from regnas_core.workbench import cluster, workers
from regnas_core.workbench.cluster import VARIABLE, connect, use_cluster
from regnas_core.workbench.protocol import run_search
from regnas_core.workbench.store import PredictionStore
from regnas_core.workbench.workbench import open_workbench


@pytest.fixture(autouse=True)
def alone(monkeypatch) -> None:
    monkeypatch.setenv(VARIABLE, "")


@pytest.fixture
def preset(tmp_path, lively, monkeypatch) -> str:
    """Pictures in a folder, and a super-network whose sub-networks disagree: what a worker opens itself."""
    options = {"image": (3, 16, 16), "classes": 3, "stem": 4, "head": 16, "widths": (6, 8, 8)}
    lively.net("mini", **options).save(tmp_path / "net.safetensors")
    pictures = iter(lively.pictures(240, (3, 16, 16), 0).transpose(0, 2, 3, 1))
    for split, count in (("train", 60), ("val", 20)):
        for name in "abc":
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(next(pictures)).save(folder / f"{number:02}.png")
    monkeypatch.setenv("REGNAS_DATA", str(tmp_path / "cache"))
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"""
title: Noise
data: {{name: folder, path: {tmp_path / "pictures"}, size: 16}}
supernet:
  space: mini
  options: {{image: [3, 16, 16], classes: 3, stem: 4, head: 16, widths: [6, 8, 8]}}
  weights: {tmp_path / "net.safetensors"}
search: {{reference_mmacs: 0.1, target_mmacs: 0.2, generations: 3, population: 12}}
device: cpu
"""
    )
    return str(path)


@pytest.fixture
def two_processes(monkeypatch) -> Iterator[None]:
    use_cluster("2")
    yield
    cluster._started.pop().close()


def search(preset: str, out: Path):
    bench = open_workbench(preset, out=out)
    return bench, run_search(bench, "R2", reference=bench.space.smallest, cas=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_search_is_the_same_and_a_dead_worker_costs_its_own_work_only(
    preset, two_processes, tmp_path, monkeypatch, request
):
    address, write, killed = os.environ[VARIABLE], PredictionStore.write, []
    monkeypatch.setenv(VARIABLE, "")
    _, plain = search(preset, tmp_path / "plain")
    monkeypatch.setenv(VARIABLE, address)

    def write_and_kill(store, keys, rows) -> None:
        write(store, keys, rows)
        if not killed:
            killed.append(next(iter(bench.executor._client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    bench = open_workbench(preset, out=tmp_path / "shared")
    assert bench.preset.evaluation.workers == 2
    monkeypatch.setattr(PredictionStore, "write", write_and_kill)
    found = run_search(bench, "R2", reference=bench.space.smallest, cas=True)
    pd.testing.assert_frame_equal(found.log, plain.log)
    assert killed and len(set(found.log["score"])) > 3
    rows = [
        open_workbench(preset, out=tmp_path / o).predictions(plain.archs, "search")
        for o in ("plain", "shared")
    ]
    np.testing.assert_array_equal(*rows)


def test_where_must_be_a_number_or_an_address():
    for where in ("0", "-1", "here", "10.0.0.5"):
        with pytest.raises(PresetError, match="expected a number of processes, or an address"):
            use_cluster(where)
    use_cluster("tcp://10.0.0.5:8786")
    assert os.environ[VARIABLE] == "tcp://10.0.0.5:8786"


def test_nobody_at_an_address_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.2)
    with pytest.raises(
        RegnasError, match=r"No cluster with workers answers at tcp://127.0.0.1:9 .*dask worker"
    ):
        connect("tcp://127.0.0.1:9")


def test_commands_take_a_cluster(monkeypatch):
    seen = []
    monkeypatch.setattr(cluster, "use_cluster", seen.append)
    monkeypatch.setattr("regnas_core.reproduction.run.reproduce", lambda *_, **__: "report.html")
    assert CliRunner().invoke(cli.app, ["reproduce", "--dask", "8"]).exit_code == 0
    assert seen == ["8"]
    for command in ("search", "tabulate"):
        assert "--dask" in CliRunner().invoke(cli.app, [command, "--help"]).output


def test_of_several_gpus_a_worker_takes_that_of_its_number(monkeypatch):
    monkeypatch.setattr(workers, "_numbers", [6])
    taken = []
    for gpus in (0, 1, 4, 8):
        monkeypatch.setattr("torch.cuda.device_count", lambda gpus=gpus: gpus)
        taken.append(workers.own_device("auto"))
    assert taken == ["auto", "auto", "cuda:2", "cuda:6"]
    assert workers.own_device("cuda:1") == "cuda:1" and workers.own_device("cpu") == "cpu"
    monkeypatch.setattr(workers, "_numbers", [])
    dask = type("distributed", (), {"get_worker": lambda: type("Worker", (), {"name": "SLURMCluster-5"})})
    monkeypatch.setitem(sys.modules, "distributed", dask)
    assert workers.own_device("cuda") == "cuda:5"
