"""The site's pages, one after another."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
from bs4 import BeautifulSoup
from jinja2 import Environment, PackageLoader, select_autoescape
from latex2mathml.converter import convert as mathml
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html

from ...files import write_atomically
from ...resources import project_path
from ..explorer import write_explorer
from ..lite import address, lessons, write_lite
from .links import Links
from .names import names

HERE = Path(__file__).parent
_FORMULA = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
TITLES = {
    "README.md": ("index.html", "Start"),
    "regnas_core/README.md": ("guide.html", "The core, from Python"),
    "CONTRIBUTING.md": ("contributing.html", "The house, formats, tests"),
    "notebooks/lessons/README.md": ("lessons.html", "Lessons for a class"),
    "CHANGELOG.md": ("changelog.html", "What changed"),
}
OFFER = """
<p class="offer"><a href="{}">Change and run it here, in the browser</a>: nothing to install. Python comes
over the network (JupyterLite; a minute or two), and these pages must come from a web server, not the disk.
</p>
"""


class Page(NamedTuple):
    """A page, and the project's file that it is made from."""

    place: str
    title: str
    file: str
    group: str


def build_site(out: str | Path, lite: bool = False) -> list[Page]:
    """Write the site into a folder.

    Args:
        out: the folder; pages that are there are replaced.
        lite: also JupyterLite, in which lessons run in the browser.

    Returns:
        Its pages, in reading order.

    Raises:
        DataError: not in a checkout, no table for the explorer, or JupyterLite could not be built.
    """
    out, project = Path(out), project_path("notebooks").parent
    pages = [*_documents(), *_notebooks(project)]
    folders = {
        str(Path(page.file).parent): page.place for page in reversed(pages)
    }  # lead to their first page
    places = {page.file: page.place for page in pages} | {"figures/explorer.png": "explorer.html"}
    links = Links(folders | places, project)
    run_here = {p.relative_to(project).as_posix(): address(p) for p in lessons(project)} if lite else {}
    env = Environment(loader=PackageLoader(__package__, "."), autoescape=select_autoescape())
    template = env.get_template("page.html")
    groups = list(dict.fromkeys(page.group for page in pages))
    for number, page in enumerate(pages):
        soup = BeautifulSoup(_body(project, page), "html.parser")
        _finish(soup)
        links.rewrite(soup, page.file, page.place)
        root = "../" * page.place.count("/")
        if page.file in run_here:
            soup.h1.insert_after(BeautifulSoup(OFFER.format(root + run_here[page.file]), "html.parser"))
        around = [pages[i] if 0 <= i < len(pages) else None for i in (number - 1, number + 1)]
        html = template.render(
            page=page,
            body=str(soup),
            pages=pages,
            groups=groups,
            around=around,
            root=root,
        )
        _write(out / page.place, html)
    shutil.copyfile(HERE / "style.css", out / "style.css")
    for file in sorted(links.wanted):
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project / file, out / file)
    write_explorer(out / "explorer.html")
    if lite:
        write_lite(out, project)
    return pages


def _documents() -> Iterator[Page]:
    for file, (place, title) in TITLES.items():
        yield Page(place, title, file, "The project")
    for path in sorted((HERE / "pages").glob("*.md")):
        title = path.read_text("utf-8").partition("\n")[0].removeprefix("# ")
        yield Page(
            f"{path.stem}.html", title, f"regnas_core/reproduction/site/pages/{path.name}", "The project"
        )
    yield Page("names.html", "Names of the core", "regnas_core/__init__.py", "The project")


def _notebooks(project: Path) -> Iterator[Page]:
    for folder, group in (("lessons", "Lessons"), ("", "The paper, item by item")):
        for path in sorted((project / "notebooks" / folder).glob("*.ipynb")):
            file = path.relative_to(project).as_posix()
            cells = nbformat.read(path, as_version=4).cells
            title = cells[0].source.partition("\n")[0].removeprefix("# ")
            yield Page(file.removesuffix("ipynb") + "html", title, file, group)


def _body(project: Path, page: Page) -> str:
    path = project / page.file
    if path.suffix == ".md":
        return markdown2html(path.read_text("utf-8"))
    if path.suffix == ".py":
        return names()
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        if cell.cell_type == "code":  # widgets need a kernel; what they would show is shown beside them
            outputs = (o for o in cell.outputs if not any("widget" in kind for kind in o.get("data", {})))
            cell.outputs = list(outputs)
        else:
            cell.source = _FORMULA.sub(lambda tex: mathml(tex[1], display="block"), cell.source)
    exporter = HTMLExporter(template_name="basic")
    exporter.log.setLevel("ERROR")  # images without alternative texts get them below
    soup = BeautifulSoup(exporter.from_notebook_node(nb)[0], "html.parser")
    for cell, shown in zip(nb.cells, soup("div", class_="cell"), strict=True):
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            what = "Versions" if "rc.versions()" in cell.source else "Checks"
            shown.wrap(soup.new_tag("details")).insert(0, summary := soup.new_tag("summary"))
            summary.string = what
    return str(soup)


def _finish(soup: BeautifulSoup) -> None:
    """Give headings the anchors that GitHub does, figures a text, and put tables into boxes that scroll.

    Names over columns may break after an underscore.
    """
    for mark in soup("a", class_="anchor-link"):
        mark.decompose()
    led_to = {str(a["href"]).removeprefix("#") for a in soup("a", href=True)}
    seen: dict[str, int] = {}
    for heading in soup(["h1", "h2", "h3", "h4"]):
        slug = re.sub(r"[^\w\- ]", "", heading.get_text().strip().lower()).replace(" ", "-")
        count = seen[slug] = seen.get(slug, -1) + 1
        if heading.get("id") not in led_to:
            heading["id"] = f"{slug}-{count}" if count else slug
    for image in soup("img"):
        if not image.get("alt") or image["alt"] == "No description has been provided for this image":
            heading = image.find_previous(["h1", "h2", "h3"])
            image["alt"] = f"Figure: {heading.get_text().strip()}" if heading else "Figure"
    for text in [found for head in soup("th") for found in head(string=re.compile("_"))]:
        first, *rest = text.split("_")
        text.replace_with(first, *(part for word in rest for part in ("_", soup.new_tag("wbr"), word)))
    for table in soup("table"):
        table.wrap(soup.new_tag("div", attrs={"class": "scrolls", "tabindex": "0"}))


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
