# Drives a Chromium without a window by its DevTools protocol; it opens files only, and nothing else is reached.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)
TIMEOUT_S = 180  # on a machine that has much else to do


def program() -> str:
    """Where Chromium is; empty where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), "")


class Tab:
    """One page. What it logged and what it asked for is kept."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._number = 0
        self.events: list[Mapping[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self.events.append(answer)

    def open(self, path: Path) -> None:
        """Open a file and wait until it is there."""
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(json.loads(self._socket.recv()))

    def run(self, script: str) -> Any:
        """The value of an expression; promises are awaited."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        """Press a key, and let it go."""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    def look(self, width: int, scheme: str = "light", media: str = "") -> None:
        """How wide the window is, and what the reader prefers."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call(
            "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )


@contextmanager
def tab(folder: Path) -> Iterator[Tab]:
    """A browser with one page.

    :param folder: an empty one for what the browser keeps.
    """
    import websocket

    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    command = [program(), *QUIET, *root, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            if process.stderr is None:
                raise RuntimeError("no stderr")
            told = next(line for line in process.stderr if "DevTools listening on" in line)
            address = told.rpartition("ws://")[2].partition("/")[0]
            with urllib.request.urlopen(f"http://{address}/json", timeout=TIMEOUT_S) as answer:
                pages = [page for page in json.load(answer) if page["type"] == "page"]
            socket = websocket.create_connection(pages[0]["webSocketDebuggerUrl"], timeout=TIMEOUT_S)
            try:
                yield Tab(socket)
            finally:
                socket.close()
        finally:
            process.terminate()
