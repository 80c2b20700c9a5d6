"""Runs that are killed again and again end as an undisturbed run does; so do two at a time."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from attack import attack, prepare, start

KILLS = {"search": 13, "tabulate": 13, "train_supernet": 13, "networks": 13, "reproduce": 1}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("kills")
    prepare(home)
    return home


@pytest.mark.slow
@pytest.mark.parametrize("name", KILLS)
def test_nothing_is_lost_and_nothing_differs(home, name):
    found = attack(name, home, KILLS[name])
    assert found["kills"] == KILLS[name] and found["differing"] == 0


@pytest.mark.slow
def test_two_processes_in_one_folder_find_what_one_finds(home):
    """The same search, at the same time, on one store."""
    start("search", home / "one")
    with ThreadPoolExecutor(2) as threads:
        ends = [threads.submit(start, "search", home / "both", note=f"both-{i}") for i in range(2)]
        assert not any(end.result() for end in ends)
    one, *both = (json.loads((home / f"{name}.json").read_text())[0] for name in ("one", "both-0", "both-1"))
    assert both == [one, one]
