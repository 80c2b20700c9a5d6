"""presets: every shipped one is valid, and every mistake is answered with what was meant."""

from __future__ import annotations

import pytest

from regnas_core import get_space
from regnas_core.data.datasets import DATASETS
from regnas_core.errors import PresetError
from regnas_core.supernets.training import Recipe
from regnas_core.workbench.presets import load_preset, parse_overrides, preset_keys, preset_names

OWN = """
title: My own
data: {name: glyphs}
search: {reference_mmacs: 1, target_mmacs: 2}
"""


# ── what is shipped ──────────────────────────────────────────────────────────────────────────────
def test_the_shipped_presets_are_listed():
    assert {"demo", "cifar10"} <= set(preset_names())


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_preset_loads_and_can_be_met(name):
    preset = load_preset(name)
    assert preset.name == name and preset.title
    assert preset.data.name in DATASETS
    space = get_space(preset.supernet.space, **preset.supernet.options)
    low, high = space.macs(space.smallest) / 1e6, space.macs(space.largest) / 1e6
    assert low < preset.search.reference_mmacs < preset.search.target_mmacs < high
    assert Recipe(**preset.training.model_dump()).epochs == preset.training.epochs
    with pytest.raises(Exception, match="frozen"):
        preset.seed = 3


def test_the_defaults_of_a_search_are_the_papers(tmp_path):
    (tmp_path / "own.yaml").write_text(OWN)
    search = load_preset(str(tmp_path / "own.yaml")).search
    assert (search.generations, search.population, search.parent_ratio) == (20, 100, 0.25)
    assert (search.mutation_ratio, search.mutation_prob) == (0.5, 0.1)


def test_a_file_of_ones_own_is_named_after_its_path(tmp_path):
    path = tmp_path / "mine.yml"
    path.write_text(OWN + "seeds: 5\n")
    preset = load_preset(str(path), {"data.name": "cifar10"})
    assert (preset.name, preset.title, preset.seeds, preset.data.name) == ("mine", "My own", 5, "cifar10")


# ── overrides ────────────────────────────────────────────────────────────────────────────────────
def test_overrides_set_keys_of_any_section():
    changes = {"seed": 4, "search.population": 40, "data.test_images": 10, "supernet.options": {"classes": 3}}
    preset = load_preset("demo", changes)
    assert (preset.seed, preset.search.population, preset.data.test_images) == (4, 40, 10)
    assert preset.supernet.options == {"classes": 3}
    assert preset.search.target_mmacs == load_preset("demo").search.target_mmacs
    assert load_preset("demo").search.population != 40  # the preset itself is not changed
    options = load_preset("demo", {"supernet.options.classes": 7}).supernet.options
    assert options == {"tied": True, "classes": 7}  # beside the preset's own
    assert load_preset("demo", {"data.sizes.search": 500}).data.sizes == {"search": 500}


def test_parse_overrides_reads_yaml_values():
    pairs = [
        "seed=1",
        "training.lr=0.5",
        "training.flip=false",
        "data.path=/a=b",
        "data.size=",
        " device = cpu",
    ]
    assert parse_overrides(pairs) == {
        "seed": 1,
        "training.lr": 0.5,
        "training.flip": False,
        "data.path": "/a=b",
        "data.size": None,
        "device": "cpu",
    }
    assert load_preset("demo", parse_overrides(["training.lr=1e-3"])).training.lr == 0.001
    assert parse_overrides([]) == {}


@pytest.mark.parametrize("pair", ["seed", "=3", ""])
def test_parse_overrides_asks_for_key_and_value(pair):
    with pytest.raises(PresetError, match=f"--set '{pair}': expected key=value"):
        parse_overrides([pair])


def test_every_listed_key_can_be_set():
    keys = preset_keys()
    assert {"seed", "search.population", "data.name", "supernet.options", "training.lr"} <= set(keys)
    assert len(keys) == len(set(keys)) > 25 and "search" not in keys
    preset = load_preset("demo")
    for key in keys:
        value = preset
        for part in key.split("."):
            value = getattr(value, part)
        assert load_preset("demo", {key: value}) == preset


