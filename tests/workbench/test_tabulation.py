"""tabulation: a table's bits are the evaluator's, a killed run goes on, other weights are not mixed in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from regnas_core import Evaluator, load_tabular, open_workbench, run_search
from regnas_core.errors import DataError, GeneError, PresetError
from regnas_core.tabular import benchmark
from regnas_core.workbench import tabulation, workbench
from regnas_core.workbench.tabulation import compare, evaluate, tabulate

SHAPE = {"image": (1, 16, 16), "classes": 4, "stem": 4, "head": 16, "widths": (6, 8), "strides": (2, 1)}
NARROW = {"kernels": (3, 5), "expansions": (2, 3), "depths": (1, 2)}


@pytest.fixture(scope="module")
def net(lively):
    return lively.net("mini", **SHAPE, **NARROW)


@pytest.fixture
def small(make_bench, net, tmp_path):
    return make_bench(tmp_path, net=net)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(tabulation, "STRETCH", 20)


def test_bits_are_those_of_each_network_alone(small, tmp_path):
    table = tabulate(small, tmp_path / "a.npz", command="regnas tabulate")
    assert len(table) == small.tied.space.size() == 64
    evaluator = Evaluator(small.net, small.data.calibration.images, device="cpu")
    for row in (0, 21, 63):
        for split in ("search", "test"):
            images = small.images(split)
            alone = (
                evaluator.predict([table.space.untie(table.archs[row])], images.images)[0] == images.labels
            )
            np.testing.assert_array_equal(table.right(split)[row], alone)
    for split in ("search", "test"):
        np.testing.assert_array_equal(table.labels(split), small.images(split).labels)
    assert table.info["command"] == "regnas tabulate" and table.info["preset"] == "toy"
    again = load_tabular(tmp_path / "a.npz")
    np.testing.assert_array_equal(again.right("test"), table.right("test"))
    assert table.top1("test").std() > 0


def test_a_sample_is_part_of_the_whole(small, tmp_path):
    whole, part = tabulate(small, tmp_path / "a.npz"), tabulate(small, tmp_path / "b.npz", networks=7)
    assert len(part) == 7 and part.space.size() == 64
    rows = [whole.row(arch) for arch in part.archs]
    assert rows == sorted(set(rows))
    np.testing.assert_array_equal(part.right("test"), whole.right("test")[rows])
    missing = next(arch for arch in whole.archs if arch not in part.archs)
    with pytest.raises(GeneError, match="no network of this table"):
        part.score("R0")([missing])


def test_a_killed_run_goes_on(small, make_bench, net, tmp_path, monkeypatch):
    whole = tabulate(make_bench(tmp_path / "whole", net=net), tmp_path / "whole.npz")
    asked = []

    def dies_on_the_third(bench, archs):
        asked.append(archs)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return evaluate(bench, archs)

    monkeypatch.setattr(tabulation, "evaluate", dies_on_the_third)
    with pytest.raises(KeyboardInterrupt):
        tabulate(small, tmp_path / "a.npz")
    assert not (tmp_path / "a.npz").exists()
    table = tabulate(small, tmp_path / "a.npz")
    assert [len(part) for part in asked] == [20, 20, 20, 20, 4] and asked[2] == asked[3]
    np.testing.assert_array_equal(table.right("test"), whole.right("test"))


def test_workers_give_the_same(small, make_bench, net, tmp_path, monkeypatch):
    alone = tabulate(small, tmp_path / "a.npz")
    with ThreadPoolExecutor(2) as executor:
        shared = replace(make_bench(tmp_path / "shared", net=net), executor=executor)
        monkeypatch.setattr(workbench, "_reopened", lambda preset, root: small)
        table = tabulate(shared, tmp_path / "b.npz")
    for split in ("search", "test"):
        np.testing.assert_array_equal(table.right(split), alone.right(split))


def test_a_table_is_compared_with_its_weights(small, make_bench, lively, tmp_path):
    table = tabulate(small, tmp_path / "a.npz")
    found = compare(small, table, networks=10)
    assert found["differing"].sum() == 0 and found["bits"].tolist() == [10 * 60, 10 * 70]
    table._bits["test"][:, 0] ^= np.uint64(1)  # the first image of every network
    assert compare(small, table, networks=10)["differing"].tolist() == [0, 10]
    drawn = [compare(small, table, networks=10, images=20, seed=seed) for seed in range(8)]
    assert all(found["bits"].tolist() == [200, 200] for found in drawn)
    assert {found["differing"].sum() for found in drawn} == {0, 10}  # by chance among the drawn ones, or not
    other = make_bench(tmp_path, net=lively.net("mini", 1, **SHAPE, **NARROW))
    with pytest.raises(DataError, match="nothing to compare"):
        compare(other, table)


def test_a_table_of_a_tied_preset_is_the_same(small, make_bench, net, tmp_path):
    whole = tabulate(small, tmp_path / "a.npz")
    own = replace(net, space=small.tied.space)
    bench = make_bench(tmp_path / "tied", net=own)
    table = tabulate(bench, tmp_path / "b.npz")
    assert compare(bench, whole, networks=5)["differing"].sum() == 0
    np.testing.assert_array_equal(table.right("test"), whole.right("test"))


def test_images_of_final_numbers_are_not_searched_on(make_bench, net, tmp_path):
    search = {"reference_mmacs": 0.07, "target_mmacs": 0.14, "images": "validation"}
    with pytest.raises(PresetError, match=r"search\.images"):
        tabulate(make_bench(tmp_path, net=net, search=search), tmp_path / "a.npz")


@pytest.mark.slow
def test_the_demos_tied_space_can_be_opened_as_a_preset(tmp_path):
    bench = open_workbench("demo", {"supernet.options.tied": True, "data.search_images": 40}, out=tmp_path)
    arch = bench.space.largest
    assert bench.tied.space is bench.space and bench.correct([arch], "search").shape == (1, 40)


def test_a_workbench_looks_up_what_a_table_knows(small, make_bench, net, tmp_path, monkeypatch):
    """The same search, with and without it; of other images, of a sample, or on request all is evaluated."""
    own = replace(net, space=small.tied.space)
    plain = run_search(make_bench(tmp_path / "plain", net=own), "R2", reference=own.space.smallest, cas=True)
    tables = tmp_path / "tables"
    monkeypatch.setattr(benchmark, "TABLES", tables)
    tabulate(small, tables / "toy-1.npz", networks=60)
    assert make_bench(tmp_path / "sample", net=own).table is None
    tabulate(small, tables / "toy-0.npz")
    assert make_bench(tmp_path / "asked", net=own, recompute=True).table is None
    assert make_bench(tmp_path / "other", net=own, evaluation={"calibration_batch": 20}).table is None
    assert small.table is None  # the whole space has networks that the table lacks
    bench = make_bench(tmp_path / "fast", net=own)
    monkeypatch.setattr(Evaluator, "predict", None)  # nothing is evaluated
    found = run_search(bench, "R2", reference=own.space.smallest, cas=True)
    pd.testing.assert_frame_equal(found.log, plain.log)
    assert found.best == plain.best and len(bench.measure([found.best], own.space.smallest, "test")) == 1


def test_a_table_of_copies_is_taken_with_a_warning(small, make_bench, net, tmp_path, monkeypatch):
    """Other files of a recorded data set: a few pixels differ, labels and order do not."""
    monkeypatch.setattr(benchmark, "TABLES", tmp_path / "tables")

    def opened(name: str, bit: int = 0):
        data = replace(small.data, name=name, open_split=lambda s: _with_bit(small.data.open_split(s), bit))
        return replace(make_bench(tmp_path / name, net=replace(net, space=small.tied.space)), data=data)

    table = tabulate(opened("cifar10"), tmp_path / "tables" / "toy-0.npz")
    assert opened("cifar10").table is not None
    copies = opened("cifar10", 1)
    with pytest.warns(UserWarning, match=r"training 0: made with copies of cifar10.* recompute=true"):
        assert copies.table.right("test").tolist() == table.right("test").tolist()
    assert compare(copies, table, networks=5)["bits"].sum() > 0
    assert opened("folder", 1).table is None


def _with_bit(images, bit: int):
    return replace(images, images=images.images ^ bit)


def test_tables_do_not_depend_on_the_number_of_threads(make_bench, net, tmp_path):
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            table = tabulate(make_bench(tmp_path / str(threads), net=net), tmp_path / f"{threads}.npz")
            found.append(table.right("test"))
    finally:
        torch.set_num_threads(before)
    assert (found[0] != found[1]).mean() < 1e-3  # ties within rounding
