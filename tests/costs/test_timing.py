"""timing: a latency table whose clock the tests hold."""

from __future__ import annotations

import json
import os

import numpy as np
import pandas as pd
import pytest
import torch
from stopwatch import LARGE, NET, SMALL, SPACE, Clock, no_clock, table

from regnas_core import evolve, get_space, load_supernet
from regnas_core.costs.tables import COLUMNS
from regnas_core.costs.timing import LatencyTable
from regnas_core.errors import GeneError, RegnasError
from regnas_core.spaces.arch import Arch


def _works(latency: LatencyTable, arch: Arch) -> list:
    return [latency._work([step], shape) for step, shape in SPACE.places(arch)]


def test_latency_is_the_sum_of_medians():
    clock = Clock(extra=(8, 0, 1))
    latency = table(timer=clock)
    each = [Clock.size(work) for work in _works(latency, LARGE)]
    n = len(SPACE.steps(LARGE))
    assert latency(LARGE) == sum(each) + n * 1
    assert latency.spread(LARGE) == (sum(each) + n * 0.5, sum(each) + n * 4.5)
    assert latency.frame["median_ms"].tolist() == [time + 1 for time in each]


def test_steps_are_timed_in_turn():
    clock = Clock()
    table(timer=clock)(LARGE)
    n = len(SPACE.steps(LARGE))
    assert len(clock.calls) == 3 * n and len(set(map(id, clock.calls))) == n
    assert [id(work) for work in clock.calls] == [id(work) for work in clock.calls[:n]] * 3


def test_what_is_known_is_not_timed_again():
    clock = Clock(extra=(8, 0, 1))
    latency = table(timer=clock)
    first, calls = latency(LARGE), len(clock.calls)
    assert latency(LARGE) == first and latency.spread(LARGE) and len(clock.calls) == calls
    clock.extra = (100, 100, 100)
    shared = set(SPACE.steps(SMALL)) & set(SPACE.steps(LARGE))
    works = zip(_works(latency, SMALL), SPACE.steps(SMALL), strict=True)
    alone = sum(Clock.size(work) for work, step in works if step not in shared)
    known = latency.frame["median_ms"].sum()
    latency(SMALL)
    assert len(latency.frame) == len(set(SPACE.steps(SMALL)) | set(SPACE.steps(LARGE)))
    assert latency.frame["median_ms"].sum() == known + alone + 100 * (len(SPACE.steps(SMALL)) - len(shared))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mini", {}),
        ("fbnetv3", {"resolutions": (64,)}),
        ("ofa-mbv3-w1.0", {"resolutions": (64, 96)}),
        ("ofa-resnet50", {"resolutions": (64, 96)}),
    ],
)
def test_what_is_timed_is_the_network(name, options):
    net = load_supernet(name, "random:0", **options)
    latency, space = table(net=net, batch=2), net.space
    arch = space.sample(np.random.default_rng(0))
    work = latency._work(space.steps(arch), space.input_shape(arch))
    x, parts = work.args[1], [latency._work([step], shape) for step, shape in space.places(arch)]
    assert x.shape == (2, *space.input_shape(arch)) and x.is_contiguous(memory_format=torch.channels_last)
    before = x.clone()
    with torch.no_grad():
        torch.testing.assert_close(work(), net.extract(arch).eval()(x), rtol=1e-3, atol=1e-4)
        shapes = [part().shape for part in parts]
    assert torch.equal(x, before)  # runs can be repeated
    assert all(out == part.args[1].shape for out, part in zip(shapes, parts[1:], strict=False))


@pytest.mark.slow
def test_one_step_on_inputs_of_two_sizes_is_timed_twice():
    net = load_supernet("fbnetv3", "random:0", resolutions=(32, 64))
    latency, space = table(timer=Clock(), net=net), net.space
    low, high = (space.arch(**space.smallest.genes | {"resolution": r}) for r in (32, 64))
    assert latency(low) < latency(high)
    assert len(latency.frame) == 2 * len(space.steps(low))
    sizes = latency.frame.groupby("step").size()
    assert set(sizes[sizes == 1].index) == {"resize 32", "resize 64"} and sizes.max() == 2


