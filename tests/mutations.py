"""Valid files, broken: in their bytes, and in what they hold."""

from __future__ import annotations

import copy
import csv
import io
import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

Rng = np.random.Generator
Mutation = Callable[[bytes, Rng], bytes]

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 7, 255, 256, 2**31, 2**63, -(2**63), 10**30),
    *(0.5, -0.0, 1e-300, 1e308, float("nan"), float("inf"), -float("inf")),
    *("", " ", "a", "0", "-1", "nan", "1e9", "None", "ä\u2028\x00", "x" * 5000),
    *("../../etc", "pretrained", "random:1", "cpu"),
    *([], {}, [[]], [None], [0, "a"], {"a": {"b": []}}, [1] * 50),
)


def odd(rng: Rng) -> Any:
    """A value that nobody expects there."""
    return copy.deepcopy(ODD[rng.integers(len(ODD))])


# ── bytes ────────────────────────────────────────────────────────────────────────────────────────
def bytewise(content: bytes, rng: Rng) -> bytes:
    """A changed bit; or up to three of: flips, cuts, insertions, repetitions, runs of a byte, numbers."""
    data = bytearray(content)
    if data and rng.random() < 0.4:
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        return bytes(data)
    for _ in range(rng.integers(1, 4)):
        at, n = int(rng.integers(len(data) + 1)), int(2 ** rng.integers(0, 9))
        if rng.random() < 0.5:
            at = min(at, int(rng.integers(1, 400)))  # headers are where it hurts
        kind = rng.integers(8)
        if kind == 0:
            for place in rng.integers(0, max(1, len(data)), min(n, 16)) if data else ():
                data[place] ^= 1 << rng.integers(8)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            del data[at : at + n]
        elif kind == 3:
            data[at:at] = rng.bytes(n)
        elif kind == 4:
            data[at:at] = data[at : at + n]
        elif kind == 5:
            data[at : at + n] = bytes([rng.choice([0, 255, 32, 48, 128])]) * n
        elif kind == 6 and at < len(data):
            data[at] = int(rng.integers(256))
        elif kind == 7:
            data[at : at + 8] = struct.pack("<q", int(rng.choice([-1, 0, 1, 2**31, 2**62, 10**6])))
    return bytes(data)


# ── trees ────────────────────────────────────────────────────────────────────────────────────────
def tree(value: Any, rng: Rng) -> Any:
    """Plain data with one node or more replaced, dropped, repeated, renamed or wrapped."""
    root = [copy.deepcopy(value)]
    for _ in range(min(4, rng.geometric(0.7))):
        nodes = [(root, 0)]
        for holder, key in nodes:  # grows while it is read
            child = holder[key]
            if isinstance(child, dict):
                nodes += [(child, k) for k in child]
            elif isinstance(child, list):
                nodes += [(child, i) for i in range(len(child))]
        holder, key = nodes[rng.integers(len(nodes))]
        kind = rng.integers(6)
        if kind == 0 and holder is not root:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[str(odd(rng))] = holder.pop(key)
        elif kind == 2:
            holder[key] = [holder[key]]
        elif kind == 3 and isinstance(holder, list) and holder is not root:
            holder.insert(key, copy.deepcopy(holder[key]))
        elif kind == 4 and type(holder[key]) in (int, float):
            holder[key] = holder[key] * [-1, 0, 1000, 0.5][rng.integers(4)]
        else:
            holder[key] = odd(rng)
    return root[0]


def json_text(content: bytes, rng: Rng) -> bytes:
    return json.dumps(tree(json.loads(content), rng)).encode()


def json_lines(content: bytes, rng: Rng) -> bytes:
    rows = [json.loads(line) for line in content.splitlines()]
    at = int(rng.integers(len(rows)))
    rows[at] = tree(rows[at], rng)
    return "\n".join(map(json.dumps, rows)).encode()


def yaml_text(content: bytes, rng: Rng) -> bytes:
    import yaml

    return yaml.safe_dump(tree(yaml.safe_load(content), rng), allow_unicode=True).encode()


def headed_table(content: bytes, rng: Rng) -> bytes:
    """A latency table: its first line, which is JSON, or its cells."""
    head, _, rest = content.partition(b"\n")
    if rng.random() < 0.3:
        return b"# " + json_text(head.removeprefix(b"# "), rng) + b"\n" + rest
    return head + b"\n" + cells(rest, rng)


# ── tables ───────────────────────────────────────────────────────────────────────────────────────
def cells(content: bytes, rng: Rng) -> bytes:
    """CSV with cells or rows changed."""
    rows = list(csv.reader(io.StringIO(content.decode())))
    for _ in range(min(4, rng.geometric(0.7))):
        if not rows:
            break
        row = rows[rng.integers(len(rows))]
        kind, at = rng.integers(6), int(rng.integers(len(row) + 1))
        if kind == 0:
            row.insert(at, str(odd(rng)))
        elif kind == 1:
            del row[at : at + 1]
        elif kind == 2:
            rows.insert(int(rng.integers(len(rows))), list(row))
        elif kind == 3:
            rows.remove(row)
        elif row:
            row[at % len(row)] = str(odd(rng))
    out = io.StringIO()
    delimiter = ",;\t"[rng.choice(3, p=[0.8, 0.1, 0.1])]
    csv.writer(out, delimiter=delimiter, lineterminator="\n", escapechar="\\").writerows(rows)
    return out.getvalue().encode()


