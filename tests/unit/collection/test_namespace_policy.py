# The fence around a release: computed from it, all denied but what it needs, and applied without taking anything over.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.policy_objects import Peer, Subject, objects, selector
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.modules import namespace_policy as module
from tests.unit.collection.fakes import FakeCluster

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]
CANARY = "Canary-0x7f3a-policy"
HELM = {"annotations": {"meta.helm.sh/release-name": "shop"}}


def obj(api: str, kind: str, name: str, spec: Object, **metadata: Any) -> Object:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "shop", **metadata}, "spec": spec}


def workload(name: str, replicas: int, *, limits: bool = True) -> Object:
    bounds = {"requests": {"cpu": "100m", "memory": "100Mi"}, "limits": {"cpu": "1", "memory": "200Mi"}}
    pod = {"containers": [{"name": "app", "resources": bounds if limits else {}}]}
    labels = {"app": "shop", "part": name}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return obj("apps/v1", "Deployment", name, spec, **HELM)


def service(name: str, **more: Any) -> Object:
    ports = [{"port": 80, "targetPort": "http"}, {"port": 9090}]
    return obj("v1", "Service", name, {"selector": {"part": name}, "ports": ports, **more}, **HELM)


def ingress() -> Object:
    path = {"path": "/", "backend": {"service": {"name": "api", "port": {"number": 80}}}}
    return obj(
        "networking.k8s.io/v1", "Ingress", "shop", {"rules": [{"host": "shop.test", "http": {"paths": [path]}}]}, **HELM
    )


