"""The command line: thin, over the same functions that the notebooks call."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from .errors import RegnasError
from .extras import missing_extra

app = typer.Typer(
    help="REG-NAS reproduced: families of networks with few negative flips.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)

Preset = Annotated[
    str, typer.Option(help="A preset's name, as demo, cifar10, imagenet, or the path of a .yaml file.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the preset, as seed=1. Repeatable."),
]
Out = Annotated[Path | None, typer.Option(help="Folder for runs/ and figures/; the checkout by default.")]

Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]
Csv = Annotated[
    Path | None, typer.Option(help="Also write the table to this file, its conditions as .json beside it.")
]


@app.command()
def reproduce(
    preset: Preset = "demo",
    only: Annotated[
        list[str] | None, typer.Option(help="Only this item, as table2, fig4a or fig2 (a and b). Repeatable.")
    ] = None,
    changes: Set = None,
    out: Out = None,
) -> None:
    """Run the notebooks, and write figures, tables, provenance and an HTML report."""
    from .reproduction.run import reproduce
    from .workbench.presets import parse_overrides

    report = reproduce(preset, only or [], parse_overrides(changes or []), out=out)
    typer.echo(f"Report: {report}")


@app.command("train-supernet")
def train_supernet(
    preset: Preset = "demo",
    changes: Set = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for checkpoint and log; runs/<preset>/training by default.")
    ] = None,
) -> None:
    """Train the preset's super-network, or go on with a killed training."""
    from .resources import output_root
    from .workbench.presets import load_preset, parse_overrides
    from .workbench.workbench import train_preset

    chosen = load_preset(preset, parse_overrides(changes or []))
    command = shlex.join(
        ["regnas", "train-supernet", "--preset", preset, *(f"--set={c}" for c in changes or [])]
    )
    path = train_preset(chosen, out or output_root() / "runs" / chosen.name / "training", command=command)
    typer.echo(f"Checkpoint: {path}\nUse it with --set supernet.weights={path}")


@app.command()
def tabulate(
    preset: Preset = "demo",
    training: Annotated[
        int | None, typer.Option(help="Which of the trainings that ship: weights pretrained:TRAINING.")
    ] = None,
    changes: Set = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="The table; runs/<preset>/<preset>-<training>.npz by default."),
    ] = None,
    out: Out = None,
) -> None:
    """Evaluate the preset's whole tied space, image by image, or go on with a killed run.

    The table is read by `regnas_core.load_tabular(FILE)`: exact optima, searches in a blink, no torch.
    """
    from .workbench.tabulation import tabulate

    given = ["tabulate", "--preset", preset, *(f"--set={c}" for c in changes or [])]
    weights = [] if training is None else [f"supernet.weights=pretrained:{training}"]
    bench = _opened(preset, [*(changes or []), *weights], out)
    given += [] if training is None else ["--training", str(training)]
    path = file or bench.runs / f"{bench.preset.name}-{training or 0}.npz"
    table = tabulate(bench, path, command=shlex.join(["regnas", *given]))
    typer.echo(
        f"Table: {path}, {len(table):,} networks of {table.space.identity}, {path.stat().st_size:,} bytes."
    )