def test_the_network_is_timed_as_one():
    clock = Clock(extra=(8, 0, 1))
    latency = table(timer=clock)
    whole = latency._work(SPACE.steps(LARGE), SPACE.input_shape())
    assert latency.network_ms(LARGE) == Clock.size(whole) + 1
    assert len(clock.calls) == 3 and latency.frame.empty


def test_warm_up_runs_are_not_counted():
    runs = []
    latency = table(timer=lambda work: runs.append("timed") or 1, warmup=2)
    latency._time([lambda: runs.append("warm")])
    assert runs == ["warm"] * 2 + ["timed"] * 3


def test_threads_are_given_back():
    before, seen = torch.get_num_threads(), []
    latency = table(timer=lambda work: seen.append(torch.get_num_threads()) or 1, threads=before + 1)
    latency(SMALL)
    assert set(seen) == {before + 1} and torch.get_num_threads() == before
    with pytest.raises(KeyboardInterrupt):
        table(timer=Clock(stop_after=1), threads=before + 1)(SMALL)
    assert torch.get_num_threads() == before


# ── filling it, and searching ────────────────────────────────────────────────────────────────────
def test_a_full_table_needs_no_clock(tmp_path):
    path = tmp_path / "tables" / "mini.csv"
    clock = Clock()
    filling = table(path, clock)
    filling.measure(progress=False)
    assert len(filling.frame) == 14
    budget, latency = (filling(SMALL) + filling(LARGE)) / 2, table(path)
    latency.measure()
    with pytest.warns(UserWarning, match="search ended early"):
        found = evolve(SPACE, lambda archs: list(map(SPACE.macs, archs)), max_cost=budget, cost=latency)
    assert 0 < found.log["cost"].max() <= budget < latency(LARGE)


def test_named_architectures_are_measured():
    latency = table(timer=Clock())
    latency.measure([SMALL, SMALL], progress=False)
    assert len(latency.frame) == len(SPACE.steps(SMALL))


def test_the_draws_depend_on_the_seed_alone():
    def order(seed: int) -> list[str]:
        latency = table(timer=Clock())
        latency.measure(seed=seed, progress=False)
        return latency.frame["step"].tolist()

    assert order(0) == order(0) != order(1)
    assert sorted(order(0)) == sorted(order(1))


# ── its file ─────────────────────────────────────────────────────────────────────────────────────
def test_a_table_comes_back_from_its_file(tmp_path):
    path = tmp_path / "mini.csv"
    written = table(path, Clock(tell=lambda work: Clock.size(work) / 7, extra=(1 / 3, 0.1)))
    value, date = written(LARGE), written.date
    again = table(path)
    assert again(LARGE) == value and again.spread(LARGE) == written.spread(LARGE) and again.date == date
    pd.testing.assert_frame_equal(again.frame, written.frame)
    assert set(os.listdir(tmp_path)) <= {"mini.csv", ".mini.csv.lock"}


def test_the_file_tells_what_was_measured_and_how(tmp_path):
    path = tmp_path / "mini.csv"
    table(path, Clock(), batch=4, threads=1)(SMALL)
    head = json.loads(path.read_text().splitlines()[0].removeprefix("# "))
    assert list(head) == ["space", "device", "torch", "threads", "dtype", "batch", "date"]
    assert head["space"] == SPACE.identity and head["torch"] == torch.__version__ and head["device"]
    assert (head["threads"], head["dtype"], head["batch"]) == (1, "float32", 4)
    frame = pd.read_csv(path, comment="#")
    assert list(frame) == list(COLUMNS) and (frame["batch"] == 4).all() and (frame["repeats"] == 3).all()
    assert frame["step"].tolist() == ["stem", *(f"stages.{i}.0 3 2" for i in range(3)), "head"]
    assert frame["input"].tolist()[:2] == ["1x32x32", "12x16x16"]


