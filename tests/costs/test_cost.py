"""cost, latency: once-for-all's own sums as the measure, and a table whose clock the tests hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import ofa
import pandas as pd
import pytest
import torch
import yaml

from regnas_core import evolve, get_space, load_supernet
from regnas_core.costs.cost import get_cost
from regnas_core.costs.tables import COLUMNS, NOTE10, note10, recorded_tables
from regnas_core.costs.timing import LatencyTable
from regnas_core.errors import GeneError, InfeasibleError, RegnasError
from regnas_core.resources import data_root
from regnas_core.spaces.arch import Arch
from regnas_core.workbench.presets import load_preset

RESOLUTIONS = (160, 176, 192, 208, 224)
PHONE = get_space("ofa-mbv3-w1.2", resolutions=RESOLUTIONS)
TINY = {"kernels": (3, 5), "expansions": (2,), "depths": (1, 2)}  # 14 different steps
NET = load_supernet("mini", "random:0", **TINY)
SPACE = NET.space
SMALL, LARGE = SPACE.smallest, SPACE.largest


# ── names ────────────────────────────────────────────────────────────────────────────────────────
def test_costs_by_name():
    arch = PHONE.smallest
    assert get_cost("macs", PHONE)(arch) == PHONE.macs(arch)
    assert get_cost("params", PHONE)(arch) == PHONE.params(arch)
    assert get_cost("note10", PHONE)(arch) == note10(PHONE)(arch)


def test_latency_by_name(tmp_path):
    table = get_cost("latency", SPACE, path=tmp_path / "t.csv")
    assert isinstance(table, LatencyTable) and table(SMALL) > 0 and (tmp_path / "t.csv").is_file()
    assert get_cost("latency", SPACE, NET).net.weights.keys() == NET.weights.keys()


def test_an_unknown_cost_is_refused():
    with pytest.raises(
        RegnasError, match="Unknown cost 'flops'; choose one of macs, params, note10, latency, or the path"
    ):
        get_cost("flops", SPACE)


def test_costs_are_imported_without_torch():
    code = "import sys; sys.modules['torch'] = None; import regnas_core.costs.cost"
    subprocess.run([sys.executable, "-c", code], check=True)


# ── the Note10 ───────────────────────────────────────────────────────────────────────────────────
def published_sum(lut: dict, arch: Arch) -> float:
    """What once-for-all's own estimator makes of a table."""
    path = Path(ofa.__path__[0]) / "tutorial" / "latency_table.py"  # the package around it wants gdown
    spec = spec_from_file_location("ofa_latency_table", path)
    spec.loader.exec_module(module := module_from_spec(spec))
    estimator = object.__new__(module.LatencyEstimator)
    estimator.lut = lut
    genes = {name: [value or 0 for value in getattr(arch, name)] for name in ("ks", "e", "d")}
    return estimator.predict_network_latency_given_spec({**genes, "r": [arch.r]})


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """The packaged table, with once-for-all's keys."""
    frame = pd.read_csv(NOTE10, comment="#")
    shapes = "-input:" + frame["input"] + "-output:" + frame["output"].replace("1x1x1000", "1000")
    names = ["expand", "kernel", "stride", "idskip", "se", "hs"]
    details = frame[names].apply(
        lambda row: "".join(f"-{n}:{v:.0f}" for n, v in row.items()) if row.notna().all() else "", axis=1
    )
    return frame.assign(key=frame["layer"] + shapes + details)


def drawn(resolution: int) -> list[Arch]:
    rng, space = np.random.default_rng(resolution), get_space("ofa-mbv3-w1.2", resolutions=RESOLUTIONS)
    genes = [space.sample(rng).genes | {"r": resolution} for _ in range(30)]
    ends = [end.genes | {"r": resolution} for end in (space.smallest, space.largest)]
    return [space.arch(**one) for one in (*genes, *ends)]


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_the_note10_is_once_for_alls_sum_over_the_packaged_table(rows, resolution):
    own = rows[rows["resolution"] == resolution]
    lut, cost = {key: {"mean": ms} for key, ms in zip(own["key"], own["mean_ms"], strict=True)}, note10(PHONE)
    for arch in drawn(resolution):
        assert cost(arch) == pytest.approx(published_sum(lut, arch), rel=1e-12)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_the_note10_is_once_for_alls_sum_over_the_published_table(rows, resolution):
    path = data_root() / "ofa" / "note10" / f"{resolution}_lookup_table.yaml"
    if not path.is_file():
        pytest.skip(f"published table not compared: REGNAS_DATA has no {path}")
    lut = yaml.safe_load(path.read_text())
    own = rows[rows["resolution"] == resolution].set_index("key")
    assert set(own.index) == set(lut) and own.index.is_unique
    for key, entry in lut.items():
        assert own.loc[key, "mean_ms"] == pytest.approx(entry["mean"], rel=5e-6)
        assert own.loc[key, "std_ms"] == pytest.approx(entry["std"], rel=5e-3)
        assert own.loc[key, "count"] == entry["count"]
    cost = note10(PHONE)
    for arch in drawn(resolution):
        assert cost(arch) == pytest.approx(published_sum(lut, arch), rel=5e-6)


def test_the_packaged_table_says_whose_it_is(rows):
    head = NOTE10.read_text(encoding="utf-8").splitlines()[0]
    assert head.startswith("# ") and "Samsung Note10" in head and "mit-han-lab/once-for-all (MIT" in head
    assert len(rows) == 5 * 96 and rows.groupby("resolution").size().tolist() == [96] * 5


def test_the_note10s_extremes_are_pinned():
    cost = note10(PHONE)
    assert cost(PHONE.smallest) == pytest.approx(9.8903, abs=1e-3)
    assert cost(PHONE.largest) == pytest.approx(92.3981, abs=1e-3)


