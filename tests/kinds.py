"""Kinds of files that users hand over: how valid ones are made, and how each is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mutations
import numpy as np
import pandas as pd
from mutations import Mutation

N = 24


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: of it.
        make: writes valid files into an empty folder; returns the one to be broken.
        read: reads the folder as a user would; returns plain values, which it has checked to be fit for use.
        inside: mutations of what the file holds, beside those of its bytes.
        sealed: whether the file carries a checksum, so that other bytes cannot give other values.
    """

    name: str
    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    inside: tuple[Mutation, ...] = ()
    sealed: bool = False


# ── answers ──────────────────────────────────────────────────────────────────────────────────────
def _answers(suffix: str, role: str, home: Path) -> Path:
    """A baseline, a candidate and labels; one of them, by its role, is in the format."""
    from regnas_core.files import write_table

    rng = np.random.default_rng(0)
    label = rng.integers(0, 5, N)
    old, new = (np.where(rng.random(N) < 0.7, label, rng.integers(0, 5, N)) for _ in range(2))
    kind = np.where(np.arange(N) % 3, "day", "night")
    frames = {
        "old": pd.DataFrame({"item": np.arange(N), "label": label, "kind": kind, "prediction": old}),
        "new": pd.DataFrame({"item": np.arange(N), "prediction": new}),
        "labels": pd.DataFrame({"item": np.arange(N), "label": label}),
    }
    for name, table in frames.items():
        if name != role:
            write_table(table, home / f"{name}.csv")
    values = frames[role]["label" if role == "labels" else "prediction"].to_numpy()
    path = home / f"{role}{suffix}"
    if suffix == ".npy":
        np.save(path, values)
    elif suffix == ".pt":
        import torch

        name = "label" if role == "labels" else "prediction"
        torch.save({name: torch.tensor(values), "item": torch.arange(N)}, path)
    elif suffix == ".jsonl":
        frames[role].to_json(path, orient="records", lines=True)
    elif suffix == ".arrow":
        import pyarrow as pa

        folder = home / role
        folder.mkdir()
        path = folder / "data-00000-of-00001.arrow"
        table = pa.Table.from_pandas(frames[role], preserve_index=False)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as out:
            out.write_table(table)
        (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": path.name}]}))
    else:
        write_table(frames[role], path)
    return path


def _scores(suffix: str, home: Path) -> Path:
    """A candidate with probabilities."""
    _answers(".csv", "new", home)
    (home / "new.csv").unlink()
    scores, path = np.random.default_rng(1).dirichlet(np.ones(5), N).astype(np.float32), home / f"new{suffix}"
    if suffix == ".npy":
        np.save(path, scores)
    else:
        table = pd.DataFrame({"item": np.arange(N), "probabilities": scores.tolist()})
        table.to_parquet(path) if suffix == ".parquet" else table.to_json(path, orient="records", lines=True)
    return path


def _file(home: Path, name: str) -> Path:
    return next(path for path in sorted(home.iterdir()) if path.stem == name)


def _gate(home: Path, **more: Any) -> Any:
    from regnas_core.flips.gate import gate

    old, new, labels = (_file(home, name) for name in ("old", "new", "labels"))
    release = gate(old, [new], labels, max_nfr="5%", **more)
    found = release.candidates[0].counts
    assert 0 <= found.negative <= found.n and 0 <= found.positive <= found.n and found.n > 0
    assert release.verdict in ("pass", "fail", "inconclusive", "golden failure")
    return [found.n, found.negative, found.positive, found.reference_top1, release.verdict]


def _by_id(home: Path) -> Any:
    return _gate(home, id="item", slices=["kind"], least=2)


def _family(home: Path) -> Any:
    from regnas_core.flips.report import flips_command

    return flips_command(_file(home, "labels"), [_file(home, "old"), _file(home, "new")])


def _policy(home: Path) -> Path:
    _answers(".csv", "new", home)
    path = home / "policy.yaml"
    path.write_text("max_nfr: 5%\nmin_top1_gain: -0.02\nconfidence: 0.9\ngolden: [3, 4]\n")
    return path


def _golden(home: Path) -> Path:
    _answers(".csv", "new", home)
    (home / "golden.txt").write_text("3\n4\n7\n")
    return home / "golden.txt"


def _names(home: Path) -> Path:
    """Classes' names, for scores."""
    path = _scores(".npy", home)
    names = np.array(list("abcde"))
    for name in ("old", "labels"):
        table = pd.read_csv(home / f"{name}.csv")
        for column in {"label", "prediction"} & set(table):
            table[column] = names[table[column]]
        table.to_csv(home / f"{name}.csv", index=False)
    assert path.is_file()
    (home / "classes.txt").write_text("\n".join(names))
    return home / "classes.txt"


# ── presets and what is typed ────────────────────────────────────────────────────────────────────
PRESET = """
title: Mine
data: {name: folder, path: pictures, size: 32, sizes: {calibration: 100, search: 200}}
supernet:
  space: mini
  options: {image: [3, 32, 32], classes: 12, kernels: [3, 5]}
  weights: random:0
training: {epochs: 3, lr: 0.1}
search: {reference_mmacs: 1.5, target_mmacs: 2.5, sweep: [2.0, 3.0], platforms: [params]}
networks: {distilled: [FD-KL]}
device: cpu
seeds: 2
"""


def _preset(home: Path) -> Path:
    (home / "mine.yaml").write_text(PRESET)
    return home / "mine.yaml"


def _open_preset(home: Path) -> Any:
    from regnas_core.workbench.checks import open_space
    from regnas_core.workbench.presets import load_preset, run_name

    preset = load_preset(str(home / "mine.yaml"))
    space = open_space(preset)
    assert space.macs(space.smallest) / 1e6 <= preset.search.reference_mmacs < preset.search.target_mmacs
    return preset.model_dump_json(), run_name(str(home / "mine.yaml"))


def _typed(home: Path) -> Path:
    from regnas_core import get_space

    genes = str(get_space("mini").smallest)
    words = ["seed=3", "search.population=40", "R2", "1,0.5", "1%", genes]
    (home / "words.json").write_text(json.dumps(words))
    return home / "words.json"


def _read_typed(home: Path) -> Any:
    from regnas_core import get_space
    from regnas_core.flips.gate import rate
    from regnas_core.search.rewards import parse_reward
    from regnas_core.workbench.presets import load_preset, parse_overrides

    words = (home / "words.json").read_bytes().decode(errors="replace")
    try:
        words = [str(word) for word in json.loads(words)]
    except (ValueError, TypeError):
        words = words.split('", "')
    first, second, reward, other, share, genes = [*words, *["x"] * 6][:6]
    preset = load_preset("demo", parse_overrides([first, second]))
    space = get_space("mini")
    arch = space.parse(genes)
    assert space.macs(arch) > 0
    return [preset.model_dump_json(), parse_reward(reward), parse_reward(other), rate(share), str(arch)]


# ── networks ─────────────────────────────────────────────────────────────────────────────────────
OPTIONS: dict[str, Any] = {"image": (1, 8, 8), "stem": 2, "head": 4, "widths": (2, 4), "strides": (1, 2)}
OPTIONS |= {"kernels": (3,), "expansions": (1, 2), "depths": (1, 2), "classes": 3}


def _net(seed: int = 0) -> Any:
    from regnas_core import load_supernet

    return load_supernet("mini", f"random:{seed}", **OPTIONS)


def _checkpoint(home: Path) -> Path:
    from dataclasses import replace

    seen = np.arange(5, dtype=np.uint64) << np.uint64(40)
    info = {"dataset": "x", "classes": ["a"]}
    return replace(_net(), trained_on=seen, info=info).save(home / "net.safetensors")


def _unsealed(home: Path) -> Path:
    """A checkpoint as earlier versions wrote it, without a checksum."""
    import struct

    path = _checkpoint(home)
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    head = json.loads(content[8 : 8 + size])
    inner = json.loads(head["__metadata__"]["regnas"])
    del inner["checksum"]
    head["__metadata__"]["format"] = "regnas-supernet/1"
    head["__metadata__"]["regnas"] = json.dumps(inner)
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])
    return path


