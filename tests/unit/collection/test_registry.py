# Users of images: names are taken apart as container runtimes do, and a registry is asked over a real socket.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.scans_facts import Running
from ansible_collections.bytebot.production.plugins.module_utils.clients.registry import Image, Registry
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CredentialsRefused,
    NotThere,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.observe_images import image_users
from ansible_collections.bytebot.production.plugins.module_utils.observe_scans import ATTACHED, _Read, _referrers
from tests.unit.collection.security_fixtures import CONTAINER, POD, SHOP, deployment

DIGEST = "sha256:" + "ab" * 32
NAMES = [
    ("nginx", ("docker.io", "library/nginx", "latest")),
    ("nginx:1.27", ("docker.io", "library/nginx", "1.27")),
    ("bytebot/api:1", ("docker.io", "bytebot/api", "1")),
    ("docker.io/redis", ("docker.io", "library/redis", "latest")),
    ("registry.test/bytebot/api:1.0.0", ("registry.test", "bytebot/api", "1.0.0")),
    ("localhost:5000/api", ("localhost:5000", "api", "latest")),
    ("registry.test:5000/a/b:2", ("registry.test:5000", "a/b", "2")),
    (f"ghcr.io/a/b@{DIGEST}", ("ghcr.io", "a/b", DIGEST)),
    (f"ghcr.io/a/b:1@{DIGEST}", ("ghcr.io", "a/b", DIGEST)),
]


@pytest.mark.parametrize(("text", "parts"), NAMES, ids=[row[0][:40] for row in NAMES])
def test_names_of_images(text: str, parts: tuple[str, str, str]) -> None:
    image = Image.of(text)
    assert image is not None
    assert (image.registry, image.repository, image.reference) == parts


ANSWERS: dict[str, Any] = {
    "/v2/app/manifests/1": {"manifests": [
        {"digest": "sha256:arm", "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": "sha256:amd", "platform": {"os": "linux", "architecture": "amd64"}},
    ]},
    "/v2/app/manifests/sha256:amd": {"config": {"digest": "sha256:c"}},
    "/v2/app/blobs/sha256:c": {"config": {"User": "node:node"}},
    "/v2/plain/manifests/1": {"config": {"digest": "sha256:d"}},
    "/v2/plain/blobs/sha256:d": {"config": {}},
    "/v2/odd/manifests/1": ["no", "object"],
    f"/v2/app/referrers/{DIGEST}": {"manifests": [
        {"digest": "sha256:sig", "artifactType": "application/vnd.dev.cosign.simplesigning.v1+json"},
        {"digest": "sha256:scan", "artifactType": "application/sarif+json"},
    ]},
    "/v2/app/manifests/sha256:scan": {"layers": [{"digest": "sha256:blob"}]},
    "/v2/app/blobs/sha256:blob": {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "scan"}}, "results": []}]},
}  # fmt: skip


@contextlib.contextmanager
def serving(token: str = "") -> Iterator[str]:
    """A registry with a few images; with a token, one that gives it to whoever signs in by name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, sent = urlsplit(self.path).path, self.headers.get("Authorization", "")
            here = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
            if path == "/token":
                return self.answer(200 if sent.startswith("Basic ") else 401, {"token": token})
            if token and sent != f"Bearer {token}":
                realm = f'Bearer realm="{here}/token",service="here",scope="repository:app:pull"'
                return self.answer(401, {}, realm)
            return self.answer(200 if path in ANSWERS else 404, ANSWERS.get(path, {}))

        def answer(self, status: int, body: Any, realm: str = "") -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            if realm:
                self.send_header("WWW-Authenticate", realm)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def image(text: str) -> Image:
    found = Image.of(f"registry.test/{text}")
    assert found is not None
    return found


def test_the_user_of_an_image() -> None:
    with serving() as url:
        registry = Registry("registry.test", url)
        assert registry.user_of(image("app:1")) == "node:node"
        assert registry.user_of(image("plain:1")) == ""
        with pytest.raises(NotThere, match="has no gone of 1"):
            registry.user_of(image("gone:1"))
        with pytest.raises(Unreachable, match="no JSON"):
            registry.user_of(image("odd:1"))
    with pytest.raises(Unreachable, match="cannot be asked"):
        registry.user_of(image("app:1"))


def test_a_registry_that_wants_a_token_says_where() -> None:
    with serving("letter") as url:
        assert Registry("registry.test", url, username="u", password="p").user_of(image("app:1")) == "node:node"
        with pytest.raises(CredentialsRefused, match="does not show app"):
            Registry("registry.test", url).user_of(image("app:1"))


def test_only_images_that_choose_the_user_are_asked_about_and_only_in_the_registries_given() -> None:
    bare = {**POD, "securityContext": {}}
    images = ("registry.test/app:1", "elsewhere.test/app:1", "registry.test/gone:1", "known.test/app:1")
    pods = [deployment({**bare, "containers": [{**CONTAINER, "image": name}]}) for name in images]
    with serving() as url:
        users, problems = image_users(
            [*pods, deployment()],
            SHOP,
            {"known.test/app:1": "0", "unused.test/app:1": "1"},
            [Registry("registry.test", url)],
        )
    assert users == {"registry.test/app:1": "node:node", "known.test/app:1": "0"}
    assert problems.keys() == {"elsewhere.test/app:1", "registry.test/gone:1"}
    assert problems["elsewhere.test/app:1"] == "its registry is not among the registries"


# ---------------------------------------------------------------------------- what is attached to images


@pytest.mark.parametrize("token", ["", "a-token"])
def test_reports_that_are_attached_are_read_and_nothing_else(token: str) -> None:
    image = Image.of(f"registry.test/app@{DIGEST}")
    assert image is not None
    with serving(token) as url:
        registry = Registry("registry.test", url, username="me", password="secret-word")
        found = registry.attached(image, DIGEST, ATTACHED, 10_000)
    assert [digest for digest, _content in found] == ["sha256:scan"]
    assert json.loads(found[0][1])["version"] == "2.1.0"


def test_an_attached_report_is_about_the_digest_that_runs() -> None:
    images = [Running(DIGEST, "registry.test/app:1", ()), Running(DIGEST, "other.test/app:1", ())]
    with serving() as url:
        read = _Read()
        _referrers([Registry("registry.test", url)], images, read)
        _referrers([Registry("registry.test", url)], [Running(DIGEST, "registry.test/nothing:1", ())], read)
    assert [(one.kind, one.digests) for one in read.reports] == [("sarif", frozenset({DIGEST}))]
    assert (read.bad, read.unread) == ([], [])


def test_a_registry_that_cannot_be_asked_is_a_gap() -> None:
    read = _Read()
    _referrers([Registry("registry.test", "http://127.0.0.1:9")], [Running(DIGEST, "registry.test/app:1", ())], read)
    assert len(read.unread) == 1
    assert "cannot be asked for app" in read.unread[0]
