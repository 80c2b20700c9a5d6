"""action.yml: a composite action as GitHub reads it, its one step run by hand."""

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

from regnas_core.flips import load_example
from regnas_core.resources import project_path

yaml = pytest.importorskip("yaml")
ACTION = yaml.safe_load(project_path("action.yml").read_text("utf-8"))
(STEP,) = ACTION["runs"]["steps"]


def test_it_is_a_composite_action_whose_parts_fit_together():
    assert ACTION["runs"]["using"] == "composite" and STEP["shell"] == "bash"
    assert ACTION["name"] and ACTION["description"]
    given = {match for value in STEP["env"].values() for match in re.findall(r"inputs\.(\w+)", value)}
    assert given == set(ACTION["inputs"])  # every input is used, and nothing else
    assert {name for name, about in ACTION["inputs"].items() if about.get("required")} == {
        "baseline",
        "candidate",
    }
    assert all(("default" in about) != about.get("required", False) for about in ACTION["inputs"].values())
    used = set(re.findall(r"\$\{?([A-Z_]+)", STEP["run"]))
    assert used <= set(STEP["env"]) | {"RUNNER_TEMP", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "PIPESTATUS"}
    outputs = {re.search(r"outputs\.(\w+)", about["value"])[1] for about in ACTION["outputs"].values()}
    assert outputs == set(ACTION["outputs"]) == set(re.findall(r'echo "(\w+)=', STEP["run"]))
    assert "${{" not in STEP["run"]  # inputs reach the shell as variables, never as code


@pytest.fixture
def files(tmp_path) -> dict[str, str]:
    """Answers of the example, and what GitHub sets; its virtual environment is the one of the tests."""
    frame = load_example()
    for name, network in (("old", "efficientnet-lite0"), ("new file", "efficientnet-lite0-int8")):
        answers = pd.DataFrame({"id": frame["image"], "prediction": frame[network], "label": frame["label"]})
        answers.to_csv(tmp_path / f"{name}.csv", index=False)
    python = tmp_path / "python"  # stands for python -m venv FOLDER: pip does nothing, regnas is this one
    python.write_text(
        '#!/bin/bash\nset -e\n[ "$1 $2" = "-m venv" ]\nmkdir -p "$3/bin"\n'
        'printf "#!/bin/bash\\necho \\"$*\\" >> \\"$0.log\\"\\n" > "$3/bin/pip"\n'
        f'printf \'#!/bin/bash\\nexec "{sys.executable}" -c '
        '"from regnas_core.cli import main; main()" "$@"\\n\' > "$3/bin/regnas"\n'
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
        "PACKAGE": "regnas-core",
        "PYTHON": str(python),
    }


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("options", "code", "verdict"),
    [("--id id --max-nfr 3%", 0, "pass"), ("--max-nfr 0.1%", 1, "fail"), ("--id nothing", 4, None)],
)
def test_its_step_says_the_verdict_and_ends_with_its_code(files, tmp_path, options, code, verdict):
    script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEP["run"]]  # as GitHub calls it
    done = subprocess.run(script, env={**files, "OPTIONS": options}, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    written = dict(line.split("=", 1) for line in Path(files["GITHUB_OUTPUT"]).read_text().splitlines())
    assert written["page"] == str(tmp_path / "temp" / "flips.html")
    assert ("json" in written) == (verdict is not None) == Path(written["page"]).is_file()
    if verdict:
        found = json.loads(written["json"])
        assert (found["verdict"], found["n"], found["negative"]) == (verdict, 1099, 15)
        assert f"| new file | **{verdict}** |" in Path(files["GITHUB_STEP_SUMMARY"]).read_text()
    else:
        assert "has no column nothing" in done.stderr
