# Judges what a pod's containers may write: a read-only root filesystem, and mounts that nobody can turn against it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import (
    ContainerAt,
    Finding,
    Object,
    containers,
)

WRITABLE_VOLUMES = frozenset({"emptyDir", "ephemeral", "persistentVolumeClaim", "hostPath"})
# Filesystem Hierarchy Standard 3.0: what holds programs, libraries and configuration, and what holds all of these.
SYSTEM = frozenset({"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root", "/sbin",
                    "/srv", "/sys", "/usr", "/usr/local", "/usr/share", "/var"})  # fmt: skip
SYSTEM_BELOW = ("/bin", "/boot", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr/bin", "/usr/lib", "/usr/lib64",
                "/usr/libexec", "/usr/sbin", "/usr/local/bin", "/usr/local/lib", "/usr/local/sbin")  # fmt: skip


def root_findings(objects: Iterable[Object], namespace: str, allowed: Iterable[str] = ()) -> list[Finding]:
    """Containers whose root filesystem can be written, or that have a writable volume where the system lies.

    :param allowed: the paths at or below which volumes may be written; where there are none, all but the system's.
    """
    wanted = [PurePosixPath(path) for path in allowed]
    return [finding for at in containers(objects, namespace) for finding in _findings(at, wanted)]


def _findings(at: ContainerAt, allowed: list[PurePosixPath]) -> Iterator[Finding]:
    if (at.container.get("securityContext") or {}).get("readOnlyRootFilesystem") is not True:
        yield Finding(at.where, "readOnlyRootFilesystem is not true")
    for path, kind in writable_mounts(at.pod, at.container):
        if is_system(path):
            yield Finding(at.where, f"a writable {kind} lies over the system's path {path}")
        elif allowed and not any(PurePosixPath(path).is_relative_to(one) for one in allowed):
            yield Finding(at.where, f"a writable {kind} is mounted at {path}, which is not among the writable paths")


def writable_mounts(pod: Object, container: Object) -> Iterator[tuple[str, str]]:
    """Where a container has volumes that it can write, and their kinds."""
    kinds = {one.get("name"): next(iter(sorted(one.keys() & WRITABLE_VOLUMES)), "") for one in pod.get("volumes") or []}
    for mount in container.get("volumeMounts") or []:
        if (kind := kinds.get(mount.get("name"))) and not mount.get("readOnly"):
            yield str(mount.get("mountPath")), kind


def is_system(path: str) -> bool:
    """Whether a path holds what the system is made of."""
    clean = str(PurePosixPath("/", path))
    below = any(PurePosixPath(clean).is_relative_to(one) for one in SYSTEM_BELOW)
    return clean in SYSTEM or below
