"""Run the notebooks of a preset, and gather what they made into one page."""

from __future__ import annotations

import base64
import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from tqdm import tqdm

from ..errors import NotebookError
from ..experiments.claims import CLAIMS
from ..files import write_atomically
from ..flips.report import format_table
from ..plots.tables import COLOURS, GREY, p_value
from ..resources import versions
from ..tabular.benchmark import stamp
from ..workbench.devices import compare_devices
from ..workbench.workbench import Workbench, open_workbench
from .catalogue import Notebook, choose, execute

Result = tuple[float, NotebookError | None]  # seconds, or why it failed


def _each(
    chosen: Sequence[Notebook], run: Callable[[Notebook], Result], jobs: int
) -> Iterator[tuple[Notebook, Result]]:
    """What comes of every notebook, as it comes: ``jobs`` at a time, then one by one those that run alone."""
    alone = [nb for nb in chosen if nb.alone or jobs == 1]
    pool = ThreadPoolExecutor(jobs)
    with _shared_cores(jobs):
        try:
            running = {pool.submit(run, nb): nb for nb in chosen if nb not in alone}
            for future in as_completed(running):
                yield running[future], future.result()
        finally:  # Ctrl-C waits for those that run, not for all
            pool.shutdown(cancel_futures=True)
    for nb in alone:
        yield nb, run(nb)


