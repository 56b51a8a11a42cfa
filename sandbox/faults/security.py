# Faults in how the namespace keeps its secrets and containers: a workload, Secret or bound of its own that is wrong.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from typing import Any

from sandbox.api import ApiError
from sandbox.faults.fault import NAMESPACE, Act, Fault, Hands
from sandbox.faults.secrets import EXTRA, gone
from sandbox.files import b64

_SECRETS, _CONTAINERS = "security_configuration.secrets", "security_configuration.containers"
STORED, PROTECTION = f"{_SECRETS}.stored", f"{_SECRETS}.protection"
CONTEXT, RESOURCES, ROOT = (f"{_CONTAINERS}.{item}" for item in ("context", "resources", "read_only_root"))
PRODUCTION = "team.access.production"
CORE = f"/api/v1/namespaces/{NAMESPACE}"
RBAC = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}"
OTHER = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/sandbox-other"
OTHER_POLICY = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies/sandbox-other"
PODS = f"{CORE}/pods?labelSelector=app%3Dsandbox-other"
SETTINGS, BOUNDS = f"{CORE}/configmaps/sandbox-settings", f"{CORE}/limitranges/sandbox-bounds"
MAKERS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/externalsecrets.external-secrets.io"
MADE = f"/apis/external-secrets.io/v1/namespaces/{NAMESPACE}/externalsecrets"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
SAFE = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
POD: dict[str, Any] = {
    "serviceAccountName": "bytebot-service-account",
    "automountServiceAccountToken": False,
    "terminationGracePeriodSeconds": 0,
    "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}
ONE: dict[str, Any] = {
    "name": "other",
    "command": ["sleep", "86400"],
    "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}, "limits": {"cpu": "50m", "memory": "32Mi"}},
    "securityContext": SAFE,
    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
}


# ---------------------------------------------------------------------------- a workload of its own


def other(replicas: int = 0, pod: Mapping[str, Any] | None = None, **container: Any) -> Act:
    """A further Deployment that is in order but for what is given, and may talk to nobody; without replicas it is a
    description only.
    """

    def act(hands: Hands) -> None:
        labels = {"app": "sandbox-other"}
        containers = [{**ONE, "image": f"{hands.settings.registry_name}/base:1", **container}]
        template = {"metadata": {"labels": labels}, "spec": {**POD, "containers": containers, **(pod or {})}}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        meta = {"name": "sandbox-other", "namespace": NAMESPACE}
        shut = {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress", "Egress"]}
        hands.apply(
            OTHER_POLICY,
            {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": shut},
        )
        hands.apply(OTHER, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})

    return act


def no_other(hands: Hands) -> None:
    """The further Deployment is no more, nor its pods."""
    hands.delete(OTHER)
    hands.until(lambda: not hands.cluster.items(PODS), "its pods are gone")
    hands.delete(OTHER_POLICY)


def _fresh() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _password_in_env(hands: Hands) -> None:
    other(env=[{"name": "DATABASE_PASSWORD", "value": _fresh()}])(hands)


def _prints(hands: Hands) -> None:
    """It says at its start what it signs in with."""
    reference = {"secretKeyRef": {"name": "bytebot-redis-secret", "key": "password"}}
    command = ["sh", "-c", 'echo "signing in with $REDIS_PASSWORD"; exec sleep 86400']
    other(1, command=command, env=[{"name": "REDIS_PASSWORD", "valueFrom": reference}])(hands)
    hands.until(lambda: hands.rolled_out(OTHER), "it runs")


def _root_by_image(hands: Hands) -> None:
    """Nothing names a user but the image, which names none, so the kubelet does not start it."""
    other(1, pod={"securityContext": {**POD["securityContext"], "runAsUser": None}})(hands)
    hands.until(lambda: _waits(hands, "CreateContainerConfigError"), "the kubelet refuses it")


def _waits(hands: Hands, reason: str) -> bool:
    found = [
        (status.get("state", {}).get("waiting") or {}).get("reason")
        for pod in hands.cluster.items(PODS)
        for status in pod["status"].get("containerStatuses", [])
    ]
    return bool(found) and all(one == reason for one in found)


def _without_limits(hands: Hands) -> None:
    """Its request is larger than what a LimitRange makes the limit of those that say none."""
    bounds = {"limits": [{"type": "Container", "default": {"memory": "64Mi"}}]}
    meta = {"name": BOUNDS.rpartition("/")[2], "namespace": NAMESPACE}
    hands.apply(BOUNDS, {"apiVersion": "v1", "kind": "LimitRange", "metadata": meta, "spec": bounds})
    other(resources={"requests": {"cpu": "5m", "memory": "128Mi"}, "limits": {"cpu": "50m"}})(hands)


def _no_limits_more(hands: Hands) -> None:
    no_other(hands)
    hands.delete(BOUNDS)


# ---------------------------------------------------------------------------- where secrets stand


def _token_in_settings(hands: Hands) -> None:
    """A signed token of nobody, in a ConfigMap."""
    parts = (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"nobody","role":"admin"}', secrets.token_bytes(32))
    token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    settings(hands, {"service.conf": f"retries=3\nauthorization={token}\n"})


def settings(hands: Hands, data: Mapping[str, str]) -> None:
    """A further ConfigMap."""
    meta = {"name": SETTINGS.rpartition("/")[2], "namespace": NAMESPACE}
    hands.apply(SETTINGS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": dict(data)})


def no_settings(hands: Hands) -> None:
    """The further ConfigMap is no more."""
    hands.delete(SETTINGS)


def _not_synced(hands: Hands) -> None:
    """An operator's object that says of itself that it has not made its Secret; there is no operator."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"kind": "ExternalSecret", "plural": "externalsecrets", "singular": "externalsecret"}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    spec = {"group": "external-secrets.io", "scope": "Namespaced", "names": names, "versions": [version]}
    meta = {"name": MAKERS.rpartition("/")[2]}
    head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    hands.apply(MAKERS, {**head, "metadata": meta, "spec": spec})
    hands.until(lambda: _serves(hands), "the API serves it")
    condition = {"type": "Ready", "status": "False", "message": "could not get secret data from provider"}
    one = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": EXTRA, "namespace": NAMESPACE},
        "spec": {"target": {"name": EXTRA}},
        "status": {"conditions": [condition]},
    }
    hands.apply(f"{MADE}/{EXTRA}", one)


def _no_makers(hands: Hands) -> None:
    hands.delete(MAKERS)
    hands.until(lambda: not _serves(hands), "the API no longer serves it")


def _serves(hands: Hands) -> bool:
    """Whether the API answers for that kind; while its storage is set up it refuses."""
    try:
        return hands.cluster.get(MADE) is not None
    except ApiError:
        return False


def _in_last_applied(hands: Hands) -> None:
    """As a kubectl apply on the client leaves it: the annotation repeats the data."""
    meta: dict[str, Any] = {"name": EXTRA, "namespace": NAMESPACE}
    one: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"password": b64(_fresh())}}
    meta["annotations"] = {LAST_APPLIED: json.dumps(one)}
    hands.apply(f"{CORE}/secrets/{EXTRA}", {**one, "metadata": meta})


# ---------------------------------------------------------------------------- who may do what


def granted(subject: Mapping[str, str], rules: list[dict[str, list[str]]]) -> Act:
    """A Role with these rules for a subject."""

    def act(hands: Hands) -> None:
        head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "sandbox-wide"}}
        hands.apply(f"{RBAC}/roles/sandbox-wide", {**head, "kind": "Role", "rules": rules})
        bound = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "sandbox-wide"}
        body = {**head, "kind": "RoleBinding", "roleRef": bound, "subjects": [dict(subject)]}
        hands.apply(f"{RBAC}/rolebindings/sandbox-wide", body)

    return act


def not_granted(hands: Hands) -> None:
    """The Role and its binding are no more."""
    hands.delete(f"{RBAC}/rolebindings/sandbox-wide")
    hands.delete(f"{RBAC}/roles/sandbox-wide")


EVERYBODY = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}
READ_SECRETS = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]
HOST = {"volumes": [*POD["volumes"], {"name": "node", "hostPath": {"path": "/var/log"}}]}
ADDED = {**SAFE, "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}

# The gate of stage deploy does not look at these controls, so it stays open.
FAULTS = (
    Fault(
        name="password_in_env", says="a password stands in a workload's plain variable", layer="cluster",
        turns_red=(STORED,), shuts=False, put=_password_in_env, heal=no_other,
    ),
    Fault(
        name="token_in_config_map", says="a token stands in a ConfigMap", layer="cluster", turns_red=(STORED,),
        shuts=False, put=_token_in_settings, heal=no_settings,
    ),
    Fault(
        name="external_secret_not_synced", says="what makes a Secret from outside is not in step", layer="cluster",
        turns_red=(STORED,), shuts=False, put=_not_synced, heal=_no_makers,
    ),
    Fault(
        name="secrets_readable_by_wide_role", says="everybody who signs in to the cluster may read the Secrets",
        layer="cluster", turns_red=(PROTECTION, PRODUCTION), shuts=False, put=granted(EVERYBODY, READ_SECRETS),
        heal=not_granted,
    ),
    Fault(
        name="secret_printed_at_start", says="a container prints a password when it starts", layer="cluster",
        turns_red=(PROTECTION,), shuts=False, put=_prints, heal=no_other,
    ),
    Fault(
        name="secret_in_last_applied", says="an annotation repeats what a Secret holds", layer="cluster",
        turns_red=(PROTECTION,), shuts=False, put=_in_last_applied, heal=gone,
    ),
    Fault(
        name="root_image_without_user", says="a container must not be root, and its image names no other user",
        layer="cluster", turns_red=(CONTEXT,), shuts=False, put=_root_by_image, heal=no_other,
    ),
    Fault(
        name="workload_privileged", says="a workload's container is privileged", layer="cluster",
        turns_red=(CONTEXT,), shuts=False, heal=no_other,
        put=other(securityContext={"privileged": True, "readOnlyRootFilesystem": True}),
    ),
    Fault(
        name="host_path_mounted", says="a workload mounts a folder of the node", layer="cluster", turns_red=(CONTEXT,),
        shuts=False, put=other(pod=HOST), heal=no_other,
    ),
    Fault(
        name="capability_added", says="a workload's container has a capability more", layer="cluster",
        turns_red=(CONTEXT,), shuts=False, put=other(securityContext=ADDED), heal=no_other,
    ),
    Fault(
        name="workload_without_resources", says="a workload's container has neither requests nor limits",
        layer="cluster", turns_red=(RESOURCES,), shuts=False, put=other(resources={}), heal=no_other,
    ),
    Fault(
        name="request_above_limit", says="a container asks for more memory than the namespace lets it have",
        layer="cluster", turns_red=(RESOURCES,), shuts=False, put=_without_limits, heal=_no_limits_more,
    ),
    Fault(
        name="root_filesystem_writable", says="a workload's container can write its root filesystem", layer="cluster",
        turns_red=(ROOT,), shuts=False, put=other(securityContext={**SAFE, "readOnlyRootFilesystem": False}),
        heal=no_other,
    ),
    Fault(
        name="root_path_under_empty_dir", says="a volume that can be written lies over a path of the system",
        layer="cluster", turns_red=(ROOT,), shuts=False, put=other(volumeMounts=[{"name": "tmp", "mountPath": "/opt"}]),
        heal=no_other,
    ),
)  # fmt: skip
