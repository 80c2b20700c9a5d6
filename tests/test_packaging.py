"""Pieces that must agree: dependencies, pins, licences, versions, conda. And: importing stays light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import regnas_core

tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
REQUIREMENTS = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = [
    Requirement(line)
    for extra, lines in PROJECT["optional-dependencies"].items()
    for line in lines
    if extra != "all"
]
IMPORT_NAMES = sorted(set(regnas_core.__all__) - {"__version__"})


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in found}


def shipped_texts() -> list[tuple[str, str]]:
    """Name and text of every text file of the project, this one left out."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    texts = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and path != Path(__file__):
            data = path.read_bytes()
            if b"\0" not in data[:8192]:
                texts.append((name, data.decode("utf-8")))
    return texts


# ---- dependencies and pins


@pytest.mark.parametrize("requirement", REQUIREMENTS + EXTRAS, ids=lambda r: r.name)
def test_direct_dependency_is_pinned_within_its_range(requirement):
    pin = pins()[canonicalize_name(requirement.name)]
    (exact,) = pin.specifier
    assert exact.operator == "=="
    assert requirement.specifier.contains(exact.version)


def test_pins_are_exact_and_portable():
    for name, pin in pins().items():
        (exact,) = pin.specifier
        assert exact.operator == "==" and not {"+", "*"} & set(exact.version) and not pin.url
        if name.startswith(("nvidia-", "cuda-")) or name == "triton":
            marker = 'platform_system == "Linux" and platform_machine == "x86_64"'
            assert str(pin.marker) == marker, f"{name} exists on Linux x86_64 only"


def test_dependencies_are_ranges_not_pins():
    for requirement in REQUIREMENTS + EXTRAS:
        operators = {spec.operator for spec in requirement.specifier}
        assert ">=" in operators and operators <= {">=", "<"}, requirement


def test_conda_environment_installs_the_same_list():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    named = {re.split("[=<>]", entry)[0] for entry in environment["dependencies"] if isinstance(entry, str)}
    (by_pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert named == {"python", "pip", "make"}
    assert by_pip == ["-c constraints.txt", "-e .[all]"]


def test_all_is_all_extras():
    (line,) = PROJECT["optional-dependencies"]["all"]
    assert Requirement(line).extras == set(PROJECT["optional-dependencies"]) - {"all"}


def imported_packages(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"regnas_core"}


def test_every_import_of_the_core_is_declared():
    declared = {canonicalize_name(requirement.name) for requirement in REQUIREMENTS + EXTRAS}
    distributions = packages_distributions()
    for path in (ROOT / "regnas_core").rglob("*.py"):
        for package in imported_packages(path):
            names = {canonicalize_name(name) for name in distributions.get(package, [package])}
            assert names & declared, f"{path.name} imports {package}; pyproject.toml lists no {names}"


# ---- licences

PERMISSIVE = {  # kind → what declarations of it contain
    "MIT": r"\bMIT\b|Permission is hereby granted,\s+free of charge",
    "BSD": r"BSD",
    "Apache": r"\bApache\b|LLVM-exception",
    "MPL": r"\bMPL\b|Mozilla Public",
    "ISC": r"\bISC\b",
    "PSF": r"\bPSF|Python Software Foundation",
    "others": r"\b(Zlib|BSL-1\.0|CC0-1\.0)\b",
}
OTHERWISE = {  # by name alone, as the table in CONTRIBUTING.md says why
    "NVIDIA's own": re.compile(r"nvidia-[\w-]+|cuda-toolkit"),
    "LGPL": re.compile("moocore"),
}
STRICTER = re.compile(r"GPL|General Public|Affero|SSPL|Proprietary|Commercial", re.IGNORECASE)


def licence_table() -> dict[str, str]:
    """Distribution → kind of licence, as CONTRIBUTING.md lists them."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("\n## Licences of dependencies\n")[2]
    rows = re.findall(r"^\| ([\w' ]+) \| ([^|]+) \|$", text.partition("\n## ")[0], re.MULTILINE)
    pairs = [(name, kind) for kind, names in rows if kind != "licence" for name in names.split(", ")]
    assert len(pairs) == len(dict(pairs)), "a dependency is listed twice"
    return dict(pairs)


def declared(dist: Distribution) -> str:
    """A distribution's licence in its own words: SPDX, or classifiers, or a text, or its file."""
    about = dist.metadata
    classifiers = [line for line in about.get_all("Classifier") or [] if line.startswith("License ::")]
    return about.get("License-Expression") or " AND ".join(classifiers) or about.get("License") or _file(dist)


def _file(dist: Distribution) -> str:
    texts = (dist.locate_file(file) for file in dist.files or [] if "licenses" in file.parts)
    return next((Path(str(text)).read_text("utf-8") for text in texts), "")


def kinds(words: str) -> set[str]:
    """Permissive kinds of licence that words name; none where all or a part is of another kind."""
    whole = "\n" in words  # a licence's text
    for choice in [words] if whole else words.split(" OR "):
        parts = [choice] if whole else re.split(r" AND | WITH ", choice)
        found = [{kind for kind, sign in PERMISSIVE.items() if re.search(sign, part)} for part in parts]
        if all(found) and not STRICTER.search(choice):
            return set().union(*found)
    return set()


def test_every_pin_is_in_the_table_of_licences():
    table = licence_table()
    differing = sorted(table.keys() ^ pins().keys())
    assert not differing, f"in constraints.txt or in CONTRIBUTING.md's table of licences alone: {differing}"
    assert set(table.values()) <= PERMISSIVE.keys() | OTHERWISE.keys()
    for name, kind in table.items():
        named = [other for other, names in OTHERWISE.items() if names.fullmatch(name)]
        assert named == ([kind] if kind in OTHERWISE else []), f"{name} is listed under {kind}"


@pytest.mark.parametrize("name", sorted(pins()))
def test_licence_of_a_dependency_is_permissive(name):
    kind = licence_table().get(name)
    if kind in OTHERWISE:
        return
    try:
        found = distribution(name)
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    if not pins()[name].specifier.contains(found.version, prereleases=True):
        pytest.skip(f"{name} {found.version} is installed; the table is of the pinned versions")
    words = declared(found)
    assert kind in kinds(words), (
        f"{name} declares the licence {words[:200]!r}, CONTRIBUTING.md lists it under {kind}. Permissive are "
        f"{', '.join(PERMISSIVE)}: correct its row, or do without it."
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("MIT", {"MIT"}),
        ("BSD-3-Clause AND Zlib", {"BSD", "others"}),
        ("Apache-2.0 WITH LLVM-exception", {"Apache"}),
        ("GPL-3.0-only OR MIT", {"MIT"}),
        ("License :: OSI Approved :: ISC License (ISCL)", {"ISC"}),
        ("", set()),
        ("LGPL-2.1-or-later", set()),
        ("MIT AND GPL-2.0-only", set()),
        ("MIT AND LicenseRef-Own", set()),
        ("License :: Other/Proprietary License", set()),
        ("Business Source License 1.1", set()),
    ],
)
def test_a_licence_is_told_by_its_declaration(words, expected):
    assert kinds(words) == expected


