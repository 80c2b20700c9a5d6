"""Plans: what a run asks for is known before it, from a rehearsal of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from regnas_core import cli
from regnas_core.data.splits import read_split
from regnas_core.reproduction import plan as planning
from regnas_core.reproduction.catalogue import notebooks
from regnas_core.reproduction.plan import ITEMS, as_text, plan
from regnas_core.workbench import probe
from regnas_core.workbench.presets import load_preset
from regnas_core.workbench.rehearsal import SHORT, open_rehearsal

TINY = {
    "search.sweep": [160, 300],
    "seeds": 1,
    "samples": 3,
    "companions": [],
    "search.platforms": ["params"],
}


@pytest.fixture(autouse=True)
def nothing_there(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("REGNAS_DATA", str(tmp_path / "nothing"))


def test_every_notebook_that_opens_a_workbench_is_rehearsed():
    asking = {
        item for nb in notebooks() if "open_notebook(" in nb.path.read_text("utf-8") for item in nb.items
    }
    assert asking == set(ITEMS)


def test_a_plan_for_imagenet_where_nothing_is_there():
    found = plan("imagenet", ["table2", "fig1"], TINY, timed=False)
    assert found.missing[0].startswith("images: imagenet: ")
    assert any("ofa_mbv3_d234_e346_k357_w1.0 (downloaded when first used)" in line for line in found.missing)
    assert sum(line.startswith("published network regnet_y") for line in found.missing) == 3
    work = found.work.set_index("notebook")
    assert work.at["01_fig1_families", "searches"] == 3  # the reference, and two targets
    assert work.at["01_fig1_families", "published"] == 3
    (total,) = found.totals.to_dict("records")
    split = read_split("imagenet").indices
    assert {name: total[name] for name in split} == {name: len(indices) for name, indices in split.items()}
    assert total["on_search"] == 1525 * total["searches"]
    text = as_text(found)
    assert "Missing" in text and "Disk, at most" in text and "Hours" not in text


def test_a_plan_counts_what_a_run_then_does(make_bench, tmp_path):
    """The same experiments in earnest: as many searches, trainings, and networks on the test images."""
    splits = ("calibration", "search", "test", "train")
    networks = {"epochs": 1, "finetune_epochs": 1}
    bench = make_bench(tmp_path / "earnest", splits, networks=networks)
    bench = replace(bench, preset=bench.preset.model_copy(update={"trainings": 1}))
    rehearsal = open_rehearsal(bench.preset, tmp_path / "rehearsed")
    assert {key: getattr(bench.preset.search, key) for key in SHORT} == SHORT  # so both are equally long
    for item in ("table1", "table2", "table3"):
        ITEMS[item](bench)
        ITEMS[item](rehearsal)
    searches = [len(list((b.runs / "searches").iterdir())) for b in (bench, rehearsal)]
    assert searches[0] == searches[1] == 9 * bench.preset.seeds  # the reference, four designs, two sizes
    trained = len(list((bench.runs.parent / "networks").iterdir()))
    assert trained == len(rehearsal.asked.jobs) == 7
    assert rehearsal.asked.baselines == set()


def test_a_table_leaves_only_what_is_trained_one_by_one():
    quick = {"companions": [], "search.generations": 3}
    found = plan("demo", ["table3"], quick, timed=False)
    (total,) = found.totals.to_dict("records")
    assert total["searches"] == total["on_search"] == 0
    assert total["trained"] == 4 * load_preset("demo").trainings
    changed = plan("demo", ["table3"], quick | {"seeds": 1, "data.search_images": 500}, timed=False)
    assert changed.totals.at[0, "searches"] > 0  # the table is of other images
    assert changed.totals.at[0, "search"] == 500


def test_hours_are_work_by_measured_rates(monkeypatch):
    monkeypatch.setattr(probe, "evaluation_rate", lambda preset, archs: 1000.0)
    monkeypatch.setattr(probe, "job_rate", lambda preset, job: 100.0)
    monkeypatch.setattr(probe, "baseline_rate", lambda name, device: 10.0)
    found = plan("imagenet", ["table1", "table3"], TINY)
    (total,), (hours,) = found.totals.to_dict("records"), found.hours.to_dict("records")
    a_network = (total["calibration"] + total["search"]) / 1000
    assert hours["searches"] == pytest.approx(total["on_search"] * a_network / 3600)
    assert hours["training one by one"] == pytest.approx(4 * total["train"] / 100 / 3600)  # an epoch each
    assert hours["published"] == pytest.approx(total["test"] / 10 / 3600)
    assert "In all, at best: " in as_text(found)


def test_rates_are_of_this_machine(bench, archs, monkeypatch):
    monkeypatch.setattr(probe, "LEAST", 0.0)
    assert probe.evaluation_rate(bench.preset, archs) > 0
    assert probe.supernet_rate(bench.preset) > 0


def test_plan_is_a_command(monkeypatch):
    seen = []
    monkeypatch.setattr(planning, "plan", lambda *given, **how: seen.append((given, how)))
    monkeypatch.setattr(planning, "as_text", lambda found: "planned")
    ran = CliRunner().invoke(cli.app, ["plan", "--preset", "imagenet", "--set", "seed=1", "--no-time"])
    assert ran.exit_code == 0 and ran.output == "planned\n"
    assert seen == [(("imagenet", [], {"seed": 1}), {"timed": False})]
