# Monitoring services asked over HTTP: recorded answers of each, and what answers in their place.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import service_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.alertmanager import Alertmanager
from ansible_collections.bytebot.production.plugins.module_utils.clients.grafana import Grafana
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.logs import store_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Login, Service
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.observe_metrics import (
    look_at_grafana,
    look_at_prometheus,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

Said = tuple[int, Any]


class Talker:
    """A server that says what it was told to, by path without its query, and remembers what it was asked."""

    def __init__(self) -> None:
        self.says: dict[str, Said] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        talker = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                talker.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, body = talker.says.get(self.path.partition("?")[0], (404, "not found"))
                text = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/login")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_GET

            def log_message(self, *_words: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def service(self) -> Service:
        return Service(Http(self.url, ["127.0.0.1"]), Login())


@pytest.fixture
def talker() -> Iterator[Talker]:
    made = Talker()
    yield made
    made.server.shutdown()
    made.server.server_close()


def success(data: Any) -> Said:
    return 200, {"status": "success", "data": data}


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ((200, {"a": 1}), "ok"),
        ((200, "<html>"), "wrong"),
        ((401, "no"), "denied"),
        ((403, {"message": "Permissions needed: datasources:query"}), "denied"),
        ((302, ""), "denied"),
        ((404, ""), "absent"),
        ((503, "no available server"), "wrong"),
    ],
)
def test_what_comes_back_is_sorted(talker: Talker, said: Said, kind: str) -> None:
    talker.says["/x"] = said
    told = talker.service.json("/x")
    assert told.kind == kind
    assert bool(told.cause) is (kind != "ok")


def test_prometheus_is_asked_as_documented(talker: Talker) -> None:
    """Answers of Prometheus 3.16.0."""
    talker.says = {
        "/-/ready": (200, "Prometheus Server is Ready.\n"),
        "/api/v1/status/buildinfo": success({"version": "3.16.0", "goVersion": "go1.26.8"}),
        "/api/v1/status/runtimeinfo": success({"reloadConfigSuccess": True, "storageRetention": "2d or 1GiB"}),
        "/api/v1/query": success({"resultType": "vector", "result": [{"metric": {}, "value": [1.5, "0.4"]}]}),
    }
    seen = look_at_prometheus(Prometheus(talker.service), "monitoring/data")
    assert seen.build.data["version"] == "3.16.0"
    assert seen.age.data == seen.oldest.data == seen.cut.data == [({}, "0.4")]
    assert any("prometheus_tsdb_size_retentions_total" in path for _method, path, _headers in talker.asked)
    assert seen.room is not None
    assert seen.room.ok
    assert any("persistentvolumeclaim%3D%22data%22" in path for _method, path, _headers in talker.asked)


@pytest.mark.parametrize("said", [(200, {"status": "success"}), (200, []), (200, {"status": "error"})])
def test_what_is_not_prometheus_is_wrong(talker: Talker, said: Said) -> None:
    talker.says = {"/api/v1/query": said, "/api/v1/status/buildinfo": said}
    server = Prometheus(talker.service)
    assert (server.query("up").kind, server.build().kind) == ("wrong", "wrong")


def grafana(values: list[Any]) -> dict[str, Said]:
    """As Grafana documents: health, data sources, a query's frames, search, a dashboard."""
    frames = [{"schema": {"fields": []}, "data": {"values": values}}] if values else []
    source = {"uid": "p", "name": "Prometheus", "type": "prometheus", "isDefault": True}
    return {
        "/api/health": (200, {"commit": "x", "database": "ok", "version": "12.1.0"}),
        "/api/datasources": (200, [{"uid": "l", "type": "loki"}, source]),
        "/api/ds/query": (200, {"results": {"A": {"status": 200, "frames": frames}}}),
        "/api/search": (200, [{"uid": "one", "title": "One", "type": "dash-db"}]),
        "/api/dashboards/uid/one": (200, {"dashboard": {"panels": [{}]}, "meta": {}}),
    }


def test_grafana_is_asked_as_documented(talker: Talker) -> None:
    talker.says = grafana([[1000], [7.0]])
    seen = look_at_grafana(Grafana(talker.service), "", ["One", "two"])
    assert seen.source is not None
    assert (seen.source.uid, seen.source.answer.data) == ("p", [7.0])
    assert {name: told.data for name, told in seen.boards.items()} == {"One": {"panels": [{}]}}


