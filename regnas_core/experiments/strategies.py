"""Tables 1 to 3: strategies to design a larger network, rewards, and fine-tuning (Sec. 4.2 to 4.4)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..spaces.arch import Arch
from ..supernets.distillation import Objective
from ..workbench.trained import Job, job_predictions
from ..workbench.workbench import Workbench
from .base import DESIGNS, judge, model_name, reference, seeds, targets, uniform
from .comparison import Comparison, Group, group, row

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


def table2(bench: Workbench, designs: tuple[str, ...] = tuple(DESIGNS)) -> Comparison:
    """Table 2: what the rewards R0, R1, R2 and R2 + CAS find within the target budget."""
    ref, budget = reference(bench), bench.preset.search.target_mmacs
    found = [
        group(bench, model_name(bench, design, budget), design, targets(bench, ref, design), seeds(bench))
        for design in designs
    ]
    return Comparison(reference_group(bench, ref), tuple(found))


def reference_group(bench: Workbench, ref: Arch) -> Group:
    """The reference, as a group of one."""
    name = model_name(bench, "R0", bench.preset.search.reference_mmacs)
    return group(bench, name, "reference", [ref], [bench.preset.seed])


def table2_claims(found: Comparison) -> pd.DataFrame:
    """Claims 1 and 4 on Table 2's paired differences (percentage points)."""
    table = found.differences(PAIRS["table2"])
    return pd.DataFrame(
        [
            judge("R1 has a lower NFR than R0", row(table, "R1 − R0", "nfr"), below=0),
            judge("R2 has a lower NFR than R0", row(table, "R2 − R0", "nfr"), below=0),
            judge("R2 + CAS has a lower NFR than R0", row(table, "R2+CAS − R0", "nfr"), below=0),
            judge("R2 + CAS has a lower NFR than R2", row(table, "R2+CAS − R2", "nfr"), below=0),
            judge("R1 has a lower NFR than R2 + CAS", row(table, "R1 − R2+CAS", "nfr"), below=0),
            judge(
                "R2 + CAS costs less than 0.3 points of Top-1 against R0",
                row(table, "R2+CAS − R0", "top1"),
                above=-0.3,
            ),
        ]
    )


def parts(bench: Workbench) -> dict[str, Workbench]:
    """Whose numbers are in part (a) and, where the preset names a companion, part (b) of Tables 1 and 2."""
    beside = [bench.companion(name) for name in bench.preset.companions[:1]]
    return dict(zip("ab", (bench, *beside), strict=False))


# ── Table 1: design strategies ───────────────────────────────────────────────────────────────────
def objectives(bench: Workbench) -> dict[str, Objective]:
    """Cross entropy, and focal distillation as the preset says: "independent", "FD-KL", "FD-LM"."""
    given = bench.preset.networks
    settings = {"weight": given.kd_weight, "temperature": given.kd_temperature}
    kinds = {"independent": "CE", "FD-KL": "FD-KL", "FD-LM": "FD-LM"}
    return {name: Objective(kind, **settings) for name, kind in kinds.items()}


def independent_jobs(bench: Workbench, ref: Arch) -> dict[str, list[Job]]:
    """Table 1's networks that are trained on their own, one a seed of each objective.

    They are the uniform network (one kernel, one expansion, one depth throughout) that fills the target
    budget best: designed by hand, as the networks are that the paper compares with.
    """
    given, arch = bench.preset.networks, uniform(bench.space, bench.preset.search.target_mmacs * 1e6)
    repeats = range(bench.preset.seeds)  # whatever the seed of searches: they have nothing to do with it
    return {
        design: [
            Job(arch, seed, objective, "scratch", given.epochs, given.lr, ref if objective.distils else None)
            for seed in repeats
        ]
        for design, objective in objectives(bench).items()
        if design in ("independent", *given.distilled)
    }


