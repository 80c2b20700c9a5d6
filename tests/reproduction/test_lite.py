"""Lessons in the browser: as far as a machine without a network can see. (Python comes over one.)"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from zipfile import ZipFile

import chromium
import nbformat
import pytest
from bs4 import BeautifulSoup

from regnas_core.errors import DataError, MissingExtraError
from regnas_core.reproduction import lite
from regnas_core.reproduction.site import broken_links, build, build_site
from regnas_core.resources import project_path

PROJECT = project_path("notebooks").parent
pytestmark = pytest.mark.slow

# what a lesson does where there is no torch, and only the wheel's files
LESSON = """\
import json, sys
class NoTorch:
    def find_spec(self, name, *_):
        if name == "torch": raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NoTorch())
import matplotlib; matplotlib.use("agg")
import regnas_core
assert regnas_core.__file__.startswith(sys.argv[1]), regnas_core.__file__
space = {"display": print}
for source in json.load(sys.stdin):
    exec(compile(source, "lesson", "exec"), space)
"""

SAID = ("Lesson 3: write REG-NAS yourself", "Run the next cell first", "%pip install", "Kernel")
SHOWN = f"""new Promise((done) => setInterval(() => {{
  const text = document.body.innerText;  // cells come one after another
  if ({list(SAID)}.every((said) => text.includes(said))) done(text);
}}, 200))"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("jupyterlite_core")
    out = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "write_explorer", lambda path: path.write_text("<p>explorer"))
        build_site(out, lite=True)
    return out


@pytest.fixture(scope="module")
def served(site) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_pages_of_lessons_offer_it(site):
    assert broken_links(site) == []
    for path in sorted((site / "notebooks" / "lessons").glob("*.html")):
        offer = BeautifulSoup(path.read_bytes(), "html.parser").find("p", class_="offer")
        assert (offer is None) == (path.stem == lite.WITH_TORCH)
        if offer:
            assert offer.a["href"] == f"../../lite/notebooks/index.html?path={path.stem}.ipynb"
            assert (site / "lite" / "files" / f"{path.stem}.ipynb").is_file()


def test_a_lesson_there_first_installs_and_leads_nowhere_else(site):
    there = sorted((site / "lite" / "files").glob("*.ipynb"))
    assert len(there) == 4
    for path in there:
        cells = nbformat.read(path, as_version=4).cells
        first = next(cell for cell in cells if cell.cell_type == "code")
        assert first.source.startswith("%pip install") and "Run the next cell first" in cells[1].source
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        assert "](../" not in text and "02_one_super_network.ipynb" not in text
    assert "(04_is_it_true.ipynb)" in there[1].read_text("utf-8")


def test_the_wheel_has_what_lessons_need_and_no_more(site, tmp_path):
    (wheel,) = (site / "lite" / "pypi").glob("*.whl")
    listed = json.loads((wheel.parent / "all.json").read_text())
    assert wheel.name in json.dumps(listed["regnas-core"])
    assert wheel.stat().st_size < 16e6
    with ZipFile(wheel) as files:
        names = files.namelist()
        record = files.read(next(n for n in names if n.endswith("/RECORD"))).decode().splitlines()
        files.extractall(tmp_path)
    assert [line.partition(",")[0] for line in record] == names
    assert not [name for name in names if name.endswith((".safetensors", ".ipynb"))]
    for path in sorted((site / "lite" / "files").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        sources = [c.source for c in cells if c.cell_type == "code" and not c.source.startswith("%pip")]
        done = subprocess.run(  # in the folder of the wheel's files, which come first there
            [sys.executable, "-c", LESSON, str(tmp_path)],
            input=json.dumps(sources),
            text=True,
            capture_output=True,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, f"{path.stem}: {done.stderr[-2000:]}"
        shown = "".join(o.text for c in cells for o in c.get("outputs", []) if o.output_type == "stream")
        assert done.stdout.splitlines()[:3] == shown.splitlines()[:3]


def test_a_browser_shows_the_lesson(site, served, tmp_path):
    if chromium.FOUND is None:
        pytest.skip("no chromium here")
    with chromium.Chromium(tmp_path) as browser:
        browser.open(f"{served}/notebooks/lessons/03_write_reg_nas.html")
        browser.open(browser.run("document.querySelector('.offer a').href"))
        text = browser.run(SHOWN)
    assert all(said in text for said in SAID)


def test_what_is_missing_or_fails_is_named(monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "jupyterlite_core", None)
        with pytest.raises(MissingExtraError, match=r"jupyterlite_core.*regnas-core\[lite\]"):
            lite.write_lite(tmp_path, PROJECT)
    with pytest.raises(DataError, match=r"hatchling failed.*\n"):
        lite._run("hatchling", "build", "--no-such-option", cwd=tmp_path)
