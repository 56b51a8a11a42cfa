# What is true inside a container: who its processes are, what they may do, and what they can write.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import ALLOWED_CAPABILITIES, Finding

# include/uapi/linux/capability.h
_NAMES = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
    NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
    SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
    MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
CAPABILITIES = tuple(_NAMES.split())
_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
# Filesystems of the kernel's own, and what the kubelet puts into each container.
_KERNEL = frozenset({"proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2", "securityfs", "debugfs", "tracefs"})
_KUBELETS = frozenset({"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev/termination-log"})
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount as the kernel lists it."""

    path: str
    kind: str
    writable: bool


@dataclass(frozen=True, slots=True)
class Inside:
    """What was seen inside one container.

    :param where: as findings name it; :param statuses: the fields of each ``/proc/…/status``, by path.
    :param wrote: ``written``, ``refused``, or empty where it was not tried; :param said: what the try was answered.
    :param declared: where the pod's description mounts volumes.
    :param problem: why nothing was seen.
    """

    where: str
    pod: str
    statuses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    wrote: str = ""
    said: str = ""
    declared: frozenset[str] = frozenset()
    problem: str = ""


def status_of(text: str) -> dict[str, str]:
    """The fields of ``/proc/PID/status`` (proc(5))."""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name.strip(): " ".join(value.split()) for name, _colon, value in pairs}


def mounts_of(text: str) -> tuple[Mount, ...]:
    """The lines of ``/proc/mounts`` (proc(5)): device, path, kind, options; a later mount hides an earlier one."""
    found: dict[str, Mount] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= len(("device", "path", "kind", "options")):
            path = _OCTAL.sub(lambda code: chr(int(code[1], 8)), words[1])
            found[path] = Mount(path, words[2], "rw" in words[3].split(","))
    return tuple(found.values())


def capabilities(mask: str) -> list[str]:
    """The names of the capabilities in a hexadecimal set."""
    try:
        bits = int(mask or "0", 16)
    except ValueError:
        return [f"of the unreadable set {mask}"]
    known = [name for at, name in enumerate(CAPABILITIES) if bits >> at & 1]
    return known + (["unknown ones"] if bits >> len(CAPABILITIES) else [])


def context_findings(seen: Inside) -> Iterator[Finding]:
    """Where the processes inside are more than they may be."""
    for path, status in seen.statuses.items():
        if not status:
            continue
        if "0" in status.get("Uid", "").split():
            yield Finding(seen.where, f"inside, {path} runs as user 0 (root)")
        held = {name for kind in _SETS for name in capabilities(status.get(kind, ""))} - ALLOWED_CAPABILITIES
        if held:
            told = sorted(held)
            yield Finding(seen.where, f"inside, {path} can have capabilities {', '.join(told[:_SHOWN])}{_more(told)}")
        if status.get("NoNewPrivs") == "0":
            yield Finding(seen.where, f"inside, {path} may gain privileges (NoNewPrivs 0)")
        if status.get("Seccomp") == "0":
            yield Finding(seen.where, f"inside, {path} has no seccomp filter (Seccomp 0)")


_SHOWN = 3  # findings named in one sentence


def _more(told: list[str]) -> str:
    return f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""


def root_findings(seen: Inside) -> Iterator[Finding]:
    """Where a container can write what it must not."""
    root = next((one for one in seen.mounts if one.path == "/"), None)
    if seen.wrote == "written":
        yield Finding(seen.where, "inside, a file could be written to /")
    elif root and root.writable:
        yield Finding(seen.where, "inside, / is mounted for writing")
    for one in seen.mounts:
        if one.path != "/" and one.writable and not _expected(one, seen.declared):
            yield Finding(seen.where, f"inside, {one.path} can be written, and no volume is declared there")


def _expected(mount: Mount, declared: frozenset[str]) -> bool:
    devices = ("/dev", "/dev/shm")  # noqa: S108 - compared with, and nothing is written there
    if mount.kind in _KERNEL or mount.path in _KUBELETS or mount.path in devices:
        return True
    path = PurePosixPath(mount.path)
    return path.is_relative_to("/proc") or path.is_relative_to("/sys") or any(map(path.is_relative_to, declared))
