"""bench: commands end with one line of JSON, and measurements are kept with their conditions."""

from __future__ import annotations

import json
from functools import partial

import pandas as pd
import pytest
from typer.testing import CliRunner

from regnas_core import cli, evolve
from regnas_core.bench import routes, scaling


@pytest.mark.slow
def test_the_command_ends_with_one_line_of_json(tmp_path, monkeypatch):
    monkeypatch.setattr(
        routes, "evolve", partial(evolve, population=16)
    )  # the networks come from a small search
    arguments = (
        "bench evaluate --space mini --images 30 --calibration 20 --networks 3 --baseline 2 --device cpu"
    )
    done = CliRunner().invoke(cli.app, [*arguments.split(), "--json", "--csv", str(tmp_path / "t.csv")])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["first_over_one_by_one_ratio"] > 0 and summary["first_over_ofa_ratio"] > 0
    assert (tmp_path / "t.csv").read_text().startswith("group,route")


def test_a_measurement_is_kept_with_its_conditions(tmp_path, monkeypatch):
    monkeypatch.setattr(scaling, "in_a_process_of_its_own", scaling._with_peak)
    path = tmp_path / "flips.csv"
    done = CliRunner().invoke(
        cli.app, ["bench", "flips", "--models", "5", "--images", "50", "--json", "--csv", str(path)]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout.splitlines()[-1]) == json.loads(path.with_suffix(".json").read_text())
    assert pd.read_csv(path)["pairs"].item() == 10
