"""Links of the project's files, made into links among pages; and a check that they lead somewhere."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

COPIED = (".png", ".svg", ".csv", ".html", ".md", ".tex")  # files of figures/ that pages may lead to


class Links:
    """Where the project's files are on the site.

    Args:
        pages: page by the project's file, as ``notebooks/lessons/01.ipynb`` → ``lessons/01.html``.
        project: the project's folder.

    Attributes:
        wanted: files that pages show or lead to, to be copied to the same place.
    """

    def __init__(self, pages: Mapping[str, str], project: Path) -> None:
        self.pages, self.project, self.wanted = pages, project, set[str]()

    def rewrite(self, soup: BeautifulSoup, file: str, page: str) -> None:
        """Let the links of a page, which are those of the file that it was made from, lead to pages.

        Links to files that the site does not hold become plain text.
        """
        for tag, attribute in [(t, "href") for t in soup("a", href=True)] + [
            (t, "src") for t in soup("img", src=True)
        ]:
            pages = self.pages if tag.name == "a" else {}
            target = self._target(str(tag[attribute]), file, page, pages)
            if target is not None:
                tag[attribute] = target
            elif tag.name == "a":
                tag.unwrap()

    def _target(self, link: str, file: str, page: str, pages: Mapping[str, str]) -> str | None:
        parts = urlsplit(link)
        if parts.scheme or not parts.path:
            return link
        path = posixpath.normpath(posixpath.join(posixpath.dirname(file), unquote(parts.path)))
        place = pages.get(path)
        if place is None and path.startswith("figures/") and path.endswith(COPIED):
            if not (self.project / path).is_file():
                return None
            self.wanted.add(path)
            place = path
        if place is None:
            return None
        relative = posixpath.relpath(place, posixpath.dirname(page) or ".")
        return relative + (f"#{parts.fragment}" if parts.fragment else "")


def broken_links(site: str | Path) -> list[str]:
    """Links among pages that lead nowhere, as "page: link"; those to other sites are not followed."""
    site, broken = Path(site), []
    soups = {
        path.relative_to(site).as_posix(): BeautifulSoup(path.read_bytes(), "html.parser")
        for path in _pages(site)
    }
    ids = {name: {str(tag["id"]) for tag in soup(id=True)} for name, soup in soups.items()}
    for name, soup in soups.items():
        for tag in [*soup("a", href=True), *soup("img", src=True), *soup("link", href=True)]:
            link = str(tag.get("href") or tag.get("src"))
            parts = urlsplit(link)
            if parts.scheme:
                continue
            here = posixpath.dirname(name)
            path = os.path.normpath(os.path.join(here, unquote(parts.path))) if parts.path else name
            there = (site / path).is_file()
            if not there or (parts.fragment and path in ids and unquote(parts.fragment) not in ids[path]):
                broken.append(f"{name}: {link}")
    return broken


def _pages(site: Path) -> list[Path]:
    """The site's own pages: not the explorer and JupyterLite, which are programs, nor copied figures."""
    others = ("explorer.html", "figures", "lite")
    return sorted(path for path in site.rglob("*.html") if path.relative_to(site).parts[0] not in others)
