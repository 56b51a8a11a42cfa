# Lets only one run of an environment write at a time, wherever it runs: a Lease in the cluster that keeps the record.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Object
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import moment, rfc3339
from ansible_collections.bytebot.production.plugins.plugin_utils.record.lock import Locked, Owner
from ansible_collections.bytebot.production.plugins.plugin_utils.record.objects import Changed, Objects

RUN = "bytebot.production/run"  # the annotation that names the run
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Holder:
    """A process of some machine. Machines and containers may share a name, so they are told apart by more."""

    owner: Owner
    pids: str

    @classmethod
    def of(cls, owner: Owner) -> Holder:
        """A process of this machine."""
        return cls(owner, _pid_namespace())

    @classmethod
    def parsed(cls, identity: str) -> Holder | None:
        """The holder whose :attr:`identity` it is; ``None`` where it is none of ours."""
        parts = identity.split("/")
        match parts:
            case host, process, began, namespace if process.isdecimal():
                return cls(Owner(int(process), host, began), namespace)
        return None

    @property
    def identity(self) -> str:
        """As it stands in the Lease: host, id, boot and tick at which it began, and the namespace of its id."""
        return f"{self.owner.host}/{self.owner.pid}/{self.owner.process}/{self.pids}"

    @property
    def known_dead(self) -> bool:
        """Whether it has certainly ended. Only a process of the same boot and the same process ids can be asked."""
        mine = Owner.of(os.getpid())
        same_boot = bool(mine.process) and self.owner.process.partition(":")[0] == mine.process.partition(":")[0]
        return same_boot and bool(self.pids) and self.pids == _pid_namespace() and not self.owner.alive


class Lease:
    """The Lease of one environment. It is renewed whenever the run records, and runs out where nobody does so.

    Whoever lost it is refused at the next write, so two runs never mix.
    """

    def __init__(self, objects: Objects, name: str, labels: Mapping[str, str], owner: Owner, seconds: int) -> None:
        """Nothing is asked yet.

        :param seconds: after which a run that recorded nothing more counts as ended; longer than the longest task.
        """
        self.objects, self.name, self.labels, self.seconds = objects, name, dict(labels), seconds
        self.holder = Holder.of(owner)

    def run_of_mine(self) -> str:
        """The run for which this process holds the Lease; empty where it does not."""
        lease = self.objects.get("Lease", self.name)
        return _run(lease) if lease and _identity(lease) == self.holder.identity else ""

    @contextmanager
    def held(self, run: str, now: str) -> Iterator[None]:
        """Hold the Lease for a run, and keep it afterwards.

        :raises Locked: another process holds it and may still live.
        """
        there = self.objects.get("Lease", self.name)
        self._refuse_others(there, now)
        try:
            self.objects.put(self._lease(there, run, now))
        except Changed:
            self._refuse_others(self.objects.get("Lease", self.name), now)  # who was faster is named
            raise
        yield

    def release(self) -> None:
        """Give the Lease back, where this process holds it."""
        lease = self.objects.get("Lease", self.name)
        if lease and _identity(lease) == self.holder.identity:
            self.objects.put({**lease, "spec": {**lease["spec"], "holderIdentity": ""}})

    def _lease(self, there: Object | None, run: str, now: str) -> Object:
        before = (there or {}).get("spec") or {}
        goes_on = bool(there) and _identity(there) == self.holder.identity and _run(there) == run
        moment_now = f"{now.removesuffix('Z')}.000000Z"  # MicroTime of the Kubernetes API
        metadata = {"name": self.name, "labels": self.labels, "annotations": {RUN: run}}
        if there:
            metadata["resourceVersion"] = there["metadata"]["resourceVersion"]
        spec = {
            "holderIdentity": self.holder.identity,
            "leaseDurationSeconds": self.seconds,
            "acquireTime": before.get("acquireTime") if goes_on else moment_now,
            "renewTime": moment_now,
        }
        return {"kind": "Lease", "metadata": metadata, "spec": spec}

    def _refuse_others(self, lease: Object | None, now: str) -> None:
        identity = _identity(lease)
        holder = Holder.parsed(identity)
        if not lease or not identity or identity == self.holder.identity or (holder and holder.known_dead):
            return
        ends = _ends(lease)
        if ends <= moment(now):
            return
        who = f"process {holder.owner.pid} on {holder.owner.host}" if holder else identity
        since = _time(lease, "acquireTime")
        raise Locked(
            f"Run {_run(lease)} of this environment is going on ({who}, since {rfc3339(since)}); wait for its end. "
            f"Where it was killed, it counts as ended at {rfc3339(ends)}, or once you delete "
            f"{self.objects.named('Lease', self.name)}."
        )


def _identity(lease: Object | None) -> str:
    return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")


def _run(lease: Object | None) -> str:
    return str((((lease or {}).get("metadata") or {}).get("annotations") or {}).get(RUN) or "")


def _ends(lease: Object) -> datetime:
    return _time(lease, "renewTime") + timedelta(seconds=int(lease["spec"].get("leaseDurationSeconds") or 0))


def _time(lease: Object, name: str) -> datetime:
    try:
        return moment(lease["spec"].get(name))
    except ValueError:
        return _NEVER


def _pid_namespace() -> str:
    """The namespace in which this process's ids count; empty where the system does not say."""
    try:
        return str(Path("/proc/self/ns/pid").readlink()).partition("[")[2].rstrip("]")
    except OSError:
        return ""