@app.command()
def search(
    preset: Preset = "demo",
    reward: Annotated[
        str, typer.Option(help="R0 (Top-1), R1 (−NFR), R2 (Top-1 − NFR), or LAMBDA1,LAMBDA2.")
    ] = "R2",
    cas: Annotated[bool, typer.Option(help="Demand that the target contain the reference's weights.")] = True,
    budget: Annotated[
        float | None, typer.Option(help="In the cost's unit; by default the preset's, in million MACs.")
    ] = None,
    cost: Annotated[
        str,
        typer.Option(help="macs or params (millions); note10, latency (here) or a table's path (ms)."),
    ] = "macs",
    reference: Annotated[
        str | None, typer.Option(help="Genes of the reference as JSON; searched for by default.")
    ] = None,
    changes: Set = None,
    out: Out = None,
) -> None:
    """Search one target for a reference, and measure it on the test split."""
    from .experiments import reference as find_reference
    from .flips.report import format_table
    from .search.rewards import parse_reward
    from .workbench.protocol import run_search

    weights = parse_reward(reward)
    bench = _opened(preset, changes, out)
    ref = bench.space.parse(reference) if reference else find_reference(bench)
    found = run_search(
        bench, weights, reference=ref, cas=cas, cost=cost, budget=budget, seed=bench.preset.seed
    )
    if found.stopped:
        typer.echo(f"The search ended early: {found.stopped}.")
    table = bench.measure([ref, found.best], ref, "test")
    if cost != "macs":
        table.insert(2, cost, [bench.cost(cost)(arch) for arch in (ref, found.best)])
    typer.echo(f"reference: {ref}\ntarget:    {found.best}\n")
    typer.echo(
        format_table(
            table.drop(columns="arch").assign(model=["reference", "target"]).set_index("model").reset_index()
        )
    )


bench = typer.Typer(help="Measure speed on this machine.", no_args_is_help=True)
app.add_typer(bench, name="bench")


@bench.command()
def evaluate(
    space: Annotated[
        str, typer.Option(help="Super-network; ofa's own route runs for ofa-….")
    ] = "ofa-mbv3-w1.0",
    resolution: Annotated[
        int, typer.Option(help="Of images, in pixels; mini networks have their own.")
    ] = 160,
    images: Annotated[int, typer.Option(help="Images that are predicted.")] = 512,
    calibration: Annotated[int, typer.Option(help="Images that BatchNorm is recalibrated on.")] = 256,
    networks: Annotated[int | None, typer.Option(help="Of each generation; all by default.")] = None,
    baseline: Annotated[int, typer.Option(help="Networks that also run one by one, and through ofa.")] = 6,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "auto",
    json: Json = False,
    csv: Csv = None,
) -> None:
    """Compare ofa's route, ours network by network, and ours by generation, on equal terms."""
    from .bench import evaluate

    found = evaluate(
        space,
        resolution=resolution,
        images=images,
        calibration=calibration,
        networks=networks,
        baseline=baseline,
        device=device,
    )
    _show(found, csv, json)


@bench.command()
def growth(
    space: Annotated[str, typer.Option(help="Super-network.")] = "ofa-mbv3-w1.0",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "auto",
    json: Json = False,
    csv: Csv = None,
) -> None:
    """How the cost of evaluation grows with population, generation, images and resolution."""
    from .bench import growth

    _show(growth(space, device=device), csv, json)


@bench.command()
def latency(
    csv: Annotated[Path, typer.Option(help="The table; one of the same conditions is completed.")],
    preset: Preset = "demo",
    changes: Set = None,
    batch: Annotated[int, typer.Option(help="Images a batch.")] = 1,
    threads: Annotated[int | None, typer.Option(help="Of PyTorch on a CPU; all cores by default.")] = None,
    repeats: Annotated[int, typer.Option(help="Rounds that count.")] = 100,
) -> None:
    """Time every layer that the preset's super-network can have; searches take the table as a budget.

    Use it, here or on another machine, as `regnas search --cost TABLE.csv --budget MS`.
    """
    import pandas as pd

    from .costs.timing import LatencyTable
    from .flips.report import format_table
    from .supernets.supernet import load_supernet
    from .workbench.presets import load_preset, parse_overrides

    chosen = load_preset(preset, parse_overrides(changes or []))
    net = load_supernet(chosen.supernet.space, "random:0", **chosen.supernet.options)
    space = net.space
    options = {"device": chosen.device, "batch": batch, "threads": threads, "repeats": repeats}
    table = LatencyTable(net, csv, **options)
    table.measure()
    ends = {"smallest": space.smallest, "largest": space.largest}
    rows = [
        {"network": name, "mmacs": space.macs(a) / 1e6, "steps_ms": table(a), "whole_ms": table.network_ms(a)}
        for name, a in ends.items()
    ]
    typer.echo(f"{len(table.frame)} steps of {space.name} in {csv}; as their sum, and timed in one go:\n")
    typer.echo(format_table(pd.DataFrame(rows)))


