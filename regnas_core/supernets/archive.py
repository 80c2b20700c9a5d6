"""Weights out of a publisher's PyTorch checkpoint, read without running the code that a pickle can hold.

Beside the tensors lie objects of classes that are not installed here (options, optimisers). The classes are
listed without unpickling, and torch's restricted unpickler is given an inert stand-in for each.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import tarfile
import warnings
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor
from torch.serialization import add_safe_globals, clear_safe_globals, get_safe_globals

from ..download import is_web_page
from ..errors import CheckpointError

KEYS = ("state_dict", "model_state_dict", "model")
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of an archive from before torch 1.6
_LEGACY_PICKLES = 5  # magic number, version, system, the object, its storages' keys; then the numbers


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a PyTorch checkpoint, on the CPU; never executes code.

    Args:
        path: an archive that ``torch.save`` wrote, new (zip) or old, of a state dict or of a dict that has
            one under "state_dict", "model_state_dict" or "model", whatever else it holds.

    Returns:
        name → tensor. Parameters become plain tensors; the prefix "module." of
        ``torch.nn.DataParallel`` is removed when all names have it.

    Raises:
        CheckpointError: missing, damaged, no PyTorch archive, or without a state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"No checkpoint at {path}. Give the path of one.")
    if fault := _foreign(path):
        raise CheckpointError(f"{path} {fault}; expected a file that torch.save wrote. Download it again.")
    tensors = _state_dict(_load(path), path)
    prefix = "module." if all(name.startswith("module.") for name in tensors) else ""
    return {name.removeprefix(prefix): tensor.detach() for name, tensor in tensors.items()}


def _foreign(path: Path) -> str | None:
    """What else than a PyTorch archive the file is, judged by its first bytes; None if it may be one."""
    if is_web_page(path):
        return "is a web page (HTML), saved in place of the checkpoint"
    with path.open("rb") as file:
        head = file.read(9)
    if head[8:] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return "is a safetensors file"
    if not head.startswith((_ZIP, _PICKLE)):
        return "is no PyTorch archive" if head else "is empty"
    # torch < 2.6 reads tar files, its oldest format, without the restrictions
    return "is a tar file" if head.startswith(_PICKLE) and tarfile.is_tarfile(path) else None


def _load(path: Path) -> Any:
    """What the archive holds, with stand-ins for all objects that torch does not know."""
    try:
        stand_ins = [_stand_in(*name) for name in _named_globals(path)]
        with path.open("rb") as file, _allow_only(stand_ins), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True, mmap=False)
    except CheckpointError:
        raise
    except Exception as error:  # a damaged or malicious file can fail anywhere
        # torch's own message advises to read the file without restrictions: tell only what it wraps
        cause = (isinstance(error, pickle.UnpicklingError) and error.__context__) or error
        detail = f"{type(cause).__name__}: {cause}".splitlines()[0]
        raise CheckpointError(
            f"{path} is truncated or damaged, or cannot be read without executing code from it ({detail}). "
            "Download it again; if that does not help, ask its publisher for a plain state dict."
        ) from None


def _named_globals(path: Path) -> set[tuple[str, str]]:
    """Modules and names of all classes and functions that the archive's pickles mention."""
    with path.open("rb") as file:
        if file.read(len(_ZIP)) == _ZIP:
            return _scan(io.BytesIO(_zipped_pickle(path)), 1)
        file.seek(0)
        if [arg for op, arg, _ in pickletools.genops(file) if op.name == "LONG1"] != [_MAGIC]:
            raise CheckpointError(f"{path} is a pickle, but no PyTorch archive. Give another file.")
        return _scan(file, _LEGACY_PICKLES - 1)


def _zipped_pickle(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        if "constants.pkl" in names:
            raise CheckpointError(f"{path} is a TorchScript program. Give the file of a state dict.")
        if "data.pkl" not in names:
            raise CheckpointError(f"{path} is a zip file, but no PyTorch archive. Give another file.")
        return archive.read(names["data.pkl"])


def _scan(file: BinaryIO, pickles: int) -> set[tuple[str, str]]:
    found = set()
    for _ in range(pickles):
        for op, arg, _ in pickletools.genops(file):
            if op.name == "GLOBAL":
                module, name = arg.split(" ", 1)
                found.add((module, name))
                # pickles carry Python 2's names, which torch translates
                found.add(NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name)))
    return found


class _LikeDict(type):
    """Classes that compare equal to ``dict``: torch fills only what it believes to be a plain dict."""

    def __eq__(cls, other: object) -> bool:
        return other is dict or cls is other

    __hash__ = type.__hash__


class _StandIn(dict, metaclass=_LikeDict):
    """Takes any arguments and any state, and does nothing with them."""

    __hash__ = object.__hash__  # may be a key of another dict

    def __new__(cls, *args: Any, **kwargs: Any) -> _StandIn:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _stand_in(module: str, name: str) -> type[_StandIn]:
    """An inert class that goes by the name of another class or function."""
    return _LikeDict(name, (_StandIn,), {"__module__": module, "__qualname__": name})


@contextmanager
def _allow_only(classes: Iterable[type]) -> Iterator[None]:
    """Let torch build these classes beside its own, and none that were allowed elsewhere."""
    before = list(get_safe_globals())
    clear_safe_globals()
    add_safe_globals(list(classes))
    try:
        yield
    finally:
        clear_safe_globals()
        add_safe_globals(before)


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    """The state dict within what an archive holds."""
    found = content
    if isinstance(content, dict):
        found = next((content[key] for key in KEYS if isinstance(content.get(key), dict)), content)
    if isinstance(found, dict) and found:
        wrong = [k for k, v in found.items() if not (isinstance(k, str) and isinstance(v, Tensor))]
        if not wrong:
            return found
        fault = f"its entry {wrong[0]!s:.60} is of type {type(found[wrong[0]]).__name__}"
    else:
        fault = f"it holds a {type(found).__name__} without tensors"
    raise CheckpointError(
        f"{path} holds no state dict: {fault}. Expected tensors by name, at the top or under "
        f"{', '.join(KEYS[:-1])} or {KEYS[-1]}. Give another file."
    )
