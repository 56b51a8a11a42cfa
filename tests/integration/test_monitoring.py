# The sandbox's own watch, in the profile `full`: alerts arrive, dashboards answer, object series agree with the API.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import json
import secrets
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sandbox.cluster import Cluster
from sandbox.handover import password
from sandbox.pki import Pki
from sandbox.settings import FULL, load

S = load()
WITHIN_S = 90.0
pytestmark = pytest.mark.skipif(S.profile != FULL, reason="the sandbox is up without its profile `full`")


def ask(name: str, path: str, body: Any = None, token: str = "") -> Any:
    """By the ingress, as from outside."""
    host = f"{name}.{S.domain}"
    context = ssl.create_default_context(cafile=str(S.handover / "ingress-ca.crt"))
    connection = http.client.HTTPSConnection(host, timeout=30, context=context)
    plain = socket.create_connection((S.node_address, 443), timeout=30)
    connection.sock = context.wrap_socket(plain, server_hostname=host)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, (answer.status, text)
    return json.loads(text) if text else None


def query(expression: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask("prometheus", f"/api/v1/query?query={quote(expression)}")["data"]["result"]
    return found


def within(condition: Callable[[], bool]) -> None:
    """Alerts are gathered and sent after the documented waits."""
    end = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.5)


@pytest.mark.parametrize(
    ("severity", "ways"),
    [
        ("critical", {"mail", "slack", "webhook"}),
        ("warning", {"mail", "webhook"}),
        ("none", {"mail"}),
    ],
)
def test_an_alert_and_its_end_arrive_at_each_way_of_its_receiver(severity: str, ways: set[str]) -> None:
    nonce = secrets.token_hex(8)
    alert: dict[str, Any] = {
        "labels": {"alertname": "Trial", "severity": severity, "service": nonce},
        "annotations": {"summary": "a trial", "description": "made by a test"},
    }

    def came(word: str) -> set[str]:
        """A mail says it in its subject, the others in their text."""
        found = ask("sinks", f"/received?contains={nonce}")["messages"]
        return {one["kind"] for one in found if word in (one["subject"] or one["text"]).lower()}

    ask("alertmanager", "/api/v2/alerts", [alert])
    within(lambda: came("firing") == ways)
    assert came("resolved") == set()
    ask("alertmanager", "/api/v2/alerts", [{**alert, "endsAt": datetime.now(UTC).isoformat()}])
    within(lambda: came("resolved") == ways)


def test_the_watchdog_reaches_alertmanager() -> None:
    assert query('ALERTS{alertname="Watchdog", alertstate="firing"}')
    assert any(
        one["labels"]["alertname"] == "Watchdog" and one["labels"]["cluster"] == S.context
        for one in ask("alertmanager", "/api/v2/alerts")
    )


def test_every_panel_answers_without_an_error() -> None:
    token = password(S, "grafana-token")
    asked = 0
    for hit in ask("grafana", "/api/search", token=token):
        board = ask("grafana", f"/api/dashboards/uid/{hit['uid']}", token=token)["dashboard"]
        chosen = {one["name"]: one["current"]["value"] for one in board["templating"]["list"]}
        for panel in board["panels"]:
            queries = [{**one, "maxDataPoints": 20} for one in panel["targets"]]
            for one in queries:
                one["expr"] = one["expr"].replace("$namespace", chosen["namespace"])
            said = ask("grafana", "/api/ds/query", {"queries": queries, "from": "now-5m", "to": "now"}, token)
            assert set(said["results"]) == {one["refId"] for one in queries}
            asked += len(queries)
    assert asked > 15


def test_object_series_agree_with_the_api() -> None:
    cluster = Cluster(S, Pki(S.pki))
    namespace = S.monitoring_namespace
    pods = {one["metadata"]["name"] for one in cluster.items(f"/api/v1/namespaces/{namespace}/pods")}
    within(lambda: {one["metric"]["pod"] for one in query(f'kube_pod_info{{namespace="{namespace}"}}')} == pods)
    claims = cluster.items(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims")
    told = query(f'kube_persistentvolumeclaim_status_phase{{namespace="{namespace}", phase="Bound"}} == 1')
    assert {one["metric"]["persistentvolumeclaim"] for one in told} == {one["metadata"]["name"] for one in claims}
    assert query("bytebot_sandbox_object_state_info")[0]["metric"]["names_of"] == "kube-state-metrics"
    assert query("min(bytebot_sandbox_object_state_following)")[0]["value"][1] == "1"


def test_node_and_container_series_are_of_this_machine() -> None:
    (memory,) = query(f'node_memory_MemTotal_bytes{{node="{S.node_name}"}}')
    total = int(Path("/proc/meminfo").read_text().split(maxsplit=2)[1]) * 1024
    assert float(memory["value"][1]) == total
    assert query(
        'container_memory_working_set_bytes{namespace="monitoring", pod="prometheus-0", container="prometheus"}'
    )