def _load_net(home: Path) -> Any:
    from regnas_core import load_supernet

    net = load_supernet("mini", home / "net.safetensors", **OPTIONS)
    assert {name: tuple(w.shape) for name, w in net.weights.items()} == net.space.tensors
    return [net.weights, net.mean, net.std, json.dumps(net.info), net.trained_on]


def _archive(old: bool, home: Path) -> Path:
    import torch

    state = {f"module.{name}": w for name, w in _net().weights.items()}
    path = home / "net.pth"
    torch.save({"state_dict": state, "epoch": 3}, path, _use_new_zipfile_serialization=not old)
    return path


def _read_archive(home: Path) -> Any:
    from regnas_core.supernets.archive import read_state_dict

    return read_state_dict(home / "net.pth")


def _pictures(n: int = 8) -> Any:
    from regnas_core.data.datasets import ImageSet

    rng = np.random.default_rng(0)
    return ImageSet(rng.integers(0, 256, (n, 1, 8, 8), np.uint8), np.arange(n) % 3, tuple("abc"), "toy/train")


def _train(home: Path) -> Any:
    from regnas_core.supernets.training import Recipe, train_supernet

    recipe = Recipe(epochs=1, batch_size=4, shift=0)
    net = train_supernet(_net().space, _pictures(), recipe, mean=(0.5,), std=(0.5,), workdir=home)
    assert {name: tuple(w.shape) for name, w in net.weights.items()} == net.space.tensors
    return net.weights