def test_an_error_of_the_data_source_is_told(talker: Talker) -> None:
    talker.says = grafana([[1000], [7.0]])
    talker.says["/api/ds/query"] = (400, {"results": {"A": {"error": "connection refused", "status": 502}}})
    seen = look_at_grafana(Grafana(talker.service), "", [])
    assert seen.source is not None
    assert (seen.source.answer.kind, "connection refused" in seen.source.answer.cause) == ("wrong", True)


def test_a_data_source_of_another_kind_is_asked_for_its_health(talker: Talker) -> None:
    talker.says = grafana([])
    talker.says["/api/datasources/uid/l"] = (200, {"uid": "l", "type": "loki", "name": "Loki"})
    talker.says["/api/datasources/uid/l/health"] = (400, {"status": "ERROR", "message": "dial tcp: refused"})
    seen = look_at_grafana(Grafana(talker.service), "l", [])
    assert seen.source is not None
    assert (seen.source.how, seen.source.answer.cause) == ("its health", "it answers 400 (dial tcp: refused)")


def test_a_long_list_of_dashboards_is_read_to_its_end(talker: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.bytebot.production.plugins.module_utils.clients.grafana.PAGE", 1)
    talker.says = grafana([])
    service = talker.service
    pages = {"1": [{"uid": "a", "title": "A"}], "2": [{"uid": "b", "title": "B"}], "3": []}
    answer = service.json

    def paged(path: str, query: Any = None) -> Any:
        talker.says["/api/search"] = (200, pages[(query or {}).get("page", "3")])
        return answer(path, query)

    monkeypatch.setattr(service, "json", paged)
    assert [one["uid"] for one in Grafana(service).dashboards().data] == ["a", "b"]


def test_alertmanager_tells_whether_it_took_its_configuration(talker: Talker) -> None:
    server = Alertmanager(talker.service)
    assert server.reloaded().kind == "absent"
    for text, told in (("alertmanager_config_last_reload_successful 0\n", False), ("other 1\n", None)):
        talker.says["/metrics"] = (200, text)
        assert server.reloaded().data is told
    talker.says["/api/v2/status"] = (200, {"cluster": {}})
    assert server.status().kind == "wrong"


# ---------------------------------------------------------------------- log stores

LOKI: dict[str, Said] = {  # Loki documentation, HTTP API
    "/ready": (200, "ready\n"),
    "/loki/api/v1/labels": (200, {"status": "success", "data": ["namespace", "pod"]}),
    "/loki/api/v1/status/buildinfo": (200, {"version": "3.5.0"}),
}
HEALTH = {"cluster_name": "logs", "status": "green", "timed_out": False, "number_of_nodes": 3, "unassigned_shards": 0}
ELASTIC: dict[str, Said] = {  # Elasticsearch reference, Cluster health, Count
    "/_cluster/health": (200, HEALTH),
    "/bytebot-*/_count": (200, {"count": 12, "_shards": {"total": 1}}),
}
VICTORIA: dict[str, Said] = {  # VictoriaLogs 1.51
    "/health": (200, "OK"),
    "/select/logsql/query": (200, '{"lines":"42"}\n'),
    "/metrics": (200, 'vl_free_disk_space_bytes{path="v"} 9\nvl_storage_is_read_only{path="v"} 0\n'),
}


def test_victoria_logs_counts_what_came(talker: Talker) -> None:
    talker.says = VICTORIA
    seen = store_of("victoria_logs", talker.service, "*").look()
    assert (seen.health.ok, seen.search.ok, seen.recent, seen.unwell) == (True, True, 42, ())
    talker.says = {**VICTORIA, "/metrics": (200, 'vl_storage_is_read_only{path="v"} 1\n')}
    assert "read-only" in store_of("victoria_logs", talker.service, "*").look().unwell[0]


def test_loki_finds_what_came(talker: Talker) -> None:
    talker.says = LOKI
    seen = store_of("loki", talker.service, "*").look()
    assert (seen.health.ok, seen.search.ok, seen.unwell, seen.told) == (True, True, (), {"version": "3.5.0"})
    talker.says = {**LOKI, "/loki/api/v1/labels": (200, {"status": "success"})}  # no label: nothing came
    assert store_of("loki", talker.service, "*").look().unwell
    talker.says = {"/ready": (503, "Ingester not ready: waiting for 15s after being ready")}
    assert "Ingester not ready" in store_of("loki", talker.service, "*").look().health.cause


def test_loki_behind_a_gateway_that_knows_no_route_of_readiness_is_judged_by_its_answers(talker: Talker) -> None:
    talker.says = {**LOKI, "/ready": (404, "not found")}  # grafana/loki#17575; Grafana Cloud has none either
    seen = store_of("loki", talker.service, "*").look()
    assert (seen.health.ok, seen.search.ok, seen.unwell) == (True, True, ())
    talker.says = {"/ready": (404, "not found"), "/loki/api/v1/labels": (404, "not found")}
    assert "404" in store_of("loki", talker.service, "*").look().health.cause


@pytest.mark.parametrize(
    ("state", "unwell", "thin"), [("green", 0, 0), ("yellow", 0, 1), ("red", 1, 0)]
)  # fmt: skip
def test_elasticsearch_is_judged_by_its_colour(talker: Talker, state: str, unwell: int, thin: int) -> None:
    talker.says = {**ELASTIC, "/_cluster/health": (200, {**HEALTH, "status": state})}
    seen = store_of("opensearch", talker.service, "bytebot-*").look()
    assert (seen.recent, len(seen.unwell), len(seen.thin)) == (12, unwell, thin)


def test_an_index_that_takes_no_lines_is_told(talker: Talker) -> None:
    shut = {"bytebot-1": {"settings": {"index.blocks.read_only_allow_delete": "true"}}}
    talker.says = {**ELASTIC, "/bytebot-*/_settings/index.blocks.*": (200, shut)}
    assert "bytebot-1" in store_of("elasticsearch", talker.service, "bytebot-*").look().unwell[0]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("victoria_logs", {**VICTORIA, "/select/logsql/query": (200, "hello")}),
        ("loki", {**LOKI, "/loki/api/v1/labels": (200, {"status": "error"})}),
    ],
)
def test_what_is_no_answer_to_a_search_is_wrong(talker: Talker, kind: str, says: dict[str, Said]) -> None:
    talker.says = says
    assert store_of(kind, talker.service, "*").look().search.kind == "wrong"


