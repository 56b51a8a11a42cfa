# How pods must be described: every finding has its row, quantities are read as Kubernetes reads them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import (
    quantity,
    resource_findings,
    security_findings,
)

NAMESPACE = "shop"
GOOD_CONTAINER: dict[str, Any] = {
    "name": "app",
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": 1, "memory": "128Mi"}},
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}
GOOD_POD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [GOOD_CONTAINER],
    "volumes": [
        {"name": "a", "emptyDir": {}},
        {"name": "b", "secret": {"secretName": "x"}},
        {"name": "c", "projected": {"sources": []}},
        {"name": "d", "persistentVolumeClaim": {"claimName": "x"}},
    ],
}


def workload(pod: dict[str, Any], annotations: dict[str, str] | None = None) -> dict[str, Any]:
    template = {"metadata": {"annotations": annotations or {}}, "spec": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": {"template": template}}


def container(**changes: Any) -> dict[str, Any]:
    """The good container with fields replaced; ``None`` takes one out."""
    found = {**copy.deepcopy(GOOD_CONTAINER), **changes}
    return {key: value for key, value in found.items() if value is not None}


def with_container(**changes: Any) -> dict[str, Any]:
    return {**GOOD_POD, "containers": [container(**changes)]}


def with_context(**changes: Any) -> dict[str, Any]:
    """A pod whose container's security context is the good one with fields replaced."""
    return with_container(securityContext={**GOOD_CONTAINER["securityContext"], **changes})


def with_pod_context(**changes: Any) -> dict[str, Any]:
    return {**GOOD_POD, "securityContext": {**GOOD_POD["securityContext"], **changes}}


def said(findings: list[Any]) -> list[str]:
    return [str(finding) for finding in findings]


APP = "Deployment api container app: "
POD = "Deployment api: "


# ---------------------------------------------------------------------- resources


def resources(requests: Any = None, limits: Any = None) -> dict[str, Any]:
    """The good container with other amounts; ``None`` leaves the good ones."""
    good = GOOD_CONTAINER["resources"]
    return with_container(
        resources={
            "requests": good["requests"] if requests is None else requests,
            "limits": good["limits"] if limits is None else limits,
        }
    )


AMOUNTS = {"cpu": "1", "memory": "1Gi"}
RESOURCES = [
    ("complete", GOOD_POD, []),
    ("equal request and limit", resources(AMOUNTS, AMOUNTS), []),
    (
        "nothing at all",
        with_container(resources=None),
        ["no cpu request", "no cpu limit", "no memory request", "no memory limit"],
    ),
    (
        "null",
        with_container(resources={"requests": None, "limits": None}),
        ["no cpu request", "no cpu limit", "no memory request", "no memory limit"],
    ),
    ("no cpu limit", resources(limits={"memory": "128Mi"}), ["no cpu limit"]),
    ("no memory request", resources({"cpu": "100m"}), ["no memory request"]),
    (
        "request above limit",
        resources({"cpu": "100m", "memory": "1G"}, {"cpu": "1", "memory": "900Mi"}),
        ["memory request 1G is above its limit 900Mi"],
    ),
    (
        "just above",
        resources({"cpu": "1001m", "memory": "1Mi"}, {"cpu": "1", "memory": "1Mi"}),
        ["cpu request 1001m is above its limit 1"],
    ),
    ("zero", resources({"cpu": 0, "memory": "64Mi"}), ["cpu request 0 is no positive quantity"]),
    ("negative", resources({"cpu": "-1", "memory": "64Mi"}), ["cpu request '-1' is no positive quantity"]),
    ("nonsense", resources({"cpu": "lots", "memory": "64Mi"}), ["cpu request 'lots' is no positive quantity"]),
]


@pytest.mark.parametrize(("pod", "problems"), [row[1:] for row in RESOURCES], ids=[row[0] for row in RESOURCES])
def test_resources(pod: dict[str, Any], problems: list[str]) -> None:
    assert said(resource_findings([workload(pod)], NAMESPACE)) == [APP + problem for problem in problems]


def test_every_container_needs_resources_but_the_ephemeral_ones_which_can_have_none() -> None:
    bare = {"name": "bare"}
    groups = {group: [{**bare, "name": group}] for group in ("initContainers", "containers", "ephemeralContainers")}
    found = {finding.where for finding in resource_findings([workload(groups)], NAMESPACE)}
    assert found == {"Deployment api container initContainers", "Deployment api container containers"}


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "Job", "Pod", "CronJob"])
def test_every_kind_of_workload_is_looked_into(kind: str) -> None:
    pod = with_container(resources=None)
    template = {"template": {"spec": pod}}
    spec = {"Pod": pod, "CronJob": {"jobTemplate": {"spec": template}}}.get(kind, template)
    found = resource_findings([{"kind": kind, "metadata": {"name": "x"}, "spec": spec}], NAMESPACE)
    assert {finding.where for finding in found} == {f"{kind} x container app"}