def shop() -> tuple[Object, ...]:
    data = {"username": "app", "password": CANARY, "host": "pg.data.svc.cluster.local"}
    encoded = {key: b64encode(value.encode()).decode() for key, value in data.items()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pg", "namespace": "shop"}, "data": encoded}
    return (workload("api", 2), workload("worker", 1), service("api"), service("worker"), ingress(), secret)


def run(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, **options: Any) -> dict[str, Any]:
    monkeypatch.setattr(module, "Cluster", lambda *_: cluster)
    check, diff = options.pop("check", False), options.pop("diff", True)
    given = {name: spec.get("default") for name, spec in module.ARGUMENTS.items()}
    given |= {"namespace": "shop", "release": "shop", "ingress_namespaces": ["edge"], **options}
    task = SimpleNamespace(params=given, tmpdir="/tmp", check_mode=check, _diff=diff)
    redactor = Redactor()
    answer: dict[str, Any] = redactor.data(module.secure(task, redactor))
    return answer


def cluster() -> FakeCluster:
    found = FakeCluster(namespaces=("shop",))
    for one in shop():
        found.put(one)
    return found


def policies(subject: Subject) -> dict[str, Object]:
    return {one["metadata"]["name"]: one["spec"] for one in objects(subject, ["network"])}


SUBJECT = Subject(
    namespace="shop",
    release="shop",
    workloads=(workload("api", 2), workload("worker", 1)),
    services=(service("api"), service("worker")),
    ingresses=(ingress(),),
    ingress_namespaces=("edge",),
    monitoring_namespaces=("watch",),
    metrics_ports=(9090,),
    egress=(Peer((5432,), namespace="data"), Peer((443,), cidr="192.0.2.0/24")),
)


def test_all_is_denied_and_what_is_needed_is_allowed() -> None:
    made = policies(SUBJECT)
    assert made["shop-default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    edge = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "edge"}}}
    ports = [{"port": "http", "protocol": "TCP"}, {"port": 9090, "protocol": "TCP"}]
    inside = {"from": [{"podSelector": {"matchLabels": {"app": "shop"}}}], "ports": ports}
    assert made["shop-to-api"]["ingress"] == [inside, {"from": [edge], "ports": ports}]
    assert made["shop-to-worker"]["ingress"] == [inside]
    egress = made["shop-release"]["egress"]
    assert egress[0]["ports"] == [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
    assert egress[1]["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "data"}}}]
    assert egress[2] == {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 443, "protocol": "TCP"}]}
    assert egress[3:] == [
        {"to": [{"podSelector": {"matchLabels": {"part": name}}}], "ports": ports} for name in ("api", "worker")
    ]
    assert made["shop-metrics"]["ingress"][0]["ports"] == [{"port": 9090, "protocol": "TCP"}]
    assert made["shop-probes"]["egress"] == egress[:3]
    assert made["shop-probes"]["podSelector"]["matchExpressions"][0]["key"] == "bytebot.production/scratch"
    # Nothing is open to all: every rule but the deny names whom it is about, and its ports.
    for name, spec in made.items():
        for rule in (*spec.get("ingress", ()), *spec.get("egress", ())):
            assert rule["ports"], name
            assert rule.get("from") or rule.get("to"), name


def test_the_label_is_one_that_all_pods_have() -> None:
    assert selector(SUBJECT.workloads) == {"app": "shop"}
    other = workload("odd", 1)
    other["spec"]["template"]["metadata"]["labels"] = {"part": "odd"}
    assert selector((*SUBJECT.workloads, other)) == {}


def test_the_quota_holds_the_release_at_its_largest_and_a_rollout() -> None:
    (quota,) = objects(SUBJECT, ["quota"])
    hard = quota["spec"]["hard"]
    # 2 + 1 and 1 + 1 pods, half as many again, and five for probes
    assert hard["pods"] == "13"
    assert hard["requests.cpu"] == "2"
    assert hard["limits.cpu"] == "9"
    assert hard["limits.memory"] == "2012Mi"
    assert (hard["services.loadbalancers"], hard["services.nodeports"]) == ("0", "0")
    scaled = {"name": "api", "minimum": 2, "maximum": 10, "cpu": 70}
    (larger,) = objects(
        Subject(**{**_fields(), "autoscaling": (scaled,), "quota": {"services.nodeports": 3}}), ["quota"]
    )
    assert int(larger["spec"]["hard"]["pods"]) > 20
    assert larger["spec"]["hard"]["services.nodeports"] == "3"


def test_a_container_without_bounds_counts_by_the_limit_range() -> None:
    (quota,) = objects(Subject(**{**_fields(), "workloads": (workload("api", 2, limits=False),)}), ["quota"])
    assert quota["spec"]["hard"]["limits.cpu"] == "4"  # three pods of 500m, half as much again, and one for probes


def _fields() -> dict[str, Any]:
    return {name: getattr(SUBJECT, name) for name in Subject.__dataclass_fields__}


def test_budgets_are_for_several_replicas_without_one() -> None:
    made = objects(SUBJECT, ["availability"])
    assert [(one["kind"], one["metadata"]["name"]) for one in made] == [("PodDisruptionBudget", "api")]
    has = obj("policy/v1", "PodDisruptionBudget", "theirs", {"selector": {"matchLabels": {"part": "api"}}})
    assert objects(Subject(**{**_fields(), "others": (has,)}), ["availability"]) == []


def test_it_is_applied_once_and_check_mode_tells_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    place = cluster()
    would = run(place, monkeypatch, check=True)
    assert place.writes == 0
    did = run(place, monkeypatch)
    assert (would["changed"], would["changes"]) == (True, did["changes"])
    assert "NetworkPolicy shop/shop-default-deny" in did["changes"]["created"]
    assert did["egress"] == ["namespace data, port 5432"]
    assert CANARY not in str(did)
    again = run(place, monkeypatch)
    assert (again["changed"], "diff" in again) == (False, False)
    policy = place.live("NetworkPolicy", "shop-default-deny", "shop", "networking.k8s.io/v1")
    assert policy and policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_parts_are_left_alone_that_are_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    did = run(cluster(), monkeypatch, parts=["limits"], ingress_namespaces=[])
    assert did["changes"]["created"] == ["LimitRange shop/shop-limits"]


def test_what_is_missing_is_said_before_anything_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    place = cluster()
    with pytest.raises(InputError, match="ingress_namespaces is empty"):
        run(place, monkeypatch, ingress_namespaces=[])
    with pytest.raises(InputError, match="no workload of release blog"):
        run(place, monkeypatch, release="blog")
    assert place.writes == 0


def test_the_verifiers_account_may_only_read() -> None:
    text = (ROOT / "roles/security_configuration/files/verifier-rbac.yaml").read_text()
    rules = [rule for role in yaml.safe_load(text)["items"] for rule in role["rules"]]
    assert {verb for rule in rules for verb in rule["verbs"]} <= {"get", "list"}
    assert all("*" not in rule[part] for rule in rules for part in ("apiGroups", "resources", "verbs"))