# ---------------------------------------------------------------------- signing in


def login(talker: Talker, **more: Any) -> tuple[Service, Redactor]:
    redactor = Redactor()
    params = {"allowed_hosts": ["127.0.0.1"], "timeout": 5.0, "loki": {"url": talker.url, **more}}
    service = service_of("loki", params, redactor)
    assert service is not None
    return service, redactor


def asked_with(talker: Talker) -> dict[str, str]:
    return talker.asked[-1][2]


def test_a_token_comes_from_a_file_and_is_never_told(talker: Talker, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("canary-token-1\n")
    service, redactor = login(talker, token_file=str(file), tenant="shop")
    service.text("/")
    assert asked_with(talker)["authorization"] == "Bearer canary-token-1"
    assert asked_with(talker)["x-scope-orgid"] == "shop"
    assert "canary" not in redactor.text("a canary-token-1 b")


def test_a_password_comes_from_a_variable(talker: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKI_WORD", "canary-word-1")
    service, redactor = login(talker, username="me", password_variable="LOKI_WORD")
    service.text("/")
    sent = asked_with(talker)["authorization"]
    assert sent == "Basic bWU6Y2FuYXJ5LXdvcmQtMQ=="
    assert "bWU6Y2FuYXJ5" not in redactor.text(sent)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"token_file": "/does/not/exist"}, "cannot be read"),
        ({"token_variable": "NO_SUCH_VARIABLE_HERE"}, "is empty"),
        ({"token_file": "/a", "token_variable": "B"}, "exclude each other"),
        ({"username": "me"}, "belong together"),
        ({"certificate_file": "/a"}, "belong together"),
        ({"certificate_file": "/a", "key_file": "/b"}, "there is no file /a"),
    ],
)
def test_bad_input_is_one_sentence(talker: Talker, more: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        login(talker, **more)


def test_a_host_that_is_not_allowed_is_not_asked(talker: Talker) -> None:
    params = {"allowed_hosts": ["other"], "timeout": 5.0, "loki": {"url": talker.url}}
    with pytest.raises(InputError, match="allowed_hosts"):
        service_of("loki", params, Redactor())
    assert talker.asked == []
