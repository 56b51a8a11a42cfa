# The Kubernetes client over a real socket: paging, every error in one sentence, and credentials that are no good.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.clients import cluster as under_test
from ansible_collections.bytebot.production.plugins.module_utils.clients.access import Connection
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    CredentialsRefused,
    NoBackend,
    NotPermitted,
    NotThere,
    Refused,
    Unreachable,
)

Answer = tuple[int, Any]
PODS = "/api/v1/namespaces/shop/pods"


class Api:
    """A server that plays the Kubernetes API: answers by method and path, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[dict[str, str]], Answer]] = {}
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.headers: list[dict[str, str]] = []
        self.tells: dict[str, str] = {}  # headers of its answers
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                url = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(url.query).items()}
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                api.asked.append((self.command, url.path, query, json.loads(raw) if raw else None))
                api.headers.append(dict(self.headers.items()))
                found = api.answers.get(f"{self.command} {url.path}", (404, status(404, f"{url.path} not found")))
                code, body = found(query) if callable(found) else found
                data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response_only(code)
                self.send_header("Content-Length", str(len(data)))
                for name, value in api.tells.items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(BrokenPipeError):  # who asked may have hung up
                    self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

            def log_message(self, *_args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def on(self, request: str, code: int, body: Any) -> None:
        self.answers[request] = (code, body)


def status(code: int, message: str, reason: str = "") -> dict[str, Any]:
    """A failure as the API server words it."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


@pytest.fixture
def api() -> Iterator[Api]:
    served = Api()
    yield served
    served.server.shutdown()
    served.server.server_close()


@pytest.fixture
def cluster(api: Api, tmp_path: Path) -> Cluster:
    return Cluster(Connection(host=api.address, api_key="hunter22"), str(tmp_path))


# ---------------------------------------------------------------------- reading


def test_credentials_go_in_the_header_and_nowhere_else(api: Api, cluster: Cluster) -> None:
    api.on("GET /version", 200, {"gitVersion": "v1.31.0"})
    assert cluster.version()["gitVersion"] == "v1.31.0"
    sent = {name.lower(): value for name, value in api.headers[0].items()}
    assert sent["authorization"] == "Bearer hunter22"
    assert "hunter22" not in repr(api.asked)
    assert "hunter22" not in Connection(host=api.address, api_key="hunter22").describe()


def test_what_the_api_server_warns_of_is_kept_once(api: Api, cluster: Cluster) -> None:
    api.tells = {"Warning": '299 - "batch/v1beta1 CronJob is deprecated", 299 - "say \\"v1\\""'}
    api.on("GET /version", 200, {"gitVersion": "v1.31.0"})
    cluster.version()
    cluster.version()
    assert cluster.warnings == ["batch/v1beta1 CronJob is deprecated", 'say "v1"']


def test_lists_are_read_page_by_page(api: Api, cluster: Cluster) -> None:
    def page(query: dict[str, str]) -> Answer:
        at = int(query.get("continue", "0"))
        more = {"continue": str(at + 2)} if at + 2 < 5 else {}
        return 200, {
            "items": [{"metadata": {"name": f"p{number}"}} for number in range(at, min(at + 2, 5))],
            "metadata": more,
        }

    api.answers[f"GET {PODS}"] = page
    found = cluster.list("v1", "Pod", "shop", labels="app=api", fields="type=Warning")
    assert [one["metadata"]["name"] for one in found] == [f"p{number}" for number in range(5)]
    assert {(one["apiVersion"], one["kind"]) for one in found} == {("v1", "Pod")}
    assert [query.get("continue") for _method, _path, query, _body in api.asked] == [None, "2", "4"]
    assert all(query["labelSelector"] == "app=api" and query["limit"] == "500" for _m, _p, query, _b in api.asked)
    assert cluster.requests == 3


@pytest.mark.parametrize("page", [{"items": None, "metadata": None}, {}, {"items": []}])
def test_an_empty_list(api: Api, cluster: Cluster, page: Any) -> None:
    api.on(f"GET {PODS}", 200, page)
    assert cluster.list("v1", "Pod", "shop") == []


def test_a_broken_page_is_an_error_and_no_shorter_list(api: Api, cluster: Cluster) -> None:
    def page(query: dict[str, str]) -> Answer:
        if "continue" in query:
            return 410, status(410, "The provided continue parameter is too old", "Expired")
        return 200, {"items": [{"metadata": {"name": "p"}}], "metadata": {"continue": "x"}}

    api.answers[f"GET {PODS}"] = page
    with pytest.raises(CollectionError, match="too old"):
        cluster.list("v1", "Pod", "shop")


