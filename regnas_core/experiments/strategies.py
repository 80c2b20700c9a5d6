"""Tables 1 to 3: strategies to design a larger network, rewards, and fine-tuning (Sec. 4.2 to 4.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..flips.right import Right
from ..supernets.distillation import Objective
from ..workbench.trained import Job, job_predictions
from ..workbench.workbench import Workbench
from .base import (
    DESIGNS,
    LITTLE,
    Repetition,
    accompanied,
    firsts,
    judge,
    model_name,
    points,
    reference,
    repeated,
    repetitions,
    target,
    targets,
    uniform,
)
from .comparison import Comparison, Group, alone, group, published

FOCAL = 100_000  # seeds of networks in focal distillation begin here, twice as high for the second kind

# What each table compares: first minus second.
PAIRS = {
    "table1": [
        *(("FD-KL", "independent"), ("FD-LM", "independent"), ("R0", "FD-KL"), ("R0", "independent")),
        *(("R2+CAS", "R0"), ("R2+CAS", "FD-KL"), ("R2+CAS", "independent")),
    ],
    "table2": [("R1", "R0"), ("R2", "R0"), ("R2+CAS", "R0"), ("R2+CAS", "R2"), ("R1", "R2+CAS")],
    "table3": [
        *(("R0, FD", "R0"), ("R0, CE", "R0"), ("R2+CAS, FD", "R2+CAS"), ("R2+CAS, CE", "R2+CAS")),
        ("R2+CAS, FD", "R0, FD"),
    ],
}


def table2(
    bench: Workbench,
    designs: Iterable[str] = DESIGNS,
    *,
    matched: bool = False,
    budget: float | None = None,
    reps: Sequence[Repetition] | None = None,
) -> Comparison:
    """Table 2: what the rewards R0, R1, R2 and R2 + CAS find within the target budget.

    With ``matched`` targets use 93 to 100 % of the budget, so that designs are compared at equal size. By
    default ``reps`` are all repetitions.
    """
    given = bench.preset.search.target_mmacs if budget is None else budget
    found = (
        group(model_name(bench, d, given), d, targets(bench, d, reps=reps, budget=given, matched=matched))
        for d in designs
    )
    return Comparison(reference_group(bench, reps), tuple(found))


def reference_group(bench: Workbench, reps: Sequence[Repetition] | None = None) -> Group:
    """The references of all repetitions, or of ``reps``."""
    name = model_name(bench, "R0", bench.preset.search.reference_mmacs)
    return group(name, "reference", repeated(bench, reference, reps))


def table2_claims(found: Comparison, where: str = "") -> list[dict]:
    """Claims 1 and 4 on Table 2's paired differences (percentage points)."""
    return [
        *(less_nfr(found, a, b, where) for a, b in PAIRS["table2"]),
        little_top1(found, where),
    ]


def less_nfr(found: Comparison, a: str, b: str, where: str = "", *, number: int = 1) -> dict:
    """Whether a design has a lower NFR than another (points)."""
    claim = f"{_called(a)} has a lower NFR than {_called(b)}{where}"
    change = points(found.difference(a, b, "nfr"))
    return judge(number, claim, change, found.common(a, b), below=0)


def little_top1(found: Comparison, where: str = "") -> dict:
    """Whether R2 + CAS costs less than 0.3 points of Top-1 against R0."""
    claim, cost = f"R2 + CAS costs less than {LITTLE} points of Top-1 against R0{where}", ("R2+CAS", "R0")
    change = points(found.difference(*cost, "top1"))
    return judge(4, claim, change, found.common(*cost), above=-LITTLE)


def parts(bench: Workbench) -> dict[str, Workbench]:
    """Whose numbers are in part (a) and, where the preset names a companion, part (b) of Tables 1 and 2."""
    beside = [bench.companion(name) for name in bench.preset.companions[:1]]
    return dict(zip("ab", (bench, *beside), strict=False))


def titled(part: str, bench: Workbench, found: Comparison) -> str:
    """Title of a part's panel: intervals mean another thing where there is one training."""
    count = found.reference.networks["training"].nunique()
    return f"({part}) {bench.space.name}, " + ("one training" if count == 1 else f"{count} trainings")


# ── Table 1: design strategies ───────────────────────────────────────────────────────────────────
def objectives(bench: Workbench) -> dict[str, Objective]:
    """Cross entropy, and focal distillation as the preset says: "independent", "FD-KL", "FD-LM"."""
    given = bench.preset.networks
    settings = {"weight": given.kd_weight, "temperature": given.kd_temperature}
    kinds = {"independent": "CE", "FD-KL": "FD-KL", "FD-LM": "FD-LM"}
    return {name: Objective(kind, **settings) for name, kind in kinds.items()}


def independent_jobs(bench: Workbench, budgets: Sequence[float]) -> list[dict[Repetition, Job]]:
    """Networks that are trained independently, one a budget and a training of the super-network.

    They are the uniform ones (one kernel, one expansion, one depth throughout) that fill the budgets best:
    designed by hand, as the networks are that the paper compares with. No two start from the same weights,
    and none from a super-network's.
    """
    given, search = bench.preset.networks, bench.preset.search
    places = sorted({search.reference_mmacs, search.target_mmacs, *search.sweep, *budgets})
    how = (objectives(bench)["independent"], "scratch", given.epochs, given.lr)
    reps = accompanied(firsts(bench))
    return [
        {rep: Job(arch, 1000 * (places.index(budget) + 1) + rep.training, *how) for rep in reps}
        for budget, arch in ((budget, uniform(bench.space, budget * 1e6)) for budget in budgets)
    ]


