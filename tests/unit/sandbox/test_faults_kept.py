# Faults that change objects: twice is like once, and healing gives back what was there, also after a kill in between.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.api import ApiError
from sandbox.catalog import discover
from sandbox.component import Context
from sandbox.errors import SandboxError
from sandbox.faults import FAULTS
from sandbox.faults.fault import API, NAMESPACE, Hands
from sandbox.faults.keeping import changed, placed, restored, steps
from tests.unit.sandbox.test_config_files import ctx, objects  # noqa: F401 - a fixture

PARTS = ("alertmanager", "backup", "coredns", "drill", "grafana-stub", "postgres", "prometheus", "redis", "traefik")
Object = dict[str, Any]


class Cluster:
    """Keeps objects by path and does what the API server does with them, as far as faults ask for it."""

    def __init__(self, kept: dict[str, Object]) -> None:
        self.kept = kept

    def get(self, path: str) -> Object | None:
        return self.kept.get(path)

    def items(self, _: str) -> list[Object]:
        return []

    def call(self, method: str, path: str, body: str = "", kind: str = "") -> str:
        path = path.partition("?")[0]
        if method == "DELETE":
            self.kept.pop(path, None)
        elif method in {"PUT", "PATCH"}:
            self.kept[path] = {**json.loads(body)}
        elif path not in self.kept:
            raise ApiError(404, "not found")
        return json.dumps(self.kept.get(path, {}))


class Doing(Hands):
    """What would wait for pods, or go into one, does not."""

    def until(self, holds: Callable[[], bool], what: str) -> None: ...

    def restart(self, path: str) -> None: ...

    def patch(self, path: str, body: Any, kind: str = "") -> None: ...

    def exec(self, namespace: str, pod: str, container: str, command: Any) -> str:
        return ""


def _path(one: Object) -> str:
    version, meta = one["apiVersion"], one["metadata"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    where = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    return f"{base}{where}/{one['kind'].lower()}s/{meta['name']}"


def _release() -> dict[str, Object]:
    """The objects of the release that faults change, as far as they look at them."""
    probes = {
        f"{kind}Probe": {"httpGet": {"path": f"/health/{path}", "port": "http"}, "timeoutSeconds": 5}
        for kind, path in (("liveness", "live"), ("readiness", "ready"), ("startup", "startup"))
    }
    resources = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}
    container = {"name": "api", "image": "api:1", "args": ["serve"], "resources": resources, **probes}
    made: dict[str, Object] = {}
    for name in ("api", "worker", "websocket", "scheduler"):
        meta = {"name": f"bytebot-{name}", "namespace": NAMESPACE}
        spec = {"template": {"metadata": {"annotations": {"a": "b"}}, "spec": {"containers": [container]}}}
        one = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": copy.deepcopy(spec)}
        made[_path(one)] = one
    data = {"LOG_LEVEL": "info", "TASK_TIMEOUT": "5m", "DATABASE_MAX_CONNECTIONS": "5"}
    ports = [{"name": "metrics", "port": 9090, "targetPort": "metrics"}]
    for kind, name, content in (
        ("ConfigMap", "bytebot-config", {"data": data}),
        ("Secret", "bytebot-tls-secret", {"data": {"tls.crt": "eA=="}}),
        ("Service", "bytebot-api", {"spec": {"ports": ports}}),
    ):
        other: Object = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}}
        other |= content
        made[_path(other)] = other
    return made


@pytest.fixture
def hands(ctx: Context) -> Hands:  # noqa: F811
    kept = {_path(one): one for name in PARTS for one in objects(ctx, discover()[name])}
    return Doing(ctx.settings, Cluster({**kept, **_release()}), ctx.pki)  # type: ignore[arg-type]


def kept(hands: Hands) -> dict[str, Object]:
    return hands.cluster.kept  # type: ignore[attr-defined,no-any-return]


CHANGING = (
    "alert_rule_errors", "alert_rule_missing", "alert_rule_never_fires", "alertmanager_receiver_removed",
    "alertmanager_route_blackhole", "receiver_url_wrong", "alert_inhibited", "escalation_one_level",
    "prometheus_bad_config", "prometheus_retention_short", "target_down", "service_monitor_label_wrong",
    "metric_renamed", "grafana_data_source_broken", "grafana_data_source_gone", "grafana_dashboard_deleted",
    "variable_missing", "variable_misspelled", "config_changed_without_rollout", "log_level_debug", "pool_size_1",
    "pool_refused_by_database", "liveness_probe_missing", "liveness_needs_database", "liveness_timeout_short",
    "readiness_is_liveness", "startup_slower_than_liveness", "limits_below_use", "out_of_memory_killed",
    "limits_ten_times_too_large", "hpa_metrics_missing", "hpa_minimum_is_maximum", "hpa_other_target",
    "hpa_maximum_past_connections", "postgres_13", "postgres_replica_only", "redis_old_version", "redis_slot_failed",
    "redis_volume_empty_dir", "redis_aof_write_failed", "ingress_certificate_wrong_host",
    "ingress_certificate_self_signed", "ingress_tls_1_0", "dns_differs_inside", "load_balancer_health_path_wrong",
    "unhealthy_backend_kept", "backup_suspended", "backup_object_lost",
)  # fmt: skip
# Each time another key.
NEW_EACH_TIME = {"ingress_certificate_wrong_host", "ingress_certificate_self_signed"}


