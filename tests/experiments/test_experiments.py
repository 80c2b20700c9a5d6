"""experiments: every table against arithmetic on the predictions, and the rules that it claims to follow."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from regnas_core import experiments, run_search
from regnas_core.costs.timing import LatencyTable
from regnas_core.errors import InfeasibleError
from regnas_core.experiments import DESIGNS, judge
from regnas_core.experiments.base import Effect
from regnas_core.flips.intervals import mean_over_seeds
from regnas_core.resources import project_path
from regnas_core.spaces.space import Arch
from regnas_core.workbench.workbench import Workbench

PAIRS = [("R1", "R0"), ("R2", "R0"), ("R2+CAS", "R0"), ("R2+CAS", "R2")]
PREFIXES = ("top1", "nfr")
SUFFIXES = ("pct", "low_pct", "high_pct", "seed_sd_pct")


@pytest.fixture(scope="module")
def bench(make_bench, tmp_path_factory) -> Workbench:
    return make_bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def ref(bench) -> Arch:
    return experiments.reference(bench)


@pytest.fixture(scope="module")
def found(bench) -> experiments.Comparison:
    return experiments.table2(bench)


@pytest.fixture(scope="module")
def table2(found) -> pd.DataFrame:
    return found.by_seed()


def right(bench: Workbench, texts: list[str]) -> np.ndarray:
    """bool (M, N) on the test split, straight from the evaluator."""
    images = bench.data.test
    archs = [bench.space.parse(text) for text in texts]
    return bench.evaluator.predict(archs, images.images) == images.labels


# ── reference and targets ────────────────────────────────────────────────────────────────────────
def test_the_reference_has_the_best_top1_that_its_search_saw(bench, ref):
    log = pd.read_parquet(bench.runs / "searches" / "reference-0.07M-seed0.parquet")
    assert len(log) == 14 and log["cost"].max() <= 0.07e6
    assert log["arch"][log["score"].idxmax()] == str(ref)
    top1 = bench.correct([bench.space.parse(text) for text in log["arch"]], "search").mean(1)
    assert log["score"].tolist() == pytest.approx(top1.tolist())


@pytest.mark.parametrize("design", DESIGNS)
def test_targets_respect_budget_and_constraint_and_have_the_best_reward(bench, ref, design):
    weights, cas = DESIGNS[design]
    found = experiments.targets(bench, ref, design)
    assert len(found) == 2
    for seed, arch in enumerate(found):
        assert bench.space.macs(arch) <= 0.14e6
        assert bench.space.contains(arch, ref) or not cas
        log = pd.read_parquet(bench.runs / "searches" / f"{design}-0.14M-seed{seed}.parquet")
        gain, cost = {"R0": (1, 0), "R1": (0, 1), "R2": (1, 1)}[weights]
        rewards = gain * log["top1_pct"] - cost * log["nfr_pct"]
        assert rewards[log["arch"] == str(arch)].item() == pytest.approx(rewards.max())


def test_designs_are_those_of_the_paper():
    assert DESIGNS == {"R0": ("R0", False), "R1": ("R1", False), "R2": ("R2", False), "R2+CAS": ("R2", True)}


def test_models_are_named_as_in_the_paper(bench):
    assert experiments.model_name(bench, "R0", 150.0) == "Mini-R0-150"
    assert experiments.model_name(bench, "R2+CAS", 2.6) == "Mini-(R2+CAS)-2.6"


def test_searches_see_the_search_split_alone(make_bench, tmp_path, ref):
    blind = make_bench(tmp_path, splits=("calibration", "search"))
    assert experiments.reference(blind) == ref
    experiments.targets(blind, ref, "R2+CAS")
    experiments.fig4b(blind)
    with pytest.raises(AssertionError, match="the test split was opened"):
        experiments.table2(blind)


def test_the_preset_gives_first_seed_and_number_of_seeds(make_bench, tmp_path):
    bench = make_bench(tmp_path, seed=4, seeds=3)
    assert list(experiments.seeds(bench)) == [4, 5, 6]
    experiments.targets(bench, experiments.reference(bench), "R0")
    assert sorted(path.name for path in (bench.runs / "searches").iterdir()) == [
        *(f"R0-0.14M-seed{seed}.parquet" for seed in (4, 5, 6)),
        "reference-0.07M-seed4.parquet",
    ]


# ── Table 2 ──────────────────────────────────────────────────────────────────────────────────────
def test_table2_has_the_reference_and_one_row_a_design_and_seed(bench, ref, table2):
    assert list(table2) == [
        *("model", "design", "seed", "arch", "mmacs", "params"),
        *("top1_pct", "nfr_pct", "nfr_low_pct", "nfr_high_pct", "pfr_pct"),
    ]
    rows = [("reference", 0), *((design, seed) for design in DESIGNS for seed in (0, 1))]
    assert list(zip(table2["design"], table2["seed"], strict=True)) == rows
    assert table2["model"].tolist()[::2] == [
        *("Mini-R0-0.07", "Mini-R0-0.14", "Mini-R1-0.14", "Mini-R2-0.14", "Mini-(R2+CAS)-0.14"),
    ]
    assert table2["arch"][0] == str(ref) and table2["nfr_pct"][0] == 0
    for design, group in table2[1:].groupby("design"):
        assert group["arch"].tolist() == list(map(str, experiments.targets(bench, ref, design)))


def test_table2_is_measured_on_the_test_split(bench, table2):
    correct = right(bench, table2["arch"])
    assert table2["top1_pct"].tolist() == pytest.approx((100 * correct.mean(1)).tolist())
    assert table2["nfr_pct"].tolist() == pytest.approx((100 * (correct[0] & ~correct).mean(1)).tolist())
    assert table2["pfr_pct"].tolist() == pytest.approx((100 * (~correct[0] & correct).mean(1)).tolist())
    assert table2["nfr_pct"][1:].nunique() > 2  # the toy networks do differ


def assert_mean(row, name: str, values: np.ndarray) -> None:
    """The four columns of ``name`` are the mean over seeds and images of ``values`` (S, N), in percent."""
    found = [row[f"{name}_{suffix}"] for suffix in SUFFIXES]
    assert found == pytest.approx([100 * x for x in mean_over_seeds(values)[:4]], nan_ok=True)
    assert found[0] == pytest.approx(100 * values.mean())
    assert (
        np.isnan(found[3])
        if len(values) == 1
        else found[3] == pytest.approx(100 * values.mean(1).std(ddof=1))
    )


def test_table2_means_are_those_of_the_predictions(bench, found, table2):
    means, correct = found.means(), right(bench, table2["arch"])
    assert list(means) == [
        "model",
        "design",
        "seeds",
        "mmacs",
        *(f"{p}_{s}" for p in PREFIXES for s in SUFFIXES),
    ]
    assert means["design"].tolist() == ["reference", *DESIGNS] and means["seeds"].tolist() == [1, 2, 2, 2, 2]
    assert means["mmacs"].tolist() == pytest.approx(
        table2.groupby("design", sort=False)["mmacs"].mean().tolist()
    )
    assert_mean(means.iloc[0], "top1", correct[:1])
    assert means.iloc[0].filter(like="nfr").isna().all()
    for i, row in means[1:].iterrows():
        seeds = correct[2 * i - 1 : 2 * i + 1]
        assert_mean(row, "top1", seeds)
        assert_mean(row, "nfr", correct[0] & ~seeds)


def test_table2_differences_are_paired_by_seed_and_image(bench, found, table2):
    rows, correct = found.differences(PAIRS), right(bench, table2["arch"]).astype(float)
    seeds = {design: correct[2 * i + 1 : 2 * i + 3] for i, design in enumerate(DESIGNS)}
    flips = {design: correct[0] * (1 - values) for design, values in seeds.items()}
    pairs = [("R1", "R0"), ("R2", "R0"), ("R2+CAS", "R0"), ("R2+CAS", "R2")]
    assert rows["comparison"].tolist() == [f"{a} − {b}" for a, b in pairs]
    for (_, row), (a, b) in zip(rows.iterrows(), pairs, strict=True):
        assert_mean(row, "nfr", flips[a] - flips[b])
        assert_mean(row, "top1", seeds[a] - seeds[b])
        relative = 100 * (flips[a].mean() / flips[b].mean() - 1)
        assert row["relative_nfr_change_pct"] == pytest.approx(relative)
    means = found.means().set_index("design")
    for _, row in rows.iterrows():
        a, b = row["comparison"].split(" − ")
        assert row["nfr_pct"] == pytest.approx(means["nfr_pct"][a] - means["nfr_pct"][b])
        assert row["top1_pct"] == pytest.approx(means["top1_pct"][a] - means["top1_pct"][b])


def test_table2_claims_are_judged_by_the_differences():
    columns = [
        "comparison",
        "nfr_pct",
        "nfr_low_pct",
        "nfr_high_pct",
        "nfr_p",
        "top1_pct",
        "top1_low_pct",
        "top1_high_pct",
        "top1_p",
    ]
    differences = pd.DataFrame(
        [
            ("R1 − R0", -0.5, -0.7, -0.3, 0.01, 0, 0, 0, 1),
            ("R2 − R0", -0.1, -0.3, 0.1, 0.2, 0, 0, 0, 1),
            ("R2+CAS − R0", 0.4, 0.1, 0.7, 0.03, -0.1, -0.2, 0.0, 0.06),
            ("R2+CAS − R2", -0.4, -0.5, -0.3, 0.01, -9, -9, -9, 0),
            ("R1 − R2+CAS", -0.4, -0.9, 0.1, 0.1, -9, -9, -9, 0),
        ],
        columns=columns,
    )
    claims = experiments.table2_claims(SimpleNamespace(differences=lambda pairs: differences))
    assert claims["verdict"].tolist() == [
        *("holds", "not enough data", "does not hold", "holds", "not enough data", "holds")
    ]
    assert claims["value"].tolist() == [-0.5, -0.1, 0.4, -0.4, -0.4, -0.1]
    assert claims[["low", "high"]].iloc[-1].tolist() == [-0.2, 0.0]
    assert claims["p"][:5].tolist() == [0.01, 0.2, 0.03, 0.01, 0.1] and np.isnan(claims["p"][5])  # bar: −0.3


# ── verdicts ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("low", "high", "bar", "verdict"),
    [
        (-2, -1, {"below": 0}, "holds"),
        (1, 2, {"below": 0}, "does not hold"),
        (-1, 1, {"below": 0}, "not enough data"),
        (-1, 0, {"below": 0}, "not enough data"),
        (1, 2, {"above": 0}, "holds"),
        (-2, -1, {"above": 0}, "does not hold"),
        (-0.2, 1, {"above": -0.3}, "holds"),
        (-0.4, 1, {"above": -0.3}, "not enough data"),
        (-0.1, 0.1, {"within": 0.2}, "holds"),
        (0.05, 0.1, {"within": 0.2}, "holds"),
        (-0.1, 0.3, {"within": 0.2}, "not enough data"),
        (0.1, 0.3, {"within": 0.2}, "does not hold"),
        (-0.5, -0.1, {"within": 0.2}, "does not hold"),
        (np.nan, np.nan, {"below": 0}, "not enough data"),
        (np.nan, np.nan, {"within": 0.2}, "not enough data"),
    ],
)
def test_a_claim_holds_where_its_whole_interval_does(low, high, bar, verdict):
    found = judge("claim", Effect((low + high) / 2, low, high, 0.5), **bar)
    assert found["verdict"] == verdict
    assert list(found) == ["claim", "value", "low", "high", "p", "verdict"]
    assert found["p"] == pytest.approx(np.nan if bar == {"above": -0.3} else 0.5, nan_ok=True)


# ── Figure 4 ─────────────────────────────────────────────────────────────────────────────────────
def test_fig4a_pairs_members_and_others_of_equal_size(bench, ref):
    table = experiments.fig4a(bench)
    inside, outside = (table[table["subset"] == s].reset_index(drop=True) for s in ("A_t", "A_c"))
    assert len(table) == 8 and len(inside) == len(outside) == 4
    for text, subset in zip(table["arch"], table["subset"], strict=True):
        assert bench.space.contains(bench.space.parse(text), ref) == (subset == "A_t")
    assert (table["contains_reference"] == (table["subset"] == "A_t")).all()
    assert (outside["mmacs"] / inside["mmacs"] - 1).abs().max() <= 0.02
    assert table["mmacs"].max() <= 0.14
    assert table["arch"].nunique() > 6
    correct = right(bench, [str(ref), *table["arch"]])
    assert table["nfr_pct"].tolist() == pytest.approx((100 * (correct[0] & ~correct[1:]).mean(1)).tolist())
    pd.testing.assert_frame_equal(experiments.fig4a(bench), table)  # the preset's seed decides


def test_fig4a_asks_for_networks_that_do_not_contain_the_reference(bench, monkeypatch):
    smallest = lambda bench: bench.space.smallest  # noqa: E731  in every network
    monkeypatch.setattr(experiments.space, "reference", smallest)
    with pytest.raises(InfeasibleError, match=r"nearly all networks of .* MACs contain the reference"):
        experiments.fig4a(bench)


def test_fig4a_claims_compare_pair_by_pair():
    rng = np.random.default_rng(0)
    size, noise = rng.normal(0, 5, 40), rng.normal(0, 0.3, (3, 40))
    inside = pd.DataFrame({"nfr_pct": 10 + size, "top1_pct": 70 + noise[0], "subset": "A_t"})
    outside = pd.DataFrame({"nfr_pct": 11 + size + noise[1], "top1_pct": 70 + noise[2], "subset": "A_c"})
    claims = experiments.fig4a_claims(pd.concat([inside, outside], ignore_index=True))
    nfr, top1, correlation = (row for _, row in claims.iterrows())
    differences = inside["nfr_pct"] - outside["nfr_pct"]
    test = stats.ttest_rel(inside["nfr_pct"], outside["nfr_pct"]).confidence_interval()
    assert nfr["value"] == pytest.approx(differences.mean())
    assert (nfr["low"], nfr["high"]) == pytest.approx((test.low, test.high))
    assert nfr["p"] == pytest.approx(stats.ttest_rel(inside["nfr_pct"], outside["nfr_pct"]).pvalue)
    assert (nfr["verdict"], top1["verdict"]) == ("holds", "not enough data")  # only pairs show the first
    assert correlation["value"] == pytest.approx(np.corrcoef(inside["top1_pct"], inside["nfr_pct"])[0, 1])
    assert correlation["low"] < correlation["value"] < correlation["high"]


def test_fig4b_holds_every_visit_of_the_searches_with_three_rewards(bench, ref):
    table = experiments.fig4b(bench)
    visits = table.groupby(["reward", "seed"]).size()
    assert visits.to_dict() == {(reward, seed): 14 for reward in ("R0", "R1", "R2") for seed in (0, 1)}
    assert table["cost"].max() <= 0.14e6
    archs = [bench.space.parse(text) for text in table["arch"]]
    seen = bench.correct(archs, "search")
    nfr = (bench.correct([ref], "search") & ~seen).mean(1)
    assert table["top1_pct"].tolist() == pytest.approx((100 * seen.mean(1)).tolist())
    assert table["nfr_pct"].tolist() == pytest.approx((100 * nfr).tolist())
    gain, loss = (
        table["reward"].map({"R0": 1, "R1": 0, "R2": 1}),
        table["reward"].map({"R0": 0, "R1": 1, "R2": 1}),
    )
    assert table["score"].tolist() == pytest.approx((gain * seen.mean(1) - loss * nfr).tolist())

    choices = experiments.fig4b_choices(table)
    assert list(choices) == ["reward", "seed", "cost", "top1_pct", "nfr_pct"] and len(choices) == 6
    for row in choices.itertuples():
        best = experiments.targets(bench, ref, row.reward)[row.seed]
        assert row.cost == bench.space.macs(best)


# ── Figure 3 ─────────────────────────────────────────────────────────────────────────────────────
def test_fig3_applies_one_rule_a_panel(bench, ref):
    table, space = experiments.fig3(bench), bench.space
    assert set(table) == {
        *("panel", "stage", "layer", "kernel", "channels", "reference_kernel", "reference_channels"),
        *("weights", "reference_weights", "shared_weights"),
    }
    assert table["panel"].unique().tolist() == ["layers", "channels", "kernels", "all"]
    assert (table["shared_weights"] == table["reference_weights"]).all()  # all contain the reference
    assert (table["reference_weights"] == space.params(ref)).all()
    layers, channels, kernels, found = (group for _, group in table.groupby("panel", sort=False))
    had = layers["reference_kernel"] > 0
    assert len(layers) == 12 and had.sum() == sum(ref.d) == len(channels) == len(kernels)
    for gene in ("kernel", "channels"):
        assert (layers[had][gene] == layers[had][f"reference_{gene}"]).all()
        assert (layers[~had][f"reference_{gene}"] == 0).all()
    assert (layers[~had]["kernel"] == 3).all() and (
        layers[~had]["channels"] == 0.5
    ).all()  # new ones are small
    assert (channels["channels"] == 1).all() and (channels["kernel"] == channels["reference_kernel"]).all()
    assert (kernels["kernel"] == 7).all() and (kernels["channels"] == kernels["reference_channels"]).all()
    target = experiments.targets(bench, ref, "R2+CAS")[0]
    assert found["kernel"].tolist() == [k for k in target.ks if k]
    assert found["channels"].tolist() == [e / 4 for e in target.e if e]
    assert (found["weights"] == space.params(target)).all() and (table["weights"] > space.params(ref)).all()
    depths = found.groupby("stage")["layer"].agg(["min", "max", "size"])
    assert depths.values.tolist() == [[1, d, d] for d in target.d]


# ── other searches ───────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def wide(make_bench, tmp_path_factory) -> Workbench:
    """A bench with a sweep of budgets; its networks train for one epoch."""
    search = {
        "reference_mmacs": 0.07,
        "target_mmacs": 0.14,
        "generations": 3,
        "population": 8,
        "sweep": [0.1, 0.14, 0.18],
        "platforms": ["params", "latency"],
    }
    networks = {"epochs": 1, "finetune_epochs": 1}
    splits = ("train", "calibration", "search", "test")
    return make_bench(
        tmp_path_factory.mktemp("wide"), splits, search=search, networks=networks, sweep_seeds=2
    )


def test_the_course_of_a_search_is_the_best_so_far(wide):
    course, ref = experiments.fig5a(wide), experiments.reference(wide)
    assert len(course) == 2 * 2 * 3
    log = run_search(wide, "R2", reference=ref, cas=True, seed=1).log
    mine = course[(course["design"] == "R2+CAS") & (course["seed"] == 1)]
    for row in mine.itertuples():
        so_far = log[log["generation"] <= row.generation]
        best = so_far.loc[so_far["score"].idxmax()]
        assert row.evaluated == len(so_far)
        assert (row.top1_pct, row.nfr_pct) == (best["top1_pct"], best["nfr_pct"])
        assert row.reward_pct == pytest.approx(row.top1_pct - row.nfr_pct)
    claims = experiments.fig5a_claims(course)
    wide_table = course.pivot_table(index="seed", columns=["design", "generation"], values="nfr_pct")
    expected = (wide_table["R2+CAS"] - wide_table["R2"]).to_numpy().mean()
    assert claims["value"].iloc[1] == pytest.approx(expected)


def test_every_budget_of_the_sweep_is_searched_with_and_without_cas(wide):
    found, ref = experiments.sweep(wide), experiments.reference(wide)
    assert list(found) == [0.1, 0.14, 0.18]
    for budget, comparison in found.items():
        assert comparison.designs == ["R0", "R2+CAS"] and comparison["R0"].seeds == [0, 1]
        assert max(*comparison["R0"].mmacs, *comparison["R2+CAS"].mmacs) <= budget
        assert all(wide.space.contains(wide.space.parse(a), ref) for a in comparison["R2+CAS"].archs)
    table = experiments.fig5b(found)
    assert table["design"].tolist() == ["reference", *["R0", "R2+CAS"] * 3]
    differences = experiments.sweep_differences(found)
    assert differences["budget"].tolist() == [0.1, 0.14, 0.18]
    claims = experiments.fig5b_claims(found)
    assert len(claims) == 4 and claims["value"].tolist()[:3] == differences["nfr_pct"].tolist()


def test_weights_of_the_reward_are_ablated_between_r0_and_r1(wide):
    table = experiments.appendix_b(wide)
    assert table["ratio"].tolist() == [0, 0.5, 1, 2, np.inf]
    ref = experiments.reference(wide)
    best = [run_search(wide, (1.0, 2.0), reference=ref, seed=seed).best for seed in (0, 1)]
    expected = 100 * right(wide, [str(a) for a in best]).mean()
    assert table["top1_pct"][3] == pytest.approx(expected)


def test_platforms_have_budgets_of_their_own(wide):
    table = experiments.platforms(wide)
    assert table["platform"].tolist() == ["params"] * 3 + ["latency"] * 3
    assert table["unit"].tolist() == ["M"] * 3 + ["ms"] * 3
    assert (table["cost"] <= table["budget"] * (1 + 1e-9)).all()


def test_a_platform_may_be_a_table_that_was_recorded(wide, tmp_path):
    clock = lambda work: len(work.args[1])  # noqa: E731  a ms a layer, so that depth is what costs
    LatencyTable(wide.net, tmp_path / "phone.csv", timer=clock, repeats=1).measure(progress=False)
    search = wide.preset.search.model_copy(update={"platforms": (str(tmp_path / "phone.csv"),)})
    bench = replace(wide, preset=wide.preset.model_copy(update={"search": search}))
    found = experiments.platforms(bench)
    assert (found["platform"] == "phone").all() and (found["unit"] == "ms").all()
    assert (found["cost"] <= found["budget"] * (1 + 1e-9)).all()


def test_relative_reductions_are_of_the_differences(wide):
    found = experiments.sweep(wide)
    table = experiments.appendix_c(wide, found)
    assert table["budget"].tolist() == [0.14, 0.1, 0.18] and (table["where"] == "toy").all()
    difference = found[0.1].differences([("R2+CAS", "R0")]).iloc[0]
    assert table["relative_reduction_pct"][1] == -difference["relative_nfr_change_pct"]


# ── shared weights ───────────────────────────────────────────────────────────────────────────────
def test_the_shared_fraction_is_one_inside_the_constraint(wide):
    table = experiments.appendix_a(wide, experiments.fig4a(wide))
    ref = experiments.reference(wide)
    for row in table.itertuples():
        shared = wide.space.shared_weights(wide.space.parse(row.arch), ref)
        assert row.shared_fraction == shared / wide.space.params(ref)
        assert (row.shared_fraction == 1) == (row.subset == "A_t")


def test_a_partial_correlation_leaves_accuracy_out():
    rng = np.random.default_rng(0)
    top1 = rng.normal(size=300)
    table = pd.DataFrame(
        {
            "subset": "A_c",
            "top1_pct": top1,
            "shared_fraction": top1 + 0.1 * rng.normal(size=300),
            "nfr_pct": -top1 + 0.1 * rng.normal(size=300),
        }
    )
    _, outside, partial = experiments.appendix_a_claims(table)["value"]
    assert outside < -0.9 and abs(partial) < 0.2


# ── networks trained on their own, families ──────────────────────────────────────────────────────
def test_uniform_networks_fill_a_budget_best(bench):
    space = bench.space
    found = experiments.uniform(space, 0.14e6)
    assert all(len({v for v in found.genes[name] if v is not None}) == 1 for name in ("ks", "e", "d"))
    others = [space.arch(ks=k, e=e, d=d) for k in (3, 5, 7) for e in (2, 3, 4) for d in (2, 3, 4)]
    assert space.macs(found) == max(space.macs(a) for a in others if space.macs(a) <= 0.14e6)
    with pytest.raises(InfeasibleError, match="no uniform network"):
        experiments.uniform(space, 1e3)


def test_table1_has_networks_of_every_strategy(wide):
    found = experiments.table1(wide)
    assert found.designs == ["independent", "FD-KL", "FD-LM", "R0", "R2+CAS"]
    assert len({*found["independent"].archs, *found["FD-KL"].archs}) == 1
    assert found["independent"].right.shape == (2, 70)
    assert not (found["independent"].right == found["FD-LM"].right).all()
    claims = experiments.table1_claims(found)
    means = found.means().set_index("design")["nfr_pct"]
    assert claims["value"][0] == pytest.approx(means["FD-KL"] - means["independent"])


def test_table3_tunes_what_was_found(wide):
    found = experiments.table3(wide)
    assert found.designs == ["R0", "R0, CE", "R0, FD", "R2+CAS", "R2+CAS, CE", "R2+CAS, FD"]
    assert found["R0, CE"].archs == found["R0"].archs
    assert len(experiments.table3_claims(found)) == 4


def test_all_pairs_of_a_family_are_oriented_by_accuracy(wide):
    found = experiments.families(wide)
    assert [len(family.members) for family in found] == [4, 4, 4, 4]
    table = experiments.family_pairs(found)
    assert len(table) == 4 * 6
    one = found[0].members
    rows = [
        (b if a.mean() > b.mean() else a) & ~(a if a.mean() > b.mean() else b)
        for a, b in zip(one[1].right, one[3].right, strict=True)
    ]
    pair = table[
        (table["family"] == "REG-NAS") & (table["small"] == one[1].model) & (table["large"] == one[3].model)
    ]
    assert pair["nfr_pct"].item() == pytest.approx(100 * np.mean(rows))
    for seed in (0, 1):  # a chain: everyone contains its predecessor
        archs = [wide.space.parse(member.archs[seed]) for member in found[1].members]
        assert all(wide.space.contains(b, a) for a, b in pairwise(archs))
    assert len(experiments.family_claims(found)) == 3
    alone, together = experiments.fig1(wide)
    assert len(alone.members) == len(together.members) == 3


# ── claims of several presets ────────────────────────────────────────────────────────────────────
def recorded(number, claims, values, verdicts):
    return pd.DataFrame({"number": number, "claim": claims, "value": values, "verdict": verdicts})


def test_claims_of_presets_with_other_sizes_share_their_rows():
    first = recorded(
        [1, 5, 6, 6],
        [
            "R1 has less",
            "CAS after 2 of 6 generations",
            "CAS at 2 M (one search each)",
            "CAS at 2.6 M (one search each)",
        ],
        [-1, 0.126, 2, 3],
        ["holds", "not enough data", "does not hold", "holds"],
    )
    second = recorded(
        [1, 1, 5, 6],
        ["R2 has less", "R1 has less", "CAS after 3 of 8 generations", "CAS at 4.5 M"],
        [1, 2, 3, 4],
        ["holds", "does not hold", "holds", "holds"],
    )
    table = experiments.side_by_side({"one": first, "two": second})
    assert table.to_numpy().tolist() == [
        [1, "R1 has less", "−1.00 holds", "+2.00 does not hold"],
        [1, "R2 has less", "", "+1.00 holds"],
        [5, "CAS early in the search", "+0.13 not enough data", "+3.00 holds"],
        [6, "CAS at budget 1", "+2.00 does not hold", "+4.00 holds"],
        [6, "CAS at budget 2", "+3.00 holds", ""],
    ]


def test_recorded_claims_of_demo_and_cifar10_share_all_rows_but_one():
    files = {name: project_path("figures") / name / "claims.csv" for name in ("demo", "cifar10")}
    table = experiments.side_by_side({name: pd.read_csv(path) for name, path in files.items()})
    alone = table[(table["demo"] == "") | (table["cifar10"] == "")]
    assert alone["claim"].tolist() == ["FD-LM has a lower NFR than independent training"]
    assert len(table) == 28


def test_no_claims_are_an_empty_table():
    assert experiments.side_by_side({}).columns.tolist() == ["number", "claim"]
