# The log store and its agent: what they read and keep, and how they tell that they answer.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import threading
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from sandbox import probe
from sandbox.api import ApiError
from sandbox.catalog import discover
from sandbox.component import Context
from sandbox.components import victoria_logs, vlagent
from sandbox.files import render
from sandbox.settings import Settings
from tests.unit.sandbox.test_config_files import ctx, objects  # noqa: F401 - a fixture


class Store:
    """Plays the log store by its HTTP interface; what it forgets, it does not find."""

    def __init__(self, *, keeps: bool = True, status: int = 200) -> None:
        self.keeps, self.status = keeps, status
        self.lines: list[dict[str, str]] = []

    def post(
        self, _: Settings, host: str, port: int, path: str, body: str, *, kind: str = probe.FORM
    ) -> tuple[int, str]:
        assert (host, port) == ("10.96.0.9", victoria_logs.PORT)
        if path.startswith("/insert/jsonline"):
            # As the real one, which takes a form for parameters and its lines for nothing.
            if self.keeps and kind == "application/stream+json":
                self.lines.append(json.loads(body))
            return self.status, ""
        assert path == "/select/logsql/query"
        (query,) = parse_qs(body)["query"]
        (word,) = re.findall(r"word:=(\w+)", query)
        return self.status, "\n".join(json.dumps(line) for line in self.lines if line["word"] == word)


class Cluster:
    """Plays the API server, with a node whose agent sends on what pods say, or does not."""

    def __init__(self, store: Store | None = None, error: Exception | None = None) -> None:
        self.store, self.error, self.pods = store, error, dict[str, Any]()

    def get(self, path: str) -> dict[str, Any]:
        assert path == victoria_logs.SERVICE
        return {"spec": {"clusterIP": "10.96.0.9"}}

    def call(self, method: str, path: str, body: str = "") -> str:
        if self.error:
            raise self.error
        if method == "DELETE":
            del self.pods[path.partition("?")[0].rpartition("/")[2]]
            return ""
        pod = json.loads(body)
        self.pods[pod["metadata"]["name"]] = pod
        if self.store:
            self.store.lines.append(json.loads(pod["spec"]["containers"][0]["command"][1]))
        return ""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vlagent, "LOOK_S", 0.0)
    monkeypatch.setattr(vlagent, "SPOKEN_WITHIN_S", 0.05)
    monkeypatch.setattr(probe, "http_status", lambda *_, **__: 200)


def asked(settings: Settings, cluster: Cluster) -> Any:
    return SimpleNamespace(settings=settings, cluster=cluster, stop=threading.Event())


@pytest.mark.parametrize(
    ("store", "good"),
    [(Store(), True), (Store(keeps=False), False), (Store(status=503), False)],
    ids=["keeps", "loses", "refuses"],
)
def test_the_store_answers_where_it_finds_what_it_was_given(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, store: Store, good: bool
) -> None:
    monkeypatch.setattr(probe, "http_post", store.post)
    assert victoria_logs.answers(asked(settings, Cluster())) is good


@pytest.mark.parametrize("collected", [True, False])
def test_the_agent_answers_where_the_store_has_what_a_new_pod_said(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, collected: bool
) -> None:
    store = Store()
    monkeypatch.setattr(probe, "http_post", store.post)
    cluster = Cluster(store if collected else None)
    assert vlagent.answers(asked(settings, cluster)) is collected
    assert cluster.pods == {}


def test_where_no_pod_can_be_made_the_agent_does_not_answer(settings: Settings) -> None:
    assert not vlagent.answers(asked(settings, Cluster(error=ApiError(403, "quota"))))


def test_the_agent_sees_the_folder_where_the_kubelet_keeps_logs_at_the_same_path(ctx: Context) -> None:  # noqa: F811
    found = discover()
    kubelet = found["kubelet"]
    config = yaml.safe_load(render(kubelet.folder / "kubelet.yaml.j2", kubelet.template_values(ctx)))
    (agent,) = [one for one in objects(ctx, found["vlagent"]) if one["kind"] == "DaemonSet"]
    pod = agent["spec"]["template"]["spec"]
    folders = {one["name"]: one["hostPath"]["path"] for one in pod["volumes"]}
    (container,) = pod["containers"]
    mounts = {one["name"]: one for one in container["volumeMounts"]}
    assert folders["logs"] == mounts["logs"]["mountPath"] == config["podLogsDir"]
    assert all(mounts[name]["readOnly"] for name in ("logs", "links"))
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsGroup"]) == (True, 0)


def test_the_agent_sends_to_the_service_of_the_store(ctx: Context) -> None:  # noqa: F811
    (agent,) = [one for one in objects(ctx, discover()["vlagent"]) if one["kind"] == "DaemonSet"]
    (service,) = [one for one in objects(ctx, discover()["victoria-logs"]) if one["kind"] == "Service"]
    where = f"http://{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    args = agent["spec"]["template"]["spec"]["containers"][0]["args"]
    assert f"-remoteWrite.url={where}:{service['spec']['ports'][0]['port']}/insert/native" in args
