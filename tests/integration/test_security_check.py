# security_check on a real cluster, in a namespace of its own: a pod in order is green, each fault turns its own red.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
import os
import secrets
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.security_facts import (
    ACCOUNTS,
    CONTEXT,
    PRODUCTION,
    PROTECTION,
    RESOURCES,
    ROOT,
    STORED,
)
from tests.integration.conftest import SANDBOX

Object = dict[str, Any]
CHECKOUT = Path(__file__).parents[2]
MODULE = "ansible_collections.bytebot.production.plugins.modules.security_check"
OURS = os.environ.get("BYTEBOT_TEST_NAMESPACE", "it-security-check")
EVERY = (STORED, PROTECTION, CONTEXT, RESOURCES, ROOT, PRODUCTION, ACCOUNTS)
KUBECTL = [str(SANDBOX / "bin" / "kubectl"), f"--kubeconfig={SANDBOX}/admin.kubeconfig"]
IMAGE = "registry.sandbox/base:1"
PASSWORD = b64encode(secrets.token_bytes(32)).decode()
WAIT = 'echo started; trap "exit 0" TERM; while :; do sleep 1 & wait $!; done'
RESTRICTED: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
POD: Object = {
    "serviceAccountName": "app",
    "automountServiceAccountToken": False,
    "terminationGracePeriodSeconds": 1,
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "app",
            "image": IMAGE,
            "command": ["sh", "-c", WAIT],
            "env": [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}],
            "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}, "limits": {"cpu": "100m", "memory": "32Mi"}},
            "securityContext": RESTRICTED,
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        }
    ],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}


def kube(*arguments: str, stdin: str = "", check: bool = True) -> str:
    return subprocess.run([*KUBECTL, *arguments], input=stdin, capture_output=True, text=True, check=check).stdout


def apply(*objects: Object) -> None:
    for one in objects:
        kube("apply", "--server-side", "--force-conflicts", "-n", OURS, "-f", "-", stdin=json.dumps(one))


def judge(tmp_path: Path, **options: Any) -> dict[str, Object]:
    """What the module says in a process of its own, by control; the Secret's value is nowhere in it."""
    given = {"kubeconfig": f"{SANDBOX}/admin.kubeconfig", "namespace": OURS, "_ansible_remote_tmp": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", MODULE],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {**given, **options}}),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT / ".collections")},
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert PASSWORD not in done.stdout
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    assert "results" in answer, answer
    return {one["control"]: one for one in answer["results"]}


def states(found: dict[str, Object]) -> dict[str, str]:
    return {control: one["state"] for control, one in found.items()}


def red(found: dict[str, Object]) -> dict[str, str]:
    return {control: one["summary"] for control, one in found.items() if one["state"] in ("fail", "error")}


def roll_out(pod: Object) -> None:
    template = {"metadata": {"labels": {"app": "api"}}, "spec": pod}
    spec = {"replicas": 1, "strategy": {"type": "Recreate"}, "selector": {"matchLabels": {"app": "api"}}}
    kube("delete", "deployment", "api", "-n", OURS, "--ignore-not-found", "--cascade=foreground", "--wait")
    kube("wait", "pods", "-l", "app=api", "-n", OURS, "--for=delete", "--timeout=60s", check=False)
    apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "api"},
            "spec": {**spec, "template": template},
        }
    )
    kube("rollout", "status", "deployment/api", "-n", OURS, "--timeout=120s")


def container(**changes: Any) -> Object:
    pod = copy.deepcopy(POD)
    pod["containers"][0] |= changes
    return pod


@pytest.fixture(scope="module", autouse=True)
def _namespace() -> Iterator[None]:
    kube("delete", "namespace", OURS, "--ignore-not-found", "--wait")  # what a run that was killed has left
    kube("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OURS}}))
    for name in ("app", "default"):
        apply({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name},
            "automountServiceAccountToken": False,
        })  # fmt: skip
    data = {"password": b64encode(PASSWORD.encode()).decode()}
    apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "data": data, "immutable": True})
    apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"LOG_LEVEL": "info"}})
    standard("restricted")
    roll_out(POD)
    yield
    kube("delete", "namespace", OURS, "--wait=false")


def standard(level: str) -> None:
    kube("label", "namespace", OURS, "--overwrite", f"pod-security.kubernetes.io/enforce={level}")


