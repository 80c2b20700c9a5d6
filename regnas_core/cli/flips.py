"""``regnas flips``: a release gate from a baseline to candidates, or all pairs of a family."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .commands import app

Panel = {"rich_help_panel": "Release gate: --baseline and --candidate"}
FAMILY = {"predictions": "files", "csv": "--csv", "per_class": "--per-class", "level": "--level"}


@app.command()
def flips(
    context: typer.Context,
    predictions: Annotated[
        list[Path] | None,
        typer.Argument(help="A family: two or more files; in every pair the lower Top-1 comes first."),
    ] = None,
    example: Annotated[
        str | None,
        typer.Option(help="imagenet: real networks' answers, which ship; options name networks."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="File of true classes; a gate takes the baseline's column label else.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Family: also write the table to this file.")] = None,
    per_class: Annotated[bool, typer.Option(help="Family: one row a class.")] = False,
    level: Annotated[float, typer.Option(help="Family: confidence level of the intervals.")] = 0.95,
    baseline: Annotated[Path | None, typer.Option(help="Answers of the model in use.", **Panel)] = None,
    candidate: Annotated[
        list[Path] | None, typer.Option(help="Answers of a model to release; repeatable.", **Panel)
    ] = None,
    id: Annotated[str | None, typer.Option(help="Column that items are joined by.", **Panel)] = None,
    on_missing: Annotated[
        str, typer.Option(help="Items that not all files have: refuse, or drop.", **Panel)
    ] = "refuse",
    slices: Annotated[
        list[str] | None, typer.Option("--slice", help="Column to slice by, or a,b; repeatable.", **Panel)
    ] = None,
    least: Annotated[
        int | None,
        typer.Option("--min-slice", help="Items of a slice that is judged, at least; 20 else.", **Panel),
    ] = None,
    weight: Annotated[str | None, typer.Option(help="Column of the items' weights.", **Panel)] = None,
    classes: Annotated[
        Path | None, typer.Option(help="Names of the classes in the order of scores, one a line.", **Panel)
    ] = None,
    top: Annotated[int, typer.Option(help="k of top-k flips, where there are scores.", **Panel)] = 5,
    max_nfr: Annotated[str | None, typer.Option(help="Most negative flips, as 1%.", **Panel)] = None,
    max_nfr_slice: Annotated[str | None, typer.Option(help="The same, of every slice.", **Panel)] = None,
    min_top1_gain: Annotated[str | None, typer.Option(help="Least gain in Top-1.", **Panel)] = None,
    golden: Annotated[
        Path | None, typer.Option(help="File of ids that must not flip; with --id.", **Panel)
    ] = None,
    confidence: Annotated[str | None, typer.Option(help="Of one-sided bounds; 95% else.", **Panel)] = None,
    policy: Annotated[
        Path | None, typer.Option(help="YAML file of these limits, slice, min_slice, weight.", **Panel)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="End with one line of JSON.", **Panel)] = False,
    flipped: Annotated[Path | None, typer.Option(help="Write the items that flip (.csv).", **Panel)] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write a summary.", **Panel)] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit's XML.", **Panel)] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page.", **Panel)] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of pictures, for the page.", **Panel)] = None,
    image_column: Annotated[str | None, typer.Option(help="Column of pictures' paths.", **Panel)] = None,
) -> None:
    """Count negative flips, and say whether a release may go.

    A gate: --baseline and --candidate. Flips count from the baseline to the candidate, whichever is more
    accurate. It ends with 0 (pass, or no limit), 1 (fail), 2 (a golden item flips), 3 (inconclusive), 4
    (bad input) or 70 (an error of the program). With several candidates that is the best one's: a release
    may go if one of them may. A family: two or more files; in every pair the less accurate model comes first.
    """
    from ..errors import PredictionError

    given = _given(context)
    if baseline is None and not candidate and not example:
        if strange := [said for name, said in given.items() if name not in (*FAMILY, "labels")]:
            raise PredictionError(
                f"A family has no {', '.join(strange)}: that is the release gate's. Name what it "
                "compares with --baseline and --candidate."
            )
        if labels is None or not predictions:
            raise typer.BadParameter("give --baseline and --candidate, or a family's files and --labels")
        if per_class and "level" in given:
            raise PredictionError("--per-class has no intervals: leave --level out.")
        from ..flips.report import flips_command

        typer.echo(flips_command(labels, predictions, csv=csv, per_class=per_class, level=level))
        return
    if strange := [said for name, said in given.items() if name in FAMILY]:
        raise PredictionError(
            f"The release gate has no {', '.join(strange)}: that is a family's. A gate takes --baseline and "
            "--candidate, or --example, and no other files; leave it out."
        )
    from ..flips.gate import command
    from ..flips.gate.limits import EXIT
    from ..flips.gate.pages import as_json, as_text

    if example:
        old, new = command.example(example, baseline and str(baseline), [*map(str, candidate or [])])
        id = id or "image"
    elif baseline is None or not candidate:
        raise PredictionError("A gate takes both --baseline and --candidate.")
    else:
        old, new = baseline, candidate
    release = command.gate(
        old,
        new,
        labels,
        id=id,
        on_missing=on_missing,
        slices=slices or (),
        least=least,
        weight=weight,
        classes=classes,
        top=top,
        policy=policy,
        golden=golden,
        max_nfr=max_nfr,
        max_nfr_slice=max_nfr_slice,
        min_top1_gain=min_top1_gain,
        confidence=confidence,
    )
    pages = {"flipped_csv": flipped, "markdown": markdown, "junit": junit, "html": html}
    try:
        command.write_pages(release, **pages, images=images, image_column=image_column)
    except OSError as error:
        raise PredictionError(f"A page cannot be written: {error}") from None
    typer.echo(as_text(release))
    if json:
        typer.echo(as_json(release))
    raise typer.Exit(0 if release.verdict is None else EXIT[release.verdict])


def _given(context: typer.Context) -> dict[str, str]:
    """Parameters that stand on the command line, and how they are called there."""
    names = {parameter.name: parameter.opts[0] for parameter in context.command.params if parameter.name}
    there = {name: context.get_parameter_source(name) for name in names}
    found = [name for name, source in there.items() if source is not None and source.name == "COMMANDLINE"]
    return {name: FAMILY.get(name, names[name]) for name in found}
