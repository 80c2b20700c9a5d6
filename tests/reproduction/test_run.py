"""From a command to figures, provenance and report; and from a folder of pictures to a searched target."""

from __future__ import annotations

import json
from threading import Barrier

import nbformat
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from regnas_core import cli, load_tabular
from regnas_core.errors import NotebookError
from regnas_core.reproduction import run as reproduction
from regnas_core.reproduction.catalogue import Notebook
from regnas_core.reproduction.run import reproduce

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.mark.slow
def test_reproduce_writes_figures_provenance_and_a_self_contained_report(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REGNAS_OUT", str(tmp_path))
    report = reproduce("demo", ["negative_flips"], {}, out=tmp_path)
    assert "both_correct" in capsys.readouterr().out  # short tables are printed
    figures = tmp_path / "figures" / "demo"
    assert {p.name for p in figures.glob("negative_flips.*")} == {
        f"negative_flips.{s}" for s in ("svg", "png", "csv")
    }
    record = json.loads((figures / "provenance" / "negative_flips.json").read_text())
    assert record["preset"]["name"] == "demo"
    assert len(record["weights"][0]["digest"]) == 16
    assert record["weights"][0]["command"].startswith("regnas train-supernet --preset demo")
    assert len({record["data"][split] for split in ("calibration", "search", "test")}) == 3
    assert record["versions"]["torch"][0].isdigit()
    page = report.read_text()
    assert page.count("data:image/png;base64,") == 2  # the two figures of this notebook
    assert (report.parent / "notebooks" / "00_negative_flips.html").exists()
    assert str(tmp_path) not in json.dumps(record)


def test_a_notebook_without_its_data_is_left_out_but_not_if_it_was_asked_for(
    tmp_path, monkeypatch, capsys, make_bench
):
    lacking = Notebook(tmp_path / "n.ipynb", "Needy", ("needy",), ("preset", "overrides"), ("toy/file.pth",))
    monkeypatch.setenv("REGNAS_DATA", str(tmp_path))
    monkeypatch.setattr(reproduction, "choose", lambda only: [lacking])
    monkeypatch.setattr(reproduction, "open_workbench", lambda preset, overrides, out: make_bench(out))

    def fail(*_, **__):
        raise NotebookError("n.ipynb failed")

    monkeypatch.setattr(reproduction, "execute", fail)
    report = reproduce("demo", [], {}, out=tmp_path)
    assert f"needy: left out, for want of {tmp_path / 'toy' / 'file.pth'}" in capsys.readouterr().out
    assert "Left out: Needy, for want of" in report.read_text()
    with pytest.raises(NotebookError, match="failed"):
        reproduce("demo", ["needy"], {}, out=tmp_path)
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "file.pth").touch()  # the data is there, so it failed for another reason
    with pytest.raises(NotebookError, match="failed"):
        reproduce("demo", [], {}, out=tmp_path)


def test_a_notebook_that_fails_does_not_keep_the_others_from_running(tmp_path, monkeypatch, make_bench):
    parameters, bench = ("preset", "overrides"), make_bench(tmp_path)
    chosen = [Notebook(tmp_path / f"{name}.ipynb", name, (name,), parameters) for name in ("a", "b", "c")]
    monkeypatch.setenv("REGNAS_OUT", str(tmp_path))
    monkeypatch.setattr(reproduction, "choose", lambda only: chosen)
    monkeypatch.setattr(reproduction, "open_workbench", lambda *_, out: bench)

    def execute(nb, output, _, **__):
        if nb.title == "b":
            raise NotebookError("b.ipynb failed in cell 3: ValueError: odd")
        output.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# x")]), output)
        bench.figures.mkdir(parents=True, exist_ok=True)
        (bench.figures / f"{nb.title}.csv").write_text("x\n1\n")

    monkeypatch.setattr(reproduction, "execute", execute)
    with pytest.raises(NotebookError, match=r"1 of 3 notebooks failed; what the others.*\nb.ipynb .* odd"):
        reproduce("demo", [], {}, out=tmp_path)
    page = (bench.runs / "report.html").read_text()
    assert "Left out: b, it failed: b.ipynb failed in cell 3" in page
    assert {"a.json", "c.json"} == {path.name for path in (bench.figures / "provenance").iterdir()}