# ── mistakes ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("sede", "seed"),
        ("search.poplation", "search.population"),
        ("population", "search.population"),
        ("training.learning_rate", "training.flip|training.lr|training.batch_size"),
        ("search.target_macs", "search.target_mmacs"),
        ("data.nmae", "data.name"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest(key, meant):
    with pytest.raises(
        PresetError, match=rf"Preset 'demo' is not valid:\n.*{key}: unknown key; did you mean ({meant})\?"
    ):
        load_preset("demo", {key: 1})


def test_a_key_like_no_other_is_answered_with_all():
    with pytest.raises(PresetError, match=r"qqq: unknown key; known keys: .*search\.population"):
        load_preset("demo", {"qqq": 1})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("search.population", "many", r"search\.population: .*integer.*\(given: 'many'\)"),
        ("search.population", 2.5, r"search\.population: .*integer.*2\.5"),
        ("search.population", 3, r"search\.population: .*greater than or equal to 4"),
        ("search.parent_ratio", 1.0, r"search\.parent_ratio: .*less than 1"),
        ("search.platforms", ["phone"], r"search\.platforms: .*no platform 'phone': choose params, note10"),
        ("search.platforms", ["note10"], r"platforms: note10 holds .* ofa-mbv3-w1\.2, not of mini"),
        ("search.strategy", "annealing", r"search\.strategy: .*choose evolution, random, local"),
        (
            "search",
            {"reference_mmacs": 1, "target_mmacs": 2, "racing": 0, "strategy": "local"},
            "local has none",
        ),
        ("search.mutation_prob", 0, r"search\.mutation_prob: .*greater than 0"),
        ("training.lr", -1, r"training\.lr: .*greater than 0"),
        ("data.name", "mnist", r"data\.name: .*'glyphs'.*\(given: 'mnist'\)"),
        ("training.flip", "perhaps", r"training\.flip: .*boolean"),
        ("seeds", 0, r"seeds: .*greater than or equal to 1"),
        ("seed", None, r"seed: .*integer"),
        ("search", 3, r"search: "),
        ("seed.x", 1, r"seed: .*integer"),
        ("data.sizes", {"calib": 9}, r"data\.sizes\.calib.*'calibration' or 'search'"),
        ("data.sizes.search", 0, r"data\.sizes\.search: .*greater than or equal to 1"),
        ("title.x", 1, "title is a value, not a section"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(key, value, message):
    with pytest.raises(PresetError, match=message):
        load_preset("demo", {key: value})


def test_all_mistakes_are_named_at_once():
    with pytest.raises(
        PresetError, match=r"(?s)seeds: .*search\.popultion: unknown key|search\.popultion.*seeds: "
    ):
        load_preset("demo", {"seeds": 0, "search.popultion": 1})


@pytest.mark.parametrize("target", [1.3, 0.5])
def test_a_target_must_be_larger_than_the_reference(target):
    with pytest.raises(PresetError, match=r"search: .*target_mmacs must exceed reference_mmacs"):
        load_preset("demo", {"search.reference_mmacs": 1.3, "search.target_mmacs": target})


def test_missing_presets_and_sections_are_named(tmp_path):
    with pytest.raises(PresetError, match=r"No preset 'dmeo'; choose one of .*demo"):
        load_preset("dmeo")
    with pytest.raises(PresetError, match="No preset"):
        load_preset(str(tmp_path / "none.yaml"))
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(PresetError, match=r"(?s)title: Field required.*data: .*search: "):
        load_preset(str(tmp_path / "empty.yaml"))


@pytest.mark.parametrize(
    "content",
    [
        b"title: [",
        b"title: a: b",
        b"seeds: 3\n\ttitle: x",
        b"title: {a: 1}}",
        b"title: \x00",
        b"\xff\xfe\xff",
        b"title: 2026-02-30",
    ],
)
def test_a_preset_that_is_no_yaml_is_named(tmp_path, content):
    path = tmp_path / "own.yaml"
    path.write_bytes(content)
    with pytest.raises(PresetError, match=r"own\.yaml is not valid YAML: \w"):
        load_preset(str(path))


def test_a_preset_may_have_any_letters_and_any_encoding_of_yaml(tmp_path, monkeypatch):
    for encoding in ("utf-8", "utf-16"):
        path = tmp_path / f"{encoding}.yaml"
        path.write_text(OWN.replace("My own", "Größe → 網"), encoding=encoding)
        assert load_preset(str(path)).title == "Größe → 網"


@pytest.mark.parametrize(
    ("text", "kind"), [("- title\n- data\n", "list"), ("title", "str"), ("3", "int"), ("2026-02-03", "date")]
)
def test_a_preset_that_is_no_mapping_is_answered_with_the_keys(tmp_path, text, kind):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(
        PresetError, match=rf"own\.yaml holds a {kind}; expected keys and values: .*search\.population"
    ):
        load_preset(str(path))
    with pytest.raises(PresetError, match=f"own.yaml holds a {kind}"):
        load_preset(str(path), {"title": "My own"})


@pytest.mark.parametrize("value", ["[1", "{a: 1", "a: b: c", "'x", "@x", "2026-02-30"])
def test_an_override_that_is_no_yaml_is_named(value):
    with pytest.raises(PresetError) as caught:
        parse_overrides(["seed=1", f"data.path={value}"])
    assert str(caught.value).startswith(f"--set {f'data.path={value}'!r} is not valid YAML: ")
