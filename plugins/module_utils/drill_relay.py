# A relay in the same pod between an application and its database, which can be told to cut all connections.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
RELAY = "drill-relay"
NO_RUNTIME = 97
# Passes connections on until it gets SIGHUP, then drops all of them, and again after SIGUSR2.
_PYTHON = """
import os, signal, socket, threading
place = (os.environ["DRILL_HOST"], int(os.environ["DRILL_PORT"]))
passing, every = [True], set()
def cut(*_):
    passing[0] = False
    for one in list(every):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
def mend(*_):
    passing[0] = True
def pump(source, sink):
    try:
        while said := source.recv(65536):
            sink.sendall(said)
    except OSError:
        pass
    for one in (source, sink):
        every.discard(one)
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
def serve(client):
    try:
        server = socket.create_connection(place, 10)
    except OSError:
        client.close()
        return
    server.settimeout(None)
    every.update((client, server))
    if not passing[0]:
        cut()
    threading.Thread(target=pump, args=(server, client), daemon=True).start()
    pump(client, server)
signal.signal(signal.SIGHUP, cut)
signal.signal(signal.SIGUSR2, mend)
listener = socket.create_server(("127.0.0.1", place[1]))
while True:
    client = listener.accept()[0]
    if passing[0]:
        threading.Thread(target=serve, args=(client,), daemon=True).start()
    else:
        client.close()
"""
_NODE = """
const net = require("net"), port = Number(process.env.DRILL_PORT), every = new Set();
let passing = true;
process.on("SIGHUP", () => { passing = false; for (const one of every) one.destroy(); });
process.on("SIGUSR2", () => { passing = true; });
net.createServer((client) => {
  if (!passing) { client.destroy(); return; }
  const server = net.connect(port, process.env.DRILL_HOST);
  for (const one of [client, server]) {
    every.add(one);
    one.on("error", () => {});
    one.on("close", () => { every.delete(one); client.destroy(); server.destroy(); });
  }
  client.pipe(server); server.pipe(client);
}).listen(port, "127.0.0.1");
"""
_START = (
    'if command -v node >/dev/null 2>&1; then exec node -e "$DRILL_NODE"; fi\n'
    'if command -v python3 >/dev/null 2>&1; then exec python3 -c "$DRILL_PYTHON"; fi\n'
    f"exit {NO_RUNTIME}\n"
)


@dataclass(frozen=True, slots=True)
class Dependency:
    """The database by the name under which the application knows it, and where the relay finds it."""

    host: str
    port: int
    address: str


def relay(like: Mapping[str, Any], to: Dependency) -> Object:
    """The container of the relay, of the image of the one that it works for."""
    told = {"DRILL_HOST": to.address, "DRILL_PORT": str(to.port), "DRILL_NODE": _NODE, "DRILL_PYTHON": _PYTHON}
    return {
        "name": RELAY,
        "image": like["image"],
        "imagePullPolicy": like.get("imagePullPolicy", "IfNotPresent"),
        "command": ["sh", "-c", _START],
        "env": [{"name": name, "value": value} for name, value in told.items()],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "96Mi"}},
        **({"securityContext": like["securityContext"]} if "securityContext" in like else {}),
    }
