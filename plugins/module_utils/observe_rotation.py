# Sees how old the Secrets of a release are, and whether what reads them runs with their values.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import RolloutFacts, pods_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.rotation_facts import Age
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_strength import is_secret_key
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.observe_secrets import (
    TYPES,
    read_secrets,
    referenced,
    released_objects,
)
from ansible_collections.bytebot.production.plugins.module_utils.secret.followers import (
    RESTARTABLE,
    Follower,
    readings,
)
from ansible_collections.bytebot.production.plugins.module_utils.secret.keep import MADE_AT
from ansible_collections.bytebot.production.plugins.module_utils.secret.plan import known_times
from ansible_collections.bytebot.production.plugins.module_utils.secret.rotation import PREVIOUS, parsed

Object = dict[str, Any]


def secrets_of(
    cluster: Cluster, namespace: str, release: str, named: Iterable[str]
) -> tuple[list[Object], list[str], dict[str, str], str]:
    """The Secrets that are named or that the release refers to, those that are not there, and those not to be read.

    The last is why it is not known to which the release refers; empty where it is.
    """
    objects, released, problem = released_objects(cluster, release, namespace)
    names = dict.fromkeys((*named, *(name for one in objects for name in referenced(one))))
    why = problem.rstrip(".") if problem else "" if released else f"release {release} is not deployed"
    return (*read_secrets(cluster, namespace, names), why)


def ages_of(secrets: Iterable[Object]) -> tuple[Age, ...]:
    """Of each Secret with secret values, when they were made. No value is looked at."""
    return tuple(age for one in secrets if one.get("type", "Opaque") in TYPES and (age := age_of(one)).made)


def age_of(secret: Mapping[str, Any]) -> Age:
    """When the secret values of one Secret were made."""
    meta, keys = secret["metadata"], list(secret.get("data") or {})
    recorded = known_times((meta.get("annotations") or {}).get(MADE_AT, ""))
    since = parsed(meta.get("creationTimestamp"))
    made = {key: when for key in keys if _is_secret(key) and (when := recorded.get(key, since))}
    before = tuple(key.removesuffix(PREVIOUS) for key in keys if key.endswith(PREVIOUS))
    return Age(str(meta["name"]), made, bool(recorded), before)


def _is_secret(key: str) -> bool:
    return not key.endswith(PREVIOUS) and (is_secret_key(key) or key.endswith((".key", "-private-key")))


@dataclass(frozen=True, slots=True)
class Readers:
    """What reads Secrets at its start only, in words.

    :param late: workloads whose pods began before a value that they read; :param undated: those of which that is not
        known, since nothing records when the value was made; :param unseen: why it is not known of all.
    """

    late: tuple[str, ...] = ()
    undated: tuple[str, ...] = ()
    unseen: str = ""


def behind(cluster: Cluster, namespace: str, secrets: Sequence[Object]) -> Readers:
    """Which workloads run with an older value than a Secret has."""
    try:
        workloads = [one for kind in RESTARTABLE for one in cluster.list("apps/v1", kind, namespace)]
        sets = tuple(cluster.list("apps/v1", "ReplicaSet", namespace))
        pods = tuple(cluster.list("v1", "Pod", namespace))
    except NotPermitted as exc:
        return Readers(unseen=f"who reads them is not known ({exc.sentence.rstrip('.')})")
    late: list[str] = []
    undated: list[str] = []
    for secret in secrets:
        meta = secret["metadata"]
        times = known_times((meta.get("annotations") or {}).get(MADE_AT, ""))
        for workload in workloads:
            one = Follower(workload, readings(workload, str(meta["name"])), str(meta["name"]), times)
            mine = pods_of(workload, RolloutFacts((one.identity,), {one.identity: workload}, pods, sets))
            if one.readings and one.behind(frozenset(), mine):
                late.append(f"{one.identity} runs with an older value than Secret {meta['name']} has")
            elif (keys := _undated(one, secret)) and _began_before(_written(secret), mine):
                undated.append(
                    f"whether {one.identity} runs with the value of {', '.join(keys)} in Secret {meta['name']} is not "
                    "known, since nothing records when that was made"
                )
    return Readers(tuple(late), tuple(undated))


def _undated(one: Follower, secret: Mapping[str, Any]) -> list[str]:
    """The secret values without a recorded time that a workload sees in a new pod only."""
    return [
        key for key in secret.get("data") or {} if _is_secret(key) and key not in one.times and one.reads_any([key])
    ]


def _written(secret: Mapping[str, Any]) -> datetime | None:
    """When data of a Secret were changed last, at the latest, as the API server keeps it; None where it does not."""
    wrote = [one for one in secret["metadata"].get("managedFields") or [] if "f:data" in (one.get("fieldsV1") or {})]
    times = [parsed(one.get("time")) for one in wrote]
    known = [time for time in times if time]
    return max(known) if known and len(known) == len(times) else None


def _began_before(time: datetime | None, pods: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a pod began before a time, or may have."""
    begun = [parsed((pod.get("metadata") or {}).get("creationTimestamp")) for pod in pods]
    return any(time is None or one is None or one < time.replace(microsecond=0) for one in begun)
