# Asks pgBackRest or barman, inside the pod where it runs, what it says of its backups.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.backup import PGBACKREST, BackupSeen
from ansible_collections.bytebot.production.plugins.module_utils.checks.backup_tools import (
    barman_seen,
    cause_of,
    newest_failed,
    pgbackrest_seen,
    unread,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.inside import Done, run_inside
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, NotPermitted, NotThere

PATIENCE_S = 60.0  # barman check ends after check_timeout, which is 30 seconds by default
_GRANT = "Let the account get and list pods and exec into them there, as roles/backup/files/drill-rbac.yaml does."
_POD = "Name the pod where the tool runs, or a selector of it (in the inventory: bytebot_backup)."
_BY_HAND = "Run it there by hand (kubectl exec), and name the container that has it (in the inventory: bytebot_backup)."
_NO_PROGRAM = ("executable file not found", "not found in $PATH")  # of a container runtime
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


@dataclass(frozen=True, slots=True)
class ToolPlace:
    """Where a tool runs.

    :param pod: its name, or a label selector; :param container: empty for the pod's default one.
    :param name: the stanza of pgBackRest, or the server of barman.
    """

    kind: str
    namespace: str
    pod: str
    name: str
    container: str = ""

    @property
    def where(self) -> str:
        """It in words, which do not change with the pod that answers."""
        what = f"pgBackRest's stanza {self.name}" if self.kind == PGBACKREST else f"barman's server {self.name}"
        if is_selector(self.pod):
            return f"{what} in the pods {self.pod} of namespace {self.namespace}"
        return f"{what} in pod {self.namespace}/{self.pod}"


class _Unread(Exception):
    """Nothing can be known, and why."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.why, self.remedy = why, remedy


def is_selector(pod: str) -> bool:
    """Whether that is a label selector; a pod's name has none of these."""
    return any(sign in pod for sign in "=!, ")


def look_at_tool(cluster: Cluster, place: ToolPlace) -> BackupSeen:
    """Look once. Whatever is in the way is told, and nothing is taken for good then."""
    try:
        return _looked(cluster, place)
    except _Unread as exc:
        return unread(place.kind, place.where, exc.why, exc.remedy)
    except NotPermitted as exc:
        return unread(place.kind, place.where, exc.sentence, _GRANT)
    except CollectionError as exc:
        return unread(place.kind, place.where, exc.sentence, _POD)


def not_asked(place: ToolPlace) -> BackupSeen:
    """What check mode knows."""
    why = "to ask it needs a probe in that pod, and check mode sends none"
    return unread(place.kind, place.where, why, "Run without check mode.")


def _looked(cluster: Cluster, place: ToolPlace) -> BackupSeen:
    pod, container = _target(cluster, place)

    def asked(*words: str) -> str:
        return _said(
            run_inside(cluster, place.namespace, pod, container, words, patience_s=PATIENCE_S), words[0], container
        )

    if place.kind == PGBACKREST:
        # Its own settings may log to the console, which is where its answer goes.
        quiet = ("--log-level-console=off", "--log-level-file=off")
        said = asked("pgbackrest", f"--stanza={place.name}", *quiet, "info", "--output=json")
        return pgbackrest_seen(place.where, place.name, said)

    def further(*words: str) -> str:
        """What it says beside its list, which is judged also where that cannot be had; then why."""
        try:
            return asked("barman", "-f", "json", *words)
        except _Unread as exc:
            return exc.why
        except CollectionError as exc:
            return exc.sentence

    listed = asked("barman", "-f", "json", "list-backups", place.name)
    failed = newest_failed(place.name, listed)
    shown = further("show-backup", place.name, failed) if failed else ""
    return barman_seen(place.where, place.name, listed, further("check", place.name), cause_of(place.name, shown))


def _said(done: Done, program: str, container: str) -> str:
    """What it printed. One that ends with an error may have answered all the same, as ``barman check`` does."""
    if done.out.lstrip()[:1] in ("{", "["):
        return done.out
    if any(word in done.problem for word in _NO_PROGRAM) and program in done.problem:
        raise _Unread(f"container {container} has no program {program}", _BY_HAND)
    if done.problem:
        raise _Unread(f"{program} did not end well: {done.problem}", _BY_HAND)
    return done.out


def _target(cluster: Cluster, place: ToolPlace) -> tuple[str, str]:
    """A pod that runs, a ready one before others, and the container."""
    if is_selector(place.pod):
        found = [one for one in cluster.list("v1", "Pod", place.namespace, labels=place.pod) if _runs(one)]
        if not found:
            raise NotThere(f"No pod {place.pod} runs in namespace {place.namespace}.")
        pod = min(found, key=lambda one: (not _ready(one), str(one["metadata"]["name"])))
    else:
        pod = cluster.get("v1", "Pod", place.pod, place.namespace) or {}
        if not pod:
            raise NotThere(f"There is no pod {place.pod} in namespace {place.namespace}.")
        if not _runs(pod):
            phase = (pod.get("status") or {}).get("phase") or "no phase"
            raise NotThere(f"Pod {place.namespace}/{place.pod} does not run ({phase}).")
    return str(pod["metadata"]["name"]), _container(pod, place)


def _container(pod: Mapping[str, Any], place: ToolPlace) -> str:
    names: Sequence[str] = [str(one["name"]) for one in pod["spec"]["containers"]]
    wanted = place.container or str((pod["metadata"].get("annotations") or {}).get(_DEFAULT_CONTAINER) or names[0])
    if wanted not in names:
        raise NotThere(f"Pod {pod['metadata']['name']} has no container {wanted}; it has {', '.join(names)}.")
    return wanted


def _runs(pod: Mapping[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
