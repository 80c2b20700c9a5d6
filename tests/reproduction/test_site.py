"""The site: every page leads somewhere, nothing is fetched, nothing needs a kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup

import regnas_core
from regnas_core.reproduction.catalogue import notebooks
from regnas_core.reproduction.site import broken_links, build, build_site
from regnas_core.reproduction.site.links import Links


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            build, "write_explorer", lambda path: path.write_text("<p>explorer")
        )  # tested by itself
        build_site(out)
    return out


@pytest.mark.slow
def test_every_link_leads_somewhere_and_nothing_is_fetched(site):
    assert broken_links(site) == []
    pages = [
        path for path in site.rglob("*.html") if path.name != "explorer.html" and "figures" not in path.parts
    ]
    assert len(pages) >= 30
    for path in pages:
        soup = BeautifulSoup(path.read_bytes(), "html.parser")
        assert not soup("script") and soup.title.string.endswith("REG-NAS reproduced")
        assert all(image["alt"] for image in soup("img"))
        fetched = [t for t in soup(["img", "link", "iframe"]) if "://" in t.get("src", t.get("href", ""))]
        assert fetched == [], path
        assert "VBox(children" not in soup.get_text() and "$$" not in soup.get_text(), path


@pytest.mark.slow
def test_every_notebook_has_a_page_with_its_figures(site):
    for nb in notebooks():
        page = BeautifulSoup((site / "notebooks" / f"{nb.path.stem}.html").read_bytes(), "html.parser")
        assert page.h1.get_text() == nb.title.replace("`", "")
        stored = nb.path.read_text("utf-8").count('"image/png"')
        assert len(page("img", src=lambda src: src.startswith("data:image/png"))) == stored
    assert len(list((site / "notebooks" / "lessons").glob("*.html"))) >= 2


@pytest.mark.slow
def test_names_and_guides_are_there(site):
    names = (site / "names.html").read_text("utf-8")
    assert all(f"rc.{name}<" in names for name in regnas_core.__all__ if name != "__version__")
    assert "def nfr(" in names and "regnas_core." not in names.partition('id="nfr"')[2].partition("<h2")[0]
    start = BeautifulSoup((site / "index.html").read_bytes(), "html.parser")
    assert start.find("a", href="notebooks/08_table2_rewards.html") and start.find("a", href="guide.html")
    assert (site / "figures" / "demo" / "table2.svg").is_file()


def test_links_lead_to_pages_or_become_text(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a.png").touch()
    links = Links({"README.md": "index.html", "notebooks/01.ipynb": "notebooks/01.html"}, tmp_path)
    html = (
        '<a href="../README.md#map">map</a><a href="https://arxiv.org">x</a>'
        '<a href="../regnas_core/files.py">code</a><img src="../figures/a.png"><a href="#here">here</a>'
    )
    soup = BeautifulSoup(html, "html.parser")
    links.rewrite(soup, "notebooks/01.ipynb", "notebooks/01.html")
    assert [a["href"] for a in soup("a")] == ["../index.html#map", "https://arxiv.org", "#here"]
    assert "code" in soup.get_text() and soup.img["src"] == "../figures/a.png"
    assert links.wanted == {"figures/a.png"}


def test_links_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="x"></h1><a href="b.html#y"></a><a href="#x"></a><img src="c.png">'
    )
    (tmp_path / "b.html").write_text(
        '<a href="a.html#z"></a><a href="a.html#x"></a><a href="https://x.y"></a>'
    )
    assert broken_links(tmp_path) == ["a.html: b.html#y", "a.html: c.png", "b.html: a.html#z"]