def test_get_tells_absent_from_forbidden(api: Api, cluster: Cluster) -> None:
    assert cluster.get("v1", "Pod", "api", "shop") is None
    api.on(f"GET {PODS}/api", 200, {"kind": "Pod"})
    assert cluster.get("v1", "Pod", "api", "shop") == {"kind": "Pod"}
    api.on(f"GET {PODS}/api", 403, status(403, 'pods "api" is forbidden: User "ci" cannot get resource "pods"'))
    with pytest.raises(NotPermitted):
        cluster.get("v1", "Pod", "api", "shop")


@pytest.mark.parametrize("ahead_s", [-7200, 0, 90])
def test_the_time_is_the_api_servers(api: Api, cluster: Cluster, ahead_s: int) -> None:
    """Who compares the times of two machines goes by the one clock that both can ask."""
    told = datetime.now(UTC) + timedelta(seconds=ahead_s)
    api.on("GET /version", 200, {})
    api.tells["Date"] = format_datetime(told, usegmt=True)
    cluster.version()
    assert abs((cluster.now() - told).total_seconds()) < 60


@pytest.mark.parametrize("told", ["", "yesterday"])
def test_without_a_time_in_the_answer_it_is_this_machines(api: Api, cluster: Cluster, told: str) -> None:
    api.on("GET /version", 200, {})
    api.tells |= {"Date": told} if told else {}
    cluster.version()
    assert abs((cluster.now() - datetime.now(UTC)).total_seconds()) < 60


# ---------------------------------------------------------------------- errors

RBAC = 'pods is forbidden: User "ci" cannot list resource "pods" in API group "" in the namespace "shop"'
ERRORS: list[tuple[int, Any, type[CollectionError], str]] = [
    (401, status(401, "Unauthorized"), CredentialsRefused, "refused the credentials to GET"),
    (403, status(403, RBAC), NotPermitted, "Grant that verb to this account."),
    (
        403,
        status(403, 'pods "x" is forbidden: violates PodSecurity "restricted:latest": privileged'),
        Refused,
        "violates PodSecurity",
    ),
    (403, status(403, 'pods "x" is forbidden: exceeded quota: small, requested: cpu=2'), Refused, "exceeded quota"),
    (403, status(403, 'admission webhook "policy.example.com" denied the request: no'), Refused, "denied the request"),
    (
        403,
        status(403, "x is forbidden: unable to create new content in namespace shop because it is being terminated"),
        Refused,
        "terminated",
    ),
    (404, status(404, 'namespaces "shop" not found'), NotThere, 'namespaces "shop" not found'),
    (405, status(405, "the server does not allow this method"), NotThere, "does not allow"),
    (
        409,
        status(409, 'Apply failed with 1 conflict: conflict with "helm"'),
        Refused,
        "(409): Apply failed with 1 conflict",
    ),
    (422, status(422, "spec.replicas: Invalid value"), Refused, "(422): spec.replicas: Invalid value."),
    (400, status(400, "unable to parse requirement"), Refused, "(400)"),
    (429, status(429, "Too many requests, please try again later."), Unreachable, "(429): Too many requests"),
    (500, status(500, "etcdserver: leader changed"), Unreachable, "etcdserver: leader changed"),
    (
        500,
        status(500, 'Internal error occurred: failed calling webhook "a.b": connection refused'),
        Refused,
        "failed calling webhook",
    ),
    (502, "<html>Bad Gateway</html>", Unreachable, "(502): <html>Bad Gateway</html>"),
    (503, "upstream connect error\n or disconnect", Unreachable, "upstream connect error or disconnect"),
    (503, "", Unreachable, "it gives no reason"),
    (504, status(504, "Timeout: request did not complete"), Unreachable, "did not complete"),
    (503, [1, 2], Unreachable, "[1, 2]"),
]


@pytest.mark.parametrize(("code", "body", "kind", "words"), ERRORS)
def test_every_error_is_one_sentence_of_its_kind(
    api: Api, cluster: Cluster, code: int, body: Any, kind: type[CollectionError], words: str
) -> None:
    api.on(f"GET {PODS}", code, body)
    with pytest.raises(CollectionError) as failed:
        cluster.list("v1", "Pod", "shop")
    assert type(failed.value) is kind
    assert words in failed.value.sentence
    assert "\n" not in failed.value.sentence
    assert f"GET {PODS}" in failed.value.sentence


@pytest.mark.parametrize("body", ["<html>Please log in</html>", "[]", "null", ""])
def test_something_else_in_place_of_the_api(api: Api, cluster: Cluster, body: str) -> None:
    api.on("GET /version", 200, body)
    with pytest.raises(Unreachable, match="sends no JSON object"):
        cluster.version()


def test_a_redirect_is_not_followed_with_the_credentials(api: Api, cluster: Cluster) -> None:
    api.on("GET /version", 302, "")
    with pytest.raises(Unreachable):
        cluster.version()
    assert len(api.asked) == 1


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(
        Unreachable, match=r"cannot be reached to GET /version: .*Connection refused.* Check the address"
    ):
        Cluster(Connection(host=address), str(tmp_path)).version()


