# The namespace of a restore drill: one that is marked as such, with a quota and no network; no other is ever touched.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.backup.tools_pod import DRILL
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    InputError,
    NotPermitted,
    NotThere,
    Refused,
)
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import MANAGER, SCRATCH, ending_on_signals

Object = dict[str, Any]
NAME = "bytebot-restore-drill"
MARK = {SCRATCH: DRILL}
LABELS = {"app.kubernetes.io/managed-by": MANAGER, **MARK}
SELECTOR = f"{SCRATCH}={DRILL}"
# What is really made; of all else the API server only says what it would store (see docs/backup.md).
REAL = {
    "ConfigMap": "v1",
    "Secret": "v1",
    "ServiceAccount": "v1",
    "PodDisruptionBudget": "policy/v1",
    "Role": "rbac.authorization.k8s.io/v1",
}


@contextlib.contextmanager
def scratch_namespace(cluster: Cluster, name: str, production: str) -> Iterator[bool]:
    """A namespace for the drill, empty of what an earlier one left; whether it was made for it, and goes with it.

    :raises InputError: it is that of the release, or it is there and does not bear the mark.
    :raises NotPermitted: it is not there, and this account may make none.
    """
    if name == production:
        raise InputError(f"The drill's namespace {name} is that of the release; a drill never touches it.")
    with ending_on_signals():
        found = cluster.get("v1", "Namespace", name)
        if found is not None:
            _refuse_unmarked(found, name)
            _emptied(cluster, name)
        else:
            cluster.create(_namespace(name))
        try:
            _fenced(cluster, name)
            yield found is None
        finally:
            if found is None:
                cluster.delete("v1", "Namespace", name)
            else:
                _emptied(cluster, name)


def _refuse_unmarked(found: Mapping[str, Any], name: str) -> None:
    meta = found.get("metadata") or {}
    if not MARK.items() <= (meta.get("labels") or {}).items():
        raise InputError(
            f"Namespace {name} is there and does not bear the label {SELECTOR}, so it is no drill's; nothing was "
            "restored. Name another one, or give it that label if nothing else is in it."
        )
    if meta.get("deletionTimestamp"):
        raise Refused(f"Namespace {name} is still being removed; try again when it is gone.")


def _fenced(cluster: Cluster, name: str) -> None:
    """A quota and a policy that lets nothing in or out; where an administrator has set them, they stay as they are."""
    for wanted in (_policy(name), _quota(name)):
        if cluster.get(wanted["apiVersion"], wanted["kind"], wanted["metadata"]["name"], name) is None:
            cluster.create(wanted)


def _emptied(cluster: Cluster, name: str) -> None:
    """Without what a drill has made there, now or before it was killed."""
    for kind, version in REAL.items():
        try:
            found = cluster.list(version, kind, name, labels=SELECTOR)
        except (NotThere, NotPermitted):
            continue
        for one in found:
            if MARK.items() <= (one["metadata"].get("labels") or {}).items():
                cluster.delete(version, kind, one["metadata"]["name"], name)


def _namespace(name: str) -> Object:
    standard = "pod-security.kubernetes.io/enforce"
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {**LABELS, standard: "restricted"}},
    }


def _policy(name: str) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "bytebot-drill-deny", "namespace": name, "labels": LABELS},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }


def _quota(name: str) -> Object:
    hard = {"pods": "4", "count/secrets": "500", "count/configmaps": "500"}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "bytebot-drill", "namespace": name, "labels": LABELS},
        "spec": {"hard": hard},
    }
