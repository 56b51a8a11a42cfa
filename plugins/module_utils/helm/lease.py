# Lets one module at a time work on a release: a Lease in the release's namespace, held and renewed while it works.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    NotPermitted,
    NotThere,
    Refused,
)

Object = dict[str, Any]
API, KIND = "coordination.k8s.io/v1", "Lease"
# Twice the defaults of client-go's leader election (15 s, 10 s; k8s.io/component-base/config/v1alpha1), since nobody
# waits for the holder to be gone.
DURATION_S = 30
RENEW_DEADLINE_S = 20.0
RENEW_EVERY_S = 5.0
DOING = "bytebot.production/doing"


class Busy(CollectionError):
    """Another module works on the release right now."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """How others were kept out.

    :param held: whether a Lease is held; :param why_not: the reason where it is not.
    :param dead: who held the Lease that was found run out; empty where there was none.
    :param seen: whether it is known that nobody else holds the Lease.
    """

    held: bool
    why_not: str = ""
    dead: str = ""
    seen: bool = True


class ReleaseLease:
    """The Lease of one release."""

    def __init__(self, cluster: Cluster, release: str, namespace: str, doing: str) -> None:
        """Prepare a Lease.

        :param doing: what the holder does, told to whoever is kept out.
        """
        self._cluster, self._release, self._namespace, self._doing = cluster, release, namespace, doing
        self.name = f"bytebot-release-{release}"
        self.identity = _identity()
        self._lease: Object = {}
        self._found: Object = {}  # as a dead holder left it
        self._as_found = False
        self._renewed_at = 0.0
        self._lost = ""
        self._over = threading.Event()

    @contextmanager
    def held(self) -> Iterator[Exclusion]:
        """Hold the Lease, renew it from a thread, and give it back.

        :raises Busy: somebody holds it, and is alive.
        """
        exclusion = self._take()
        if not exclusion.held:
            yield exclusion
            return
        thread = threading.Thread(target=self._renew_until_over, name=self.name, daemon=True)
        thread.start()
        try:
            yield exclusion
        finally:
            self._over.set()
            thread.join()
            self._give_back()

    def look(self) -> Exclusion:
        """Only see that nobody holds it, as check mode does.

        :raises Busy: somebody holds it, and is alive.
        """
        try:
            found = self._cluster.get(API, KIND, self.name, self._namespace) or {}
        except NotPermitted as exc:
            return _not_permitted(exc)
        if (left := _left_s(found, self._cluster.now())) > 0:
            raise self._busy(found, left)
        return Exclusion(False, "check mode changes nothing", dead=_holder(found))

    def leave_as_found(self) -> None:
        """Give a dead holder's Lease back as it was: it still explains what that one left."""
        self._as_found = bool(self._found)

    def lost(self) -> str:
        """Why the Lease is no longer held; empty while it is."""
        if not self._lost and self._renewed_at and time.monotonic() - self._renewed_at > RENEW_DEADLINE_S:
            self._lost = f"it could not be renewed for {RENEW_DEADLINE_S:g} s"
        return self._lost and f"The Lease {self._namespace}/{self.name} was lost: {self._lost}"

    # ------------------------------------------------------------------ taking and keeping

    def _take(self) -> Exclusion:
        try:
            return self._made()
        except NotPermitted as exc:
            return _not_permitted(exc)
        except NotThere:
            return Exclusion(False, f"there is no namespace {self._namespace} yet", seen=False)

    def _made(self) -> Exclusion:
        found = self._cluster.get(API, KIND, self.name, self._namespace)
        if found is None:
            with suppress(Refused):  # somebody was faster: read what it says
                self._remember(self._cluster.create(self._filled({})))
                return Exclusion(True)
            found = self._cluster.get(API, KIND, self.name, self._namespace) or {}
        if (left := _left_s(found, self._cluster.now())) > 0:
            raise self._busy(found, left)
        try:
            self._remember(self._cluster.replace(self._filled(found)))
        except Refused as exc:  # two found it run out, and the other one was faster
            raise Busy(f"Another module has just begun to work on release {self._release}. Wait for its end.") from exc
        self._found = found if _holder(found) else {}
        return Exclusion(True, dead=_holder(found))

    def _filled(self, before: Object) -> Object:
        now, spec = _micro(self._cluster.now()), before.get("spec") or {}
        metadata = before.get("metadata") or {"name": self.name, "namespace": self._namespace}
        return {
            "apiVersion": API,
            "kind": KIND,
            "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), DOING: self._doing}},
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": DURATION_S,
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": int(spec.get("leaseTransitions") or 0) + bool(spec),
            },
        }

    def _remember(self, lease: Object) -> None:
        self._lease, self._renewed_at = lease, time.monotonic()

    def _renew_until_over(self) -> None:
        while not self._over.wait(RENEW_EVERY_S) and not self._lost:
            self.renew()

    def renew(self) -> None:
        """Say that the holder lives; one that was robbed remembers it."""
        spec = {**self._lease["spec"], "renewTime": _micro(self._cluster.now())}
        try:
            self._remember(self._cluster.replace({**self._lease, "apiVersion": API, "kind": KIND, "spec": spec}))
        except (Refused, NotThere) as exc:
            self._lost = exc.sentence
        except CollectionError:
            return  # away for a moment: the next try comes, until the deadline

    def _give_back(self) -> None:
        """Remove the Lease, unless it is another's by now. One that cannot be removed runs out by itself."""
        if self._lost:
            return
        version = str(self._lease["metadata"].get("resourceVersion") or "")
        with suppress(CollectionError):
            if self._as_found:
                metadata = {**self._found["metadata"], "resourceVersion": version}
                self._cluster.replace({"apiVersion": API, "kind": KIND, **self._found, "metadata": metadata})
            else:
                self._cluster.delete(API, KIND, self.name, self._namespace, only_version=version)

    def _busy(self, found: Mapping[str, Any], left_s: float) -> Busy:
        spec = found["spec"]
        doing = ((found.get("metadata") or {}).get("annotations") or {}).get(DOING, "work")
        return Busy(
            f"Release {self._release} is held by {spec.get('holderIdentity')} ({doing}) since "
            f"{spec.get('acquireTime')}. Wait for its end; if it was killed, try again in {left_s:.0f} s.",
            holder=spec.get("holderIdentity"),
            since=spec.get("acquireTime"),
        )


def _not_permitted(exc: NotPermitted) -> Exclusion:
    return Exclusion(False, f"this account may not use Leases ({exc.sentence.rstrip('.')})", seen=False)


def _holder(lease: Mapping[str, Any]) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def _identity() -> str:
    """Names this process without telling the machine's name."""
    host = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12]
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"


def _left_s(lease: Mapping[str, Any], now: datetime) -> float:
    """Seconds until a Lease runs out; 0 where nobody holds it, or it was never renewed."""
    spec = lease.get("spec") or {}
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return 0.0
    age = now - datetime.fromisoformat(str(spec["renewTime"]).replace("Z", "+00:00"))
    return max(0.0, float(spec.get("leaseDurationSeconds") or DURATION_S) - age.total_seconds())


def _micro(moment: datetime) -> str:
    """A time as ``MicroTime`` of the Kubernetes API."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