def test_what_is_no_workload_has_no_findings() -> None:
    others = [
        {"kind": "ConfigMap", "metadata": {"name": "x"}},
        {"kind": "Service", "metadata": {"name": "x"}, "spec": None},
    ]
    assert resource_findings(others, NAMESPACE) == security_findings(others, NAMESPACE) == []


# Kubernetes docs: "Resource Management for Pods and Containers" and the API reference of resource.Quantity
QUANTITIES = [
    ("100m", "0.1"),
    (0.1, "0.1"),
    ("0.5", "0.5"),
    (1, "1"),
    ("250m", "0.25"),
    ("2", "2"),
    ("1u", "0.000001"),
    ("5n", "0.000000005"),
    ("128974848", "128974848"),
    ("129e6", "129000000"),
    ("129M", "129000000"),
    ("128974848000m", "128974848"),
    ("123Mi", "128974848"),
    ("64Mi", str(64 * 2**20)),
    ("1.5Gi", str(3 * 2**29)),
    ("1Ki", "1024"),
    ("1k", "1000"),
    ("1E", "1e18"),
    ("1Ei", str(2**60)),
    ("2e3", "2000"),
    ("2E3", "2000"),
    ("1e-3", "0.001"),
    (".5", "0.5"),
    ("1.", "1"),
    ("+1", "1"),
    ("-1", "-1"),
    ("0", "0"),
    ("1Pi", str(2**50)),
    ("1T", "1e12"),
]


@pytest.mark.parametrize(("text", "number"), QUANTITIES)
def test_quantities(text: Any, number: str) -> None:
    assert quantity(text) == Decimal(number)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m",
        "1K",
        "1ki",
        "1mi",
        "1 Gi",
        " 1",
        "1Gi ",
        "1e",
        "e3",
        "1.5.0",
        "1,5",
        "lots",
        "NaN",
        "Infinity",
        "inf",
        "1_000",
        "٣",
        "--1",
        "1GiB",
        "0x10",
        True,
        None,
        [],
        {},
        "1e99999999999999999999",
    ],
)
def test_what_is_no_quantity(text: Any) -> None:
    assert quantity(text) is None


@given(st.integers(0, 10**12), st.sampled_from(["Ki", "Mi", "Gi", "Ti"]))
def test_binary_suffixes_are_powers_of_1024(number: int, suffix: str) -> None:
    power = ["Ki", "Mi", "Gi", "Ti"].index(suffix) + 1
    assert quantity(f"{number}{suffix}") == number * 1024**power


# ---------------------------------------------------------------------- security contexts

