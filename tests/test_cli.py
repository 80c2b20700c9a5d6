"""The command line, as a user meets it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from regnas_core import cli, get_space
from regnas_core.costs.cost import get_cost

run = CliRunner().invoke


def test_help_and_import_load_no_torch():
    code = (
        "import sys, regnas_core, regnas_core.cli as c\n"
        "try: c.app(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in ("reproduce", "search", "train-supernet", "flips"):
        assert command in done.stdout


def test_flips_prints_the_table_and_writes_csv(tmp_path):
    labels = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    np.save(tmp_path / "y.npy", labels)
    np.save(tmp_path / "phone.npy", np.array([0, 0, 1, 3, 0, 2, 1, 0]))
    np.save(tmp_path / "cloud.npy", np.array([0, 1, 1, 1, 2, 2, 3, 0]))
    files = [str(tmp_path / name) for name in ("phone.npy", "cloud.npy")]
    done = run(
        cli.app, ["flips", "--labels", str(tmp_path / "y.npy"), *files, "--csv", str(tmp_path / "f.csv")]
    )
    assert done.exit_code == 0, done.output
    assert "12.50" in done.output  # one of eight images flips
    assert (tmp_path / "f.csv").read_text().startswith("reference,target")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "--preset", "demoo"], "No preset 'demoo'"),
        (["search", "--strategy", "annealing"], "no strategy 'annealing': choose evolution, random"),
        (["search", "--set", "search.populaton=3"], "did you mean search.population?"),
        (["reproduce", "--only", "table9"], "Unknown item table9"),
        (["search", "--set", "supernet.weights=nowhere.safetensors"], "nowhere.safetensors"),
        (["deploy", "--arch", "phone", "--into", "nowhere"], "expected a name without slashes and genes"),
        (["deploy", "--arch", "phone={}", "--into", "nowhere"], "missing"),
    ],
)
def test_a_foreseen_error_is_one_message_and_exit_code_1(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["regnas", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    error = capsys.readouterr().err
    assert stop.value.code == 1
    assert error.startswith("Error: ") and message in error
    assert "Traceback" not in error


def test_bad_input_of_flips_is_exit_code_4(monkeypatch, capsys):
    """1 says that a candidate fails."""
    for words in (["--labels", "y.npy", "a.npy", "b.npy"], ["--baseline", "a.npy", "--candidate", "b.npy"]):
        monkeypatch.setattr(sys, "argv", ["regnas", "flips", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert stop.value.code == 4 and "a.npy: no such file" in capsys.readouterr().err


def test_a_recorded_table_of_latencies_is_a_budget(tmp_path):
    options = {"kernels": (3,), "expansions": (2,), "depths": (1, 2)}
    path, change = tmp_path / "here.csv", "supernet.options={kernels: [3], expansions: [2], depths: [1, 2]}"
    done = run(cli.app, ["bench", "latency", "--csv", str(path), "--repeats", "1", "--set", change])
    assert done.exit_code == 0, done.output
    assert "smallest" in done.output and "largest" in done.output
    space = get_space("mini-wide", **options)
    cost = get_cost(str(path), space)
    assert cost(space.largest) > 0
