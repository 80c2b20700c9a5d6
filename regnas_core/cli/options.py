"""What several commands take, and what they do with it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

Preset = Annotated[
    str, typer.Option(help="A preset's name, as demo, cifar10, imagenet, or the path of a .yaml file.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the preset, as seed=1. Repeatable."),
]
Out = Annotated[Path | None, typer.Option(help="Folder for runs/ and figures/; the checkout by default.")]

Dask = Annotated[
    str | None,
    typer.Option(
        help="Share the work out: to so many processes here (a GPU each), or by a scheduler's address."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]
Csv = Annotated[
    Path | None, typer.Option(help="Also write the table to this file, its conditions as .json beside it.")
]


def said(command: str, preset: str, changes: list[str] | None, *more: str) -> str:
    """The command that a user gave, for provenance."""
    return shlex.join(["regnas", command, "--preset", preset, *(f"--set={c}" for c in changes or []), *more])


def shared_out(dask: str | None) -> None:
    """Let workbenches share their work out, if it was asked for."""
    if dask is not None:
        from ..workbench.cluster import use_cluster

        use_cluster(dask)


def opened(preset: str, changes: list[str] | None, out: Path | None):
    from ..workbench.presets import parse_overrides
    from ..workbench.workbench import open_workbench

    return open_workbench(preset, parse_overrides(changes or []), out=out)
