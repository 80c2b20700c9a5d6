"""``regnas deploy``: a found family as ONNX files, and what deployment alone flips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .commands import app
from .options import Out, Preset, Set, opened


@app.command()
def deploy(
    arch: Annotated[
        list[str],
        typer.Option(metavar="NAME=GENES", help="A network, its genes as JSON; repeatable."),
    ],
    into: Annotated[Path, typer.Option(help="Folder for the files.")],
    preset: Preset = "demo",
    changes: Set = None,
    answers: Annotated[
        Path | None, typer.Option(help="Keep what every network says of the test images (.parquet).")
    ] = None,
    out: Out = None,
) -> None:
    """Write sub-networks as ONNX files, in 32-bit and 16-bit floats and as int8, and count what that flips.

    The files take uint8 pictures. Flips are those between the float32 file and the others, on test images.
    """
    from ..errors import GeneError
    from ..experiments import deployment
    from ..files import write_table
    from ..flips.report import format_table

    bench = opened(preset, changes, out)
    networks = {}
    for given in arch:
        name, equals, genes = given.partition("=")
        if not (name.strip() and equals) or "/" in name:
            raise GeneError(f"--arch {given!r}: expected a name without slashes and genes, as phone={{…}}.")
        networks[name.strip()] = bench.space.parse(genes)
    frame = deployment.answers(bench.net, networks, bench.data, into)
    if answers:
        write_table(frame, answers)
    typer.echo(format_table(deployment.alone(frame)))
    typer.echo(f"\n{len(frame):,} test images; files: {into}")
