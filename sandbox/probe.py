# Small questions to services, from the machine or from inside the namespace.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import socket
import ssl
import struct
from collections.abc import Mapping
from pathlib import Path

from sandbox.host.netns import call_inside
from sandbox.settings import Settings

TIMEOUT_S = 3.0
NOTHING = 0
FORM = "application/x-www-form-urlencoded"


def connect(settings: Settings, host: str, port: int, *, inside: bool = True) -> socket.socket:
    def dial() -> socket.socket:
        return socket.create_connection((host, port), timeout=TIMEOUT_S)

    return call_inside(settings, dial) if inside else dial()


def http_body(
    settings: Settings, host: str, port: int, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    """What a GET (with a body: a POST) is answered with 200; empty for every other answer."""
    try:
        with connect(settings, host, port) as sock:
            connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
            connection.sock = sock
            connection.request("POST" if body else "GET", path, body=body or None, headers=dict(headers or {}))
            answer = connection.getresponse()
            text = answer.read()
    except (OSError, http.client.HTTPException):
        return b""
    return text if answer.status == http.client.OK else b""


def http_status(settings: Settings, host: str, port: int, path: str, *, tls: bool = False, inside: bool = True) -> int:
    """Status of a GET, 0 when nothing answers. Loopback health ports have self-signed certificates."""
    try:
        with connect(settings, host, port, inside=inside) as plain:
            sock = _unverified().wrap_socket(plain) if tls else plain
            connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
            connection.sock = sock
            connection.request("GET", path)
            return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return NOTHING


def http_post(settings: Settings, host: str, port: int, path: str, body: str, *, kind: str = FORM) -> tuple[int, str]:
    """Status and text of a POST from inside the namespace; status 0 when nothing answers."""
    try:
        with connect(settings, host, port) as sock:
            connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
            connection.sock = sock
            connection.request("POST", path, body.encode(), {"Content-Type": kind})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return NOTHING, ""


def http_call(
    settings: Settings, address: tuple[str, int], method: str, path: str, *, body: str = "", headers: Mapping[str, str]
) -> tuple[int, str]:
    """Status and text of any request from inside the namespace; status 0 when nothing answers."""
    try:
        with connect(settings, *address) as sock:
            connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_S)
            connection.sock = sock
            connection.request(method, path, body.encode() or None, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return NOTHING, ""


def healthy(settings: Settings, port: int, path: str = "/healthz", *, tls: bool = False) -> bool:
    """A health port on the namespace's loopback."""
    return http_status(settings, "127.0.0.1", port, path, tls=tls) == http.client.OK


def exchange(settings: Settings, host: str, port: int, message: bytes, most: int = 64) -> bytes:
    """First bytes of the answer to a message over TCP, empty when nothing answers."""
    try:
        with connect(settings, host, port) as sock:
            sock.sendall(message)
            return sock.recv(most)
    except OSError:
        return b""


def resolves(settings: Settings, server: str, name: str, address: str) -> bool:
    """Whether a DNS server answers with this address for a name."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    query = struct.pack(">HHHHHH", 0x1234, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)

    def ask() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1.0)
            sock.sendto(query, (server, 53))
            return sock.recv(1024)

    try:
        return socket.inet_aton(address) in call_inside(settings, ask)[len(query) :]
    except OSError:
        return False


def unix_socket_open(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(TIMEOUT_S)
            sock.connect(str(path))
            return True
    except OSError:
        return False


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