def target_jobs(bench: Workbench) -> dict[str, dict[Repetition, Job]]:
    """Table 1's networks that are trained on their own, by design; all are the target budget's uniform one.

    Those that are distilled follow the first seed's reference, and start from weights of their own.
    """
    given, known = bench.preset.networks, objectives(bench)
    (independent,) = independent_jobs(bench, [bench.preset.search.target_mmacs])
    jobs = {"independent": independent}
    for place, design in enumerate(given.distilled):
        jobs[design] = {
            rep: replace(
                job,
                seed=FOCAL * (place + 1) + rep.training,
                objective=known[design],
                reference=reference(rep),
            )
            for rep, job in independent.items()
        }
    return jobs


def trained(model: str, design: str, jobs: Mapping[Repetition, Job], *, every_seed: bool = False) -> Group:
    """A group of networks that are trained one by one, one a training of the super-network.

    With ``every_seed`` each stands beside all repetitions of its training, as networks do that have nothing
    to do with a seed's reference.
    """
    found = {}
    for rep, job in jobs.items():
        labels = rep.bench.images("test").labels
        right = job_predictions(rep.bench, [job])[0] == labels
        seeds = range(rep.seed, rep.seed + (rep.bench.preset.seeds if every_seed else 1))
        found |= {rep._replace(seed=seed): (job.arch, right) for seed in seeds}
    return alone(model, design, found)


def table1(bench: Workbench) -> Comparison:
    """Table 1: networks trained independently, by focal distillation, and found in the super-network.

    With ``networks.published`` in the preset the independent one is torchvision's ``networks.target``, and
    there is no row of focal distillation.
    """
    rows = table2(bench, ("R0", "R2+CAS"), reps=accompanied(repetitions(bench)))
    if bench.preset.networks.target:
        return Comparison(rows.reference, (_published(bench), *rows.groups))
    groups = []
    for design, jobs in target_jobs(bench).items():
        size = bench.space.macs(next(iter(jobs.values())).arch) / 1e6
        name = f"Uniform-{'CE' if design == 'independent' else design}-{size:.2g}"
        groups.append(trained(name, design, jobs, every_seed=design == "independent"))
    return Comparison(rows.reference, (*groups, *rows.groups))


def _published(bench: Workbench) -> Group:
    (row,), (right,) = published_networks(bench, [bench.preset.networks.target])
    return published("independent", row, right, repetitions(bench))


def published_networks(bench: Workbench, names: Sequence[str]) -> tuple[list[dict], Right]:
    """Rows (arch, mmacs, params) of torchvision's networks, and which test images they get right (M, N)."""
    from ..evaluation.baselines import load_baseline
    from ..workbench.baselines import baseline_predictions

    nets = [load_baseline(name, "random:0") for name in names]  # sizes do not depend on the weights
    rows = [{"arch": net.name, "mmacs": net.mmacs, "params": net.params} for net in nets]
    return rows, baseline_predictions(bench, names) == bench.images("test").labels


def table1_claims(found: Comparison, where: str = "") -> list[dict]:
    """Claim 1 on Table 1: the order independent > focal distillation > R0 > R2 + CAS of NFR, step by step."""
    return [less_nfr(found, a, b, where) for a, b in PAIRS["table1"] if {a, b} <= {*found.designs}]


def _called(design: str) -> str:
    return {"independent": "independent training", "R2+CAS": "R2 + CAS"}.get(design, design)


# ── Table 3: fine-tuning ─────────────────────────────────────────────────────────────────────────
def finetuning_jobs(bench: Workbench) -> dict[str, dict[Repetition, Job]]:
    """What R0 and R2 + CAS found for each training's first seed, fine-tuned with cross entropy and FD-KL."""
    given, known = bench.preset.networks, objectives(bench)
    how = ("super-network", given.finetune_epochs, given.finetune_lr)
    jobs: dict[str, dict[Repetition, Job]] = {}
    for design in ("R0", "R2+CAS"):
        for way, objective in (("CE", known["independent"]), ("FD", known["FD-KL"])):
            jobs[f"{design}, {way}"] = {
                rep: Job(
                    target(rep, design),
                    rep.seed,
                    objective,
                    *how,
                    reference(rep) if objective.distils else None,
                )
                for rep in accompanied(firsts(bench))
            }
    return jobs


def table3(bench: Workbench) -> Comparison:
    """Table 3: every training's first targets, as they come out of the super-network and fine-tuned."""
    rows = table2(bench, ("R0", "R2+CAS"), reps=accompanied(firsts(bench)))
    budget = bench.preset.search.target_mmacs
    tuned = {
        design: trained(
            f"{model_name(bench, design.split(',')[0], budget)}, {design.split(', ')[1]}", design, jobs
        )
        for design, jobs in finetuning_jobs(bench).items()
    }
    ordered = [
        g for own in rows.groups for g in (own, tuned[f"{own.design}, CE"], tuned[f"{own.design}, FD"])
    ]
    return Comparison(rows.reference, tuple(ordered))


def table3_claims(found: Comparison) -> list[dict]:
    """Claim 8: fine-tuning with FD lowers NFR, with CE it raises it."""
    rows = []
    for a, b in PAIRS["table3"][:4]:
        way = a.split(", ")[1]
        does, side = {"FD": ("lowers", {"below": 0}), "CE": ("raises", {"above": 0})}[way]
        change = points(found.difference(a, b, "nfr"))
        claim = f"{way} fine-tuning {does} the NFR of {_called(b)}'s target"
        rows.append(judge(8, claim, change, found.common(a, b), **side))
    return rows
