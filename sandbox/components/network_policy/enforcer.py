# Follows the API and keeps the table in the kernel as the rules say.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sandbox.components.network_policy import kernel, objects
from sandbox.components.network_policy.rules import World, derive
from sandbox.components.network_policy.table import render
from sandbox.errors import SandboxError
from sandbox.watch import Collection, Watchable

# After the first change this is waited for more, which then go in together; a steady stream is taken in such portions.
GATHER_S = 0.1
# So often it is looked whether the table is still there, and a refused one is tried again.
LOOK_S = 5.0


class Enforcer:
    """One table for one node.

    :param node: the name of the node whose pods are isolated.
    :param services: the network of the Services' addresses.
    """

    def __init__(self, api: Watchable, node: str, services: str, say: Callable[[str], None]) -> None:
        self._api, self._node, self._services, self._say = api, node, services, say
        self._stop, self._changed = threading.Event(), threading.Event()
        notice = self._changed.set
        self._pods = Collection("/api/v1/pods", objects.pod, notice, say)
        self._namespaces = Collection("/api/v1/namespaces", objects.namespace, notice, say)
        self._policies = Collection("/apis/networking.k8s.io/v1/networkpolicies", objects.policy, notice, say)
        self._loaded = ""
        self._refused = "not loaded yet"

    @property
    def troubles(self) -> list[str]:
        """Why what is in force may not be what the API says; empty where all is well."""
        found = [f"{one.path}: {one.trouble}" for one in self._collections if one.trouble]
        if self._refused:
            found.append(self._refused)
        elif not kernel.present():
            found.append("the table is not in the kernel")
        return found

    def stop(self) -> None:
        self._stop.set()
        self._changed.set()

    def run(self) -> None:
        """Until `stop`. What it was told to end it takes out; whoever kills it leaves the last rules in force."""
        for one in self._collections:
            threading.Thread(target=one.follow, args=(self._api, self._stop), daemon=True).start()
        while not self._stop.is_set():
            if self._changed.wait(LOOK_S):
                self._stop.wait(GATHER_S)
            self._changed.clear()
            # A predecessor's table stays until all is known: half of the policies would be wrong rules.
            if not self._stop.is_set() and all(one.listed for one in self._collections):
                self._apply()
        kernel.remove()
        self._say("stopped: the table is gone, all traffic passes")

    @property
    def _collections(self) -> tuple[Collection[Any], ...]:
        return (self._pods, self._namespaces, self._policies)

    def _apply(self) -> None:
        world = World(self._node, self._pods.things(), self._namespaces.things(), self._policies.things())
        try:
            rules = derive(world)
            text = render(rules, self._services)
            if text == self._loaded and kernel.present():
                return
            kernel.load(text)
        except (SandboxError, ValueError) as error:
            self._loaded = ""
            if str(error) != self._refused:
                self._say(f"the rules before stay in force: {error}")
            self._refused = str(error)
            return
        self._loaded, self._refused = text, ""
        into, out = len(rules.ingress), len(rules.egress)
        self._say(f"{len(world.policies)} policies: {into} pods isolated for ingress, {out} for egress")


def serve_health(enforcer: Enforcer, port: int) -> ThreadingHTTPServer:
    """`/healthz` on loopback: 200 while the kernel has what the API says, else 503 with the reasons."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/healthz":
                self.send_error(404)
                return
            troubles = enforcer.troubles
            body = "\n".join(troubles or ["ok"]).encode()
            self.send_response(503 if troubles else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            """Health questions are not worth a line."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
