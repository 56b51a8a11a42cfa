# Judges how pods are described: resources and security contexts, the same for rendered and for live workloads.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, identity
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_spec, pod_template

Object = dict[str, Any]
RESOURCES = ("cpu", "memory")
# Kubernetes docs, "Pod Security Standards", profile "restricted"
ALLOWED_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})
ALLOWED_SECCOMP = frozenset({"RuntimeDefault", "Localhost"})
HOST_FLAGS = ("hostNetwork", "hostPID", "hostIPC")
ALLOWED_VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
ALLOWED_APPARMOR = frozenset({"RuntimeDefault", "Localhost"})
ALLOWED_SELINUX = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
ALLOWED_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        *(f"net.ipv4.{name}" for name in ("ip_local_port_range", "ip_unprivileged_port_start", "tcp_syncookies")),
        *(f"net.ipv4.{name}" for name in ("ping_group_range", "ip_local_reserved_ports", "tcp_keepalive_time")),
        *(f"net.ipv4.{name}" for name in ("tcp_fin_timeout", "tcp_keepalive_intvl", "tcp_keepalive_probes")),
        *(f"net.ipv4.{name}" for name in ("tcp_rmem", "tcp_wmem")),
    }
)
_APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
_SUFFIX = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([eE][+-]?[0-9]+)|([KMGTPE]i|[numkMGTPE]))?")


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
    ephemeral: bool = False

    @property
    def where(self) -> str:
        return f"{self.workload.kind} {self.workload.name} container {self.container.get('name', '?')}"

    @property
    def runs_as(self) -> Any:
        """The user that its security context, or its pod's, names; None where that is left to the image."""
        own, pod = (one.get("securityContext") or {} for one in (self.container, self.pod))
        return _effective(own, pod, "runAsUser")


def containers(objects: Iterable[Object], namespace: str) -> Iterator[ContainerAt]:
    """Every container of every workload: init, sidecar, main and ephemeral ones."""
    for obj in objects:
        spec = pod_spec(obj)
        if spec is None:
            continue
        for group in ("initContainers", "containers", "ephemeralContainers"):
            for container in spec.get(group) or []:
                yield ContainerAt(identity(obj, namespace), container, spec, group == "ephemeralContainers")


def quantity(text: Any) -> Decimal | None:
    """A Kubernetes quantity ("500m", "1.5Gi", "2e3") as a number; None where it is none.

    Source: Kubernetes API reference, resource.Quantity.
    """
    found = _QUANTITY.fullmatch(str(text))
    if not found:
        return None
    number, exponent, suffix = found.groups()
    factor = Decimal(1024) ** _BINARY[suffix] if suffix in _BINARY else Decimal(10) ** _SUFFIX[suffix or ""]
    try:
        return Decimal(number + (exponent or "")) * factor
    except ArithmeticError:
        return None  # an exponent beyond all measure


def resource_findings(objects: Iterable[Object], namespace: str) -> list[Finding]:
    """Containers without requests or limits for CPU and memory, or with a request above its limit.

    Ephemeral containers are left out: the API lets them have none.
    """
    found = (at for at in containers(objects, namespace) if not at.ephemeral)
    return [finding for at in found for finding in _resource_findings(at)]


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
    pods = [finding for obj in everything if (template := pod_template(obj)) is not None
            for finding in _pod_findings(identity(obj, namespace), template)]  # fmt: skip
    return pods + [finding for at in containers(everything, namespace) for finding in _security_findings(at)]


def image_user_findings(objects: Iterable[Object], namespace: str, users: Mapping[str, str]) -> list[Finding]:
    """Containers that leave the user to an image that runs as root, or names its user by a word.

    :param users: by image, the user that its configuration names (OCI image specification, ``config.User``).
    """
    return [
        Finding(at.where, problem)
        for at in containers(objects, namespace)
        if at.runs_as is None and (image := str(at.container.get("image"))) in users
        if (problem := _image_user_problem(users[image]))
    ]


def _image_user_problem(user: str) -> str:
    name = user.partition(":")[0]
    if name in ("", "0", "root"):
        return "no runAsUser is set, and the image runs as root"
    return "" if name.isdigit() else f"no runAsUser is set, and the image names its user {name}, which may be root"


def _pod_findings(workload: Identity, template: Object) -> Iterator[Finding]:
    where, spec = f"{workload.kind} {workload.name}", template.get("spec") or {}
    for flag in HOST_FLAGS:
        if spec.get(flag):
            yield Finding(where, f"{flag} is on")
    for volume in spec.get("volumes") or []:
        yield from _volume_findings(where, volume)
    own = spec.get("securityContext") or {}
    if own.get("runAsNonRoot") is False:
        yield Finding(where, "runAsNonRoot of the pod is false")
    if own.get("runAsUser") == 0:
        yield Finding(where, "runAsUser of the pod is 0 (root)")
    for sysctl in own.get("sysctls") or []:
        if sysctl.get("name") not in ALLOWED_SYSCTLS:
            yield Finding(where, f"sysctl {sysctl.get('name')} is set")
    yield from _module_findings(where, own)
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    for name, profile in annotations.items():
        if name.startswith(_APPARMOR_ANNOTATION) and not re.match(r"runtime/default$|localhost/", str(profile)):
            yield Finding(where, f"AppArmor profile of {name.rpartition('/')[2]} is {profile}")


def _volume_findings(where: str, volume: Object) -> Iterator[Finding]:
    if "hostPath" in volume:
        path = (volume["hostPath"] or {}).get("path")
        yield Finding(where, f"volume {volume.get('name')} mounts the node's path {path}")
    elif kinds := sorted(volume.keys() - ALLOWED_VOLUMES - {"name"}):
        yield Finding(where, f"volume {volume.get('name')} is of the kind {', '.join(kinds)}")


def _module_findings(where: str, context: Object) -> Iterator[Finding]:
    """What a security context, of a pod or a container, says to the kernel's security modules and to Windows."""
    profile = (context.get("appArmorProfile") or {}).get("type")
    if profile is not None and profile not in ALLOWED_APPARMOR:
        yield Finding(where, f"appArmorProfile is {profile}")
    options = context.get("seLinuxOptions") or {}
    if (options.get("type") or "") not in ALLOWED_SELINUX:
        yield Finding(where, f"seLinuxOptions.type is {options['type']}")
    if options.get("user") or options.get("role"):
        yield Finding(where, "seLinuxOptions sets a user or a role")
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield Finding(where, "hostProcess is on")


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
    yield from _module_findings(at.where, own)


def _capability_findings(where: str, capabilities: Mapping[str, Any]) -> Iterator[Finding]:
    if "ALL" not in (capabilities.get("drop") or []):
        yield Finding(where, "capabilities do not drop ALL")
    added = sorted(set(capabilities.get("add") or []) - ALLOWED_CAPABILITIES)
    if added:
        yield Finding(where, f"capabilities add {', '.join(added)}")


def _effective(container: Mapping[str, Any], pod: Mapping[str, Any], key: str) -> Any:
    return container[key] if container.get(key) is not None else pod.get(key)