def _state(home: Path) -> Path:
    _train(home)
    return home / "training.pt"


# ── tables ───────────────────────────────────────────────────────────────────────────────────────
def _latencies(home: Path) -> Path:
    from regnas_core.costs.timing import LatencyTable

    ticks = iter(range(1, 10**6))
    rounds = {"warmup": 0, "repeats": 1, "timer": lambda work: next(ticks) / 7}
    table = LatencyTable(_net(), home / "here.csv", device="cpu", **rounds)
    table.measure([table.net.space.smallest, table.net.space.largest], progress=False)
    return home / "here.csv"


def _cost(home: Path) -> Any:
    from regnas_core.costs.tables import recorded_latency

    space = _net().space
    cost = recorded_latency(space, home / "here.csv")
    found = [cost(space.smallest), cost(space.largest)]
    assert all(0 <= ms < float("inf") for ms in found)
    return found


def _benchmark(home: Path) -> Path:
    from tables import contents

    from regnas_core.tabular.format import write

    return write(home / "toy.npz", contents())


def _load_benchmark(home: Path) -> Any:
    from regnas_core import load_tabular

    table = load_tabular(home / "toy.npz")
    reference = table.best("R0", max_cost=float(np.median(table.macs)))
    best = table.best("R2", reference)
    assert len(table.archs) == len(table) == len(table.params) and table.top1("test").min() >= 0
    rates = [table.nfr(best, "test"), table.right("search")]
    return [str(best), table.macs, table.params, table.labels("test"), *rates]


def _seal(arrays: dict) -> dict:
    """Make a table's checksum right again."""
    from regnas_core.tabular.format import _checksum

    header = json.loads(arrays["header"].tobytes())
    header["sha256"] = _checksum({name: values for name, values in arrays.items() if name != "header"})
    return {**arrays, "header": np.frombuffer(json.dumps(header).encode(), np.uint8)}


# ── stores, splits, pictures ─────────────────────────────────────────────────────────────────────
def _store(home: Path) -> Path:
    from regnas_core.workbench.store import PredictionStore

    classes = np.random.default_rng(0).integers(0, 300, (4, N))
    PredictionStore(home / "store", N).write(list("abcd"), classes)
    return next((home / "store").glob("*.parquet"))


def _read_store(home: Path) -> Any:
    from regnas_core.workbench.store import PredictionStore

    store = PredictionStore(home / "store", N)
    found = {key: store.read([key])[0] for key in "abcd" if key in store}
    assert all(row.shape == (N,) and row.dtype.kind == "u" for row in found.values())
    return found


def _split(name: str, home: Path) -> Path:
    from regnas_core.data.splits import SPLITS, write_split

    parts = np.split(np.random.default_rng(0).permutation(60), [30, 40, 50])
    info = {"dataset": "toy", "seed": 0, "command": "none"}
    write_split(home / "split", dict(zip(SPLITS, parts, strict=True)), info)
    return home / "split" / name


def _read_split(home: Path) -> Any:
    from regnas_core.data.splits import SPLITS, read_split

    found = read_split("toy", home / "split").indices
    assert set(found) == set(SPLITS)
    assert all(part.dtype == np.int64 and part.min(initial=0) >= 0 for part in found.values())
    return found


PICTURES = (".jpg", ".png", ".bmp", ".gif", ".tif", ".webp", ".ppm")


