"""action.yml: a composite action as GitHub reads it, its steps run by hand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from regnas_core.flips import load_example
from regnas_core.resources import project_path

ACTION = yaml.safe_load(project_path("action.yml").read_text("utf-8"))
INSTALL, STEP = STEPS = ACTION["runs"]["steps"]
BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]  # as GitHub calls it


def test_it_is_a_composite_action_whose_parts_fit_together():
    assert ACTION["runs"]["using"] == "composite" and all(step["shell"] == "bash" for step in STEPS)
    assert ACTION["name"] and ACTION["description"]
    values = [value for step in STEPS for value in step["env"].values()]
    given = {match for value in values for match in re.findall(r"inputs\.(\w+)", value)}
    assert given == set(ACTION["inputs"])  # every input is used, and nothing else
    assert {name for name, about in ACTION["inputs"].items() if about.get("required")} == {
        "baseline",
        "candidate",
    }
    assert all(("default" in about) != about.get("required", False) for about in ACTION["inputs"].values())
    known = {"RUNNER_TEMP", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ACTION_PATH", "PIPESTATUS"}
    for step in STEPS:
        assert set(re.findall(r"\$\{?([A-Z_]+)", step["run"])) <= set(step["env"]) | known
        assert "${{" not in step["run"]  # inputs reach the shell as variables, never as code
    outputs = {re.search(r"outputs\.(\w+)", about["value"])[1] for about in ACTION["outputs"].values()}
    assert outputs == set(ACTION["outputs"]) == set(re.findall(r'echo "(\w+)=', STEP["run"]))


@pytest.fixture
def files(tmp_path) -> dict[str, str]:
    """Answers of the example, and what GitHub sets; its virtual environment is the one of the tests."""
    frame = load_example()
    for name, network in (("old", "efficientnet-lite0"), ("new file", "efficientnet-lite0-int8")):
        answers = pd.DataFrame({"id": frame["image"], "prediction": frame[network], "label": frame["label"]})
        answers.to_csv(tmp_path / f"{name}.csv", index=False)
    stubs = tmp_path / "stubs"  # pip writes down what it is asked for, regnas is this one
    stubs.mkdir()
    (stubs / "pip").write_text('#!/bin/bash\necho "$*" >> "$0.log"\n[ -z "$NO_NETWORK" ]\n')
    regnas = "from regnas_core.cli import main; main()"
    (stubs / "regnas").write_text(f'#!/bin/bash\nexec "{sys.executable}" -c "{regnas}" "$@"\n')
    python = tmp_path / "python"  # stands for python -m venv FOLDER
    python.write_text(
        f'#!/bin/bash\nset -e\n[ "$1 $2" = "-m venv" ]\nmkdir -p "$3/bin"\ncp "{stubs}"/* "$3/bin"\n'
        'chmod +x "$3/bin/pip" "$3/bin/regnas"\n'
    )
    python.chmod(0o755)
    (tmp_path / "temp").mkdir()
    root = str(project_path("action.yml").parent)
    return {
        **os.environ,
        "PYTHONPATH": root,
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "BASELINE": str(tmp_path / "old.csv"),
        "CANDIDATE": str(tmp_path / "new file.csv"),
        "LABELS": "",
        "PACKAGE": "",
        "GITHUB_ACTION_PATH": root,
        "NO_NETWORK": "",
        "PYTHON": str(python),
    }


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("options", "code", "verdict"),
    [("--id id --max-nfr 3%", 0, "pass"), ("--max-nfr 0.1%", 1, "fail"), ("--id nothing", 4, None)],
)
def test_its_step_says_the_verdict_and_ends_with_its_code(files, tmp_path, options, code, verdict):
    subprocess.run([*BASH, INSTALL["run"]], env=files, check=True)
    assert (tmp_path / "temp/flips/bin/pip.log").read_text().split()[-1] == files["GITHUB_ACTION_PATH"]
    script = [*BASH, STEP["run"]]
    done = subprocess.run(script, env={**files, "OPTIONS": options}, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    written = dict(line.split("=", 1) for line in Path(files["GITHUB_OUTPUT"]).read_text().splitlines())
    assert written["code"] == str(code)
    assert written["page"] == str(tmp_path / "temp" / "flips.html")
    assert ("json" in written) == (verdict is not None) == Path(written["page"]).is_file()
    if verdict:
        found = json.loads(written["json"])
        assert (found["verdict"], found["n"], found["negative"]) == (verdict, 1099, 15)
        assert f"| new file | **{verdict}** |" in Path(files["GITHUB_STEP_SUMMARY"]).read_text()
    else:
        assert "has no column nothing" in done.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_an_installation_that_fails_is_no_verdict(files):
    for wrong in ({"NO_NETWORK": "1"}, {"PYTHON": "false"}):
        done = subprocess.run([*BASH, INSTALL["run"]], env={**files, **wrong}, capture_output=True, text=True)
        assert done.returncode == 70 and "::error::The gate could not be installed" in done.stdout
    assert not Path(files["GITHUB_OUTPUT"]).exists()


def test_the_guide_calls_it_with_inputs_that_it_has():
    guide = project_path("regnas_core/README.md").read_text("utf-8")
    workflow = yaml.safe_load(re.search(r"```yaml\n(on: .*?)```", guide, re.DOTALL)[1])
    step = workflow["jobs"]["gate"]["steps"][-1]
    required = {name for name, about in ACTION["inputs"].items() if about.get("required")}
    assert required <= set(step["with"]) <= set(ACTION["inputs"])
