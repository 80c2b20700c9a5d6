"""Lessons that run in the browser: JupyterLite, with the core as a small wheel.

What is written here comes from the site; Python itself and NumPy, pandas and the rest come over the network
when a lesson is run. Without one, a lesson can be read and written in there, and its kernel does not start.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile

import nbformat

from ..errors import DataError
from ..extras import missing_extra

WITH_TORCH = "02_one_super_network"  # which no browser runs
TABLES = ("demo-0", "demo-1")  # that the lessons load
LEFT_OUT = tuple(
    f"regnas_core/{folder}/"
    for folder in (
        *("_project/notebooks", "_project/data_splits"),
        *("supernets/checkpoints", "workbench/networks", "tabular/tables"),
    )
)
FIRST = """\
**In the browser.** Run the next cell first. It takes the core and its tables from this site, and Python's
other packages over the network: a minute or two. A red cross at the top right, or *Connecting* that stays,
means that there is no network; the lesson can still be read. What you write stays in this browser;
*File → Download* keeps it.
"""
INSTALL = "%pip install -q regnas-core matplotlib seaborn adjusttext ipywidgets"
NEEDS = ("hatchling", "jupyterlite_core", "jupyterlite_pyodide_kernel")


def lessons(project: Path) -> list[Path]:
    """The lessons that a browser can run."""
    found = sorted((project / "notebooks" / "lessons").glob("*.ipynb"))
    return [path for path in found if path.stem != WITH_TORCH]


def address(lesson: Path) -> str:
    """Where a lesson runs, from the site's folder."""
    return f"lite/notebooks/index.html?path={lesson.name}"


def write_lite(out: Path, project: Path) -> None:
    """Write JupyterLite, lessons and the core into ``lite`` of a folder; what was there is replaced.

    Raises:
        MissingExtraError: JupyterLite is not installed.
        DataError: the wheel or JupyterLite's own build failed; with their last words.
    """
    try:
        for name in NEEDS:
            import_module(name)
    except ModuleNotFoundError as error:
        raise missing_extra(error, "A site whose lessons run in the browser") or error from None
    with TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "lessons").mkdir()
        for path in lessons(project):
            nbformat.write(for_browser(path, project), work / "lessons" / path.name)
        _run("hatchling", "build", "-t", "wheel", "-d", str(work), cwd=project)
        (whole,) = work.glob("*.whl")
        (work / "wheels").mkdir()
        wheel = slim(whole, work / "wheels" / whole.name, project)
        asked = {
            "--contents": work / "lessons",
            "--lite-dir": work,
            "--output-dir": out.absolute() / "lite",
            "--piplite-wheels": wheel,
            "--apps": "notebooks",
        }
        options = [str(word) for pair in asked.items() for word in pair]
        small = ("--no-sourcemaps", "--no-unused-shared-packages")
        shutil.rmtree(out / "lite", ignore_errors=True)
        _run("jupyterlite_core", "build", *options, *small, cwd=work)


def for_browser(path: Path, project: Path) -> nbformat.NotebookNode:
    """A lesson that first installs the core; its links lead to other lessons there, or are plain text."""
    nb = nbformat.read(path, as_version=4)
    here = {other.name for other in lessons(project)}
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(
                r"\[([^\]]+)\]\((?!\w+://)([^)#]+)[^)]*\)",
                lambda link: link[0] if link[2] in here else link[1],
                cell.source,
            )
    nb.cells[1:1] = [nbformat.v4.new_markdown_cell(FIRST.strip()), nbformat.v4.new_code_cell(INSTALL)]
    return nb


def slim(whole: Path, to: Path, project: Path) -> Path:
    """A wheel of what the lessons need: no weights, no notebooks, and the tables that they load."""
    with ZipFile(whole) as old:
        files = {name: old.read(name) for name in old.namelist() if not name.startswith(LEFT_OUT)}
    for table in TABLES:
        name = f"regnas_core/tabular/tables/{table}.npz"
        files[name] = (project / name).read_bytes()
    record = next(name for name in files if name.endswith(".dist-info/RECORD"))
    del files[record]
    lines = (f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items())
    files[record] = ("".join(lines) + f"{record},,\n").encode()
    with ZipFile(to, "w", ZIP_DEFLATED) as new:
        for name, data in files.items():
            new.writestr(name, data)
    return to


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def _run(module: str, *arguments: str, cwd: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DataError(f"{module} failed, so the lessons do not run in the browser:\n{done.stdout[-2000:]}")
