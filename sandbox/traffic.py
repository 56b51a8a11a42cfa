# Requests as users send them, at a steady rate and for as long as it is wanted, so that there is something to watch.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from types import TracebackType

from sandbox.faults.app_visit import ME, TASKS, Visitor
from sandbox.faults.fault import Hands

RATE, SENDERS, PATIENCE_S = 20.0, 10, 10.0
PATHS = (TASKS, ME, TASKS)


class Traffic:
    """A signed-in user asks at the public address, over connections that are kept; answers are read and forgotten."""

    def __init__(self, hands: Hands, rate: float = RATE) -> None:
        s = hands.settings
        self._address, self._host = s.node_address, f"api.{s.domain}"
        self._context = ssl.create_default_context(cafile=str(s.handover / "ingress-ca.crt"))
        self._headers = {"Authorization": f"Bearer {Visitor(hands).token()}"}
        self._pause = SENDERS / rate
        self._over = threading.Event()
        self._senders = [threading.Thread(target=self._send, args=(one,), daemon=True) for one in range(SENDERS)]

    def __enter__(self) -> Traffic:
        for one in self._senders:
            one.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        for one in self._senders:
            one.join(2 * PATIENCE_S)

    def go_on(self, seconds: float) -> None:
        """Send for so long, unless it is ended before."""
        self._over.wait(seconds)

    def _send(self, number: int) -> None:
        due, turn = time.monotonic() + self._pause * number / SENDERS, number
        connection: http.client.HTTPSConnection | None = None
        while not self._over.wait(max(0.0, due - time.monotonic())):
            due, turn = max(due + self._pause, time.monotonic()), turn + 1
            try:
                connection = connection or self._connected()
                connection.request("GET", PATHS[turn % len(PATHS)], headers=self._headers)
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                self._close(connection)
                connection = None
        self._close(connection)

    @staticmethod
    def _close(connection: http.client.HTTPSConnection | None) -> None:
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()

    def _connected(self) -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection(self._host, context=self._context, timeout=PATIENCE_S)
        plain = socket.create_connection((self._address, 443), timeout=PATIENCE_S)
        connection.sock = self._context.wrap_socket(plain, server_hostname=self._host)
        return connection
