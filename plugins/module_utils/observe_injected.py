# Secrets that never become Secret objects: files that Vault's agent or the Secrets Store CSI driver puts into pods.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Injected
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_template

Object = dict[str, Any]
# Vault, "Agent Injector annotations": what asks for injection, one file each, and what the injector notes when done.
_VAULT = "vault.hashicorp.com/agent-inject"
_FILE, _STATUS, _INIT = f"{_VAULT}-secret-", f"{_VAULT}-status", "vault-agent-init"
CSI_DRIVER = "secrets-store.csi.k8s.io"  # Secrets Store CSI driver, "Usage"


def injected(cluster: Cluster, namespace: str, objects: Iterable[Object]) -> Injected | None:
    """What the release lets others put into its pods, and whether that came about; None where it asks for nothing."""
    asked = list(_asked(objects))
    if not asked:
        return None
    try:
        pods = cluster.list("v1", "Pod", namespace)
    except NotPermitted as exc:
        return Injected(tuple(dict.fromkeys(asked)), unseen=exc.sentence)
    problems, served = [], 0
    for pod in pods:
        metadata = pod.get("metadata") or {}
        if metadata.get("deletionTimestamp") or not list(_of_template({"metadata": metadata, "spec": pod.get("spec")})):
            continue
        problem = _problem(pod)
        served += not problem
        problems += [f"pod {metadata.get('name')}: {problem}"] if problem else []
    return Injected(tuple(dict.fromkeys(asked)), served, tuple(problems))


def _asked(objects: Iterable[Object]) -> Iterator[str]:
    for obj in objects:
        yield from _of_template(pod_template(obj) or {})


def _of_template(template: Mapping[str, Any]) -> Iterator[str]:
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    if str(annotations.get(_VAULT)).lower() == "true":
        files = sorted(key.removeprefix(_FILE) for key in annotations if key.startswith(_FILE))
        yield from (f"Vault file {name}" for name in files or ["of the agent's own configuration"])
    for volume in (template.get("spec") or {}).get("volumes") or []:
        csi = volume.get("csi") or {}
        if csi.get("driver") == CSI_DRIVER:
            yield f"SecretProviderClass {(csi.get('volumeAttributes') or {}).get('secretProviderClass')}"


def _problem(pod: Object) -> str:
    """Why a pod has not got what it asked for; empty where it has."""
    annotations, status = pod["metadata"].get("annotations") or {}, pod.get("status") or {}
    if str(annotations.get(_VAULT)).lower() == "true":
        if annotations.get(_STATUS) != "injected":
            return "the injector has not touched it (is its webhook there, and does it serve this namespace?)"
        for one in status.get("initContainerStatuses") or []:
            state = one.get("state") or {}
            if one.get("name") == _INIT and (state.get("terminated") or {}).get("exitCode") != 0:
                return f"{_INIT} has not fetched the files"
    if status.get("phase") == "Pending":
        return "it has not started, as pods do whose mounts fail"
    return ""
