# Debian packages that the sandbox and the unit tests need, installed without starting their services.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sandbox.progress import Progress
from sandbox.shell import environment, run

NEEDED = (
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "docker-registry",
    "iproute2",
    "iptables",
    "mmdebstrap",
    "nftables",
    "runc",
)
STORES = ("postgresql", "redis-server")  # some unit tests ask real ones
POLICY = Path("/usr/sbin/policy-rc.d")
REMEDY = "run `apt-get update` by hand and read what it says; the machine needs a reachable Debian mirror"


def missing(names: Sequence[str] = NEEDED) -> list[str]:
    """Those of these packages that are not installed."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f=${Package} ${db:Status-Status}\n", *names],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    present = {line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in present]


def version(package: str) -> str:
    return run("packages", ["dpkg-query", "-W", "-f=${Version}", package])


def ensure(progress: Progress, wanted: Sequence[str] = NEEDED) -> None:
    """Install those that are missing.

    :raises SandboxError: they cannot be had.
    """
    names = missing(wanted)
    if not names:
        return
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with progress.long_step(f"installing Debian packages: {' '.join(names)}"), _services_stay_off():
        run("packages", ["apt-get", "update", "-qq"], env=quiet, remedy=REMEDY)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names]
        run("packages", install, env=quiet, remedy=REMEDY)


@contextmanager
def _services_stay_off() -> Iterator[None]:
    """Debian starts a package's service on installation, machine-wide; the sandbox runs its own processes."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)
