# Finds out before anything is touched whether this machine can run the sandbox, and names all that is missing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import os
import platform
import re
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.remains import Owner
from sandbox.settings import VERSIONS, Settings
from sandbox.shell import environment

GIB = 1 << 30
BUILD_GIB = 8
RUN_GIB = 4
OLDEST_GO = (1, 21)
NOT_ROOT = "The sandbox makes network namespaces and cgroups, so it must run as root: use `sudo`."
# Tried out in a throw-away network namespace that vanishes with the command.
KERNEL_TRIALS = (
    ("network namespaces", ("true",), "unshare"),
    ("veth devices", ("ip", "link", "add", "t0", "type", "veth", "peer", "name", "t1"), "ip"),
    ("bridge devices", ("ip", "link", "add", "t0", "type", "bridge"), "ip"),
    ("nftables", ("nft", "add", "table", "ip", "t"), "nft"),
)


@dataclass(frozen=True)
class Facts:
    """What was seen of the machine."""

    system: str = "Linux"
    debian: bool = True
    root: bool = True
    builds_pending: bool = False
    go: str = ""
    go_fetches: bool = True
    free_gib: float = 100.0
    state: str = ""
    state_writable: bool = True
    routes: Sequence[tuple[str, str]] = ()
    other_owner: Owner | None = None
    kernel_lacks: Sequence[str] = ()
    programs_lacking: Sequence[str] = ()


def judge(facts: Facts, settings: Settings) -> list[str]:
    """One sentence per cause, with what to do."""
    if facts.system != "Linux":
        return [f"The sandbox needs Linux, and this is {facts.system}: use a Linux machine or a virtual one."]
    causes = []
    if not facts.debian:
        causes.append("The sandbox takes containerd and more from Debian by apt-get, which is not here: use Debian 12.")
    if not facts.root:
        causes.append(NOT_ROOT)
    if facts.builds_pending:
        causes += _go_causes(facts)
    wanted = BUILD_GIB if facts.builds_pending else RUN_GIB
    if facts.free_gib < wanted:
        causes.append(
            f"Only {facts.free_gib:.1f} GB are free at {facts.state}, and {wanted} GB are needed: "
            "free some, or set SANDBOX_DIR to a folder on a larger disk."
        )
    if not facts.state_writable:
        causes.append(f"{facts.state} cannot be written: change its owner, or set SANDBOX_DIR to another folder.")
    causes += _route_causes(facts.routes, settings)
    if facts.other_owner:
        causes.append(
            f"The sandbox of another checkout is running, with its state in {facts.other_owner.state}: "
            f"stop it with `{facts.other_owner.command('down')}`, or work there."
        )
    if facts.kernel_lacks:
        causes.append(f"The kernel lacks {', '.join(facts.kernel_lacks)}: use one with these, or load its modules.")
    if facts.programs_lacking:
        causes.append(f"Not found: {', '.join(facts.programs_lacking)}; install the package util-linux.")
    return causes


def _go_causes(facts: Facts) -> list[str]:
    wanted = ".".join(VERSIONS.go.split(".")[:2])
    if not facts.go:
        return [f"There is no Go, and programs have to be built: install Go {wanted} or later and put it in PATH."]
    have = _numbers(facts.go)
    if have >= _numbers(wanted) or (have >= OLDEST_GO and facts.go_fetches):
        return []
    if have >= OLDEST_GO:
        return [f"Go {facts.go} is here, {wanted} is needed, and GOTOOLCHAIN=local forbids fetching it: unset that."]
    return [f"Go {facts.go} is too old to fetch the {wanted} that is needed: install Go {wanted} or later."]


def _route_causes(routes: Sequence[tuple[str, str]], settings: Settings) -> list[str]:
    causes = []
    for network in (settings.link_network, settings.pod_network, settings.service_network):
        for destination, device in routes:
            if device != settings.machine_interface and ipaddress.ip_network(network).overlaps(
                ipaddress.ip_network(destination)
            ):
                causes.append(
                    f"The sandbox uses {network}, but this machine already routes {destination} to {device}: "
                    "take that network down first."
                )
    return causes


def gather(settings: Settings, *, builds_pending: bool, other_owner: Owner | None) -> Facts:
    """Reads only."""
    if platform.system() != "Linux":
        return Facts(system=platform.system())
    place = next(p for p in (settings.state, *settings.state.parents) if p.exists())
    go, fetches = _go()
    return Facts(
        debian=Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None,
        root=os.geteuid() == 0,
        builds_pending=builds_pending,
        go=go,
        go_fetches=fetches,
        free_gib=shutil.disk_usage(place).free / GIB,
        state=str(settings.state),
        state_writable=place.is_dir() and os.access(place, os.W_OK | os.X_OK) and not os.statvfs(place).f_flag & 1,
        routes=parse_routes(Path("/proc/net/route").read_text()),
        other_owner=other_owner,
        kernel_lacks=kernel_lacks() if os.geteuid() == 0 else (),
        programs_lacking=[name for name in ("unshare", "nsenter", "mount") if not _which(name)],
    )


def parse_routes(table: str) -> list[tuple[str, str]]:
    """(network, device) of /proc/net/route, without the default route."""
    routes = []
    for line in table.splitlines()[1:]:
        device, destination, _, _, _, _, _, mask = line.split()[:8]
        address = socket.inet_ntoa(int(destination, 16).to_bytes(4, "little"))
        length = bin(int(mask, 16)).count("1")
        if length:
            routes.append((f"{address}/{length}", device))
    return routes


def kernel_lacks() -> list[str]:
    """Tried, not read from a list of modules: a feature may be built in. A program not yet installed is tried later."""
    lacking = [] if "\toverlay\n" in Path("/proc/filesystems").read_text() or _modprobe("overlay") else ["overlay"]
    for feature, trial, program in KERNEL_TRIALS:
        if _which(program):
            done = subprocess.run(["unshare", "--net", *trial], env=environment(), capture_output=True, check=False)
            if done.returncode:
                lacking.append(feature)
    return lacking


def _modprobe(name: str) -> bool:
    return (
        bool(_which("modprobe"))
        and not subprocess.run(["modprobe", "-n", name], env=environment(), capture_output=True, check=False).returncode
    )


def _go() -> tuple[str, bool]:
    if not _which("go"):
        return "", False
    done = subprocess.run(
        ["go", "env", "GOVERSION", "GOTOOLCHAIN"],
        cwd="/",
        env=environment(),
        text=True,
        capture_output=True,
        check=False,
    )
    lines = [*done.stdout.splitlines(), "", ""]
    return lines[0].removeprefix("go"), lines[1] != "local"


def _which(name: str) -> str | None:
    return shutil.which(name, path=environment()["PATH"])


def _numbers(version: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