def frame(table: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    """A DataFrame with a column dropped, renamed, cast, blanked, or rows dropped or repeated."""
    table = table.copy()
    name, kind = table.columns[rng.integers(table.shape[1])], rng.integers(7)
    if kind == 0:
        return table.drop(columns=name)
    if kind == 1:
        return table.rename(columns={name: str(odd(rng))})
    if kind == 2:
        return table.iloc[rng.integers(0, len(table), rng.integers(0, 2 * len(table)))]
    if kind == 3:
        values = [odd(rng)] * len(table)
        table[name] = pd.Series([str(v) for v in values], index=table.index)
        return table
    if kind == 4:
        table[name] = table[name].astype(object)
        table.loc[table.index[rng.integers(len(table))], name] = None
        return table
    cast = ["float32", "string", "bool", "category", "complex128", "datetime64[ns]"][rng.integers(6)]
    try:
        table[name] = table[name].astype(cast)
    except (TypeError, ValueError):
        table[name] = 1.5
    return table


def parquet(content: bytes, rng: Rng) -> bytes:
    out = io.BytesIO()
    try:
        frame(pd.read_parquet(io.BytesIO(content)), rng).to_parquet(out)
    except Exception:  # a type that Parquet has not
        return bytewise(content, rng)
    return out.getvalue()


# ── arrays ───────────────────────────────────────────────────────────────────────────────────────
def array(values: np.ndarray, rng: Rng) -> np.ndarray:
    """An array of another type, shape, order or with odd values."""
    kind = rng.integers(9)
    if kind == 0:
        types = ("i1", "u8", ">i4", "f2", "f8", "c16", "?", "U5", "S3", "O", "M8[s]")
        return values.astype(types[rng.integers(len(types))])
    if kind == 1:
        return values[None]
    if kind == 2:
        return values[: rng.integers(len(values) + 1)] if values.ndim else values
    if kind == 3:
        return np.asfortranarray(values[..., None])
    if kind == 4:
        return np.array(odd(rng), dtype=object)
    if kind == 5:
        return np.zeros(len(values) if values.ndim else (), [("a", "i4"), ("b", "f8")])
    if kind == 6:
        return np.empty((0, *values.shape[1:]), values.dtype)
    values = values.copy()
    if values.size and values.dtype.kind in "iuf":
        whole = values.dtype.kind in "iu"
        extremes = [np.iinfo(values.dtype).max, np.iinfo(values.dtype).min] if whole else [0.0, float("nan")]
        values.flat[rng.integers(values.size)] = extremes[rng.integers(2)]
    return values


def npy(content: bytes, rng: Rng) -> bytes:
    out = io.BytesIO()
    np.save(out, array(np.load(io.BytesIO(content)), rng), allow_pickle=True)
    return out.getvalue()


def npz(content: bytes, rng: Rng, seal: Callable[[dict], dict] = dict) -> bytes:
    """An archive with an array changed, dropped or added; ``seal`` makes its checksum right again."""
    with np.load(io.BytesIO(content)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    name, kind = list(arrays)[rng.integers(len(arrays))], rng.integers(8)
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays["more"] = arrays[name]
    elif name == "header":
        text = json_text(arrays[name].tobytes(), rng)
        arrays[name] = np.frombuffer(text, np.uint8)
    else:
        arrays[name] = array(arrays[name], rng)
    out = io.BytesIO()
    try:
        np.savez(out, **(seal(arrays) if rng.random() < 0.7 else arrays))
    except Exception:  # what cannot be sealed stays as it is
        np.savez(out, **arrays)
    return out.getvalue()


# ── networks ─────────────────────────────────────────────────────────────────────────────────────
def safetensors(content: bytes, rng: Rng) -> bytes:
    """A checkpoint with its head changed: what safetensors reads, or what this package reads in it."""
    size = struct.unpack("<Q", content[:8])[0]
    head = json.loads(content[8 : 8 + size])
    if rng.random() < 0.6:
        inner = json.loads(head["__metadata__"]["regnas"])
        if rng.random() < 0.7:
            inner.pop("checksum", None)
        head["__metadata__"]["regnas"] = json.dumps(tree(inner, rng))
    else:
        head = tree(head, rng)
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + size :]


def torch_archive(content: bytes, rng: Rng, old: bool = False) -> bytes:
    """A PyTorch file with other objects, types or shapes in it."""
    import torch

    def change(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return odd(rng)
        kinds = (
            *(lambda v: v.double(), lambda v: v[None], lambda v: v[:0], lambda v: v.bool()),
            *(lambda v: v.to(torch.bfloat16), lambda v: v.to(torch.complex64), lambda v: v.to_sparse()),
            *(lambda v: v * float("nan"), lambda v: odd(rng)),
        )
        return kinds[rng.integers(len(kinds))](value)

    found = torch.load(io.BytesIO(content), weights_only=True)
    if isinstance(found, dict) and found and rng.random() < 0.9:
        key = list(found)[rng.integers(len(found))]
        value = found.pop(key)
        if isinstance(value, dict) and value and rng.random() < 0.8:
            inner = list(value)[rng.integers(len(value))]
            value[inner] = change(value[inner])
            found[key] = value
        elif rng.random() < 0.8:
            found[key if rng.random() < 0.8 else odd(rng).__repr__()] = change(value)
    else:
        found = change(found)
    out = io.BytesIO()
    torch.save(found, out, _use_new_zipfile_serialization=not old)
    return out.getvalue()


def old_torch_archive(content: bytes, rng: Rng) -> bytes:
    """The same in the format from before torch 1.6."""
    return torch_archive(content, rng, old=True)
