"""`regnas bench …`: speed, measured on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Csv, Json, Out, Preset, Set, opened

app = typer.Typer(help="Measure speed on this machine.", no_args_is_help=True)


@app.command()
def evaluate(
    space: Annotated[
        str, typer.Option(help="Super-network; ofa's route runs for its own and for mini ones.")
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
    from ..bench import evaluate

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


@app.command()
def tabulate(
    space: Annotated[
        str, typer.Option(help="Super-network of which the tied space is evaluated.")
    ] = "mini-cifar10-wide",
    images: Annotated[int, typer.Option(help="Images that are predicted.")] = 2048,
    calibration: Annotated[int, typer.Option(help="Images that BatchNorm is recalibrated on.")] = 1024,
    networks: Annotated[int, typer.Option(help="Neighbours of the space that are evaluated together.")] = 512,
    baseline: Annotated[int, typer.Option(help="Networks that run one by one, and once-for-all's way.")] = 6,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "auto",
    json: Json = False,
    csv: Csv = None,
) -> None:
    """What a table costs: neighbours of a tied space at once, one by one, and once-for-all's way."""
    from ..bench import tabulate

    given = {"images": images, "calibration": calibration, "networks": networks, "baseline": baseline}
    _show(tabulate(space, **given, device=device), csv, json)


@app.command()
def growth(
    space: Annotated[str, typer.Option(help="Super-network.")] = "ofa-mbv3-w1.0",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "auto",
    json: Json = False,
    csv: Csv = None,
) -> None:
    """How the cost of evaluation grows with population, generation, images and resolution."""
    from ..bench import growth

    _show(growth(space, device=device), csv, json)


@app.command()
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

    from ..costs.timing import LatencyTable
    from ..flips.report import format_table
    from ..supernets.supernet import load_supernet
    from ..workbench.presets import load_preset, parse_overrides

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


@app.command()
def flips(
    models: Annotated[int, typer.Option(help="Networks.")] = 1525,
    images: Annotated[int, typer.Option(help="Images.")] = 50_000,
    json: Json = False,
    csv: Csv = None,
) -> None:
    """Seconds and memory of all pairwise NFRs of a search's networks."""
    from ..bench import flips_at_scale

    _show(flips_at_scale(models, images), csv, json)


@app.command()
def precision(
    preset: Preset = "demo", changes: Set = None, out: Out = None, json: Json = False, csv: Csv = None
) -> None:
    """How often bfloat16 predictions differ from float32's, with a trained super-network."""
    from ..bench import precision

    _show(precision(opened(preset, changes, out)), csv, json)


@app.command()
def racing(
    preset: Preset = "demo",
    seeds: Annotated[int, typer.Option(help="Searches.")] = 10,
    changes: Set = None,
    out: Out = None,
    json: Json = False,
    csv: Csv = None,
) -> None:
    """What racing saves of a search's work, and whether the search finds the same."""
    from ..bench import racing

    _show(racing(opened(preset, changes, out), seeds=seeds), csv, json)


@app.command()
def strategies(
    file: Annotated[Path, typer.Option("--file", help="The record (.parquet); what it has is kept.")],
    preset: Preset = "demo",
    seeds: Annotated[int, typer.Option(help="Searches of each strategy and table.")] = 100,
    only: Annotated[list[str] | None, typer.Option(help="Only this strategy. Repeatable.")] = None,
) -> None:
    """Compare strategies of search on a preset's tables, by how soon they come near the optimum."""
    from ..experiments import search_strategies
    from ..flips.report import format_table

    found = search_strategies.record(preset, file, seeds=seeds, strategies=only or ())
    typer.echo(format_table(search_strategies.summary(found)))


@app.command()
def direct(
    file: Annotated[Path, typer.Option("--file", help="The record (.parquet); what it has is kept.")],
    preset: Preset = "cifar10",
    trainings: Annotated[int, typer.Option(help="Of the super-network.")] = 1,
    seeds: Annotated[int, typer.Option(help="Of each training.")] = 3,
    changes: Set = None,
    out: Out = None,
) -> None:
    """Table 2 on images in the whole space, by evolution and by the strategy that is quickest on tables."""
    from ..experiments import direct
    from ..flips.report import format_table

    counts = [f"trainings={trainings}", f"seeds={seeds}", "supernet.options.tied=false"]
    found = direct.record(opened(preset, [*counts, *(changes or [])], out), file)
    typer.echo(format_table(found.drop(columns=["arch", "right"])))


@app.command()
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

    from ..bench import compiled, random_workload

    work, rng = random_workload(space, resolution, 128, 64), np.random.default_rng(0)
    _show(compiled(work, [work.net.space.sample(rng) for _ in range(networks)], device=device), csv, json)


@app.command()
def updates(
    data: Annotated[str, typer.Option(help="Pictures of 32 pixels: cifar10, glyphs, …")] = "cifar10",
    seeds: Annotated[int, typer.Option(help="Updates, each with networks of its own.")] = 3,
    out: Out = None,
    json: Json = False,
    csv: Csv = None,
) -> None:
    """What ways of breaking less cost and bring, for one's own pair of networks; a killed run goes on."""
    from ..bench import updates
    from ..data import load_dataset
    from ..resources import output_root

    workdir = (out or output_root()) / "runs" / f"updates-{data}"
    _show(updates(load_dataset(data), workdir, seeds=seeds), csv, json)


def _show(found, csv: Path | None, json: bool) -> None:
    """Print a measurement's table; keep it, with its conditions; end with one line of JSON."""
    from json import dumps

    from ..bench.recorded import keep
    from ..flips.report import format_table

    table, summary = found
    typer.echo(format_table(table.drop(columns="arch", errors="ignore")))
    if csv:
        keep(table, summary, csv)
    if json:
        typer.echo(dumps(summary))
