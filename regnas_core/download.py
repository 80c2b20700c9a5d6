"""Files that publishers offer for download: fetched once, checked, and kept in a folder."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .errors import CheckpointError
from .files import held, sha256, write_atomically
from .resources import cache_root

if TYPE_CHECKING:
    import requests

TIMEOUT = (5, 30)  # seconds: to connect, and between two pieces of the answer
RECORD = "checksums.json"  # beside files whose publisher tells no checksum: name → that of the first use
PAUSES = (0.5, 1.0, 2.0)  # seconds before each further attempt when a transfer broke off
_WEB_PAGE = (
    "a web page came in place of the file (Google Drive answers so when a file was downloaded too often; "
    "it then takes a day)"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Where a file comes from.

    Attributes:
        url: what answers with the file itself, as
            ``https://drive.usercontent.google.com/download?id=…&export=download&confirm=t``.
        file: its name in the folder.
        known_hash: "md5:…" or "sha256:…"; None if its publisher tells none, see :func:`fetch`.
        page: a page for people, with a link to the file.
    """

    url: str
    file: str
    known_hash: str | None = None
    page: str = ""


def drive(identifier: str) -> str:
    """Url that answers with a file on Google Drive."""
    return f"https://drive.usercontent.google.com/download?id={identifier}&export=download&confirm=t"


def fetch(source: Source, folder: str | Path) -> Path:
    """Path of the file in ``folder``, downloaded if it is not there or has another checksum.

    A file that lies there is replaced only by one that came whole and passed the checks. Where its publisher
    tells no checksum, that of the first use is recorded in ``checksums.json``, beside the file or in the
    user's cache where that folder is read-only, and the file must have it ever after.

    Raises:
        CheckpointError: it cannot be had (no network, an HTTP error, a web page or something else in its
            place), with how to fetch it by hand; or it has changed since its first use.
        WriteError: the checksum cannot be recorded.
    """
    import pooch

    path = Path(folder).expanduser() / source.file
    for pause in (*PAUSES, None):
        try:
            if path.is_file() and is_web_page(path):
                path.unlink()
            with _quiet():
                pooch.retrieve(source.url, source.known_hash, path.name, path.parent, downloader=_download)
        except (OSError, ValueError) as error:  # requests' errors are OSErrors, a wrong checksum a ValueError
            reason = _in_words(error, source)
            if pause is None or not _broke_off(error):
                break
        else:
            return path if source.known_hash else _recognised(path)
        time.sleep(pause)
    state = "has another checksum than it should" if path.is_file() else "is missing"
    raise CheckpointError(
        f"{path} {state}, and downloading it from {source.url} failed: {reason}. Open "
        f"{source.page or source.url} in a browser and save the file as {path}, or give the "
        "path of your copy."
    )


def _recognised(path: Path) -> Path:
    """The path of a file that is the one of its first use; if this is the first, its checksum is recorded."""
    folder = path.parent if os.access(path.parent, os.W_OK) else cache_root(path.parent)
    record, found = folder / RECORD, sha256(path)
    with held(record):
        known = _recorded(record)
        if path.name not in known:
            text = json.dumps({**known, path.name: found}, indent=1)
            write_atomically(record, lambda part: part.write_text(text + "\n", "utf-8"))
            _log.warning(
                "%s: no checksum is published; its SHA-256 %s is recorded in %s.", path, found, record
            )
    if (expected := known.get(path.name, found)) != found:
        raise CheckpointError(
            f"{path} is another file than at its first use: its SHA-256 was {expected}, now it is {found}. "
            "Put the earlier file back, or remove this one to have it downloaded again. If the new one is "
            f"meant, remove its line from {record}."
        )
    return path


def _recorded(record: Path) -> dict[str, str]:
    """File name → SHA-256, as recorded."""
    try:
        known = json.loads(record.read_text("utf-8")) if record.exists() else {}
        if not all(isinstance(value, str) for value in known.values()):
            raise ValueError("a value of another kind")
        return known
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{record} cannot be read ({error}). Remove it; checksums are then recorded anew, of the files "
            "that are there."
        ) from None


def is_web_page(path: Path) -> bool:
    """Whether a file begins like HTML: what servers send, and browsers save, in place of a file.

    No archive or safetensors file begins so.
    """
    with path.open("rb") as file:
        return file.read(256).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _download(url: str, output_file: str, pooch: object) -> None:
    """Download to a temporary file, which pooch checks and moves, or removes after an error."""
    from pooch import HTTPDownloader

    def whole(response: requests.Response, **kwargs: object) -> None:
        response.raw.enforce_content_length = True  # urllib3 < 2 takes a broken transfer for the end

    download = HTTPDownloader(
        progressbar=True, chunk_size=1 << 16, timeout=TIMEOUT, hooks={"response": whole}
    )
    download(url, output_file, pooch)
    if is_web_page(Path(output_file)):
        raise ValueError(_WEB_PAGE)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pooch from telling what it does; the progress bar stays."""
    import pooch

    logger = pooch.get_logger()
    before = logger.disabled
    logger.disabled = True  # this logger caches its level, so setLevel comes too late
    try:
        yield
    finally:
        logger.disabled = before


def _never_began(error: Exception) -> bool:
    """Whether no connection came about: offline, a wrong name, a closed port, a certificate."""
    from urllib3.exceptions import MaxRetryError

    return bool(error.args) and isinstance(error.args[0], MaxRetryError)


def _broke_off(error: Exception) -> bool:
    """Whether a connection was lost, so that another attempt may succeed."""
    from requests.exceptions import ChunkedEncodingError, ConnectionError, Timeout

    return isinstance(error, ChunkedEncodingError | ConnectionError | Timeout) and not _never_began(error)


def _in_words(error: Exception, source: Source) -> str:
    from requests.exceptions import HTTPError

    if isinstance(error, HTTPError):
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if _never_began(error):
        return f"no connection to {urlsplit(source.url).netloc} ({type(error.args[0].reason).__name__})"
    if _broke_off(error):
        return f"the connection broke off {len(PAUSES) + 1} times"
    return str(error).rstrip(".")