def authorized() -> list[Object]:
    """Whoever has a power in the namespace now: the list that an administrator would have signed."""
    reviewed = _everybody()
    return [{"kind": kind, "name": name, "namespace": place} for kind, name, place in sorted(reviewed)]


def _everybody() -> set[tuple[str, str, str | None]]:
    bindings = json.loads(kube("get", "clusterrolebindings", "-o", "json"))["items"]
    subjects = [subject for one in bindings for subject in one.get("subjects") or []]
    broad = ("system:authenticated", "system:unauthenticated", "system:serviceaccounts")
    return {
        (one["kind"], one["name"], one.get("namespace"))
        for one in subjects
        if one["name"] not in broad
    }  # fmt: skip


# ---------------------------------------------------------------------- in order


def test_a_pod_in_order_is_green(tmp_path: Path) -> None:
    found = judge(tmp_path, authorized_subjects=authorized())
    assert states(found) == dict.fromkeys(EVERY, "pass"), red(found)
    inside = found[ROOT]["evidence"][0]["observed"]["inside"]
    assert ["Read-only file system" in one["write"] for one in inside] == [True]
    assert "1 logs read" in found[PROTECTION]["summary"]


def test_without_a_list_of_the_authorised_it_is_pending(tmp_path: Path) -> None:
    assert states(judge(tmp_path, only=[PRODUCTION])) == {PRODUCTION: "pending"}


def test_check_mode_sends_no_probe(tmp_path: Path) -> None:
    found = judge(tmp_path, _ansible_check_mode=True, only=[CONTEXT, ROOT, RESOURCES])
    assert states(found) == {CONTEXT: "pending", RESOURCES: "pass", ROOT: "pending"}


# ---------------------------------------------------------------------- one thing wrong

JWT = ".".join(
    urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"HS256"}', b'{"sub":"12345678"}', b"s" * 32)
)
SETTINGS: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "faulty"}}


def wide_role(*subjects: Object) -> list[Object]:
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "faulty"}
    return [
        {**rbac, "kind": "Role", "metadata": {"name": "faulty"}, "rules": rules},
        {
            **rbac,
            "kind": "RoleBinding",
            "metadata": {"name": "faulty"},
            "roleRef": reference,
            "subjects": list(subjects),
        },
    ]


APP = {"kind": "ServiceAccount", "name": "app", "namespace": OURS}
STRANGER = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "stranger"}
EVERYBODY = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}
OBJECTS = [
    ("a token in a ConfigMap", [{**SETTINGS, "data": {"app.conf": f"retries=3\nheader={JWT}\n"}}], {STORED}),
    ("a Role with wildcards for the pods' account", wide_role(APP), {PROTECTION, ACCOUNTS, PRODUCTION}),
    ("a Role with wildcards for everybody", wide_role(EVERYBODY), {PROTECTION, PRODUCTION}),
    ("a stranger", wide_role(STRANGER), {PRODUCTION}),
    ("a quota that is short", [{
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "faulty"},
        "spec": {"hard": {"limits.memory": "16Mi"}},
    }], {RESOURCES}),
]  # fmt: skip


@pytest.mark.parametrize(("objects", "wanted"), [row[1:] for row in OBJECTS], ids=[row[0] for row in OBJECTS])
def test_an_object_that_is_wrong(tmp_path: Path, objects: list[Object], wanted: set[str]) -> None:
    listed = authorized()
    apply(*objects)
    try:
        if objects[0]["kind"] == "ResourceQuota":
            name = "jsonpath={.status.hard.limits\\.memory}"
            kube("wait", "resourcequota/faulty", "-n", OURS, f"--for={name}=16Mi", "--timeout=60s")
        found = judge(tmp_path, authorized_subjects=listed)
        assert red(found).keys() == wanted
        assert JWT not in json.dumps(found)
    finally:
        for one in objects:
            kube("delete", one["kind"], one["metadata"]["name"], "-n", OURS)


