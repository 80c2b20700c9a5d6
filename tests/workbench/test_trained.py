"""trained: what is known of a network that is trained on its own is not computed again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from quarters import CE, KL, LM, RECIPE, easy_bench, kill_in_epoch, quarters, scratch

from regnas_core import Evaluator, SuperNet, get_space
from regnas_core.data.datasets import ImageSet
from regnas_core.errors import DataError, GeneError, RegnasError
from regnas_core.supernets import training
from regnas_core.supernets.distillation import Objective
from regnas_core.supernets.single import Teacher, train_network
from regnas_core.workbench import trained as networks
from regnas_core.workbench.trained import Job, job_predictions, network_key, package, prediction_key
from regnas_core.workbench.workbench import Workbench


@pytest.fixture(autouse=True)
def packaged_nowhere(tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "PACKAGED", tmp_path / "packaged")


@pytest.fixture
def open_bench(make_bench, tmp_path):
    """``open_bench(folder, **changes)``: a workbench of easy pictures, whose runs go to the folder."""

    def opened(folder="out", **changes) -> Workbench:
        return easy_bench(make_bench, tmp_path / folder, **changes)

    return opened


@pytest.fixture
def bench(open_bench) -> Workbench:
    return open_bench()


@pytest.fixture
def arch(bench):
    return bench.space.sample(np.random.default_rng(3))


@pytest.fixture
def reference(bench):
    return bench.space.smallest


@pytest.fixture
def trained(monkeypatch) -> Counter:
    """How many epochs each architecture was trained."""
    counts, run_epoch = Counter(), training._epoch

    def counted(*args):
        counts["epochs"] += 1
        return run_epoch(*args)

    monkeypatch.setattr(training, "_epoch", counted)
    return counts


@pytest.fixture
def net(bench) -> SuperNet:
    return bench.net


def job(arch, **changes) -> Job:
    values = {"arch": arch, "seed": 0, "objective": CE, "start": "scratch", "epochs": 2, "lr": 0.05}
    return Job(**(values | changes))


# ── jobs ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"start": "pretrained"}, "'pretrained': choose one of scratch, super-network"),
        ({"seed": -1}, "seed=-1"),
        ({"epochs": 0}, "epochs=0"),
        ({"lr": 0}, "lr=0"),
        ({"lr": float("nan")}, "lr=nan"),
        ({"objective": LM}, "FD-LM needs a reference to distil from"),
    ],
)
def test_jobs_that_make_no_sense_are_refused(arch, values, message):
    with pytest.raises(RegnasError, match=message):
        job(arch, **values)


@pytest.mark.slow
def test_predictions_are_those_of_the_trained_network(bench, arch, reference, tmp_path):
    jobs = [job(arch), job(arch, objective=KL, reference=reference), job(arch, seed=1)]
    found = job_predictions(bench, [*jobs, jobs[0]])
    assert found.shape == (4, 60) and (found[3] == found[0]).all()
    expected = []
    for i, (objective, seed) in enumerate([(CE, 0), (KL, 0), (CE, 1)]):
        net = train_network(
            scratch(bench, seed),
            arch,
            bench.data.train,
            replace(RECIPE, seed=seed),
            objective,
            reference=Teacher(bench.net, reference),
            workdir=tmp_path / str(i),
        )
        calibration = bench.data.calibration.images
        expected.append(
            Evaluator(net, calibration, device="cpu").predict([arch], bench.images("test").images)[0]
        )
    np.testing.assert_array_equal(found[:3], expected)
    assert len({row.tobytes() for row in found}) == 3
    assert job_predictions(bench, []).shape == (0, 60)


@pytest.mark.slow
def test_fine_tuning_starts_from_the_super_network(bench, arch):
    still = job(arch, start="super-network", epochs=1, lr=1e-12)
    np.testing.assert_array_equal(job_predictions(bench, [still]), bench.predictions([arch], "test"))
    tuned = job_predictions(bench, [replace(still, epochs=6, lr=0.05)])[0]
    labels = bench.images("test").labels
    assert (tuned == labels).mean() > bench.correct([arch], "test").mean() + 0.2


def test_a_network_is_trained_once(bench, open_bench, arch, trained):
    jobs = [job(arch), job(arch, seed=1)]
    first = job_predictions(bench, [*jobs, jobs[0]])
    assert trained["epochs"] == 4
    np.testing.assert_array_equal(job_predictions(open_bench(), jobs[::-1]), first[1::-1])
    job_predictions(open_bench(), jobs, "search")  # the weights are kept
    assert trained["epochs"] == 4
    folders = list((bench.runs.parent / "networks").iterdir())
    assert len(folders) == 2
    assert all(sorted(p.name for p in f.iterdir()) == ["log.csv", "network.safetensors"] for f in folders)


@pytest.mark.slow
def test_a_killed_job_goes_on_where_it_stopped(bench, open_bench, arch, monkeypatch, trained):
    jobs = [job(arch, seed=seed) for seed in range(2)]
    whole = job_predictions(open_bench("whole"), jobs)
    trained.clear()
    with monkeypatch.context() as patch:
        kill_in_epoch(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            job_predictions(bench, jobs)
    assert (bench.runs.parent / "networks" / f"{network_key(bench, jobs[0])}-cpu" / "training.pt").exists()
    np.testing.assert_array_equal(job_predictions(open_bench(), jobs), whole)
    assert trained["epochs"] == 4  # over both runs, each epoch once


def test_the_bar_counts_networks(bench, arch, monkeypatch):
    shown = []
    monkeypatch.setattr(networks, "tqdm", lambda found, *given, **_: shown.append(given) or found)
    jobs = [job(arch, seed=seed, epochs=1) for seed in (0, 1, 0)]
    job_predictions(bench, jobs)
    job_predictions(bench, jobs)
    assert shown == [("training", 2)]


# ── packaged predictions ─────────────────────────────────────────────────────────────────────────
@pytest.fixture
def packaged(bench, arch, reference) -> list[Job]:
    """Two jobs whose predictions the package brings along."""
    jobs = [job(arch), job(arch, objective=KL, reference=reference)]
    job_predictions(bench, jobs)
    package([(bench, job) for job in [*jobs, jobs[0]]])
    return jobs


def test_packaged_predictions_are_used(bench, open_bench, packaged, trained):
    expected = job_predictions(bench, packaged)
    np.testing.assert_array_equal(job_predictions(open_bench("elsewhere"), packaged), expected)
    assert trained["epochs"] == 0
    job_predictions(open_bench("elsewhere"), packaged[:1], "search")  # test predictions alone are packaged
    assert trained["epochs"] == 2


@pytest.mark.slow
def test_packaged_predictions_are_not_used_where_all_is_computed_again(
    bench, open_bench, packaged, trained, tmp_path
):
    path = tmp_path / "packaged" / "toy.parquet"
    table = pd.read_parquet(path)
    table["classes"] = [bytes(60)] * 2
    table.to_parquet(path)
    assert not job_predictions(open_bench("elsewhere"), packaged).any()
    found = job_predictions(open_bench("elsewhere", recompute=True), packaged)
    assert trained["epochs"] == 4 and found.any()
    np.testing.assert_array_equal(found, job_predictions(open_bench(recompute=True), packaged))


def test_packaged_predictions_of_copies_are_taken_with_a_warning(bench, packaged, trained):
    def compressed(split: str) -> ImageSet:
        images = quarters(split)
        return replace(images, images=images.images ^ 1)

    expected = job_predictions(bench, packaged)
    copies = replace(bench.data, open_split=compressed)
    mine = replace(bench, data=copies, runs=bench.runs.parent / "mine" / "toy")
    job_predictions(mine, packaged[:1])  # any pictures: trained anew
    assert trained["epochs"] == 2
    recorded = replace(mine, data=replace(copies, name="cifar10"), runs=bench.runs.parent / "other" / "toy")
    with pytest.warns(UserWarning, match="2 networks that were trained one by one: made with copies"):
        np.testing.assert_array_equal(job_predictions(recorded, packaged), expected)
    assert trained["epochs"] == 2
    again = replace(recorded, preset=recorded.preset.model_copy(update={"recompute": True}))
    job_predictions(again, packaged[:1])
    assert trained["epochs"] == 4


def test_the_packaged_table_can_be_read(bench, arch, reference, packaged, tmp_path):
    path = package([(bench, one) for one in packaged], tmp_path / "other.parquet")
    table = pd.read_parquet(path)
    assert table["key"].tolist() == [prediction_key(bench, j, "test") for j in packaged]
    assert table["arch"].tolist() == [str(arch)] * 2 and table["split"].tolist() == ["test"] * 2
    assert table["kind"].tolist() == ["CE", "FD-KL"] and table["lr"].tolist() == [0.05] * 2
    assert table["reference"].fillna("").tolist() == ["", str(reference)]
    assert table["temperature"].isna().tolist() == [True, False]
    assert table["mmacs"].iloc[0] == bench.space.macs(arch) / 1e6
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_package_is_added_to_without_training_again(open_bench, packaged, trained, arch):
    """What is packaged is known, so a larger package can be made elsewhere."""
    elsewhere = open_bench("elsewhere")
    more = [*packaged, job(arch, start="super-network")]
    with pytest.raises(RegnasError, match=r"Nothing is stored of Job\(.*on test; call job_predictions first"):
        package([(elsewhere, one) for one in more])
    job_predictions(elsewhere, more)
    assert trained["epochs"] == 2
    assert len(pd.read_parquet(package([(elsewhere, one) for one in more]))) == 3


def test_a_damaged_package_is_named(bench, arch, tmp_path):
    path = tmp_path / "packaged" / "toy.parquet"
    path.parent.mkdir()
    for content in (b"", b"PAR1 no table"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"toy\.parquet cannot be read"):
            job_predictions(bench, [job(arch)])
    pd.DataFrame({"key": ["a"]}).to_parquet(path)
    with pytest.raises(DataError, match=r"toy\.parquet cannot be read"):
        job_predictions(bench, [job(arch)])


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────
def test_keys_change_with_everything_that_predictions_depend_on(bench, open_bench, lively, arch, reference):
    def darker(chosen: str):
        def opened(split: str) -> ImageSet:
            images = quarters(split)
            return replace(images, images=images.images // 2) if split == chosen else images

        return opened

    space = bench.space
    base = job(arch, objective=KL, reference=reference)
    training = {"batch_size": 32, "shift": 1, "flip": False}
    other_net = lively.net("mini", 1, **space.options)
    variants = [
        (bench, base),
        (bench, replace(base, arch=space.largest)),
        (bench, replace(base, seed=1)),
        (bench, replace(base, epochs=3)),
        (bench, replace(base, lr=0.1)),
        (bench, replace(base, start="super-network")),
        (bench, replace(base, reference=space.largest)),
        (bench, replace(base, objective=CE)),
        (bench, replace(base, objective=LM)),
        *((bench, replace(base, objective=replace(KL, **{n: 2.0}))) for n in ("weight", "alpha", "beta")),
        (bench, replace(base, objective=replace(KL, temperature=2.0))),
        (open_bench(net=other_net), base),
        (open_bench(net=replace(bench.net, mean=(0.4,))), base),
        *(
            (open_bench(training=training | c), base)
            for c in ({"batch_size": 16}, {"shift": 2}, {"flip": True})
        ),
        (open_bench(training=training | {"weight_decay": 0.1}), base),
        *((open_bench(open_split=darker(split)), base) for split in ("train", "calibration", "test")),
        (open_bench(evaluation={"calibration_batch": 16}), base),
        (open_bench(evaluation={"precision": "bfloat16"}), base),
        (open_bench(data={"name": "folder", "test_images": 30}), base),
    ]
    keys = [prediction_key(bench, variant, "test") for bench, variant in variants]
    keys.append(prediction_key(bench, base, "search"))
    assert len(set(keys)) == len(keys) and all(len(key) == 16 for key in keys)
    only_predicted = slice(-4, -2)  # the teacher, too, normalises by the batch
    assert network_key(*variants[-2]) == network_key(*variants[-1]) == network_key(bench, base)
    assert len({network_key(*v) for v in variants[only_predicted]}) == 1


def test_keys_do_not_change_with_what_a_job_makes_no_use_of(bench, open_bench, lively, arch, reference):
    base = job(arch)
    training = {"batch_size": 32, "shift": 1, "flip": False}
    other_net = lively.net("mini", 1, **bench.space.options)
    same = [
        (bench, replace(base, objective=Objective("CE", weight=3, temperature=2), reference=reference)),
        (bench, replace(base, seed=np.int64(0), lr=np.float64(0.05), epochs=np.int64(2))),
        (open_bench(net=other_net), base),
        (open_bench(training=training | {"random_nets": 3, "epochs": 77, "lr": 0.7, "seed": 5}), base),
        (open_bench("elsewhere", seed=4, samples=9), base),
    ]
    assert {prediction_key(b, j, "test") for b, j in same} == {prediction_key(bench, base, "test")}


def test_what_belongs_to_another_space_or_split_is_refused(bench, arch, reference, trained):
    foreign = get_space("mini").smallest
    for wrong in (job(foreign), job(arch, objective=KL, reference=foreign)):
        with pytest.raises(GeneError, match="was given to the space"):
            job_predictions(bench, [job(arch), wrong])
    with pytest.raises(RegnasError, match="No split 'train' to predict on; choose one of search, test"):
        job_predictions(bench, [job(arch)], "train")
    assert trained["epochs"] == 0
