# Judges how pods are described: resources and security contexts, the same for rendered and for live workloads.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, identity
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_spec

Object = dict[str, Any]
RESOURCES = ("cpu", "memory")
# Kubernetes docs, "Pod Security Standards", profile "restricted"
ALLOWED_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})
ALLOWED_SECCOMP = frozenset({"RuntimeDefault", "Localhost"})
HOST_FLAGS = ("hostNetwork", "hostPID", "hostIPC")
_SUFFIX = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a workload does not have as it must: where, and what."""

    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


@dataclass(frozen=True, slots=True)
class ContainerAt:
    """A container and where it stands."""

    workload: Identity
    container: Object
    pod: Object

    @property
    def where(self) -> str:
        return f"{self.workload.kind} {self.workload.name} container {self.container.get('name', '?')}"


def containers(objects: Iterable[Object], namespace: str) -> Iterator[ContainerAt]:
    """Every container of every workload: init, sidecar, main and ephemeral ones."""
    for obj in objects:
        spec = pod_spec(obj)
        if spec is None:
            continue
        for group in ("initContainers", "containers", "ephemeralContainers"):
            for container in spec.get(group) or []:
                yield ContainerAt(identity(obj, namespace), container, spec)


def quantity(text: Any) -> Decimal | None:
    """A Kubernetes quantity ("500m", "1.5Gi", "2e3") as a number; None where it is none.

    Source: Kubernetes API reference, resource.Quantity.
    """
    raw = str(text).strip()
    for suffix, power in _BINARY.items():
        if raw.endswith(suffix):
            return _decimal(raw[: -len(suffix)], Decimal(1024) ** power)
    if raw and raw[-1] in _SUFFIX:
        return _decimal(raw[:-1], Decimal(10) ** _SUFFIX[raw[-1]])
    return _decimal(raw, Decimal(1))


def _decimal(number: str, factor: Decimal) -> Decimal | None:
    try:
        parsed = Decimal(number)
    except InvalidOperation:
        return None
    return parsed * factor if parsed.is_finite() else None


def resource_findings(objects: Iterable[Object], namespace: str) -> list[Finding]:
    """Containers without requests or limits for CPU and memory, or with a request above its limit."""
    return [finding for at in containers(objects, namespace) for finding in _resource_findings(at)]


def _resource_findings(at: ContainerAt) -> Iterator[Finding]:
    resources = at.container.get("resources") or {}
    for name in RESOURCES:
        amounts: dict[str, Decimal] = {}
        for group in ("requests", "limits"):
            given = (resources.get(group) or {}).get(name)
            parsed = None if given is None else quantity(given)
            if given is None:
                yield Finding(at.where, f"no {name} {group[:-1]}")
            elif parsed is None or parsed <= 0:
                yield Finding(at.where, f"{name} {group[:-1]} {given!r} is no positive quantity")
            else:
                amounts[group] = parsed
        if len(amounts) == len(("requests", "limits")) and amounts["requests"] > amounts["limits"]:
            yield Finding(
                at.where, f"{name} request {resources['requests'][name]} is above its limit {resources['limits'][name]}"
            )


def security_findings(objects: Iterable[Object], namespace: str) -> list[Finding]:
    """Where pods ask for more than the "restricted" Pod Security Standard allows."""
    everything = list(objects)
    pods = [finding for obj in everything if (spec := pod_spec(obj)) is not None
            for finding in _pod_findings(identity(obj, namespace), spec)]  # fmt: skip
    return pods + [finding for at in containers(everything, namespace) for finding in _security_findings(at)]


def _pod_findings(workload: Identity, spec: Object) -> Iterator[Finding]:
    where = f"{workload.kind} {workload.name}"
    for flag in HOST_FLAGS:
        if spec.get(flag):
            yield Finding(where, f"{flag} is on")
    for volume in spec.get("volumes") or []:
        if "hostPath" in volume:
            yield Finding(where, f"volume {volume.get('name')} mounts the node's path {volume['hostPath'].get('path')}")


def _security_findings(at: ContainerAt) -> Iterator[Finding]:
    own = at.container.get("securityContext") or {}
    pod = at.pod.get("securityContext") or {}
    if own.get("privileged"):
        yield Finding(at.where, "privileged is on")
    if own.get("allowPrivilegeEscalation") is not False:
        yield Finding(at.where, "allowPrivilegeEscalation is not false")
    if _effective(own, pod, "runAsNonRoot") is not True:
        yield Finding(at.where, "runAsNonRoot is not true")
    if _effective(own, pod, "runAsUser") == 0:
        yield Finding(at.where, "runAsUser is 0 (root)")
    yield from _capability_findings(at.where, own.get("capabilities") or {})
    seccomp = (_effective(own, pod, "seccompProfile") or {}).get("type")
    if seccomp not in ALLOWED_SECCOMP:
        yield Finding(at.where, f"seccompProfile is {seccomp or 'not set'}; RuntimeDefault or Localhost is needed")
    if own.get("procMount") not in (None, "Default"):
        yield Finding(at.where, f"procMount is {own['procMount']}")
    for port in at.container.get("ports") or []:
        if port.get("hostPort"):
            yield Finding(at.where, f"it takes the node's port {port['hostPort']}")


def _capability_findings(where: str, capabilities: Mapping[str, Any]) -> Iterator[Finding]:
    if "ALL" not in (capabilities.get("drop") or []):
        yield Finding(where, "capabilities do not drop ALL")
    added = sorted(set(capabilities.get("add") or []) - ALLOWED_CAPABILITIES)
    if added:
        yield Finding(where, f"capabilities add {', '.join(added)}")


def _effective(container: Mapping[str, Any], pod: Mapping[str, Any], key: str) -> Any:
    return container[key] if container.get(key) is not None else pod.get(key)
