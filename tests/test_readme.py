"""The README and the core's guide say what the recorded runs say, and their links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

import regnas_core as rc
from regnas_core import cli
from regnas_core.flips.gate.limits import KEYS, read_policy
from regnas_core.resources import project_path
from regnas_core.workbench import checks
from regnas_core.workbench.presets import load_preset

README = project_path("README.md").read_text(encoding="utf-8")
GUIDE = project_path("regnas_core/README.md").read_text(encoding="utf-8")
TEXTS = {"README.md": README, "regnas_core/README.md": GUIDE}


@pytest.mark.parametrize("preset", ["demo", "cifar10"])
def test_table_2_is_the_recorded_one(preset):
    table = pd.read_csv(project_path(f"figures/{preset}/table2.csv")).set_index("design")
    for design in ("R0", "R1", "R2", "R2+CAS"):
        row = table.loc[design]
        line = next(x for x in README.splitlines() if x.startswith(f"| {design.replace('+', ' + ')} ("))
        assert (
            f" {row.top1_pct:.1f} | {row.nfr_pct:.2f} [{row.nfr_low_pct:.2f}, {row.nfr_high_pct:.2f}]" in line
        )


@pytest.mark.parametrize("name", TEXTS)
def test_relative_links_lead_to_files(name):
    links = [x for x in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXTS[name]) if "://" not in x]
    assert len(links) > 15
    assert not [x for x in links if not (project_path(name).parent / x).exists()]


def test_the_list_of_lessons_has_every_lesson():
    folder = project_path("notebooks/lessons")
    links = re.findall(r"\]\(([^)]+)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert [x for x in links if x.endswith(".ipynb")] == sorted(path.name for path in folder.glob("*.ipynb"))
    assert all((folder / x).exists() for x in links)


@pytest.mark.parametrize("name", [*TEXTS, "CONTRIBUTING.md"])
def test_links_to_sections_lead_to_headings(name):
    text = project_path(name).read_text(encoding="utf-8")
    for file, section in re.findall(r"\]\(([^)#]*\.md)?#([^)]+)\)", text):
        lines = (project_path(name).parent / file).read_text(encoding="utf-8") if file else text
        headings = re.findall(r"^#+ (.*)$", lines, re.MULTILINE)
        assert section in {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


# ── a super-network of your own ──────────────────────────────────────────────────────────────────
def block(first_line: str) -> str:
    """The code block of the README or the guide that begins with a line."""
    (found,) = re.findall(rf"```\w+\n({re.escape(first_line)}\n.*?)```", README + GUIDE, re.DOTALL)
    return found


@pytest.fixture
def plain(tmp_path, monkeypatch) -> list[str]:
    """The guide's example as an installed package, and pictures for it; the options of its preset."""
    site, tree = tmp_path / "site", tmp_path / "pictures"
    info = site / "plain-0.1.dist-info"
    info.mkdir(parents=True)
    (site / "plain.py").write_text(block("# plain.py"))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plain\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[regnas.spaces]\nplain = plain:PlainSpace\n")
    (tmp_path / "plain.yaml").write_text(block("# plain.yaml"))
    rng = np.random.default_rng(0)
    for part, count in {"train": 60, "val": 20}.items():
        for k in range(10):
            (tree / part / f"class{k}").mkdir(parents=True)
            for i in range(count):  # a class is a direction in which brightness grows, under noise
                waves = np.add.outer(np.sin(k) * np.arange(32), np.cos(k) * np.arange(32))
                grey = 128 + 3 * (waves - waves.mean()) + rng.normal(0, 40, (32, 32))
                picture = np.clip(grey, 0, 255).astype(np.uint8)
                Image.fromarray(picture).save(tree / part / f"class{k}" / f"{i}.png")
    monkeypatch.syspath_prepend(site)
    known = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(known))  # of the notebook's kernel
    monkeypatch.setenv("REGNAS_OUT", str(tmp_path))
    monkeypatch.setenv("REGNAS_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    changes = {
        "data.name": "folder",
        "data.path": tree,
        "data.size": 32,
        "data.sizes": "{calibration: 64, search: 200}",
        "seeds": 1,
        "device": "cpu",
    }
    return [f"--set={key}={value}" for key, value in changes.items()]


def test_the_example_is_short():
    lines = (block("# plain.py") + block("# plain.yaml")).splitlines()
    assert len([line for line in lines if line.strip()]) <= 60


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_super_network_of_ones_own_is_trained_searched_and_reproduced(plain, tmp_path):
    space = rc.get_space("plain")
    reference = space.arch(w=8, d=[1, 2, 1])
    inside = [space.sample(np.random.default_rng(k), containing=reference) for k in range(20)]
    assert all(space.contains(arch, reference) for arch in inside)
    for command in re.findall(r"^regnas (.* --preset plain\.yaml.*)$", GUIDE, re.MULTILINE):
        done = CliRunner().invoke(cli.app, [*command.split(), *plain])
        assert done.exit_code == 0, (command, done.output, done.exception)
    (log,) = tmp_path.glob("runs/*/training/log.csv")
    assert len(pd.read_csv(log)) == 2  # epochs
    (visited,) = tmp_path.glob("figures/*/fig4b.csv")
    table = pd.read_csv(visited)
    assert set(table["reward"]) == {"R0", "R1", "R2"} and table["nfr_pct"].between(0, 100).all()
    (record,) = tmp_path.glob("figures/*/provenance/fig4b.json")
    assert json.loads(record.read_text())["preset"]["supernet"]["space"] == "plain"
    sys.modules.pop("plain", None)


def test_networks_of_the_guide_can_be_deployed():
    (command,) = re.findall(r"^regnas deploy (--arch .*)$", GUIDE, re.MULTILINE)
    genes = re.findall(r"--arch '\w+=(\{.*?\})'", command)
    space = rc.get_space(load_preset("demo").supernet.space)
    assert len(genes) == 2 and all(space.macs(space.parse(one)) > 0 for one in genes)


def test_the_policy_of_the_guide_is_one(tmp_path):
    (text,) = re.findall(r"```yaml\n(max_nfr: .*?)```", GUIDE, re.DOTALL)
    (tmp_path / "limits.yaml").write_text(text)
    (tmp_path / "golden.txt").write_text("7\n")
    assert set(read_policy(tmp_path / "limits.yaml")) == set(KEYS) - {"min_top1_gain", "confidence"}


def test_ones_own_pictures_have_networks_for_their_budgets(tmp_path):
    (tmp_path / "mine.yaml").write_text(block("title: My products"))
    space = checks.open_space(load_preset(str(tmp_path / "mine.yaml")))
    assert space.identity == "mini(classes=12, image=(3, 64, 64))"


def test_a_registered_space_is_known_by_its_name():
    spaces: dict = {}
    exec(block("# plain.py"), spaces)
    rc.register_space("registered", spaces["PlainSpace"])
    space = rc.get_space("registered", classes=3)
    assert space.name == "registered" and space.identity == "registered(classes=3)"
    assert "registered" in rc.load_supernet("registered", "random:0").space.name
    with pytest.raises(rc.GeneError, match="already"):
        rc.register_space("registered", spaces["PlainSpace"])
    with pytest.raises(rc.GeneError, match="already"):
        rc.register_space("mini", spaces["PlainSpace"])
    with pytest.raises(rc.GeneError, match="see get_space for the options"):
        rc.get_space("registered", depth=3)
