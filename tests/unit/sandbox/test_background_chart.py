# What the chart makes of workers, scheduler and desktop.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml

from sandbox.settings import load

SETTINGS = load()
HELM = SETTINGS.bin / "helm"
pytestmark = pytest.mark.skipif(not HELM.exists(), reason="rendering the chart needs helm, which the sandbox builds")
DESKTOP = ("--values", "sandbox/values-desktop.yaml")
TOKEN = (*DESKTOP, "--set", "desktop.requireToken=true")


def helm(*more: str) -> subprocess.CompletedProcess[str]:
    command = [str(HELM), "template", "bytebot", "sandbox/chart", "--namespace", "bytebot-production", *more]
    return subprocess.run(command, cwd=SETTINGS.checkout, text=True, capture_output=True, check=False)


def rendered(*more: str, values: str = "sandbox/values.yaml") -> dict[tuple[str, str], Any]:
    done = helm(*(("--values", values) if values else ()), *more)
    assert done.returncode == 0, done.stderr
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(done.stdout) if one}


def container(made: dict[tuple[str, str], Any], name: str) -> dict[str, Any]:
    (found,) = made["Deployment", f"bytebot-{name}"]["spec"]["template"]["spec"]["containers"]
    result: dict[str, Any] = found
    return result


def variables(container: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container.get("env", [])}


@pytest.mark.parametrize("name", ["worker", "scheduler"])
def test_what_works_behind_the_api_is_ready_by_its_own_probes(name: str) -> None:
    made = rendered()
    found = container(made, name)
    assert (found["args"], found["image"]) == ([name], "registry.sandbox/bytebot/api:1.0.0")
    paths = {kind: found[kind]["httpGet"] for kind in ("livenessProbe", "readinessProbe", "startupProbe")}
    assert paths["readinessProbe"] == {"path": "/health/ready", "port": "http"}
    assert found["securityContext"]["readOnlyRootFilesystem"] is True
    # It signs nobody in: the keys of the tokens are not its business.
    assert [mount["name"] for mount in found["volumeMounts"]] == ["database-ca", "tmp"]
    labels = made["Deployment", f"bytebot-{name}"]["spec"]["template"]["metadata"]["labels"]
    assert made["Deployment", f"bytebot-{name}"]["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_the_documented_numbers_are_the_defaults() -> None:
    made = rendered(values="")
    hpa = made["HorizontalPodAutoscaler", "bytebot-worker-hpa"]["spec"]
    assert (hpa["minReplicas"], hpa["maxReplicas"], hpa["scaleTargetRef"]["name"]) == (5, 20, "bytebot-worker")
    assert [metric["resource"]["target"]["averageUtilization"] for metric in hpa["metrics"]] == [80, 85]
    assert "replicas" not in made["Deployment", "bytebot-worker"]["spec"]
    assert made["Deployment", "bytebot-scheduler"]["spec"]["replicas"] == 1
    assert made["PodDisruptionBudget", "bytebot-worker"]["spec"]["minAvailable"] == 3
    assert container(made, "worker")["resources"]["limits"] == {"cpu": "4", "memory": "8Gi"}
    (port,) = made["Service", "bytebot-worker"]["spec"]["ports"]
    assert (port["name"], port["port"]) == ("metrics", 9090)


def test_the_desktop_is_there_where_it_is_asked_for() -> None:
    without = rendered()
    assert ("Deployment", "bytebot-desktop") not in without
    assert without["ConfigMap", "bytebot-config"]["data"]["BYTEBOT_DESKTOP_BASE_URL"] == ""
    made = rendered(*DESKTOP)
    assert made["ConfigMap", "bytebot-config"]["data"]["BYTEBOT_DESKTOP_BASE_URL"] == "http://bytebot-desktop:9990"
    found = container(made, "desktop")
    assert found["image"] == "registry.sandbox/bytebot/desktop:1.0.0"
    assert found["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert variables(found) == {"TEST_SURFACE": "true"}
    assert {port["name"]: port["port"] for port in made["Service", "bytebot-desktop"]["spec"]["ports"]} == {
        "http": 9990, "vision": 9993,
    }  # fmt: skip


def test_a_token_is_wanted_by_the_desktop_and_had_by_who_needs_it() -> None:
    made = rendered(*TOKEN)
    secret = {"secretKeyRef": {"name": "bytebot-desktop-secret", "key": "service-token"}}
    desktop = variables(container(made, "desktop"))
    assert desktop["SERVICE_TOKEN"] == secret
    assert desktop["PERMISSION_URL"] == "http://bytebot-api.bytebot-production.svc/api/v1/auth/check-permission"
    assert {name: variables(container(made, name)).get("DESKTOP_SERVICE_TOKEN") for name in ("api", "worker")} == {
        "api": secret, "worker": secret,
    }  # fmt: skip
    assert "DESKTOP_SERVICE_TOKEN" not in variables(container(rendered(*DESKTOP), "worker"))


def test_without_authentication_every_process_knows_who_everybody_is() -> None:
    made = rendered("--set", "global.environment=development,env.ENABLE_AUTHENTICATION=false")
    first = {"secretKeyRef": {"name": "bytebot-bootstrap-admin", "key": "username"}}
    for name in ("api", "websocket", "worker", "scheduler"):
        assert variables(container(made, name))["AUTHENTICATION_OFF_AS"] == first
    assert "AUTHENTICATION_OFF_AS" not in variables(container(rendered(), "api"))


def test_the_live_events_have_pods_of_their_own() -> None:
    made = rendered()
    found = container(made, "websocket")
    assert found["args"] == ["websocket"]
    # It checks tokens and signs none, so it has their public keys.
    assert [mount["name"] for mount in found["volumeMounts"]] == ["jwt-keys", "database-ca", "tmp"]
    pod = made["Deployment", "bytebot-websocket"]["spec"]["template"]["spec"]
    (given,) = [one["secret"]["items"] for one in pod["volumes"] if one["name"] == "jwt-keys"]
    assert [item["key"] for item in given] == ["access-token-public-key", "refresh-token-public-key"]
    (path, rest) = made["Ingress", "bytebot"]["spec"]["rules"][0]["http"]["paths"]
    assert (path["path"], path["backend"]["service"]["name"]) == ("/socket.io", "bytebot-websocket")
    assert (rest["path"], rest["backend"]["service"]["name"]) == ("/", "bytebot-api")
    with_word = container(rendered("--set", "security.jwt.profile=B"), "websocket")
    assert variables(with_word)["JWT_SECRET"]["secretKeyRef"]["key"] == "jwt-secret"


def test_spans_may_leave_where_they_are_sent() -> None:
    on = (
        "--set",
        "monitoring.tracing.enabled=true,monitoring.tracing.endpoint=http://jaeger.monitoring:14269/api/traces",
    )
    policy = ("NetworkPolicy", "bytebot-network-policy")
    ports = [rule["ports"] for rule in rendered(*on)[policy]["spec"]["egress"] if "ports" in rule]
    assert [{"port": 14269}] in ports
    assert [{"port": 14269}] not in [rule.get("ports") for rule in rendered()[policy]["spec"]["egress"]]


@pytest.mark.parametrize(
    "wrong", ["replicas.worker=-1", "tasks.attempts=0", "desktop.homeSize=much", "desktop.more=1", "env.TASK_LEASE=1s"]
)
def test_wrong_values_are_refused(wrong: str) -> None:
    done = helm("--set", wrong)
    assert done.returncode != 0
    assert wrong.partition("=")[0].rpartition(".")[2] in done.stderr