def test_nobody_answers(api: Api, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "READ_TIMEOUT_S", 0.1)
    api.answers["GET /version"] = _late
    with pytest.raises(Unreachable, match=r"timed out|Read timed"):
        cluster.version()


def _late(_query: dict[str, str]) -> Answer:
    time.sleep(0.6)
    return 200, {}


def test_writes_are_sent_once_and_reads_again(tmp_path: Path) -> None:
    """A server that closes every connection at once: a write may have been done, so it is not repeated."""
    hits: list[int] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            hits.append(1)
            connection.recv(65536)
            connection.close()

    threading.Thread(target=hang_up, daemon=True).start()
    away = Cluster(Connection(host=f"http://127.0.0.1:{listener.getsockname()[1]}"), str(tmp_path))
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "shop"}}
    with pytest.raises(Unreachable):
        away.create(pod)
    assert len(hits) == 1
    with pytest.raises(Unreachable):
        away.version()
    assert len(hits) > 2
    listener.close()


# ---------------------------------------------------------------------- writing


def test_apply_is_server_side_and_dry_where_asked(api: Api, cluster: Cluster) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "shop"}}
    api.on(f"PATCH {PODS}/x", 200, pod)
    cluster.apply(pod, manager="helm")
    cluster.apply(pod, manager="helm", dry_run=True, force=False)
    first, second = api.asked
    assert first == ("PATCH", f"{PODS}/x", {"fieldManager": "helm", "force": "true"}, pod)
    assert second[2] == {"fieldManager": "helm", "force": "false", "dryRun": "All"}
    assert api.headers[0]["Content-Type"] == "application/apply-patch+yaml"


def test_create_and_delete(api: Api, cluster: Cluster) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "x-", "namespace": "shop"}}
    api.on(f"POST {PODS}", 201, pod)
    cluster.create(pod, dry_run=True)
    assert api.asked[-1] == ("POST", PODS, {"dryRun": "All"}, pod)
    cluster.create(pod)
    assert api.asked[-1][2] == {}
    assert cluster.delete("v1", "Pod", "x", "shop") is False
    assert api.asked[-1][2] == {"propagationPolicy": "Background"}
    api.on(f"DELETE {PODS}/x", 200, {"kind": "Status", "status": "Success"})
    assert cluster.delete("v1", "Pod", "x", "shop", dry_run=True) is True
    assert api.asked[-1][2] == {"propagationPolicy": "Background", "dryRun": "All"}


# ---------------------------------------------------------------------- logs, and through a Service

LOG = f"GET {PODS}/api/log"
PROXY = "GET /api/v1/namespaces/shop/services/api:http/proxy/"


def test_replace_and_delete_only_what_was_read(api: Api, cluster: Cluster) -> None:
    path = "/apis/coordination.k8s.io/v1/namespaces/shop/leases/x"
    metadata = {"name": "x", "namespace": "shop", "resourceVersion": "7"}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
    api.on(f"PUT {path}", 200, {"kind": "Lease"})
    assert cluster.replace(lease) == {"kind": "Lease"}
    assert api.asked[-1][3] == lease
    api.on(f"DELETE {path}", 200, {})
    assert cluster.delete("coordination.k8s.io/v1", "Lease", "x", "shop", only_version="7")
    assert api.asked[-1][3] == {"preconditions": {"resourceVersion": "7"}}
    for verb in ("PUT", "DELETE"):
        api.on(f"{verb} {path}", 409, status(409, "the object has been modified"))
    with pytest.raises(Refused, match="modified"):
        cluster.replace(lease)
    with pytest.raises(Refused, match="modified"):
        cluster.delete("coordination.k8s.io/v1", "Lease", "x", "shop", only_version="7")


def test_logs(api: Api, cluster: Cluster) -> None:
    api.on(LOG, 200, "one\ntwo\n")
    assert cluster.logs("shop", "api", "app", lines=5, previous=True) == "one\ntwo\n"
    assert api.asked[-1][2] == {"container": "app", "tailLines": "5", "previous": "true"}


