"""The site: every page leads somewhere, nothing is fetched, nothing needs a kernel, all can be read."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
from bs4 import BeautifulSoup
from pygments.token import STANDARD_TYPES

import regnas_core
from regnas_core.reproduction.catalogue import notebooks
from regnas_core.reproduction.site import broken_links, build, build_site
from regnas_core.reproduction.site.links import Links
from regnas_core.reproduction.site.names import names, signature

# colours of all kinds of token as a page shows them, and last the one behind them
COLOURS = """((kinds) => {
  const code = document.querySelector('.highlight pre');
  const shown = kinds.map((kind) => {
    const token = Object.assign(document.createElement('span'), {className: kind});
    return getComputedStyle(code.appendChild(token)).color;
  });
  return [...shown, getComputedStyle(code).backgroundColor].map((c) => c.match(/[0-9.]+/g).map(Number));
})"""


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
    page = (site / "names.html").read_text("utf-8")
    assert all(f"rc.{name}<" in page for name in regnas_core.__all__ if name != "__version__")
    start = BeautifulSoup((site / "index.html").read_bytes(), "html.parser")
    assert start.find("a", href="notebooks/08_table2_rewards.html") and start.find("a", href="guide.html")
    assert start.main.find("a", href="explorer.html").string == "explorer"
    assert (site / "figures" / "demo" / "table2.svg").is_file()


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[chromium.Chromium]:
    if chromium.FOUND is None:
        pytest.skip("no chromium here")
    with chromium.Chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_code_is_easily_read(site, browser, scheme):
    kinds = sorted(set(STANDARD_TYPES.values()))
    browser.view(1200, 900, scheme)
    browser.open((site / "notebooks" / "lessons" / "01_counting_flips.html").as_uri())
    *shown, behind = browser.run(f"{COLOURS}({kinds})")
    assert len(behind) == 3 and (sum(behind) < 300) == (scheme == "dark")
    pale = {kind: c for kind, c in zip(kinds, shown, strict=True) if chromium.contrast(c, behind) < 4.5}
    assert pale == {}  # WCAG 2.1, AA
    assert len({tuple(c) for c in shown}) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("page", ["names", "notebooks/05_fig4b_rewards", "notebooks/08_table2_rewards"])
def test_pages_fit_a_phone_and_begin_with_their_title(site, browser, page):
    browser.view(420, 900)
    browser.open((site / f"{page}.html").as_uri())
    assert browser.run("document.documentElement.scrollWidth") <= 420
    assert browser.run("document.querySelector('h1').getBoundingClientRect().top") < 150
    browser.run("document.querySelector('.menu summary').click()")
    assert browser.run("document.querySelector('h1').getBoundingClientRect().top") > 400


@pytest.mark.slow
def test_tables_are_whole_where_the_window_has_room(site, browser):
    browser.view(1280, 900)
    browser.open((site / "notebooks" / "08_table2_rewards.html").as_uri())
    boxes = "[...document.querySelectorAll('.scrolls')]"
    assert browser.run(f"{boxes}.length") >= 4
    assert browser.run(f"{boxes}.filter((box) => box.scrollWidth > box.clientWidth).length") == 0


def test_names_are_written_as_a_user_would():
    soup = BeautifulSoup(names(), "html.parser")
    written = {code["id"]: code.find_next("pre").get_text() for code in soup("code", id=True)}
    assert written["nfr"] == "def nfr(reference: Classes, target: Classes, labels: Classes) -> float"
    assert '    method: Method = "wilson",\n' in written["rate_interval"]
    assert 'weights: str | Path = "pretrained"' in written["load_supernet"]
    assert "    info: dict = {},\n" in written["SuperNet"]
    assert written["search"].startswith("def search(\n    space: Space,\n    score: Score,\n")
    assert "    *,\n    progress: bool = False,\n    **settings: Any,\n" in written["search"]
    assert all(word not in text for text in written.values() for word in ("regnas_core.", "<", "'"))
    assert max(len(line) for text in written.values() for line in text.splitlines()) <= 88


def test_long_signatures_have_a_line_an_argument():
    def made(first: int, *more: str, by_name_alone: str = "x" * 60) -> dict[str, int]: ...

    expected = f'def made(\n    first: int,\n    *more: str,\n    by_name_alone: str = "{"x" * 60}",\n)'
    assert signature(made, "made") == f"{expected} -> dict[str, int]"


def test_classes_have_their_methods():
    soup = BeautifulSoup(names(), "html.parser")
    for name in ("TabularBenchmark", "SuperNet", "Evaluator", "FlipCounts"):
        kind, listed = getattr(regnas_core, name), soup.find(id=name).find_next("dl")
        rows = {term.get_text(): term.find_next("dd").get_text() for term in listed("dt")}
        found = {row[1:].partition("(")[0] for row in rows}
        public = {n for n, value in vars(kind).items() if not n.startswith("_") and inspect.isfunction(value)}
        assert public <= found and all(rows.values()), name
        if name == "TabularBenchmark":
            assert {"best", "nfr", "score", "archs", "of"} <= found
            assert rows[".nfr(reference, split)"].startswith("NFR of every network with reference")


def test_links_lead_to_pages_or_become_text(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a.png").touch()
    pages = {"README.md": "index.html", "notebooks/01.ipynb": "notebooks/01.html", "figures/a.png": "a.html"}
    links = Links(pages, tmp_path)
    html = (
        '<a href="../README.md#map">map</a><a href="https://arxiv.org">x</a>'
        '<a href="../regnas_core/files.py">code</a><img src="../figures/a.png"><a href="#here">here</a>'
        '<a href="../figures/a.png">play</a>'
    )
    soup = BeautifulSoup(html, "html.parser")
    links.rewrite(soup, "notebooks/01.ipynb", "notebooks/01.html")
    assert [a["href"] for a in soup("a")] == ["../index.html#map", "https://arxiv.org", "#here", "../a.html"]
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