def test_notebooks_run_side_by_side_but_one_that_measures_time(tmp_path):
    a, timed, b = (Notebook(tmp_path / n, n, (n,), (), alone=n == "timed") for n in ("a", "timed", "b"))
    met, ended = Barrier(2, timeout=60), []

    def run(nb):
        if nb.alone:
            assert set(ended) == {a, b}
        else:
            met.wait()  # both are here at once
        ended.append(nb)
        return 1.0, None

    ran = [nb for nb, _ in reproduction._each([a, timed, b], run, 2)]
    assert {*ran[:2]} == {a, b} and ran[2] == timed
    one_by_one = [nb for nb, _ in reproduction._each([a, timed, b], lambda nb: (1.0, None), 1)]
    assert one_by_one == [a, timed, b]


def test_the_report_opens_with_verdicts_and_prints_tables(tmp_path, monkeypatch):
    source = tmp_path / "claims.ipynb"
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# The claims")])

    def execute(_, output, __, **___):
        output.parent.mkdir(parents=True)
        nbformat.write(nb, output)
        figures = tmp_path / "figures" / "demo"
        figures.mkdir(parents=True)
        columns = "number,claim,value,low,high,trainings,p,p_holm,verdict"
        rows = "1,A < B,-0.5,-0.7,-0.3,3,0.0001,0.0002,holds\n2,B < C,0.1,-0.2,0.4,3,0.4,0.4,undecided"
        (figures / "claims.csv").write_text(f"{columns}\n{rows}\n")
        (figures / "claimsa.md").write_text(
            "**Table 9**\n\n| model | *paper:* NFR |\n| --- | --- |\n| x | *2.16* |\n"
        )

    monkeypatch.setenv("REGNAS_OUT", str(tmp_path))
    monkeypatch.setattr(
        reproduction, "choose", lambda _: [Notebook(source, "The claims", ("claims",), ("preset",))]
    )
    monkeypatch.setattr(reproduction, "execute", execute)
    page = reproduce("demo", [], {}, out=tmp_path).read_text()
    assert page.index("What holds here") < page.index("executed notebook")
    assert (
        "A &lt; B" in page
        and "-0.70 to -0.30" in page
        and "&lt; 0.001" in page
        and '<td style="color: #767676"><b>undecided</b>' in page
    )
    assert ">nan<" not in page and "<em>2.16</em>" in page


@pytest.fixture
def folder_preset(tmp_path):
    """A folder of small pictures, each class a colour, and a preset for it."""
    rng = np.random.default_rng(0)
    for split, n in (("train", 60), ("val", 20)):
        for c, colour in enumerate(("red", "green", "blue")):
            folder = tmp_path / "pictures" / split / colour
            folder.mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(0, 120, (16, 16, 3), dtype=np.uint8)
                pixels[..., c] += 60
                Image.fromarray(pixels).save(folder / f"{i:03}.png")
    preset = tmp_path / "mine.yaml"
    preset.write_text(
        f"""
title: Colours
data: {{name: folder, path: {tmp_path / "pictures"}, size: 16}}
supernet:
  space: mini
  options: {{image: [3, 16, 16], classes: 3, stem: 8, head: 16, widths: [8, 8, 8]}}
  weights: runs/mine/training/mini.safetensors
training: {{epochs: 2, batch_size: 16}}
search: {{reference_mmacs: 0.15, target_mmacs: 0.3, generations: 2, population: 4}}
seeds: 1
"""
    )
    return preset


@pytest.mark.slow
def test_own_pictures_from_training_to_a_target_that_contains_the_reference(
    folder_preset, tmp_path, monkeypatch
):
    monkeypatch.setenv("REGNAS_OUT", str(tmp_path))
    monkeypatch.setenv("REGNAS_DATA", str(tmp_path / "cache"))
    trained = CliRunner().invoke(cli.app, ["train-supernet", "--preset", str(folder_preset)])
    assert trained.exit_code == 0, trained.output
    assert (tmp_path / "runs" / "mine" / "training" / "mini.safetensors").exists()
    found = CliRunner().invoke(cli.app, ["search", "--preset", str(folder_preset), "--reward", "1,0.5"])
    assert found.exit_code == 0, found.output
    assert "reference:" in found.output and "target:" in found.output
    row = next(line for line in found.output.splitlines() if line.lstrip().startswith("target "))
    assert "True" in row  # contains the reference
    file = tmp_path / "mine.npz"
    command = ["tabulate", "--preset", str(folder_preset), "--networks", "9", "--file", str(file)]
    made = CliRunner().invoke(cli.app, command)
    assert made.exit_code == 0 and "9 networks of mini(" in made.output, made.output
    table = load_tabular(file)
    assert table.right("test").shape == (9, 60) and "regnas tabulate" in table.info["command"]