def table1(bench: Workbench) -> Comparison:
    """Table 1: networks trained independently, by focal distillation, and found in the super-network.

    With ``networks.published`` in the preset the independent one is torchvision's ``networks.target``, and
    there is no row of focal distillation.
    """
    ref = reference(bench)
    rows = table2(bench, ("R0", "R2+CAS"))
    if bench.preset.networks.target:
        return Comparison(rows.reference, (_published(bench), *rows.groups))
    labels, alone = bench.images("test").labels, []
    for design, jobs in independent_jobs(bench, ref).items():
        right = job_predictions(bench, jobs) == labels
        archs, way = [job.arch for job in jobs], "CE" if design == "independent" else design
        name = f"Uniform-{way}-{bench.space.macs(archs[0]) / 1e6:.2g}"
        alone.append(group(bench, name, design, archs, [job.seed for job in jobs], right))
    return Comparison(rows.reference, (*alone, *rows.groups))


def _published(bench: Workbench) -> Group:
    from ..evaluation.baselines import load_baseline
    from ..workbench.baselines import baseline_predictions

    name = bench.preset.networks.target
    baseline = load_baseline(name)
    right = baseline_predictions(bench, [name]) == bench.images("test").labels
    size = np.array([baseline.mmacs]), np.array([baseline.params])
    return Group(name, "independent", [name], *size, right, [0])


def table1_claims(found: Comparison) -> pd.DataFrame:
    """Claim 1 on Table 1: the order independent > focal distillation > R0 > R2 + CAS of NFR, step by step."""
    table = found.differences(PAIRS["table1"])
    return pd.DataFrame(
        [
            judge(f"{_called(a)} has a lower NFR than {_called(b)}", row(table, f"{a} − {b}", "nfr"), below=0)
            for a, b in (text.split(" − ") for text in table["comparison"])
        ]
    )


def _called(design: str) -> str:
    return {"independent": "independent training", "R2+CAS": "R2 + CAS"}.get(design, design)


# ── Table 3: fine-tuning ─────────────────────────────────────────────────────────────────────────
def finetuning_jobs(bench: Workbench, ref: Arch) -> dict[str, list[Job]]:
    """What R0 and R2 + CAS found, each fine-tuned with cross entropy and with FD-KL."""
    given, all_objectives = bench.preset.networks, objectives(bench)
    jobs = {}
    for design in ("R0", "R2+CAS"):
        archs = targets(bench, ref, design)
        for way, objective in (("CE", all_objectives["independent"]), ("FD", all_objectives["FD-KL"])):
            against = ref if objective.distils else None
            jobs[f"{design}, {way}"] = [
                Job(arch, seed, objective, "super-network", given.finetune_epochs, given.finetune_lr, against)
                for arch, seed in zip(archs, seeds(bench), strict=True)
            ]
    return jobs


def table3(bench: Workbench) -> Comparison:
    """Table 3: the targets as they come out of the super-network, and fine-tuned with CE and with FD."""
    ref, labels = reference(bench), bench.images("test").labels
    rows, budget = table2(bench, ("R0", "R2+CAS")), bench.preset.search.target_mmacs
    tuned = {
        design: group(
            bench,
            f"{model_name(bench, design.split(',')[0], budget)}, {design.split(', ')[1]}",
            design,
            [job.arch for job in jobs],
            seeds(bench),
            job_predictions(bench, jobs) == labels,
        )
        for design, jobs in finetuning_jobs(bench, ref).items()
    }
    ordered = [
        g for own in rows.groups for g in (own, tuned[f"{own.design}, CE"], tuned[f"{own.design}, FD"])
    ]
    return Comparison(rows.reference, tuple(ordered))


def table3_claims(found: Comparison) -> pd.DataFrame:
    """Claim 8: fine-tuning with FD lowers NFR, with CE it raises it."""
    table, rows = found.differences(PAIRS["table3"]), []
    for a, b in PAIRS["table3"][:4]:
        claim = {"FD": ("lowers", {"below": 0}), "CE": ("raises", {"above": 0})}[a.split(", ")[1]]
        rows.append(
            judge(
                f"{a.split(', ')[1]} fine-tuning {claim[0]} the NFR of {_called(b)}'s target",
                row(table, f"{a} − {b}", "nfr"),
                **claim[1],
            )
        )
    return pd.DataFrame(rows)
