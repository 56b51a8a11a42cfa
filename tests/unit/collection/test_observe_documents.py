# What documents name, looked up in a cluster: there, missing, not to be seen, or not deployed yet.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils import observe_documents
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import API, usual
from ansible_collections.bytebot.production.plugins.module_utils.clients.documents import Documents
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.inside import Done
from ansible_collections.bytebot.production.plugins.module_utils.document_names import Reference
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.observe_documents import (
    LiveApi,
    Place,
    Scope,
    observe,
)
from ansible_collections.bytebot.production.plugins.module_utils.running_version import versions_of

ROLLBACK = "documentation.deployment.rollback"
COMMANDS = """# A
```sh
kubectl get deployment api gone -n shop
kubectl get svc front -n elsewhere
helm history web -n shop
kubectl get namespace shop
```
"""
SERVED = {"openapi": "3.1.0", "paths": {"/a": {"get": {}}}}


def workload(name: str, image: str, release: str = "web") -> dict[str, Any]:
    labels = {"app": name}
    return {
        "metadata": {"name": name, "annotations": {"meta.helm.sh/release-name": release}},
        "spec": {"selector": {"matchLabels": labels}, "template": {"spec": {"containers": [{"image": image}]}}},
    }  # fmt: skip


class FakeCluster:
    """Keeps objects of one namespace; others may not be seen."""

    def __init__(self, *, namespace: bool = True, ready: str = "True") -> None:
        self.namespace, self.ready = namespace, ready
        self.deployments = [
            workload("api", "r/api:1.2.0"),
            workload("worker", "r/api:1.2.0"),
            workload("x", "r/x:9", "y"),
        ]

    def get(self, _version: str, kind: str, name: str, _namespace: str = "") -> dict[str, Any] | None:
        if kind == "Namespace":
            return {"metadata": {"name": name}} if self.namespace else None
        return next((one for one in self.deployments if one["metadata"]["name"] == name), None)

    def list(self, _version: str, kind: str, namespace: str = "", labels: str = "") -> list[dict[str, Any]]:
        if namespace != "shop":
            raise NotPermitted(f"Not permitted: list {kind} in {namespace}.")
        if kind == "Pod":
            assert labels == "app=api"
            pod = {"metadata": {"name": "api-1"}, "spec": {"containers": [{"name": "api"}]}}
            return [{**pod, "status": {"conditions": [{"type": "Ready", "status": self.ready}]}}]
        return self.deployments if kind == "Deployment" else []


def look(tmp_path: Path, cluster: FakeCluster, text: str = COMMANDS, **scope: Any) -> Any:
    (tmp_path / "a.md").write_text(text)
    documents = Documents(str(tmp_path), lambda url: Http(url, []))
    places = {ROLLBACK: Place(("a.md",), usual(ROLLBACK))}
    given = {"places": places, "namespace": "shop", "release": "web"} | scope
    return observe(documents, Scope(**given), cluster, None)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe_documents, "history", lambda _cluster, name, *_: [1] if name == "web" else [])


def test_what_is_not_there_and_what_may_not_be_seen(tmp_path: Path) -> None:
    live = look(tmp_path, FakeCluster()).live
    assert live.missing == {Reference("Deployment", "gone", "shop", "apps/v1")}
    assert {str(one) for one in live.unseen} == {"Service front in namespace elsewhere"}


@pytest.mark.parametrize(
    ("cluster", "release", "why"),
    [
        (FakeCluster(namespace=False), "web", "namespace shop is not there yet"),
        (FakeCluster(), "new", "release new is not deployed yet"),
    ],
)
def test_before_the_first_deployment_nothing_is_missing(
    tmp_path: Path, cluster: FakeCluster, release: str, why: str
) -> None:
    live = look(tmp_path, cluster, release=release).live
    assert {str(one) for one in live.missing} <= {"Namespace elsewhere"}
    assert live.unseen[Reference("Deployment", "api", "shop", "apps/v1")] == why
    assert live.unseen[Reference("Namespace", "shop")] == why


def test_the_version_is_that_of_most_workloads_of_the_release() -> None:
    cluster: Any = FakeCluster()
    assert versions_of(cluster, "shop", "web") == (("1.2.0",), "")
    assert versions_of(cluster, "shop", "none")[1] == "no image of release none has a tag"
    assert versions_of(cluster, "hidden", "web")[1].startswith("Not permitted")
    assert versions_of(None, "", "", "2.0")[0] == ("2.0",)


def api(
    tmp_path: Path, cluster: FakeCluster, live: LiveApi | None, *, probe: bool = True, published: Any = SERVED
) -> Any:
    (tmp_path / "openapi.json").write_text(json.dumps(published))
    places = {API: Place(("a.md",), usual(API), "openapi.json")}
    return look(tmp_path, cluster, "# A\n", places=places, live_api=live, probe=probe).entries[API].api


PRINTS = LiveApi(workload="api", command=("print",))


def test_the_live_description_is_printed_in_a_ready_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_cluster: Any, *where: Any) -> Done:
        assert where == ("shop", "api-1", "api", ("print",))
        return Done(json.dumps(SERVED))

    monkeypatch.setattr(observe_documents, "run_inside", run)
    seen = api(tmp_path, FakeCluster(), PRINTS)
    assert (seen.operations, seen.differences, seen.gap, seen.wrong) == (1, (), "", "")
    seen = api(tmp_path, FakeCluster(), PRINTS, published={**SERVED, "paths": {"/b": {"get": {}}}})
    assert seen.differences


@pytest.mark.parametrize(
    ("cluster", "live", "probe", "said"),
    [
        (FakeCluster(), None, True, "nothing says where the running application tells"),
        (FakeCluster(), PRINTS, False, "check mode sends none"),
        (FakeCluster(ready="False"), PRINTS, True, "No pod of Deployment api is ready"),
        (FakeCluster(), LiveApi(workload="none", command=("x",)), True, "There is no Deployment none"),
        (FakeCluster(), LiveApi(url="none.json"), True, "is not there"),
    ],
)
def test_a_live_description_that_cannot_be_had_is_a_gap(
    tmp_path: Path, cluster: FakeCluster, live: LiveApi | None, probe: bool, said: str
) -> None:
    seen = api(tmp_path, cluster, live, probe=probe)
    assert said in seen.gap
    assert seen.gap_remedy


def test_a_command_that_fails_is_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe_documents, "run_inside", lambda *_: Done("", "no such file"))
    assert "did not end well: no such file" in api(tmp_path, FakeCluster(), PRINTS).gap


def test_a_published_description_that_is_none_is_wrong(tmp_path: Path) -> None:
    assert "no OpenAPI description" in api(tmp_path, FakeCluster(), PRINTS, published=[]).wrong