@pytest.mark.parametrize("name", CHANGING)
def test_it_changes_something_twice_as_once_and_healing_gives_back_what_was_there(hands: Hands, name: str) -> None:
    before = copy.deepcopy(kept(hands))
    FAULTS[name].put(hands)
    once = copy.deepcopy(kept(hands))
    assert once != before
    FAULTS[name].put(hands)
    assert name in NEW_EACH_TIME or kept(hands) == once
    for _ in range(2):
        FAULTS[name].heal(hands)
        assert kept(hands) == before


@pytest.mark.parametrize("name", ["variable_missing", "hpa_other_target", "redis_slot_failed"])
def test_healing_without_a_fault_changes_nothing(hands: Hands, name: str) -> None:
    before = copy.deepcopy(kept(hands))
    FAULTS[name].heal(hands)
    assert kept(hands) == before


def test_what_a_kill_left_half_healed_is_healed_the_next_time(hands: Hands) -> None:
    before, told = copy.deepcopy(kept(hands)), []

    def killed(_: Hands) -> None:
        told.append("killed")
        raise KeyboardInterrupt

    changed(API, lambda found: found["spec"].update(replicas=7))(hands)
    with pytest.raises(KeyboardInterrupt):
        restored(API, then=killed)(hands)
    restored(API, then=lambda _: told.append("followed"))(hands)
    assert told == ["killed", "followed"]
    assert kept(hands) == before


def test_what_the_api_server_gives_an_object_is_not_given_back(hands: Hands) -> None:
    kept(hands)[API]["metadata"] |= {"uid": "1", "resourceVersion": "7", "managedFields": [{}], "labels": {"a": "b"}}
    kept(hands)[API]["status"] = {"replicas": 2}
    steps(changed(API, lambda found: found["spec"].update(replicas=7)), restored(API))(hands)
    assert kept(hands)[API]["metadata"] == {"name": "bytebot-api", "namespace": NAMESPACE, "labels": {"a": "b"}}
    assert "status" not in kept(hands)[API]


def test_an_object_in_place_of_another_goes_and_the_other_comes_back(hands: Hands) -> None:
    path, mine = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/one", {"spec": {"max": 1}}
    for before in (None, {"metadata": {"name": "one"}, "spec": {"max": 9}}):
        if before:
            kept(hands)[path] = copy.deepcopy(before)
        placed(path, mine)(hands)
        assert kept(hands)[path] == mine
        restored(path)(hands)
        assert kept(hands).get(path) == before


def test_what_is_not_there_is_told(hands: Hands) -> None:
    with pytest.raises(SandboxError, match="/nowhere is not there"):
        changed("/nowhere", lambda _: None)(hands)


def test_where_the_api_server_does_not_answer_nothing_is_taken_for_missing(hands: Hands) -> None:
    def away(*_: str) -> str:
        raise ApiError(503, "away")

    hands.cluster.call = away  # type: ignore[method-assign,assignment]
    with pytest.raises(ApiError):
        placed("/somewhere", {})(hands)
    assert not (hands.folder / "objects.json").exists()


def test_only_the_wanted_rule_is_another(hands: Hands) -> None:
    path = "/api/v1/namespaces/monitoring/configmaps/bytebot-alert-rules"

    def rules() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for text in kept(hands)[path]["data"].values():
            for group in yaml.safe_load(text)["groups"]:
                for rule in group["rules"]:
                    found.setdefault(rule["alert"], []).append(rule["expr"])
        return found

    before = rules()
    FAULTS["alert_rule_missing"].put(hands)
    assert set(before) - set(rules()) == {"BytebotServiceDown"}
    FAULTS["alert_rule_missing"].heal(hands)
    FAULTS["alert_rule_errors"].put(hands)
    assert {name for name, said in rules().items() if said != before[name]} == {"BytebotServiceDown"}


def test_the_folder_of_what_is_kept_is_the_faults_own(hands: Hands, tmp_path: Path) -> None:
    FAULTS["pool_size_1"].put(hands)
    assert hands.folder.is_relative_to(tmp_path)
    assert (hands.folder / "objects.json").stat().st_mode & 0o077 == 0
