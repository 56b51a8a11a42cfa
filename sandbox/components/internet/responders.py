# What answers on the internet's address and on the metadata address; each answer says that it is a stand-in.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sandbox.components.internet import HTTP, HTTPS
from sandbox.settings import Settings

MARK = "X-Sandbox-Stand-In"
TOKEN = "sandbox-stand-in-token"
TOKEN_PATH, TOKEN_TTL = "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds"
CREDENTIALS = "/latest/meta-data/iam/security-credentials/"
GOOGLE, FLAVOR = "/computeMetadata/v1/", "Metadata-Flavor"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
LARGEST = 1 << 20


@dataclass(frozen=True)
class Answer:
    status: HTTPStatus
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def internet(method: str, path: str, headers: Mapping[str, str], seen_from: str) -> Answer:
    """Anything is answered, with what was asked and from where, so that a leak can be told from an echo."""
    told = {"stand_in": "internet", "method": method, "path": path, "host": headers.get("Host", ""), "from": seen_from}
    return Answer(HTTPStatus.OK, json.dumps(told) + "\n", {"Content-Type": "application/json"})


def metadata(method: str, path: str, headers: Mapping[str, str], _: str) -> Answer:
    """As the clouds' services do: with and without a token at Amazon's, only with the flavour at Google's."""
    if (method, path) == ("PUT", TOKEN_PATH):
        return Answer(HTTPStatus.OK, TOKEN) if headers.get(TOKEN_TTL) else Answer(HTTPStatus.BAD_REQUEST)
    if method != "GET":
        return Answer(HTTPStatus.METHOD_NOT_ALLOWED)
    if path.startswith(GOOGLE) and headers.get(FLAVOR) != "Google":
        return Answer(HTTPStatus.FORBIDDEN, "Missing required header: Metadata-Flavor\n")
    text = DOCUMENTS.get(path)
    if text is None:
        return Answer(HTTPStatus.NOT_FOUND)
    return Answer(HTTPStatus.OK, text, {FLAVOR: "Google"} if path.startswith(GOOGLE) else {"Server": "EC2ws"})


DOCUMENTS = {
    "/latest/meta-data/": "iam/\ninstance-id\nlocal-ipv4\n",
    "/latest/meta-data/instance-id": "i-sandbox00000000000",
    "/latest/meta-data/local-ipv4": "10.250.0.2",
    CREDENTIALS: "sandbox-node",
    f"{CREDENTIALS}sandbox-node": json.dumps(
        {"Code": "Success", "Type": "sandbox-stand-in", "AccessKeyId": "SANDBOX-STAND-IN", "SecretAccessKey": "none"}
    ),
    GOOGLE: "instance/\nproject/\n",
    f"{GOOGLE}instance/service-accounts/default/token": json.dumps({"access_token": TOKEN, "token_type": "Bearer"}),
}


def serve(settings: Settings, certificate: Path, key: Path) -> list[ThreadingHTTPServer]:
    """Three servers, each in threads of its own, until the process ends."""
    s = settings
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    servers = [
        _server((s.internet_address, HTTP), internet),
        _server((s.internet_address, HTTPS), internet, context),
        _server((s.metadata_address, HTTP), metadata),
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    return servers


def _server(where: tuple[str, int], respond: Any, tls: ssl.SSLContext | None = None) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10
        server_version, sys_version = "sandbox-stand-in", ""

        def setup(self) -> None:
            # In the connection's own thread: a silent client must not hold up the others.
            if tls:
                self.request.settimeout(self.timeout)
                self.request = tls.wrap_socket(self.request, server_side=True)
            super().setup()

        def answer(self) -> None:
            self.rfile.read(min(int(self.headers.get("Content-Length") or 0), LARGEST))
            path = self.path.partition("?")[0]
            answer: Answer = respond(self.command, path, self.headers, self.client_address[0])
            body = answer.text.encode()
            self.log_request()
            self.send_response_only(answer.status)
            for name, value in {**answer.headers, MARK: "1", "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_request(self, *_: Any) -> None:
            print(f"{where[0]}:{where[1]} {self.client_address[0]} {self.requestline}", flush=True)

    for method in METHODS:
        setattr(Handler, f"do_{method}", Handler.answer)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that breaks off, or whose handshake fails, is no trouble of this server."""

    return Server(where, Handler)
