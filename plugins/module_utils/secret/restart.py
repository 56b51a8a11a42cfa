# Restarts the workloads that read a changed Secret, and watches them until they run with it or certainly do not.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.apply import MANAGER, naming
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import RolloutFacts, pods_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    NotPermitted,
    RolloutFailed,
    TimedOut,
)
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, Object
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience, RolloutWatch
from ansible_collections.bytebot.production.plugins.module_utils.secret.followers import RESTARTABLE, Follower, readings
from ansible_collections.bytebot.production.plugins.module_utils.secret.write import MERGE_PATCH

RESTARTED, CURRENT, BY_ITSELF, PAUSED, HELD = "restarted", "current", "by_itself", "paused", "held"


@dataclass(frozen=True, slots=True)
class Changed:
    """A Secret after a run.

    :param times: when each of its keys got its value.
    :param touched: the keys that got another value in this run.
    :param remade: whether an immutable Secret was deleted and made anew.
    :param hint: what to tell when a workload does not run with the new value; empty for nothing.
    """

    identity: Identity
    times: Mapping[str, datetime]
    touched: Set[str]
    remade: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Restarter:
    """Restarts what reads a Secret. With ``check`` the API server is asked and nothing is stored."""

    cluster: Cluster
    patience: Patience
    check: bool
    now: datetime

    def follow(self, changed: Changed) -> dict[str, Any]:
        """Let every workload of the namespace run with the Secret's values; the part of the result that tells it."""
        found, unseen = self._found(changed)
        told = {one.identity: _told(one, CURRENT if one.held_until_restart else BY_ITSELF) for one in found}
        behind = [one for one in found if one.behind(changed.touched, self._pods(one))]
        for one in behind:
            told[one.identity]["action"] = PAUSED if _paused(one) else RESTARTED
        restarting = [one for one in behind if not _paused(one)]
        result = {"followers": list(told.values()), "unseen": unseen, "changed": bool(restarting)}
        if not restarting:
            return result
        try:
            held = self._restart(restarting)
        except CollectionError as exc:
            exc.details.update(result)
            raise self._explained(exc, changed) from exc
        for name, text in held.items():
            told[name] |= {"action": HELD, "note": text}
        return result

    # ------------------------------------------------------------------

    def _found(self, changed: Changed) -> tuple[list[Follower], list[str]]:
        """The workloads that read the Secret, and the kinds of which this account may not know."""
        found: list[Follower] = []
        unseen: list[str] = []
        secret = changed.identity
        for kind in RESTARTABLE:
            try:
                workloads = self.cluster.list("apps/v1", kind, secret.namespace)
            except NotPermitted:
                unseen.append(kind)
                continue
            for workload in workloads:
                if read := readings(workload, secret.name):
                    found.append(Follower(workload, read, secret.name, changed.times, changed.remade))
        return found, unseen

    def _pods(self, one: Follower) -> list[Object]:
        namespace = one.identity.namespace
        sets = self.cluster.list("apps/v1", "ReplicaSet", namespace) if one.identity.kind == "Deployment" else []
        pods = self.cluster.list("v1", "Pod", namespace)
        facts = RolloutFacts((one.identity,), {one.identity: one.workload}, tuple(pods), tuple(sets))
        return pods_of(one.workload, facts)

    def _restart(self, followers: Sequence[Follower]) -> dict[Identity, str]:
        """Restart and wait; which of them keep old pods by their own strategy."""
        names = [one.identity for one in followers]
        if self.check:
            for one in followers:
                self._patch(one)
            return {}
        watch = RolloutWatch(self.cluster, names[0].namespace, self.patience, replaced=names)
        for one in followers:
            self._patch(one)
        watch.wait(names)
        return {name: text for name in names for text in watch.status.held if text.startswith(f"{name}:")}

    def _patch(self, one: Follower) -> None:
        name = one.identity
        plural, _namespaced = self.cluster.resource("apps/v1", name.kind)
        with naming(name, "restarted"):
            self.cluster.raw(
                "PATCH",
                f"/apis/apps/v1/namespaces/{name.namespace}/{plural}/{name.name}",
                body=one.patch(self.now),
                query={"fieldManager": MANAGER} | ({"dryRun": "All"} if self.check else {}),
                content_type=MERGE_PATCH,
            )

    def _explained(self, exc: CollectionError, changed: Changed) -> CollectionError:
        if not isinstance(exc, (RolloutFailed, TimedOut)):
            return exc
        hint = f" {changed.hint}" if changed.hint else ""
        return type(exc)(
            f"{changed.identity} has its new value, and what reads it does not run with it: {exc.sentence}{hint}",
            **exc.details,
        )


def _told(one: Follower, action: str) -> dict[str, Any]:
    return {"workload": str(one.identity), "reads_by": one.ways, "action": action}


def _paused(one: Follower) -> bool:
    """Whether a Deployment starts no roll-out at all."""
    return bool((one.workload.get("spec") or {}).get("paused"))