PODS = [
    ("a password in env", container(env=[{"name": "DB_PASSWORD", "value": PASSWORD}]), {STORED}),
    ("a Secret's value in the log", container(command=["sh", "-c", f'echo "db $DB_PASSWORD"; {WAIT}']), {PROTECTION}),
    ("privileged", container(securityContext={"privileged": True, "readOnlyRootFilesystem": True}), {CONTEXT}),
    ("root, by the image", {**POD, "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, {CONTEXT}),
    ("hostPath", {**POD, "volumes": [*POD["volumes"], {"name": "h", "hostPath": {"path": "/usr"}}]}, {CONTEXT}),
    ("no limits", container(resources={}), {RESOURCES}),
    ("a root that can be written", container(securityContext={**RESTRICTED, "readOnlyRootFilesystem": False}), {ROOT}),
    ("an emptyDir over /opt", container(volumeMounts=[{"name": "tmp", "mountPath": "/opt"}]), {ROOT}),
    ("a mounted token", {**POD, "automountServiceAccountToken": True}, {PROTECTION}),
    ("the default account", {**POD, "serviceAccountName": "default"}, {ACCOUNTS}),
]


@pytest.mark.parametrize(("pod", "wanted"), [row[1:] for row in PODS], ids=[row[0] for row in PODS])
def test_a_pod_that_is_wrong(tmp_path: Path, pod: Object, wanted: set[str]) -> None:
    standard("privileged")  # so that the cluster takes it; what is enforced is told besides
    roll_out(pod)
    standard("restricted")
    found = judge(tmp_path, authorized_subjects=authorized())
    assert red(found).keys() == wanted, red(found)


def test_an_exception_is_told_and_ends(tmp_path: Path) -> None:
    roll_out(container(securityContext={**RESTRICTED, "readOnlyRootFilesystem": False}))
    excepted = {
        "workload": "Deployment/api",
        "container": "app",
        "control": ROOT,
        "reason": "it writes",
        "until": "2999-12-31",
    }
    found = judge(tmp_path, only=[ROOT], exceptions=[excepted])[ROOT]
    assert found["state"] == "pass"
    assert any("excepted until 2999-12-31: it writes" in one for one in found["weaker"])
    assert states(judge(tmp_path, only=[ROOT], exceptions=[{**excepted, "until": "2020-01-01"}])) == {ROOT: "fail"}


# ---------------------------------------------------------------------- little permission


def test_an_account_of_the_namespace_judges_what_it_sees_and_names_what_it_lacks(tmp_path: Path) -> None:
    roll_out(POD)
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    core = ["pods", "configmaps", "services", "serviceaccounts", "secrets", "resourcequotas", "limitranges"]
    rules = [
        {"apiGroups": [""], "resources": core, "verbs": ["list"]},
        {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets", "daemonsets"], "verbs": ["list"]},
        {"apiGroups": ["batch"], "resources": ["jobs", "cronjobs"], "verbs": ["list"]},
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["list"]},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["list"]},
    ]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "verifier"}
    subject = {"kind": "ServiceAccount", "name": "verifier", "namespace": OURS}
    apply(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "verifier"},
            "automountServiceAccountToken": False,
        },
        {**rbac, "kind": "Role", "metadata": {"name": "verifier"}, "rules": rules},
        {**rbac, "kind": "RoleBinding", "metadata": {"name": "verifier"}, "roleRef": reference, "subjects": [subject]},
    )
    try:
        view = json.loads(kube("config", "view", "--raw", "-o", "json"))["clusters"][0]["cluster"]
        authority = tmp_path / "ca.crt"
        authority.write_text(
            kube("get", "configmap", "kube-root-ca.crt", "-n", OURS, "-o", "jsonpath={.data.ca\\.crt}")
        )
        token = kube("create", "token", "verifier", "-n", OURS).strip()
        found = judge(tmp_path, kubeconfig=None, host=view["server"], api_key=token, ca_cert=str(authority))
        assert token not in json.dumps(found)
        assert states(found) == {
            STORED: "pass", PROTECTION: "pending", CONTEXT: "pending", RESOURCES: "pass", ROOT: "pass",
            PRODUCTION: "pending", ACCOUNTS: "pending",
        }, red(found) | {one: told["summary"] for one, told in found.items()}  # fmt: skip
        assert "clusterroles" in found[ACCOUNTS]["summary"]
        assert 'cannot get resource "namespaces"' in found[CONTEXT]["summary"]
        assert "not looked inside: Not permitted" in found[ROOT]["summary"]
    finally:
        for kind in ("rolebinding", "role", "serviceaccount"):
            kube("delete", kind, "verifier", "-n", OURS)
