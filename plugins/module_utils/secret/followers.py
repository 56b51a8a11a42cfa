# Finds the workloads that read a Secret, how they read it, and which of them still run with an older value; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, Object, identity
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_template
from ansible_collections.bytebot.production.plugins.module_utils.secret.rotation import parsed, stamp

RESTARTABLE = ("Deployment", "StatefulSet", "DaemonSet")
_PREFIX = "secret.bytebot.production/"
_LONGEST = 63  # characters of an annotation's name after its prefix


class Way(StrEnum):
    """How a container reads a Secret. Only a mounted volume follows a change while the container runs."""

    ENVIRONMENT = "environment"
    SUB_PATH = "sub_path"
    MOUNT = "mount"


@dataclass(frozen=True, slots=True)
class Reading:
    """One place where a pod reads a Secret; ``key`` is None where it takes all keys."""

    way: Way
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Follower:
    """A workload that reads the Secret.

    :param times: when each key got its value, as the Secret records it.
    """

    workload: Object
    readings: frozenset[Reading]
    secret: str
    times: Mapping[str, datetime]
    remade: bool = False

    @property
    def identity(self) -> Identity:
        return identity(self.workload)

    @property
    def ways(self) -> list[str]:
        return sorted({str(reading.way) for reading in self.readings})

    @property
    def held_until_restart(self) -> frozenset[Reading]:
        """The readings that see a new value only in a new pod; all of them where the Secret was deleted and made anew,
        since the kubelet does not watch an immutable one."""
        return frozenset(one for one in self.readings if self.remade or one.way is not Way.MOUNT)

    @property
    def of(self) -> datetime | None:
        """When the newest of the values that it reads was made; None where that is not known of any."""
        return max((time for key, time in self.times.items() if self._reads(key)), default=None)

    def reads_any(self, keys: Iterable[str]) -> bool:
        """Whether a change of these keys reaches it by a restart only."""
        return any(self._reads(key) for key in keys)

    def behind(self, touched: Set[str], pods: Iterable[Object]) -> bool:
        """Whether it has to be restarted: it reads what was ``touched`` now, or runs with what is older.

        The second heals what an earlier run left undone. Its own mark of the values' time is believed before the pods'
        age, since two clocks may differ.
        """
        if self.reads_any(touched):
            return True
        newest, marked = self.of, parsed(self.mark)
        if newest is None or (marked and marked >= newest):
            return False
        begun = [parsed((pod.get("metadata") or {}).get("creationTimestamp")) for pod in pods]
        second = newest.replace(microsecond=0)  # the API tells a pod's age in whole seconds
        return any(time < second for time in begun if time)

    @property
    def mark(self) -> str:
        """The time of the values that its pods were last restarted for."""
        template = pod_template(self.workload) or {}
        return str(((template.get("metadata") or {}).get("annotations") or {}).get(annotation(self.secret), ""))

    def patch(self, now: datetime) -> Object:
        """What makes its controller replace its pods."""
        marked = {"annotations": {annotation(self.secret): stamp(self.of or now)}}
        return {"spec": {"template": {"metadata": marked}}}

    def _reads(self, key: str) -> bool:
        return any(one.key in (None, key) for one in self.held_until_restart)


def annotation(secret: str) -> str:
    """The annotation of a pod template that tells of which time the values of a Secret are.

    A time and no checksum: a checksum would let anybody who may read the workload try values against it.
    """
    if len(secret) <= _LONGEST:
        return f"{_PREFIX}{secret}"
    return f"{_PREFIX}{secret[: _LONGEST - 17].rstrip('.-')}-{sha256(secret.encode()).hexdigest()[:16]}"


def readings(workload: Mapping[str, Any], secret: str) -> frozenset[Reading]:
    """All places where a workload's pods read a Secret."""
    spec = (pod_template(workload) or {}).get("spec") or {}
    volumes = {str(one.get("name")): one for one in spec.get("volumes") or [] if _keys(one, secret) is not None}
    found: set[Reading] = set()
    for group in ("initContainers", "containers"):
        for container in spec.get(group) or []:
            found |= set(_environment(container, secret))
            for mount in container.get("volumeMounts") or []:
                volume = volumes.get(str(mount.get("name")))
                way = Way.SUB_PATH if mount.get("subPath") or mount.get("subPathExpr") else Way.MOUNT
                found |= {Reading(way, key) for key in _keys(volume or {}, secret) or ()}
    return frozenset(found)


def _environment(container: Mapping[str, Any], secret: str) -> Iterator[Reading]:
    for variable in container.get("env") or []:
        reference = (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
        if reference.get("name") == secret:
            yield Reading(Way.ENVIRONMENT, str(reference.get("key")))
    if any((one.get("secretRef") or {}).get("name") == secret for one in container.get("envFrom") or []):
        yield Reading(Way.ENVIRONMENT)


def _keys(volume: Mapping[str, Any], secret: str) -> Set[str | None] | None:
    """The keys that a volume takes of a Secret (None for all); None where it takes nothing of it."""
    sources = [one.get("secret") or {} for one in (volume.get("projected") or {}).get("sources") or []]
    named = [one for one in sources if one.get("name") == secret]
    named += [one for one in [volume.get("secret") or {}] if one.get("secretName") == secret]
    if not named:
        return None
    taken: set[str | None] = set()
    for one in named:
        items = one.get("items") or []
        taken |= {str(item.get("key")) for item in items} if items else {None}
    return taken
