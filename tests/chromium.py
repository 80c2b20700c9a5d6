"""A headless Chromium, driven through its DevTools protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np

FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
START_S = 60


class Chromium:
    """One page of a browser; a context manager."""

    address = "about:blank"  # of the page that tests come back to

    def __init__(self, home: Path, width: int = 1280, height: int = 900) -> None:
        assert FOUND is not None
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run"]
        self._process = subprocess.Popen(
            [FOUND, *flags, f"--user-data-dir={home}", f"--window-size={width},{height}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._numbers, self.errors = count(1), []
        try:
            self._socket = self._connect(home / "DevToolsActivePort")
        except BaseException:
            self._end()
            raise
        for domain in ("Page", "Runtime"):
            self.send(f"{domain}.enable")

    def _connect(self, port_file: Path) -> Any:
        from websocket import create_connection

        until = time.monotonic() + START_S
        while not (port_file.is_file() and port_file.read_text().count("\n")):
            assert time.monotonic() < until and self._process.poll() is None, "the browser did not start"
            time.sleep(0.05)
        port = port_file.read_text().splitlines()[0]
        with urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
            page = next(target for target in json.load(answer) if target["type"] == "page")
        return create_connection(page["webSocketDebuggerUrl"], suppress_origin=True, timeout=START_S)

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol; exceptions of the page meanwhile are gathered in ``errors``."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("method") == "Runtime.exceptionThrown":
                self.errors.append(message["params"]["exceptionDetails"])
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def open(self, address: str, ready: str = "true") -> None:
        """Go to a page, and wait for a promise or value of it."""
        self.send("Page.navigate", url=address)
        until = time.monotonic() + START_S
        while self.run("document.readyState") != "complete":
            assert time.monotonic() < until, f"{address} did not load"
            time.sleep(0.02)
        self.run(ready)

    def run(self, script: str) -> Any:
        """Value of an expression in the page, as JSON; a promise is waited for."""
        found = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """A key, as ``"ArrowRight"``."""
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def view(self, width: int, height: int, scheme: str = "light") -> None:
        """Size of the window, and whether the person prefers light or dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path: Path) -> Path:
        """The whole page as a PNG."""
        found = self.send("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        path.write_bytes(base64.b64decode(found["data"]))
        return path


def contrast(a: Sequence[int], b: Sequence[int]) -> float:
    """Of two colours, each red, green, blue of 0 to 255; text needs 4.5 (WCAG 2.1, AA)."""
    parts = np.array([list(a), list(b)]) / 255
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    low, high = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (high + 0.05) / (low + 0.05)