SECURITY = [
    ("as it must be", GOOD_POD, []),
    (
        "said at the container only",
        {
            "containers": [
                container(securityContext={**GOOD_CONTAINER["securityContext"], **GOOD_POD["securityContext"]})
            ]
        },
        [],
    ),
    ("privileged", with_context(privileged=True), [APP + "privileged is on"]),
    ("escalation", with_context(allowPrivilegeEscalation=True), [APP + "allowPrivilegeEscalation is not false"]),
    (
        "escalation not said",
        with_context(allowPrivilegeEscalation=None),
        [APP + "allowPrivilegeEscalation is not false"],
    ),
    ("may be root", with_pod_context(runAsNonRoot=None), [APP + "runAsNonRoot is not true"]),
    ("container may be root", with_context(runAsNonRoot=False), [APP + "runAsNonRoot is not true"]),
    (
        "pod says root is fine",
        {
            **with_pod_context(runAsNonRoot=False),
            "containers": [container(securityContext={**GOOD_CONTAINER["securityContext"], "runAsNonRoot": True})],
        },
        [POD + "runAsNonRoot of the pod is false"],
    ),
    ("container is root", with_context(runAsUser=0), [APP + "runAsUser is 0 (root)"]),
    (
        "pod is root, container not",
        {
            **with_pod_context(runAsUser=0),
            "containers": [container(securityContext={**GOOD_CONTAINER["securityContext"], "runAsUser": 7})],
        },
        [POD + "runAsUser of the pod is 0 (root)"],
    ),
    ("capabilities kept", with_context(capabilities=None), [APP + "capabilities do not drop ALL"]),
    (
        "some capabilities dropped",
        with_context(capabilities={"drop": ["NET_RAW"]}),
        [APP + "capabilities do not drop ALL"],
    ),
    (
        "capability added",
        with_context(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN", "CHOWN"]}),
        [APP + "capabilities add CHOWN, SYS_ADMIN"],
    ),
    ("the allowed capability", with_context(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}), []),
    (
        "no seccomp",
        with_pod_context(seccompProfile=None),
        [APP + "seccompProfile is not set; RuntimeDefault or Localhost is needed"],
    ),
    (
        "unconfined",
        with_context(seccompProfile={"type": "Unconfined"}),
        [APP + "seccompProfile is Unconfined; RuntimeDefault or Localhost is needed"],
    ),
    ("seccomp of its own", with_context(seccompProfile={"type": "Localhost"}), []),
    ("/proc", with_context(procMount="Unmasked"), [APP + "procMount is Unmasked"]),
    ("/proc as usual", with_context(procMount="Default"), []),
    (
        "host port",
        with_container(ports=[{"containerPort": 80}, {"containerPort": 81, "hostPort": 8081}]),
        [APP + "it takes the node's port 8081"],
    ),
    ("host network", {**GOOD_POD, "hostNetwork": True}, [POD + "hostNetwork is on"]),
    ("host processes", {**GOOD_POD, "hostPID": True, "hostIPC": True}, [POD + "hostPID is on", POD + "hostIPC is on"]),
    (
        "host path",
        {**GOOD_POD, "volumes": [{"name": "v", "hostPath": {"path": "/etc"}}]},
        [POD + "volume v mounts the node's path /etc"],
    ),
    (
        "other volume",
        {**GOOD_POD, "volumes": [{"name": "v", "nfs": {"server": "x"}}]},
        [POD + "volume v is of the kind nfs"],
    ),
    ("AppArmor off", with_context(appArmorProfile={"type": "Unconfined"}), [APP + "appArmorProfile is Unconfined"]),
    (
        "AppArmor off in the pod",
        with_pod_context(appArmorProfile={"type": "Unconfined"}),
        [POD + "appArmorProfile is Unconfined"],
    ),
    ("AppArmor on", with_context(appArmorProfile={"type": "RuntimeDefault"}), []),
    ("SELinux type", with_context(seLinuxOptions={"type": "spc_t"}), [APP + "seLinuxOptions.type is spc_t"]),
    ("SELinux user", with_pod_context(seLinuxOptions={"user": "root"}), [POD + "seLinuxOptions sets a user or a role"]),
    ("SELinux level", with_context(seLinuxOptions={"type": "container_t", "level": "s0"}), []),
    ("sysctl", with_pod_context(sysctls=[{"name": "kernel.msgmax"}]), [POD + "sysctl kernel.msgmax is set"]),
    ("safe sysctl", with_pod_context(sysctls=[{"name": "net.ipv4.tcp_syncookies"}]), []),
    ("Windows host", with_context(windowsOptions={"hostProcess": True}), [APP + "hostProcess is on"]),
]


@pytest.mark.parametrize(("pod", "problems"), [row[1:] for row in SECURITY], ids=[row[0] for row in SECURITY])
def test_security_context(pod: dict[str, Any], problems: list[str]) -> None:
    assert said(security_findings([workload(pod)], NAMESPACE)) == problems


@pytest.mark.parametrize(
    ("profile", "fine"),
    [("unconfined", False), ("runtime/default", True), ("localhost/mine", True), ("runtime/defaults", False)],
)
def test_apparmor_by_annotation(profile: str, fine: bool) -> None:
    annotations = {"container.apparmor.security.beta.kubernetes.io/app": profile, "team": "unconfined"}
    found = said(security_findings([workload(GOOD_POD, annotations)], NAMESPACE))
    assert found == ([] if fine else [f"{POD}AppArmor profile of app is {profile}"])


@pytest.mark.parametrize("group", ["initContainers", "ephemeralContainers"])
def test_no_container_escapes_the_rules(group: str) -> None:
    pod = {**GOOD_POD, group: [container(name="other", securityContext={"privileged": True})]}
    found = said(security_findings([workload(pod)], NAMESPACE))
    assert "Deployment api container other: privileged is on" in found
    assert not any("container app" in text for text in found)


def test_a_pod_that_says_nothing_breaks_each_rule_that_must_be_said() -> None:
    found = said(security_findings([workload({"containers": [{"name": "app"}]})], NAMESPACE))
    assert [text.removeprefix(APP).partition(" ")[0] for text in found] == [
        "allowPrivilegeEscalation",
        "runAsNonRoot",
        "capabilities",
        "seccompProfile",
    ]