@bench.command("flips")
def bench_flips(
    models: Annotated[int, typer.Option(help="Networks.")] = 1525,
    images: Annotated[int, typer.Option(help="Images.")] = 50_000,
    json: Json = False,
    csv: Csv = None,
) -> None:
    """Seconds and memory of all pairwise NFRs of a search's networks."""
    from .bench import flips_at_scale

    _show(flips_at_scale(models, images), csv, json)


@bench.command()
def precision(
    preset: Preset = "demo", changes: Set = None, out: Out = None, json: Json = False, csv: Csv = None
) -> None:
    """How often bfloat16 predictions differ from float32's, with a trained super-network."""
    from .bench import precision

    _show(precision(_opened(preset, changes, out)), csv, json)


@bench.command()
def racing(
    preset: Preset = "demo",
    seeds: Annotated[int, typer.Option(help="Searches.")] = 10,
    changes: Set = None,
    out: Out = None,
    json: Json = False,
    csv: Csv = None,
) -> None:
    """What racing saves of a search's work, and whether the search finds the same."""
    from .bench import racing

    _show(racing(_opened(preset, changes, out), seeds=seeds), csv, json)


@bench.command()
def compiled(
    space: Annotated[str, typer.Option(help="Super-network.")] = "ofa-mbv3-w1.0",
    resolution: Annotated[int, typer.Option(help="Of images, in pixels.")] = 160,
    networks: Annotated[int, typer.Option(help="Random ones.")] = 3,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "auto",
    json: Json = False,
    csv: Csv = None,
) -> None:
    """What torch.compile gives, and takes."""
    import numpy as np

    from .bench import compiled, random_workload

    work, rng = random_workload(space, resolution, 128, 64), np.random.default_rng(0)
    _show(compiled(work, [work.net.space.sample(rng) for _ in range(networks)], device=device), csv, json)


def _opened(preset: str, changes: list[str] | None, out: Path | None):
    from .workbench.presets import parse_overrides
    from .workbench.workbench import open_workbench

    return open_workbench(preset, parse_overrides(changes or []), out=out)


def _show(found, csv: Path | None, json: bool) -> None:
    """Print a measurement's table; keep it, with its conditions; end with one line of JSON."""
    from json import dumps

    from .bench.recorded import keep
    from .flips.report import format_table

    table, summary = found
    typer.echo(format_table(table.drop(columns="arch", errors="ignore")))
    if csv:
        keep(table, summary, csv)
    if json:
        typer.echo(dumps(summary))


@app.command()
def flips(
    predictions: Annotated[list[Path], typer.Argument(help="Two or more files of predicted classes.")],
    labels: Annotated[Path, typer.Option(help="File of true classes.")],
    csv: Annotated[Path | None, typer.Option(help="Also write the table to this file.")] = None,
    per_class: Annotated[bool, typer.Option(help="One row a class.")] = False,
    level: Annotated[float, typer.Option(help="Confidence level of the intervals.")] = 0.95,
) -> None:
    """Count negative flips between any models, from their predictions (.npy, .csv or .parquet)."""
    from .flips.report import flips_command

    typer.echo(flips_command(labels, predictions, csv=csv, per_class=per_class, level=level))


NEEDS = {"reproduce": ("search", "notebooks")}  # extras of a command; of others than flips, "search"


def main() -> None:
    """Run the command line; errors that were foreseen are one message, not a traceback."""
    try:
        app()
    except ModuleNotFoundError as error:
        command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        if (missing := missing_extra(error, f"regnas {command}", NEEDS.get(command, ("search",)))) is None:
            raise
        _fail(missing)
    except RegnasError as error:
        _fail(error)


def _fail(error: RegnasError) -> NoReturn:
    typer.echo(f"Error: {error}", err=True)
    sys.exit(1)