@pytest.mark.parametrize("code", [400, 403, 404, 500, 502])
def test_no_logs_hide_no_failure(api: Api, cluster: Cluster, code: int) -> None:
    api.on(LOG, code, status(code, RBAC))
    assert cluster.logs("shop", "api", "app") == ""


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (200, "ok"),
        (404, "no such page"),
        (403, "go away"),
        (503, "in maintenance"),
        (500, '{"kind": "Error"}'),
        (401, '{"status": "Failure"}'),
    ],
)
def test_what_the_backend_answers_is_its_own(api: Api, cluster: Cluster, code: int, body: str) -> None:
    api.on(PROXY, code, body)
    assert cluster.through_service("shop", "api", "http") == (code, body)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (503, "error trying to reach service: dial tcp 10.0.0.1:80: connect: connection refused", NoBackend),
        (503, 'no endpoints available for service "api"', NoBackend),
        (403, 'services "api" is forbidden: User "ci" cannot get resource "services/proxy"', NotPermitted),
        (404, 'services "api" not found', NotThere),
        (400, "no port named http", Refused),
        (401, "Unauthorized", CredentialsRefused),
        (429, "Too many requests", Unreachable),
    ],
)
def test_what_the_api_server_answers_in_its_place_is_no_backend(
    api: Api, cluster: Cluster, code: int, message: str, kind: type[CollectionError]
) -> None:
    api.on(PROXY, code, status(code, message))
    with pytest.raises(CollectionError) as failed:
        cluster.through_service("shop", "api", "http")
    assert type(failed.value) is kind
    assert message in failed.value.sentence


def test_a_backend_that_never_answers_is_told_from_an_api_server_that_is_away(
    api: Api, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(under_test, "READ_TIMEOUT_S", 0.1)
    api.answers[PROXY] = _late
    with pytest.raises(NoBackend, match=r"within 0\.1 s"):
        cluster.through_service("shop", "api", "http")
    with pytest.raises(Unreachable) as failed:
        Cluster(Connection(host="http://127.0.0.1:1"), str(tmp_path)).through_service("shop", "api", "http")
    assert type(failed.value) is Unreachable


# ---------------------------------------------------------------------- kinds


def test_kinds_that_need_no_look_up_are_where_kubernetes_has_them(cluster: Cluster) -> None:
    """Only these are not in a namespace; each plural is the kind's (Kubernetes API reference)."""
    everywhere = {kind for (_version, kind), (_plural, namespaced) in under_test._CORE_PATHS.items() if not namespaced}
    cluster_wide = {"ClusterRole", "ClusterRoleBinding", "IngressClass", "Namespace", "Node", "PersistentVolume"}
    assert everywhere == cluster_wide | {"StorageClass"}
    for (version, kind), (plural, namespaced) in under_test._CORE_PATHS.items():
        ending = {"s": "es", "y": "ies"}.get(kind[-1], "s")
        assert plural == (kind.lower().removesuffix("y") if ending == "ies" else kind.lower()) + ending
        assert cluster.namespaced(version, kind) == namespaced
    assert cluster.requests == 0


@pytest.fixture
def with_widgets(api: Api) -> Api:
    api.on("GET /version", 200, {"gitVersion": "v1.31.0", "major": "1", "minor": "31"})
    api.on(
        "GET /apis",
        200,
        {
            "kind": "APIGroupList",
            "groups": [
                {
                    "name": "example.com",
                    "versions": [{"groupVersion": "example.com/v1", "version": "v1"}],
                    "preferredVersion": {"groupVersion": "example.com/v1", "version": "v1"},
                }
            ],
        },
    )
    api.on("GET /api", 200, {"kind": "APIVersions", "versions": ["v1"]})
    api.on("GET /api/v1", 200, {"kind": "APIResourceList", "groupVersion": "v1", "resources": []})
    widget = {
        "name": "widgets",
        "singularName": "widget",
        "namespaced": False,
        "kind": "Widget",
        "verbs": ["get", "list"],
    }
    api.on(
        "GET /apis/example.com/v1",
        200,
        {"kind": "APIResourceList", "groupVersion": "example.com/v1", "resources": [widget]},
    )
    return api


def test_other_kinds_are_looked_up(with_widgets: Api, cluster: Cluster) -> None:
    with_widgets.on("GET /apis/example.com/v1/widgets", 200, {"items": [{"metadata": {"name": "w"}}]})
    assert [one["metadata"]["name"] for one in cluster.list("example.com/v1", "Widget")] == ["w"]
    assert cluster.serves("example.com/v1", "Widget")
    assert not cluster.namespaced("example.com/v1", "Widget")


def test_a_kind_that_is_not_served_is_one_sentence(with_widgets: Api, cluster: Cluster) -> None:
    assert not cluster.serves("example.com/v1", "Gadget")
    assert cluster.get("example.com/v1", "Gadget", "x") is None
    with pytest.raises(NotThere, match=r"does not serve Gadget in example\.com/v1"):
        cluster.list("example.com/v1", "Gadget")


def test_discovery_without_credentials_is_told_as_such(api: Api, cluster: Cluster) -> None:
    for path in ("/version", "/apis", "/api"):
        api.on(f"GET {path}", 401, status(401, "Unauthorized"))
    with pytest.raises(CredentialsRefused):
        cluster.list("example.com/v1", "Widget")
