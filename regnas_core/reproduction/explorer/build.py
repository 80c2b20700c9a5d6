"""The page, put together: HTML, style, scripts and packed tables in one file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...files import write_atomically
from ...tabular.benchmark import TABLES, TabularBenchmark, load_tabular
from .packing import Places, find_pictures, pack_pictures, pack_table, spread

PAGE = Path(__file__).with_name("page")
IMAGES = 4608  # of each split, of all tables together
PICTURES = 1024
LARGEST = 5_000_000  # bytes of a page
TITLES = {"glyphs": "Letters", "cifar10": "CIFAR-10"}
PAPER = ("https://arxiv.org/abs/2209.13740", "The paper")
BESIDE = (("index.html", "Start page"), ("glossary.html", "Glossary"))  # of the site, where it is built
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+\.js)";\n', re.MULTILINE)


def write_explorer(
    path: str | Path, names: Sequence[str | Path] = (), *, images: int | None = None, pictures: int = PICTURES
) -> Path:
    """Write the explorer, one page that needs nothing else.

    Args:
        path: of the page.
        names: tables, as ``"demo-0"`` or the path of a file; by default three trainings' of all that are
            here and that the page can hold (spaces where larger genes contain smaller ones).
        images: how many of each split, evenly from easy to hard, so that the page stays small; by default
            fewer the more tables there are.
        pictures: how many of the test images can be seen, for each data set.

    Raises:
        DataError: no such table, one that the page cannot hold, or a page of more than 5 MB.
    """
    here = sorted(TABLES.glob("*-[012].npz"), key=lambda file: (not file.stem.startswith("demo"), file.stem))
    files = [_file(name) for name in names or here]  # the first is shown first: its pictures are everywhere
    if not files:
        raise DataError("There is no table to explore here. Make one with `regnas tabulate`.")
    tables = {file.stem: load_tabular(file) for file in files}
    calls = {file.stem: _call(file) for file in files}
    if not names:
        tables = {name: table for name, table in tables.items() if table.space.by_genes}
    images = images or IMAGES // len(tables)
    places = {dataset: spread(own, images) for dataset, own in _by_dataset(tables).items()}
    about, blobs = [], []
    for name, table in tables.items():
        dataset, training = table.info["dataset"], name.rpartition("-")[2]
        title = f"{TITLES.get(dataset, dataset)}, training {training}" if training.isdecimal() else name
        header, blob = pack_table(name, title, table, places[dataset])
        about.append(header | {"python": calls[name]})
        blobs.append(f'<script type="text/plain" id="{name}">{blob}</script>')
    data = {"tables": about, "pictures": _pictures(tables, places, pictures)}
    parts = {
        "links": _links(Path(path).parent),
        "style": (PAGE / "style.css").read_text("utf-8"),
        "data": json.dumps(data, separators=(",", ":")).replace("</", "<\\/"),
        "tables": "\n".join(blobs),
        "script": bundle("main.js"),
    }
    html = (PAGE / "index.html").read_text("utf-8")
    page = re.sub(r"<!-- (\w+) -->", lambda match: parts[match[1]], html).encode()
    if len(page) > LARGEST:
        raise DataError(
            f"The page has {len(page):,} bytes, more than {LARGEST:,}. Take fewer images (here {images:,} a "
            "split) or fewer tables."
        )
    return write_atomically(path, lambda part: part.write_bytes(page))


def bundle(entry: str) -> str:
    """A module and all that it imports as one script: a page from a disk may not load modules.

    Each file stands after those that it imports, without ``import`` and ``export``; so names are unique
    throughout, and imports are written as ``import { a, b } from "./file.js";``.
    """
    done: dict[str, str] = {}

    def add(name: str) -> None:
        if name not in done:
            text = (PAGE / name).read_text("utf-8")
            for wanted in _IMPORT.findall(text):
                add(wanted)
            text = re.sub(r"^export ", "", _IMPORT.sub("", text), flags=re.MULTILINE)
            done[name] = f"// ── {name}\n{text.strip()}\n"

    add(entry)
    return "\n".join(done.values())


def _file(name: str | Path) -> Path:
    path = Path(name)
    return path if path.suffix else TABLES / f"{name}.npz"


def _call(file: Path) -> str:
    """How Python opens a table."""
    preset, _, training = file.stem.rpartition("-")
    ours = file.parent == TABLES and training.isdecimal()
    return f'rc.load_tabular("{preset}", {training})' if ours else f'rc.load_tabular("{file.name}")'


def _links(folder: Path) -> str:
    there = [page for page in BESIDE if (folder / page[0]).is_file()]
    return "\n".join(f'<a href="{address}">{title}</a>' for address, title in (PAPER, *there))


def _by_dataset(tables: Mapping[str, TabularBenchmark]) -> dict[str, list[TabularBenchmark]]:
    found: dict[str, list[TabularBenchmark]] = {}
    for table in tables.values():
        found.setdefault(table.info["dataset"], []).append(table)
    return found


def _pictures(
    tables: Mapping[str, TabularBenchmark], places: Mapping[str, Places], most: int
) -> dict[str, Any]:
    """Data set → its pictures, where they are on this machine."""
    found = {}
    for dataset, own in _by_dataset(tables).items():
        if (test := find_pictures(own)) is not None:
            found[dataset] = pack_pictures(test, own, places[dataset]["test"], most)
    return found
