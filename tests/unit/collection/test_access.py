# How a cluster is reached: plain connections without the Kubernetes client, all others by it, and both alike.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.bytebot.production.plugins.module_utils.clients.access import (
    Access,
    ByClient,
    Connection,
    Plain,
    access_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from tests.unit.collection.throwaway_ca import Authority

TOKEN = "hunter22"
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@dataclass
class Served:
    """A server that wants a client's certificate, and says who came with which token."""

    authority: Authority
    port: int
    client: bytes

    def part(self, begin: str) -> bytes:
        at = self.client.index(f"-----BEGIN {begin}".encode())
        end = self.client.index(b"-----END", at)
        return self.client[at : self.client.index(b"\n", end) + 1]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            subject = dict(pair for (pair,) in self.connection.getpeercert()["subject"])  # type: ignore[attr-defined]
            said = f"{subject['commonName']} {self.headers.get('authorization')}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Silence."""

    authority = Authority(tmp_path_factory.mktemp("ca"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
    trust.verify_mode = ssl.CERT_REQUIRED
    trust.load_cert_chain(authority.issue("localhost"))
    server.socket = trust.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield Served(authority, server.server_port, authority.issue("somebody").read_bytes())
    server.shutdown()
    server.server_close()


def _kubeconfig(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Connection:
    text = {
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(text))
    return Connection(kubeconfig=str(path))


def _ask(access: Access) -> str:
    answer = access.pool.request("GET", f"{access.server}/", headers=access.credentials())
    return str(answer.data.decode())


def _in_the_kubeconfig(_folder: Path, served: Served) -> tuple[dict[str, str], dict[str, str]]:
    def text(data: bytes) -> str:
        return base64.encodebytes(data).decode()  # wrapped, as some tools write it

    pair = {
        "client-certificate-data": text(served.part("CERTIFICATE")),
        "client-key-data": text(served.part("PRIVATE KEY")),
    }
    return {"certificate-authority-data": text(served.authority.file.read_bytes())}, pair


def _in_files(folder: Path, served: Served) -> tuple[dict[str, str], dict[str, str]]:
    """The authority by an absolute path, the pair by paths relative to the kubeconfig."""
    (folder / "client.crt").write_bytes(served.part("CERTIFICATE"))
    (folder / "client.key").write_bytes(served.part("PRIVATE KEY"))
    pair = {"client-certificate": "client.crt", "client-key": "client.key"}
    return {"certificate-authority": str(served.authority.file)}, pair


@pytest.mark.parametrize("form", [_in_the_kubeconfig, _in_files])
@pytest.mark.parametrize("token", ["", TOKEN])
def test_a_plain_kubeconfig_opens_what_the_kubernetes_client_opens(
    tmp_path: Path,
    served: Served,
    form: Callable[[Path, Served], tuple[dict[str, str], dict[str, str]]],
    token: str,
) -> None:
    cluster, user = form(tmp_path, served)
    private = tmp_path / "private"
    private.mkdir()
    server = {"server": f"https://localhost:{served.port}/"}
    connection = _kubeconfig(tmp_path, server | cluster, user | ({"token": token} if token else {}))
    plain = access_of(connection, str(private))
    assert isinstance(plain, Plain)
    assert list(private.iterdir()) == []  # the key has gone from the disk
    other = ByClient(plain.client())
    assert plain.server == other.server == f"https://localhost:{served.port}"
    assert plain.credentials() == other.credentials()
    assert _ask(plain) == _ask(other) == f"somebody {f'Bearer {token}' if token else None}"
    assert plain.client() is plain.client()


def test_an_address_with_a_token(tmp_path: Path) -> None:
    found = access_of(Connection(host="https://127.0.0.1:1/", api_key=TOKEN), str(tmp_path))
    assert isinstance(found, Plain)
    assert (found.server, found.credentials()) == ("https://127.0.0.1:1", {"authorization": f"Bearer {TOKEN}"})
    assert TOKEN not in Connection(host="https://127.0.0.1:1", api_key=TOKEN).describe()


@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        ({}, {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "true"}, "token": TOKEN}),
        ({}, {"username": "u", "password": "p"}),
        ({}, {"token": TOKEN, "as": "somebody"}),
        ({}, {"token": TOKEN, "tokenFile": "nowhere"}),
        ({}, {}),
        ({"insecure-skip-tls-verify": True}, {"token": TOKEN}),
        ({"tls-server-name": "other"}, {"token": TOKEN}),
        ({"proxy-url": "http://127.0.0.1:1"}, {"token": TOKEN}),
        ({}, {"token": f"{TOKEN}\nX-Other: 1"}),
    ],
)
def test_what_is_not_plain_is_the_kubernetes_clients(
    tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any]
) -> None:
    connection = _kubeconfig(tmp_path, {"server": "https://127.0.0.1:1", **cluster}, user)
    assert isinstance(access_of(connection, str(tmp_path)), ByClient)


@pytest.mark.parametrize("connection", ["address", "kubeconfig"])
def test_behind_a_proxy_the_kubernetes_client_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connection: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    host = "https://127.0.0.1:2"
    given = (
        Connection(host=host, api_key=TOKEN)
        if connection == "address"
        else _kubeconfig(tmp_path, {"server": host}, {"token": TOKEN})
    )
    assert isinstance(access_of(given, str(tmp_path)), ByClient)


@pytest.mark.parametrize(
    "user",
    [
        {"client-certificate-data": "bm90IGEgY2VydGlmaWNhdGU=", "client-key-data": "bm9yIGEga2V5"},
        {"client-certificate-data": "?", "client-key-data": "?"},
        {"client-certificate": "nowhere", "client-key": "nowhere"},
        {"client-key-data": "bm9yIGEga2V5"},
    ],
)
def test_an_unusable_key_leaves_nothing_behind_and_is_one_sentence(tmp_path: Path, user: dict[str, str]) -> None:
    private = tmp_path / "private"
    private.mkdir()
    connection = _kubeconfig(tmp_path, {"server": "https://127.0.0.1:1"}, user)
    with pytest.raises(InputError) as failed:
        access_of(connection, str(private))
    assert "its certificates or keys are unsound" in failed.value.sentence
    assert "\n" not in failed.value.sentence
    assert list(private.iterdir()) == []


def test_a_plain_connection_does_not_import_the_kubernetes_client(tmp_path: Path) -> None:
    """It takes longer than most modules ask the cluster."""
    connection = _kubeconfig(tmp_path, {"server": "https://127.0.0.1:1"}, {"token": TOKEN})
    code = (
        "import sys; from ansible_collections.bytebot.production.plugins.module_utils.clients.access import *;"
        "from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster;"
        f"Cluster(Connection(kubeconfig={connection.kubeconfig!r}), '').server;"
        "print('kubernetes' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".collections")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
