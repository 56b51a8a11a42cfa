# Carries TCP connections into a namespace: a listener here, the API server's exec stream, a small program in a pod.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from typing import Any, Protocol

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError

CHUNK = 32 * 1024
POLL_S = 0.2
SAID = 2000  # bytes kept of what the program in the pod said
NO_TOOL = "no-tool-found"
# Carries standard input and output to a host and port, with what the image has; those first that say best what failed.
_PYTHON = (
    "import os,socket,sys,threading\n"
    "s=socket.create_connection((sys.argv[1],int(sys.argv[2])))\n"
    "def up():\n"
    " while True:\n"
    "  d=os.read(0,32768)\n"
    "  if not d: break\n"
    "  s.sendall(d)\n"
    "threading.Thread(target=up,daemon=True).start()\n"
    "while True:\n"
    " d=s.recv(32768)\n"
    " if not d: break\n"
    " os.write(1,d)\n"
)
SCRIPT = f"""
if command -v python3 >/dev/null 2>&1; then exec python3 -c '{_PYTHON}' "$1" "$2"; fi
if command -v bash >/dev/null 2>&1; then
  exec bash -c 'exec 3<>"/dev/tcp/$1/$2" || exit 1; cat <&3 & exec cat >&3' bash "$1" "$2"; fi
if command -v socat >/dev/null 2>&1; then exec socat - "TCP:$1:$2"; fi
if command -v nc >/dev/null 2>&1; then exec nc -v "$1" "$2"; fi
echo {NO_TOOL} >&2; exit 127
"""


class Stream(Protocol):
    """What the API server's exec stream can do."""

    def fileno(self) -> int:
        """What can be waited on for more to read."""

    def write(self, data: bytes) -> None:
        """Send to standard input; :raises EOFError: it has ended."""

    def read(self) -> tuple[bytes, bytes]:
        """What has come by standard output and standard error; :raises EOFError: it has ended and all is read."""

    def close(self) -> None:
        """End it."""


class Opener(Protocol):
    """Opens an exec stream."""

    def __call__(self, command: list[str], /) -> Stream: ...


class Tunnel:
    """A port on 127.0.0.1 that leads to a host and port as a pod sees them.

    What passes through is not looked at: TLS goes from this machine to the server itself.
    """

    def __init__(self, opens: Opener, host: str, port: int) -> None:
        self._opens, self._host, self._to = opens, host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closed = False
        self._said = b""
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def said(self) -> str:
        """What the program in the pod, or the API server, said of a connection that failed."""
        return " ".join(self._said.decode("utf-8", "replace").split())

    def close(self) -> None:
        """Take no more connections."""
        self._closed = True
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                here, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(here,), daemon=True).start()

    def _carry(self, here: socket.socket) -> None:
        with here:
            try:
                stream = self._opens(["sh", "-c", SCRIPT, "sh", self._host, str(self._to)])
            except CollectionError as exc:
                self._said = exc.sentence.encode()
                return
            with contextlib.closing(stream), contextlib.suppress(OSError, EOFError):
                self._pump(here, stream)

    def _pump(self, here: socket.socket, stream: Stream) -> None:
        """Carry both ways in one thread: a TLS connection is not made for two at once."""
        sources: list[Any] = [here, stream]
        while not self._closed:
            ready, _writable, _broken = select.select(sources, [], [], POLL_S)
            out, said = stream.read()
            self._said = (self._said + said)[-SAID:]
            if out:
                here.sendall(out)
            if here in ready:
                if not (data := here.recv(CHUNK)):
                    return
                stream.write(data)


@contextlib.contextmanager
def tunnel(opens: Opener, host: str, port: int) -> Iterator[Tunnel]:
    """A tunnel that is closed in any case."""
    made = Tunnel(opens, host, port)
    try:
        yield made
    finally:
        made.close()


class ExecStream:
    """The Kubernetes client's websocket as a :class:`Stream`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def fileno(self) -> int:
        return int(self._client.sock.sock.fileno())

    def write(self, data: bytes) -> None:
        try:
            self._client.write_stdin(data)
        except Exception as exc:  # the websocket library's own errors; whatever it is, nothing more can be sent
            raise EOFError(str(exc)) from exc

    def read(self) -> tuple[bytes, bytes]:
        was_open = self._client.is_open()
        try:
            self._client.update(timeout=0)
        except Exception as exc:
            raise EOFError(str(exc)) from exc
        out, said = (self._client.read_channel(channel) or b"" for channel in (1, 2))
        if not was_open and not out and not said:
            raise EOFError("it has ended")
        return out, said

    def status(self) -> bytes:
        """How the program ended, as the API server tells it; empty where it does not."""
        return bytes(self._client.read_channel(3) or b"")

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._client.close()