@contextmanager
def _shared_cores(jobs: int) -> Iterator[None]:
    """Each notebook that is started here gets its part of the cores, unless OMP_NUM_THREADS says otherwise.

    With as many threads as cores in each they keep cores busy by waiting for each other's: small networks
    then train at a fifth of the speed.
    """
    if "OMP_NUM_THREADS" in os.environ:
        yield
        return
    import torch

    os.environ["OMP_NUM_THREADS"] = str(max(1, torch.get_num_threads() // jobs))
    try:
        yield
    finally:
        del os.environ["OMP_NUM_THREADS"]


def reproduce(
    preset: str, only: list[str], overrides: dict[str, Any], *, out: Path | None = None, jobs: int = 1
) -> Path:
    """Regenerate items of the paper; returns the path of the HTML report.

    Predictions are kept as they are made, so that a killed run, started again, goes on where it was. A
    notebook that fails does not keep the others from running.

    Args:
        preset: name or path.
        only: items, such as ``["table2"]``; all for an empty list.
        overrides: dotted preset keys to set.
        out: folder for ``runs/`` and ``figures/``.
        jobs: how many notebooks run at a time, but for those that measure time.

    Raises:
        NotebookError: some failed; after all others have run, and the report of these is written.
    """
    chosen = choose(only)
    bench = open_workbench(preset, overrides, out=out)
    os.environ["REGNAS_OUT"] = str(bench.root.resolve())
    os.environ["TQDM_DISABLE"] = "1"  # for the notebooks: bars do not belong into what they leave behind
    preset = str(Path(preset).resolve()) if Path(preset).is_file() else preset
    done: list[Notebook] = []
    left_out: list[str] = []
    failed: list[str] = []
    parameters = {"preset": preset, "overrides": overrides}

    def run(nb: Notebook) -> Result:
        bar.set_postfix_str(nb.path.stem)
        start = time.perf_counter()
        try:
            execute(nb, bench.runs / "notebooks" / nb.path.name, parameters, bar=jobs == 1)
        except NotebookError as error:
            return 0.0, error
        return round(time.perf_counter() - start, 1), None

    with tqdm(total=len(chosen), desc=f"reproducing {bench.name}", unit="notebook") as bar:
        for nb, (seconds, error) in _each(chosen, run, jobs):
            bar.update()
            if error:
                missing = [] if only else nb.missing(preset, overrides)
                why = f"for want of {missing[0]}" if missing else f"it failed: {error}"
                tqdm.write(f"\n{', '.join(nb.items)}: left out, {why}\n")
                left_out.append(f"{nb.title}, {why}")
                failed += [] if missing else [str(error)]
                continue
            done.append(nb)
            record = provenance(bench, nb, seconds)
            for item in nb.items:
                text = json.dumps({"item": item, **record}, indent=2) + "\n"
                write_atomically(
                    bench.figures / "provenance" / f"{item}.json",
                    lambda part, text=text: part.write_text(text),
                )
                if table := short_table(bench.figures / f"{item}.csv"):
                    tqdm.write(f"\n{item}: {nb.title}\n\n{table}\n")
    done.sort(key=chosen.index)
    report = write_report(bench, done, left_out)
    if failed:
        many = (
            f"{len(failed)} of {len(chosen)} notebooks failed" if len(chosen) > 1 else "The notebook failed"
        )
        raise NotebookError("\n".join([f"{many}; what the others made is in {report}.", *failed]))
    return report


def short_table(path: Path, rows: int = 12) -> str:
    """A saved table as text, if it is short enough for a terminal; else nothing."""
    table = pd.read_csv(path).drop(columns="arch", errors="ignore")
    return format_table(table) if len(table) <= rows else ""


def provenance(bench: Workbench, nb: Notebook, seconds: float) -> dict[str, Any]:
    """All that one needs to judge, or repeat, a run."""
    return {
        "notebook": nb.path.name,
        "preset": bench.preset.model_dump(),
        "changed": bench.name.split("+")[1:],
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": seconds,
        "commit": _commit(),
        "weights": [
            {"preset": other.name, "digest": trained.net.digest(), **trained.net.info}
            for other in (bench, *bench.companions)
            for trained in other.trainings
        ],
        "tables": [
            {"preset": other.name, "stamp": stamp(trained.table.info), "copies": trained.of_copies}
            for other in (bench, *bench.companions)
            for trained in other.trainings
            if trained.table is not None
        ],
        "data": {
            "source": bench.data.source,
            "calibration": bench.data.calibration.digest,
            "search": bench.images("search").digest,
            "test": bench.images("test").digest,
        },
        "device": _device(bench),
        "other_devices": compare_devices(bench.store("test")).to_dict("records"),
        "python": platform.python_version(),
        "versions": versions(),
    }


def _device(bench: Workbench) -> str:
    import torch

    device = bench.evaluator.device
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    capability = torch.backends.cpu.get_cpu_capability()
    return f"CPU, {platform.machine()}, {torch.get_num_threads()} threads, {capability}"


def _commit() -> str | None:
    """The checkout's commit, with a + where its code differs from it; None outside a checkout."""
    package = Path(__file__).parents[1]

    def git(*command: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(package), *command], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + (
            "+" if git("status", "--porcelain", str(package)) else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return None


def write_report(bench: Workbench, chosen: list[Notebook], left_out: Sequence[str] = ()) -> Path:
    """One self-contained page: figures, tables, their provenance, and links to the executed notebooks.

    Args:
        bench: whose figures.
        chosen: the notebooks that ran.
        left_out: others, and why.
    """
    sections = []
    for nb in chosen:
        executed = bench.runs / "notebooks" / nb.path.name
        sections.append(
            {
                "title": nb.title,
                "notebook": _as_html(executed),
                "opening": _rendered(nb.opening),
                "items": [_section(bench, item) for item in nb.items],
                "closing": _rendered(nb.closing),
            }
        )
    env = Environment(
        loader=PackageLoader("regnas_core.reproduction", "templates"), autoescape=select_autoescape()
    )
    env.filters |= {"p_value": p_value, "colour": lambda verdict: COLOURS.get(verdict, GREY)}
    html = env.get_template("report.html").render(
        bench=bench,
        sections=sections,
        versions=versions(),
        verdicts=_verdicts(bench, chosen),
        titles=CLAIMS,
        left_out=left_out,
    )
    return write_atomically(bench.runs / "report.html", lambda part: part.write_text(html, encoding="utf-8"))


def _verdicts(bench: Workbench, chosen: list[Notebook]) -> list[dict[str, Any]]:
    """The claims with their verdicts, if their notebook ran."""
    path = bench.figures / "claims.csv"
    ran = any("claims" in nb.items for nb in chosen) and path.exists()
    return pd.read_csv(path).to_dict("records") if ran else []


def _rendered(text: str) -> str:
    """Markdown as HTML; links to other notebooks lead to their pages."""
    return re.sub(r'href="(\w+)\.ipynb', r'href="notebooks/\1.html', markdown2html(text)) if text else ""


def _section(bench: Workbench, item: str) -> dict[str, Any]:
    picture, table = bench.figures / f"{item}.png", bench.figures / f"{item}.csv"
    rows = pd.read_csv(table) if table.exists() else pd.DataFrame()
    short = rows.drop(columns="arch", errors="ignore").head(12)
    return {
        "name": item,
        "printed": [
            markdown2html(path.read_text("utf-8")) for path in sorted(bench.figures.glob(f"{item}*.md"))
        ],
        "picture": base64.b64encode(picture.read_bytes()).decode() if picture.exists() else None,
        "table": short.to_html(index=False, float_format=_number, border=0, na_rep="") if len(rows) else "",
        "left_out": max(0, len(rows) - len(short)),
        "provenance": json.loads((bench.figures / "provenance" / f"{item}.json").read_text()),
    }


def _number(value: float) -> str:
    """At least two decimals, and of small numbers three digits."""
    return f"{value:.2f}" if abs(value) >= 1 or not value else f"{value:.3g}"


def _as_html(executed: Path) -> str:
    """Write an executed notebook as a page beside it; returns the page's name, relative to the report."""
    body, _ = HTMLExporter().from_filename(str(executed))
    page = write_atomically(
        executed.with_suffix(".html"), lambda part: part.write_text(body, encoding="utf-8")
    )
    return f"notebooks/{page.name}"