def _folder(suffix: str, home: Path) -> Path:
    """Three pictures a class and part, one of them in the format."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for name in "ab":
            (home / "pictures" / part / name).mkdir(parents=True)
            for i in range(3):
                picture = Image.fromarray(rng.integers(0, 256, (12, 10, 3), np.uint8))
                picture.save(home / "pictures" / part / name / f"{i}.png")
    path = home / "pictures" / "train" / "a" / f"x{suffix}"
    picture = Image.fromarray(rng.integers(0, 256, (20, 17, 3), np.uint8))
    exif = Image.Exif()
    exif[274] = 6  # orientation
    options = {"exif": exif} if suffix in (".jpg", ".webp", ".png") else {}
    (picture.convert("I").convert("I;16") if suffix == ".tif" else picture).save(path, **options)
    return path


def _open_folder(home: Path) -> Any:
    from regnas_core.data import load_dataset

    sizes = {"calibration": 2, "search": 2}
    data = load_dataset("folder", path=home / "pictures", root=home / "data", size=8, sizes=sizes)
    found = [getattr(data, split) for split in ("train", "calibration", "search", "test")]
    assert all(len(part.images) == len(part.labels) and part.images.dtype == np.uint8 for part in found)
    assert all(part.images.shape[1:] == (3, 8, 8) for part in found)
    return [(part.images, part.labels) for part in found]


def _layout(home: Path) -> Path:
    """Which files lie in which folders, as JSON."""
    from PIL import Image

    for i in range(3):
        Image.fromarray(np.full((9, 9, 3), 50 * i, np.uint8)).save(home / f"{i}.png")
    parts = {"train": 8, "val": 3}
    tree = {part: {name: [f"{i}.png" for i in range(n)] for name in "abc"} for part, n in parts.items()}
    (home / "layout.json").write_text(json.dumps(tree))
    return home / "layout.json"


def _open_layout(home: Path) -> Any:
    try:
        _lay(home / "pictures", json.loads((home / "layout.json").read_bytes()), home)
    except ValueError:  # no JSON, or no name of a file: not what is tried here
        return None
    found = _open_folder(home)
    shutil.rmtree(home / "pictures")
    return found


def _lay(place: Path, content: Any, home: Path) -> None:
    """Make folders of dictionaries, pictures of the names in lists."""
    if isinstance(content, dict | list):
        place.mkdir(exist_ok=True)
        for name in content:
            inside = content[name] if isinstance(content, dict) else name
            _lay(place / (str(name).replace("/", "_")[:99] or "_"), inside, home)
    elif not place.exists():
        shutil.copy(home / f"{len(place.name) % 3}.png", place)


def _cache(home: Path) -> Path:
    """Pictures that were decoded already."""
    _folder(".png", home)
    _open_folder(home)
    return next(iter(sorted((home / "data" / "cache").glob("folder-test*.npy"))))


def _formats(*roles: str) -> Iterator[Kind]:
    inside: dict[str, Mutation] = {
        ".csv": mutations.cells,
        ".parquet": mutations.parquet,
        ".jsonl": mutations.json_lines,
        ".npy": mutations.npy,
        ".pt": mutations.torch_archive,
    }
    for role in roles:
        for suffix in (".csv", ".parquet", ".jsonl", ".npy", ".pt", ".arrow"):
            ways = (inside[suffix],) if suffix in inside else ()
            by_id = _gate if suffix == ".npy" else _by_id
            yield Kind(f"{role} {suffix}", partial(_answers, suffix, role), by_id, ways)


KINDS = (
    *_formats("new", "labels"),
    Kind("family .csv", partial(_answers, ".csv", "new"), _family, (mutations.cells,)),
    Kind("family .npy", partial(_answers, ".npy", "labels"), _family, (mutations.npy,)),
    Kind("scores .npy", partial(_scores, ".npy"), _gate, (mutations.npy,)),
    Kind("scores .parquet", partial(_scores, ".parquet"), _gate, (mutations.parquet,)),
    Kind("scores .jsonl", partial(_scores, ".jsonl"), _gate, (mutations.json_lines,)),
    Kind("policy", _policy, lambda h: _gate(h, id="item", policy=h / "policy.yaml"), (mutations.yaml_text,)),
    Kind("golden ids", _golden, lambda h: _gate(h, id="item", golden=h / "golden.txt")),
    Kind("classes", _names, lambda h: _gate(h, classes=h / "classes.txt")),
    Kind("preset", _preset, _open_preset, (mutations.yaml_text, mutations.yaml_text)),
    Kind("typed words", _typed, _read_typed, (mutations.json_text,)),
    Kind("checkpoint", _checkpoint, _load_net, (mutations.safetensors,), True),
    Kind("checkpoint without checksum", _unsealed, _load_net, (mutations.safetensors,)),
    Kind("torch archive", partial(_archive, False), _read_archive, (mutations.torch_archive,)),
    Kind("old torch archive", partial(_archive, True), _read_archive, (mutations.old_torch_archive,)),
    Kind("training state", _state, _train, (mutations.torch_archive,)),
    Kind("latency table", _latencies, _cost, (mutations.headed_table,)),
    Kind("tabular benchmark", _benchmark, _load_benchmark, (partial(mutations.npz, seal=_seal),), True),
    Kind("store", _store, _read_store, (mutations.parquet,)),
    Kind("split indices", partial(_split, "search.txt"), _read_split, (), True),
    Kind("split.json", partial(_split, "split.json"), _read_split, (mutations.json_text,)),
    *(Kind(f"picture {suffix}", partial(_folder, suffix), _open_folder) for suffix in PICTURES),
    Kind("folders of classes", _layout, _open_layout, (mutations.json_text, mutations.json_text)),
    Kind("decoded pictures", _cache, _open_folder, (mutations.npy,)),
)
