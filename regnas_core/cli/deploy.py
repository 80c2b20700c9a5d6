"""``regnas deploy``: a found family as ONNX files, and what deployment alone flips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .commands import app
from .options import Out, Preset, Set, opened, said


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
        Path | None,
        typer.Option(
            help="Keep all answers on test images (.parquet), their conditions as .json beside them."
        ),
    ] = None,
    out: Out = None,
) -> None:
    """Write sub-networks as ONNX files, in 32-bit and 16-bit floats and as int8, and count what that flips.

    The files take uint8 pictures. Flips are those between the float32 file and the others, on test images.
    """
    from ..errors import GeneError
    from ..files import write_table
    from ..flips.report import format_table

    bench = opened(preset, changes, out)
    networks = {}
    for given in arch:
        name, equals, genes = given.partition("=")
        if not (name.strip() and equals) or "/" in name:
            raise GeneError(f"--arch {given!r}: expected a name without slashes and genes, as phone={{…}}.")
        networks[name.strip()] = bench.space.parse(genes)
    from ..experiments import deployment  # which imports onnx: after what is quick to refuse

    frame = deployment.answers(bench.net, networks, bench.data, into)
    if answers:
        write_table(frame, answers)
        more = [word for given in arch for word in ("--arch", given)]
        keep_conditions(answers, said("deploy", preset, changes, *more))
    typer.echo(format_table(deployment.alone(frame)))
    typer.echo(f"\n{len(frame):,} test images; files: {into}")


def keep_conditions(answers: Path, command: str) -> None:
    """What answers were made with, beside them."""
    from importlib.metadata import version
    from json import dumps

    from ..files import write_atomically
    from ..resources import versions

    packages = {**versions(), **{name: version(name) for name in ("onnx", "onnxruntime")}}
    text = dumps({"command": command, "versions": packages}, indent=2, ensure_ascii=False) + "\n"
    write_atomically(answers.with_suffix(".json"), lambda part: part.write_text(text, encoding="utf-8"))
