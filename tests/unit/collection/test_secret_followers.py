# Who reads a Secret and how, who of them is restarted, and what is told when one does not run with the new value.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted, RolloutFailed
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience, RolloutWatch
from ansible_collections.bytebot.production.plugins.module_utils.secret.followers import annotation, readings
from ansible_collections.bytebot.production.plugins.module_utils.secret.keep import Keeper
from ansible_collections.bytebot.production.plugins.module_utils.secret.restart import Changed, Restarter
from ansible_collections.bytebot.production.plugins.module_utils.secret.rotation import stamp
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import parse
from tests.unit.collection.fakes import FakeCluster

BORN = datetime(2026, 1, 1, tzinfo=UTC)  # when the fake makes everything
NOW = BORN + timedelta(days=10)
DATA = {"password": {"random": {}, "rotate": {"overlap": "PT1H"}}, "host": {"value": "one"}}
PASSWORD = {"env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "app", "key": "password"}}}]}
ALL = {"envFrom": [{"secretRef": {"name": "app"}}]}
VOLUME = [{"name": "v", "secret": {"secretName": "app"}}]
ITEMS = [{"name": "v", "secret": {"secretName": "app", "items": [{"key": "host", "path": "h"}]}}]
PROJECTED = [{"name": "v", "projected": {"sources": [{"configMap": {"name": "app"}}, {"secret": {"name": "app"}}]}}]
MOUNT = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
SUB_PATH = {"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "h"}]}


def workload(
    container: dict[str, Any],
    volumes: list[dict[str, Any]] | None = None,
    *,
    kind: str = "Deployment",
    name: str = "api",
    group: str = "containers",
    **spec: Any,
) -> dict[str, Any]:
    pod = {"containers": [{"name": "other"}], "volumes": volumes or []}
    pod[group] = [{"name": "main", **container}]
    status = {"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "observedGeneration": 1}
    status |= {"desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1}
    metadata = {"namespace": "default", "name": name, "uid": f"uid-{name}"}
    body = {"replicas": 1, "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod}, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": body, "status": status}


def world(*workloads: dict[str, Any]) -> FakeCluster:
    """A cluster in which these run, and have rolled out."""
    cluster = FakeCluster(*workloads)
    for one in workloads:
        cluster.live(one["kind"], one["metadata"]["name"], "default", "apps/v1")["status"] = one["status"]
    return cluster


def keep(cluster: FakeCluster, now: datetime, *, check: bool = False, **options: Any) -> tuple[dict[str, Any], Changed]:
    base = {"namespace": "default", "name": "app", "type": "Opaque", "state": "present", "data": DATA}
    return Keeper(cluster, Redactor(), parse({**base, **options}), check, now).brought(with_diff=True)


def follow(cluster: FakeCluster, changed: Changed, now: datetime, *, check: bool = False) -> dict[str, Any]:
    return Restarter(cluster, Patience(timeout_s=0), check, now).follow(changed)


def run(cluster: FakeCluster, now: datetime, *, check: bool = False, **options: Any) -> dict[str, Any]:
    return follow(cluster, keep(cluster, now, check=check, **options)[1], now, check=check)


def mark(cluster: FakeCluster, name: str = "api", kind: str = "Deployment") -> str:
    template = cluster.live(kind, name, "default", "apps/v1")["spec"]["template"]
    return template["metadata"].get("annotations", {}).get("secret.bytebot.production/app", "")


def actions(result: dict[str, Any]) -> dict[str, str]:
    return {item["workload"].rpartition("/")[2]: item["action"] for item in result["followers"]}


# ---------------------------------------------------------------------- how a Secret is read


@pytest.mark.parametrize(
    ("container", "volumes", "found"),
    [
        (PASSWORD, [], {("environment", "password")}),
        (ALL, [], {("environment", None)}),
        (MOUNT, VOLUME, {("mount", None)}),
        (MOUNT, ITEMS, {("mount", "host")}),
        (SUB_PATH, ITEMS, {("sub_path", "host")}),
        (MOUNT, PROJECTED, {("mount", None)}),
        ({**PASSWORD, **MOUNT}, VOLUME, {("environment", "password"), ("mount", None)}),
        ({}, VOLUME, set()),
        ({"env": [{"name": "P", "valueFrom": {"configMapKeyRef": {"name": "app", "key": "x"}}}]}, [], set()),
        ({"envFrom": [{"secretRef": {"name": "another"}}]}, [], set()),
        (MOUNT, [{"name": "v", "configMap": {"name": "app"}}], set()),
    ],
)
@pytest.mark.parametrize("group", ["containers", "initContainers"])
def test_places_where_a_secret_is_read(container: Any, volumes: Any, found: set[Any], group: str) -> None:
    read = readings(workload(container, volumes, group=group), "app")
    assert {(str(one.way), one.key) for one in read} == found


# ---------------------------------------------------------------------- who is restarted


@pytest.mark.parametrize(
    ("container", "volumes", "action"),
    [
        (PASSWORD, [], "restarted"),
        (ALL, [], "restarted"),
        (SUB_PATH, VOLUME, "restarted"),
        (SUB_PATH, ITEMS, "current"),  # it reads host only
        (MOUNT, VOLUME, "by_itself"),
    ],
)
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_only_what_reads_a_changed_key_and_cannot_follow_is_restarted(
    container: Any, volumes: Any, action: str, kind: str
) -> None:
    cluster = world(workload(container, volumes, kind=kind))
    keep(cluster, NOW)
    turned = NOW + timedelta(hours=1)
    foretold = run(cluster, turned, check=True, replace=["password"])
    assert mark(cluster, kind=kind) == ""
    done = run(cluster, turned, replace=["password"])
    assert actions(foretold) == actions(done) == {"api": action}
    assert done["changed"] is foretold["changed"] is (action == "restarted")
    assert mark(cluster, kind=kind) == (stamp(turned) if action == "restarted" else "")
    cluster.writes = 0
    again = run(cluster, turned + timedelta(minutes=1))
    assert not again["changed"] and cluster.writes == 0
    assert again["unseen"] == []


def pod_of(deployment: str, uid: str, born: str) -> list[dict[str, Any]]:
    owner = {"controller": True, "kind": "Deployment", "uid": uid, "name": deployment}
    replicas = {"namespace": "default", "name": f"{deployment}-1", "uid": "uid-set", "ownerReferences": [owner]}
    of_set = {"controller": True, "kind": "ReplicaSet", "uid": "uid-set", "name": f"{deployment}-1"}
    pod = {"namespace": "default", "name": f"{deployment}-1-x", "creationTimestamp": born, "ownerReferences": [of_set]}
    return [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": replicas},
        {"apiVersion": "v1", "kind": "Pod", "metadata": pod},
    ]


@pytest.mark.parametrize(
    ("after", "action"),
    [
        (timedelta(hours=-1), "restarted"),
        (timedelta(seconds=-1), "restarted"),
        (timedelta(0), "current"),  # the API tells a pod's age in whole seconds, and this one came a moment later
        (timedelta(hours=1), "current"),
    ],
)
def test_what_a_run_that_broke_off_left_undone_is_made_good(
    after: timedelta, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Secret was changed and nothing restarted: who runs with pods older than the value is restarted now."""
    cluster = world(workload(PASSWORD))
    made = NOW.replace(microsecond=418_000)
    keep(cluster, made)
    uid = cluster.live("Deployment", "api", "default", "apps/v1")["metadata"]["uid"]
    pods = pod_of("api", uid, stamp((made + after).replace(microsecond=0)))
    real = FakeCluster.list
    extra = {"Pod": [pods[1]], "ReplicaSet": [pods[0]]}
    monkeypatch.setattr(
        FakeCluster, "list", lambda self, api, kind, *a, **k: extra.get(kind) or real(self, api, kind, *a, **k)
    )
    monkeypatch.setattr(RolloutWatch, "wait", lambda self, wanted: None)
    done = run(cluster, NOW + timedelta(hours=2))
    assert actions(done) == {"api": action}
    assert mark(cluster) == (stamp(made) if action == "restarted" else "")
    assert not run(cluster, NOW + timedelta(hours=3))["changed"]  # by the mark, whatever the clock of the pods says


def test_a_secret_that_is_made_anew_restarts_its_mounts_too() -> None:
    cluster = world(workload(MOUNT, VOLUME))
    data = {"password": {"random": {}}}
    keep(cluster, NOW, data=data, immutable=True)
    done = run(cluster, NOW + timedelta(hours=1), data=data, immutable=True, replace=["password"])
    assert actions(done) == {"api": "restarted"}


def test_a_paused_deployment_is_told_and_not_touched() -> None:
    cluster = world(workload(PASSWORD, paused=True))
    keep(cluster, NOW)
    done = run(cluster, NOW + timedelta(hours=1), replace=["password"])
    assert (actions(done), done["changed"], mark(cluster)) == ({"api": "paused"}, False, "")


def test_a_strategy_that_keeps_old_pods_is_told() -> None:
    kept = workload(PASSWORD, kind="StatefulSet", updateStrategy={"type": "OnDelete"})
    kept["status"]["updatedReplicas"] = 0
    cluster = world(kept)
    keep(cluster, NOW)
    done = run(cluster, NOW + timedelta(hours=1), replace=["password"])
    assert actions(done) == {"api": "held"}
    assert "OnDelete" in done["followers"][0]["note"]


def test_kinds_that_may_not_be_listed_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, real = world(workload(PASSWORD)), FakeCluster.list

    def denied(self: FakeCluster, api: str, kind: str, *more: Any, **how: Any) -> Any:
        if kind in ("StatefulSet", "DaemonSet"):
            raise NotPermitted("no")
        return real(self, api, kind, *more, **how)

    monkeypatch.setattr(FakeCluster, "list", denied)
    keep(cluster, NOW)
    done = run(cluster, NOW + timedelta(hours=1), replace=["password"])
    assert (done["unseen"], actions(done)) == (["StatefulSet", "DaemonSet"], {"api": "restarted"})


def test_a_roll_out_that_fails_tells_the_cause_and_where_the_value_before_is(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = world(workload(PASSWORD))
    keep(cluster, NOW)

    def fails(self: RolloutWatch, wanted: Any) -> None:
        raise RolloutFailed("Pod x: container keeps crashing.", causes=[{"cause": "crash_loop"}], waiting=[])

    monkeypatch.setattr(RolloutWatch, "wait", fails)
    turned = NOW + timedelta(hours=1)
    with pytest.raises(RolloutFailed) as caught:
        run(cluster, turned, replace=["password"])
    assert caught.value.sentence == (
        "Secret default/app has its new value, and what reads it does not run with it: "
        "Pod x: container keeps crashing. The value before stays in password.previous until "
        f"{stamp(turned + timedelta(hours=1))}."
    )
    assert caught.value.details["causes"] == [{"cause": "crash_loop"}]
    assert caught.value.details["changed"] is True


# ---------------------------------------------------------------------- the mark


def test_the_mark_is_a_time_and_nothing_of_a_value() -> None:
    cluster = world(workload(PASSWORD))
    keep(cluster, NOW)
    run(cluster, NOW + timedelta(hours=1), replace=["password"])
    patches = [body for method, path, body in cluster.sent if method == "PATCH" and "/deployments/" in path]
    wanted = {"secret.bytebot.production/app": stamp(NOW + timedelta(hours=1))}
    assert patches == [{"spec": {"template": {"metadata": {"annotations": wanted}}}}]


@pytest.mark.parametrize("name", ["app", "a" * 63, "a" * 64, "b" * 253, "a" * 45 + ".b" * 50])
def test_the_marks_name_is_one_that_the_api_takes(name: str) -> None:
    prefix, _slash, rest = annotation(name).partition("/")
    assert prefix == "secret.bytebot.production"
    assert 0 < len(rest) <= 63 and rest[0].isalnum() and rest[-1].isalnum()
    assert annotation(name) != annotation(name[:-1] + "z")


def test_nothing_changed_and_nobody_reads_it() -> None:
    cluster = world(workload({}, name="stranger"))
    changed = Changed(Identity("Secret", "default", "app"), {"password": NOW}, frozenset({"password"}))
    assert follow(cluster, changed, NOW) == {"followers": [], "unseen": [], "changed": False}