def test_two_processes_add_to_one_table(tmp_path):
    path = tmp_path / "mini.csv"
    first, second = table(path, Clock()), table(path, Clock(tell=lambda work: 7.0))
    small = first(SMALL)
    common = len(set(SPACE.steps(SMALL)) & set(SPACE.steps(LARGE)))
    assert second(LARGE) != first(LARGE) - 1 and second(SMALL) == small  # read, not timed again
    again = table(path)
    assert (again(SMALL), again(LARGE)) == (small, second(LARGE)) and common
    assert first(LARGE) == second(LARGE)


def test_a_killed_run_leaves_whole_architectures(tmp_path):
    path = tmp_path / "mini.csv"
    per_arch = [3 * len(SPACE.steps(arch)) for arch in (SMALL, LARGE)]
    killed = table(path, Clock(stop_after=sum(per_arch) - 1))
    with pytest.raises(KeyboardInterrupt):
        killed.measure([SMALL, LARGE], progress=False)
    left = table(path)
    assert left(SMALL) and len(left.frame) == len(SPACE.steps(SMALL))
    resumed, whole = table(path, Clock()), table(timer=Clock())
    assert resumed(LARGE) == whole(LARGE) and resumed(SMALL) == whole(SMALL)
    assert table(path)(LARGE) == whole(LARGE)


def test_a_run_killed_while_it_writes_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "mini.csv"
    latency = table(path, Clock())
    latency(SMALL)
    before = path.read_bytes()

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("regnas_core.files.os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        latency(LARGE)
    assert path.read_bytes() == before and set(os.listdir(tmp_path)) <= {"mini.csv", ".mini.csv.lock"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("space", "mini"),
        ("device", "Abacus, 2 cores"),
        ("torch", "2.3.0"),
        ("threads", 64),
        ("dtype", "int8"),
        ("batch", 32),
    ],
)
def test_a_table_of_other_conditions_is_refused(tmp_path, name, value):
    path = tmp_path / "mini.csv"
    table(path, Clock(), threads=1)(SMALL)
    head, _, rest = path.read_text().partition("\n")
    path.write_text(f"# {json.dumps({**json.loads(head[2:]), name: value})}\n{rest}")
    with pytest.raises(
        RegnasError, match=rf"mini\.csv were measured with {name} {value}, now it is .*another"
    ):
        table(path, threads=1)


def test_other_options_are_other_conditions(tmp_path):
    path = tmp_path / "mini.csv"
    table(path, Clock(), threads=1)(SMALL)
    with pytest.raises(RegnasError, match="with batch 1, now it is 2"):
        table(path, threads=1, batch=2)
    with pytest.raises(RegnasError, match="with threads 1, now it is 2"):
        table(path, threads=2)
    with pytest.raises(RegnasError, match="with dtype float32, now it is bfloat16"):
        table(path, threads=1, net=NET.to(torch.bfloat16))
    with pytest.raises(RegnasError, match=r"with space mini\(.*, now it is mini;"):
        table(path, threads=1, net=load_supernet("mini", "random:0"))


@pytest.mark.parametrize(
    "content", [b"", b"step,input\n", b"# {}\n", b"# []\nstep\n", b"\x89PNG\r\n\xff\n", None]
)
def test_a_file_that_is_no_whole_table_is_refused(tmp_path, content):
    path = tmp_path / "mini.csv"
    table(path, Clock())(SMALL)
    path.write_bytes(path.read_bytes()[:-10] if content is None else content)
    with pytest.raises(RegnasError, match=r"mini\.csv is no whole latency table"):
        table(path)


def test_other_devices_and_architectures_are_refused():
    with pytest.raises(RegnasError, match="'cpu' or 'cuda', not on meta"):
        LatencyTable(NET, device="meta")
    with pytest.raises(GeneError, match="given to the space mini"):
        table(timer=Clock())(get_space("mini").smallest)


# ── the real clock ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_real_latency(tmp_path, device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    latency = LatencyTable(NET, tmp_path / "mini.csv", device=device, repeats=5)
    value, (low, high) = latency(LARGE), latency.spread(LARGE)
    assert 0 < low <= value <= high and (latency.frame["median_ms"] > 0).all()
    assert latency.network_ms(LARGE) > 0
    assert LatencyTable(NET, tmp_path / "mini.csv", device=device, timer=no_clock)(LARGE) == value