# ---- one version


def test_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    number, date = re.search(r"^## \[([\d.]+)\] - (\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE).groups()
    assert PROJECT["version"] == regnas_core.__version__ == citation["version"] == number
    assert str(citation["date-released"]) == date


# ---- nothing of the machine it was written on


def test_no_registry_address():
    address = re.compile(
        r"--(?:extra-)?index[-]url|--find-links|--trusted-host|pypi\.org/simpl[e]|files\.pythonhosted\.org"
        r"|download\.pytorch\.org/whl|conda\.anaconda\.org|index_url\s*="
    )
    found = [(name, match[0]) for name, text in shipped_texts() for match in address.finditer(text)]
    assert not found


def test_no_absolute_machine_path():
    path = re.compile(r"(?<![\w.:/~}*-])/(?:home|Users|root|work|tmp|opt|mnt)/\w[\w./-]*|[A-Z]:\\Users")
    found = [(name, match[0]) for name, text in shipped_texts() for match in path.finditer(text)]
    assert not found
    assert not [name for name, text in shipped_texts() if str(ROOT) in text]


def test_a_wheel_carries_what_is_read_from_the_project():
    build = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    read = re.compile(r"project_path\(f?\\?\"(\w+)")
    texts = [text for name, text in shipped_texts() if not name.startswith("tests/")]
    folders = {match[1] for text in texts for match in read.finditer(text)}
    assert folders == {"data_splits", "figures", "notebooks"} == set(build["sources"])
    assert folders <= {path.split("/")[0] for path in build["only-include"]}
    assert all((ROOT / path).exists() for path in build["only-include"])
    assert all(target == f"regnas_core/_project/{name}" for name, target in build["sources"].items())


# ---- light at the door


def test_import_is_light():
    code = "import sys, regnas_core; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"torch", "torchvision", "numpy", "scipy", "pandas", "pyarrow", "matplotlib", "pydantic"}
    assert not heavy & set(loaded.stdout.split())


def closure(requirements: list[Requirement]) -> dict[str, Distribution]:
    """Installed distributions that these requirements bring along, by name."""
    found: dict[str, Distribution] = {}
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found[name] = distribution(name)
            found |= closure([Requirement(line) for line in found[name].requires or []])
    return found


@pytest.fixture(scope="session")
def light(tmp_path_factory) -> Path:
    """``bin`` of an environment with the wheel and what it depends on, no extras: made without a network."""
    home = tmp_path_factory.mktemp("light")
    quiet = {"check": True, "capture_output": True, "text": True}
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    if subprocess.run([*pip, "--version"], capture_output=True).returncode:
        pytest.skip("this environment has no pip")
    subprocess.run(
        [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", home / "wheel", ROOT], **quiet
    )
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "env"], **quiet)
    (wheel,) = (home / "wheel").glob("*.whl")
    python = home / "env" / "bin" / "python"
    subprocess.run(
        [*pip, "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel], **quiet
    )
    (packages,) = (home / "env" / "lib").glob("python*/site-packages")
    for dist in closure(REQUIREMENTS).values():  # linked, as they are here
        for top in {file.parts[0] for file in dist.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            if not (packages / top).exists():
                (packages / top).symlink_to(dist.locate_file(top))
    return home / "env" / "bin"


def run_light(light: Path, *command: str, cwd: Path) -> subprocess.CompletedProcess:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(cwd)}
    return subprocess.run(
        [light / command[0], *command[1:]], cwd=cwd, env=environment, capture_output=True, text=True
    )


@pytest.mark.slow
def test_the_wheel_alone_counts_flips(light, tmp_path):
    """As in a release pipeline: `pip install regnas-core`, nothing else."""
    for name, classes in {"y": [0, 1, 1, 1], "phone": [0, 1, 2, 0], "cloud": [0, 2, 1, 1]}.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(map(str, classes)))
    done = run_light(light, "regnas", "flips", "--labels", "y.csv", "phone.csv", "cloud.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "phone" in done.stdout and "25.00" in done.stdout
    (tmp_path / "limits.yaml").write_text("max_nfr: 100%\n")  # the base package reads a policy
    files = ["--labels", "y.csv", "--baseline", "phone.csv", "--candidate", "cloud.csv"]
    done = run_light(light, "regnas", "flips", *files, "--policy", "limits.yaml", cwd=tmp_path)
    assert done.returncode == 0 and "cloud against phone: PASS" in done.stdout, done.stderr
    tell = "import sys, regnas_core as rc; rc.nfr([0], [1], [0]); print('torch' in sys.modules)"
    assert run_light(light, "python", "-c", tell, cwd=tmp_path).stdout == "False\n"


@pytest.mark.slow
def test_the_wheel_alone_searches_a_space(light, tmp_path):
    code = (
        "import regnas_core as rc; space = rc.get_space('mini'); "
        "score = lambda archs: [space.params(a) for a in archs]; "
        "found = rc.evolve(space, score, generations=2, population=8); "
        "print(len(found.log))"
    )
    done = run_light(light, "python", "-c", code, cwd=tmp_path)
    assert done.stdout == "14\n", done.stderr


@pytest.mark.slow
def test_the_wheel_alone_searches_a_whole_space_as_the_readme_says(light, tmp_path):
    text = (ROOT / "README.md").read_text("utf-8")
    code = re.search(r"```python\n(import regnas_core as rc\n\ntable = .*?)```", text, re.DOTALL)[1]
    assert len(code.strip().splitlines()) == 2 + 4  # the import, and four lines
    done = run_light(light, "python", "-c", code, cwd=tmp_path)
    assert re.fullmatch(r'\{"ks".*\} flips [1-4]\.\d\d% of the test pictures\n', done.stdout), done.stderr
    assert "torch" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("regnas", "reproduce"), r"regnas reproduce needs the package \w+.*regnas-core\[search,notebooks\]"),
        (("regnas", "bench", "evaluate"), r"regnas bench needs the package \w+.*'regnas-core\[search\]'"),
        (
            ("python", "-c", "import regnas_core as rc; rc.load_supernet('mini')"),
            r"MissingExtraError: regnas_core.load_supernet needs the package \w+.*'regnas-core\[search\]'",
        ),
    ],
    ids=str,
)
def test_a_missing_extra_is_named(light, tmp_path, command, message):
    done = run_light(light, *command, cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(message, done.stderr), done.stderr


@pytest.mark.parametrize("name", IMPORT_NAMES)
def test_front_door_opens(name):
    assert getattr(regnas_core, name).__name__ in (name, f"regnas_core.{name}")  # a room may be a door
    assert name in dir(regnas_core)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nosuchthing"):
        _ = regnas_core.nosuchthing