def test_a_search_within_a_latency_of_the_note10():
    limits = {"max_cost": 25, "cost": note10(PHONE)}
    found = evolve(PHONE, lambda archs: list(map(PHONE.macs, archs)), generations=3, population=20, **limits)
    assert found.log["cost"].max() <= 25
    with pytest.raises(InfeasibleError, match=r"costs 9\.89"):
        PHONE.sample(np.random.default_rng(0), max_cost=9, cost=note10(PHONE))


def test_the_note10_at_a_resolution_that_is_not_drawn():
    fixed = get_space("ofa-mbv3-w1.2")
    cost, genes = note10(fixed), PHONE.largest.genes
    for resolution in RESOLUTIONS:
        other = note10(PHONE)(PHONE.arch(**genes | {"r": resolution}))
        assert cost(fixed.arch(**genes | {"r": resolution})) == other


def test_the_note10_refuses_what_its_table_lacks():
    with pytest.raises(RegnasError, match=r"layers of ofa-mbv3-w1\.2 only, none of ofa-mbv3-w1\.0"):
        note10(get_space("ofa-mbv3-w1.0"))
    with pytest.raises(RegnasError, match="none of mini"):
        get_cost("note10", SPACE)
    five = r"no resolution 128, only 160, 176, 192, 208, 224.*resolutions=\(160, 176, 192, 208, 224\)"
    with pytest.raises(GeneError, match=five):
        note10(get_space("ofa-mbv3-w1.2", resolutions=(128, 160)))
    fixed = get_space("ofa-mbv3-w1.2")
    with pytest.raises(GeneError, match=five):
        note10(fixed)(fixed.arch(**fixed.largest.genes | {"r": 128}))
    with pytest.raises(GeneError, match="An architecture of mini"):
        note10(fixed)(SMALL)


# ── a table with a clock of our own ──────────────────────────────────────────────────────────────
class Clock:
    """A timer that runs nothing. Time is that of ``tell(work)`` plus ``extra`` in turn, by rounds."""

    def __init__(self, tell: Callable | None = None, extra=(0,), stop_after: float = np.inf) -> None:
        self.tell, self.extra, self.stop_after = tell or self.size, extra, stop_after
        self.calls: list = []

    @staticmethod
    def size(work) -> float:
        """A time that tells most steps apart: values that go in, and functions that are applied."""
        layers, x = work.args
        return x.numel() / 1024 + 16 * len(layers)

    def __call__(self, work) -> float:
        if len(self.calls) >= self.stop_after:
            raise KeyboardInterrupt
        self.calls.append(work)
        turn = sum(call is work for call in self.calls) - 1
        return self.tell(work) + self.extra[turn % len(self.extra)]


def no_clock(work):
    raise AssertionError("nothing should be timed")


def table(path=None, timer=no_clock, net=NET, **options) -> LatencyTable:
    return LatencyTable(net, path, device="cpu", timer=timer, **{"warmup": 0, "repeats": 3, **options})


def test_a_recorded_table_is_a_cost_on_any_machine(tmp_path):
    recorded = table(tmp_path / "t.csv", Clock(extra=(8, 0, 1)))
    recorded.measure(progress=False)
    cost = get_cost(str(tmp_path / "t.csv"), SPACE)
    for seed in range(20):
        arch = SPACE.sample(np.random.default_rng(seed))
        assert cost(arch) == recorded(arch)


def test_a_recorded_table_says_what_it_lacks(tmp_path):
    table(tmp_path / "t.csv", Clock())(SMALL)
    cost = get_cost(str(tmp_path / "t.csv"), SPACE)
    assert cost(SMALL) > 0
    with pytest.raises(RegnasError, match=r"t\.csv lacks the step '.*' on an input of .*\. Record it again"):
        cost(LARGE)
    with pytest.raises(RegnasError, match=r"of mini.*, not of mini"):
        get_cost(str(tmp_path / "t.csv"), get_space("mini"))
    with pytest.raises(RegnasError, match=r"no latency table .*nowhere\.csv.*regnas bench latency"):
        get_cost("nowhere.csv", SPACE)


@pytest.mark.parametrize("preset", ["demo", "cifar10"])
def test_the_packaged_tables_know_every_network(preset):
    chosen = load_preset(preset)
    space = get_space(chosen.supernet.space, **chosen.supernet.options)
    rng = np.random.default_rng(0)
    archs = [space.smallest, space.largest, *(space.sample(rng) for _ in range(500))]
    tables = recorded_tables(space)
    assert len(tables) == 2
    assert {name for name in chosen.search.platforms if name.endswith(".csv")} <= {*tables}
    for name in tables:
        cost = get_cost(name, space)
        times = np.array([cost(arch) for arch in archs])
        assert times.argmin() == 0 and times[1] > 0.9 * times.max()  # noise aside, larger is slower


def test_latency_is_the_sum_of_medians():
    clock = Clock(extra=(8, 0, 1))
    latency = table(timer=clock)
    each = [Clock.size(work) for work in _works(latency, LARGE)]
    n = len(SPACE.steps(LARGE))
    assert latency(LARGE) == sum(each) + n * 1
    assert latency.spread(LARGE) == (sum(each) + n * 0.5, sum(each) + n * 4.5)
    assert latency.frame["median_ms"].tolist() == [time + 1 for time in each]


def _works(latency: LatencyTable, arch: Arch) -> list:
    return [latency._work([step], shape) for step, shape in SPACE.places(arch)]


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
    assert os.listdir(tmp_path) == ["mini.csv"]


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
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["mini.csv"]


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
