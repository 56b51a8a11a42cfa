# From objects to series, by the names and labels that kube-state-metrics documents.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sandbox.api import ApiError
from sandbox.pods.object_state import resources, workloads
from sandbox.pods.object_state.__main__ import answer
from sandbox.pods.object_state.exporter import COLLECTIONS, FAMILIES, Exporter
from sandbox.pods.object_state.text import Series
from sandbox.pods.object_state.values import next_time, quantity
from sandbox.pods.web import Request
from tests.unit.sandbox.object_state_cases import CASES, Case

Object = dict[str, Any]
WITHIN_S = 20.0
READERS = {
    "Pod": resources.pod,
    "Node": resources.node,
    "PersistentVolumeClaim": resources.claim,
    "ResourceQuota": resources.quota,
    "Deployment": workloads.deployment,
    "HorizontalPodAutoscaler": workloads.autoscaler,
    "PodDisruptionBudget": workloads.disruption_budget,
    "Job": workloads.job,
    "CronJob": workloads.cron_job,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_an_object_has_exactly_these_series(case: Case) -> None:
    found = yaml.safe_load(case.given)
    kind = found["kind"]
    assert [one.line().rstrip("\n") for one in READERS[kind](found)] == case.series.strip().splitlines()


def test_every_kind_and_family_has_a_case() -> None:
    assert {yaml.safe_load(case.given)["kind"] for case in CASES} == set(READERS)
    told = {line.split("{")[0] for case in CASES for line in case.series.strip().splitlines()}
    assert told == set(resources.FAMILIES) | set(workloads.FAMILIES)
    assert set(READERS.values()) == set(COLLECTIONS.values())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("2", 2), ("500m", 0.5), ("1500m", 1.5), ("100u", 1e-4), ("5n", 5e-9), ("1k", 1000), ("1Ki", 1024),
        ("1.5Gi", 1610612736), ("2M", 2e6), ("1Ei", 2**60), ("1E", 1e18), ("1e3", 1000), ("12E2", 1200), ("-1", -1),
    ],
)  # fmt: skip
def test_quantities_are_read_as_kubernetes_writes_them(text: str, value: float) -> None:
    assert quantity(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "1 Gi", "Gi", "1gb", "many"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"quantity"):
        quantity(text)


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "then"),
    [
        ("0 2 * * *", "", "2026-03-01T02:00:00", "2026-03-02T02:00:00"),
        ("0 2 * * *", "", "2026-03-01T01:59:59", "2026-03-01T02:00:00"),
        ("*/15 * * * *", "", "2026-03-01T02:07:00", "2026-03-01T02:15:00"),
        ("@daily", "", "2026-03-01T02:00:00", "2026-03-02T00:00:00"),
        ("@hourly", "", "2026-03-01T02:00:00", "2026-03-01T03:00:00"),
        ("@every 1h30m", "", "2026-03-01T02:00:00", "2026-03-01T03:30:00"),
        ("0 2 * * *", "Europe/Berlin", "2026-01-10T00:00:00", "2026-01-10T01:00:00"),
        ("0 2 * * *", "Europe/Berlin", "2026-07-10T00:30:00", "2026-07-11T00:00:00"),
        ("0 0 29 2 *", "", "2026-03-01T00:00:00", "2028-02-29T00:00:00"),
    ],
)
def test_the_next_time_of_a_schedule(schedule: str, zone: str, after: str, then: str) -> None:
    begin = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert datetime.fromtimestamp(next_time(schedule, begin, zone), UTC) == datetime.fromisoformat(then + "+00:00")


def test_a_label_may_hold_anything() -> None:
    text = Series("kube_pod_info", {"pod": 'a"b\\c\nd'}, 1).line()
    assert text == 'kube_pod_info{pod="a\\"b\\\\c\\nd"} 1\n'
    (family,) = text_string_to_metric_families(text)
    assert family.samples[0].labels == {"pod": 'a"b\\c\nd'}


# ------------------------------------------------------------------ the exporter


class Server:
    """Plays the API: lists, and one stream of events for pods; other watches stay silent until the end."""

    def __init__(self, pods: list[Object]) -> None:
        self.pods, self.end = pods, threading.Event()
        self.silent: set[str] = set()
        self.told: list[Object] = []
        self.more = threading.Event()

    def call(self, method: str, path: str) -> str:
        if path in self.silent:
            raise ApiError(403, "forbidden")
        items = self.pods if path == "/api/v1/pods" else []
        return json.dumps({"metadata": {"resourceVersion": "1"}, "items": items})

    def watch(self, path: str, version: str) -> Iterator[Object]:
        return self._events(path)

    def _events(self, path: str) -> Iterator[Object]:
        if path == "/api/v1/pods":
            assert self.more.wait(WITHIN_S)
            yield from self.told
        self.end.wait(WITHIN_S)


def a_pod(name: str, **more: Any) -> Object:
    meta = {"namespace": "shop", "name": name, "uid": name, "resourceVersion": "2"}
    return {"metadata": meta, "spec": {"containers": []}, "status": {"phase": "Running"}, **more}


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server([a_pod("web"), a_pod("odd", spec={})])
    yield made
    for event in (made.more, made.end):
        event.set()


def until(condition: Any) -> None:
    end = threading.Event()
    for _ in range(int(WITHIN_S * 100)):
        if condition():
            return
        end.wait(0.01)
    pytest.fail("it never came")


def test_it_follows_and_says_what_it_is(server: Server) -> None:
    said: list[str] = []
    exporter = Exporter(server, "7", said.append)
    assert answer(exporter, Request("GET", "/metrics")).status == 503
    exporter.start()
    until(lambda: answer(exporter, Request("GET", "/healthz")).status == 200)
    text = exporter.metrics()
    assert 'kube_pod_status_phase{namespace="shop",pod="web",uid="web",phase="Running"} 1\n' in text
    assert 'info{version="7",names_of="kube-state-metrics",kind="stand-in"} 1\n' in text
    # The one that cannot be read hides nothing, and is told.
    assert 'pod="odd"' not in text
    assert any("shop/odd" in line for line in said)
    families = {family.name for family in text_string_to_metric_families(text)}
    assert families == {name.removesuffix("_total") for name in FAMILIES}
    server.told = [{"type": "DELETED", "object": a_pod("web")}, {"type": "ADDED", "object": a_pod("new")}]
    server.more.set()
    until(lambda: 'pod="new"' in exporter.metrics())
    assert 'pod="web"' not in exporter.metrics()
    exporter.stop()


def test_what_may_not_be_listed_is_not_taken_for_none(server: Server) -> None:
    server.silent = {"/apis/batch/v1/jobs"}
    exporter = Exporter(server, "7", lambda _: None)
    exporter.start()
    until(lambda: sum(one.listed for one in exporter.collections.values()) == len(COLLECTIONS) - 1)
    assert answer(exporter, Request("GET", "/metrics")).status == 503
    until(lambda: "403" in exporter.collections["/apis/batch/v1/jobs"].trouble)
    assert 'bytebot_sandbox_object_state_following{resource="jobs"} 0\n' in exporter.metrics()
    exporter.stop()


def test_another_path_is_not_found(server: Server) -> None:
    assert answer(Exporter(server, "7", lambda _: None), Request("GET", "/")).status == 404
