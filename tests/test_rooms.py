"""The house: which room may know which, and that each can be read in one sitting."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import regnas_core

HOUSE = Path(regnas_core.__file__).parent
FLOORS = (  # a room imports from rooms of lower floors and from itself, never from its own floor or above
    ("errors", "files", "extras", "doors", "resources", "download"),  # the ground
    ("flips", "spaces", "data", "plots"),
    ("supernets", "deploy"),
    ("evaluation", "search", "updates"),
    ("costs", "tabular"),
    ("workbench",),
    ("experiments",),
    ("reproduction", "bench"),
    ("cli", "__main__"),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
GROUND = set(FLOORS[0])  # of which one file may use another
FILES = sorted(path for path in HOUSE.rglob("*.py") if path.parent != HOUSE or path.stem != "__init__")
LONGEST = 350  # lines


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports(path: Path) -> dict[str, int]:
    """Modules of the house that a file imports, anywhere in it: dotted name below regnas_core → line."""
    package, found = path.relative_to(HOUSE.parent).parts[:-1], {}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            names = [(*start, *(node.module or "").split("."))] if node.module else [start]
            if names[0] == ("regnas_core",):  # from .. import files: the names are modules
                names = [("regnas_core", alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        else:
            continue
        found |= {".".join(name[1:]): node.lineno for name in names if name[0] == "regnas_core" and name[1:]}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_imports_go_down(path):
    own = room_of(path)
    for module, line in imports(path).items():
        other = module.partition(".")[0]
        allowed = other == own or FLOOR[other] < FLOOR[own] or {own, other} <= GROUND
        assert allowed, f"{path.relative_to(HOUSE)}:{line} imports {module}, which is not below {own}"


def test_no_circle():
    names = {".".join(path.relative_to(HOUSE).with_suffix("").parts): path for path in FILES}
    arrows = {name: {m for m in imports(path) if m in names} for name, path in names.items()}
    while leaves := [name for name, below in arrows.items() if not below & arrows.keys()]:
        for name in leaves:
            del arrows[name]
    assert not arrows, f"imports run in a circle among {sorted(arrows)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_a_file_is_one_sitting(path):
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


def test_every_room_has_its_floor_and_says_what_lives_there():
    rooms = {room_of(path) for path in FILES}
    assert rooms <= FLOOR.keys(), f"give {rooms - FLOOR.keys()} a floor"
    for room in (path.parent for path in FILES if path.name == "__init__.py"):
        text = ast.get_docstring(ast.parse((room / "__init__.py").read_text("utf-8")))
        inner = room.parent != HOUSE  # part of a room
        assert inner or (text and "know" in text.lower()), f"{room.name}: what must it not know?"


def test_tests_mirror_the_rooms():
    tests = Path(__file__).parent
    for folder in (path for path in tests.iterdir() if path.is_dir() and any(path.glob("test_*.py"))):
        assert (HOUSE / folder.name).is_dir(), f"tests/{folder.name} mirrors no room"
        for test in folder.glob("test_*.py"):
            name = test.stem.removeprefix("test_")
            places = (f"{folder.name}/{name}.py", f"{folder.name}/{name}/__init__.py")
            there = [HOUSE / place for place in places] + [HOUSE / name] * (name == folder.name)
            assert any(path.exists() for path in there), f"{test.relative_to(tests)} mirrors no file"
