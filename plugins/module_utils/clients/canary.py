# A small listener of our own: who asks it for a word has taken a text for an address.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError

LONGEST = 200  # characters of a path that are kept
MOST = 1000  # paths that are kept


class Canary:
    """What was asked of the listener. It answers an empty page and keeps the path, and nothing else."""

    def __init__(self, address: str) -> None:
        """Listen at an address, on a port of the system's choice.

        :raises InputError: the address is not one of this machine's.
        """
        self.asked: set[str] = set()
        kept = self.asked

        class Handler(BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(self) -> None:
                if len(kept) < MOST:
                    kept.add(self.path[:LONGEST].strip("/"))
                self.send_response(204)
                self.end_headers()

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_given: Any) -> None:
                """Nothing is printed: a module's output is its result."""

        try:
            self._server = ThreadingHTTPServer((address, 0), Handler)
        except OSError as exc:
            reason = exc.strerror or type(exc).__name__
            raise InputError(
                f"canary_address: nothing can listen at {address} ({reason}); name one of this machine."
            ) from exc
        self._server.daemon_threads = True
        self.url = f"http://{address}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def listening(address: str) -> Iterator[Canary | None]:
    """A listener while it is needed; none where no address is given."""
    if not address:
        yield None
        return
    canary = Canary(address)
    try:
        yield canary
    finally:
        canary.close()
