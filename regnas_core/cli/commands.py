"""The commands: thin, over the same functions that the notebooks call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Dask, Out, Preset, Set, opened, said, shared_out

app = typer.Typer(
    help="REG-NAS reproduced: families of networks with few negative flips.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)


@app.command()
def reproduce(
    preset: Preset = "demo",
    only: Annotated[
        list[str] | None, typer.Option(help="Only this item, as table2, fig4a or fig2 (a and b). Repeatable.")
    ] = None,
    changes: Set = None,
    out: Out = None,
    jobs: Annotated[int, typer.Option(min=1, help="Notebooks at a time, each a process.")] = 1,
    dask: Dask = None,
) -> None:
    """Run the notebooks, and write figures, tables, provenance and an HTML report."""
    from ..reproduction.run import reproduce
    from ..workbench.presets import parse_overrides

    shared_out(dask)
    report = reproduce(preset, only or [], parse_overrides(changes or []), out=out, jobs=jobs)
    typer.echo(f"Report: {report}")


@app.command()
def plan(
    preset: Preset = "demo",
    only: Annotated[list[str] | None, typer.Option(help="Only this item, as for reproduce.")] = None,
    changes: Set = None,
    timed: Annotated[
        bool,
        typer.Option(
            "--time/--no-time", help="Measure how fast the work goes here: a minute, for ImageNet more."
        ),
    ] = True,
) -> None:
    """What a run needs, does and takes, before it: what is missing, networks to run, disk, hours.

    Nothing need be there yet, neither images nor weights.
    """
    from ..reproduction import plan as planning
    from ..workbench.presets import parse_overrides

    found = planning.plan(preset, only or [], parse_overrides(changes or []), timed=timed)
    typer.echo(planning.as_text(found))


@app.command("train-supernet")
def train_supernet(
    preset: Preset = "demo",
    changes: Set = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for checkpoint and log; runs/<preset>/training by default.")
    ] = None,
) -> None:
    """Train the preset's super-network, or go on with a killed training."""
    from ..resources import output_root
    from ..workbench.presets import load_preset, parse_overrides
    from ..workbench.training import train_preset

    chosen = load_preset(preset, parse_overrides(changes or []))
    command = said("train-supernet", preset, changes)
    path = train_preset(chosen, out or output_root() / "runs" / chosen.name / "training", command=command)
    typer.echo(f"Checkpoint: {path}\nUse it with --set supernet.weights={path}")


@app.command()
def tabulate(
    preset: Preset = "demo",
    training: Annotated[
        int | None, typer.Option(help="Which of the trainings that ship: weights pretrained:TRAINING.")
    ] = None,
    changes: Set = None,
    networks: Annotated[
        int | None, typer.Option(help="Only a random sample of so many, for a first impression.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="The table; runs/<preset>/<preset>-<training>.npz by default."),
    ] = None,
    out: Out = None,
    dask: Dask = None,
) -> None:
    """Evaluate the preset's whole tied space, image by image, or go on with a killed run.

    The table is read by `regnas_core.load_tabular(FILE)`: exact optima, searches in a blink, no torch.
    """
    from ..workbench.tabulation import tabulate

    shared_out(dask)
    weights = [] if training is None else [f"supernet.weights=pretrained:{training}"]
    bench = opened(preset, [*(changes or []), *weights], out)
    path = file or bench.runs / f"{bench.preset.name}-{training or 0}.npz"
    options = {"--training": training, "--networks": networks}
    more = [word for key, value in options.items() if value is not None for word in (key, str(value))]
    table = tabulate(bench, path, networks=networks, command=said("tabulate", preset, changes, *more))
    typer.echo(
        f"Table: {path}, {len(table):,} networks of {table.space.identity}, {path.stat().st_size:,} bytes."
    )


@app.command()
def search(
    preset: Preset = "demo",
    reward: Annotated[
        str, typer.Option(help="R0 (Top-1), R1 (−NFR), R2 (Top-1 − NFR), or LAMBDA1,LAMBDA2.")
    ] = "R2",
    cas: Annotated[
        bool | None,
        typer.Option(
            help="Demand that the target contain the reference's weights; by default of rewards with NFR."
        ),
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="In the cost's unit; by default the preset's, in million MACs.")
    ] = None,
    cost: Annotated[
        str,
        typer.Option(help="macs or params (millions); note10, latency (here), hcm or a table's path (ms)."),
    ] = "macs",
    reference: Annotated[
        str | None, typer.Option(help="Genes of the reference as JSON; searched for by default.")
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="evolution, random, local, surrogate, monas, …; by default the preset's."),
    ] = None,
    changes: Set = None,
    out: Out = None,
    dask: Dask = None,
) -> None:
    """Search one target for a reference, and measure it on the test split."""
    from ..experiments import reference as find_reference
    from ..experiments import repetitions
    from ..flips.report import format_table
    from ..search.rewards import parse_reward, reward_weights
    from ..workbench.protocol import run_search

    shared_out(dask)
    weights = parse_reward(reward)
    cas = bool(reward_weights(weights)[1]) if cas is None else cas
    changes = [*(changes or []), *([f"search.strategy={strategy}"] if strategy else [])]
    first = repetitions(opened(preset, changes, out))[0]
    bench = first.bench
    ref = bench.space.parse(reference) if reference else find_reference(first)
    found = run_search(
        bench, weights, reference=ref, cas=cas, cost=cost, budget=budget, seed=bench.preset.seed
    )
    if found.stopped:
        typer.echo(f"The search ended early: {found.stopped}.")
    table = bench.measure([ref, found.best], ref, "test")
    if cost != "macs":
        table.insert(2, cost, [bench.cost(cost)(arch) for arch in (ref, found.best)])
    typer.echo(f"{reward}{'+CAS' if cas else ', without CAS'}\nreference: {ref}\ntarget:    {found.best}\n")
    typer.echo(
        format_table(
            table.drop(columns="arch").assign(model=["reference", "target"]).set_index("model").reset_index()
        )
    )
