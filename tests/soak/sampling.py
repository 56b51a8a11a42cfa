# Looks at every part of the sandbox: supervised processes, and each pod.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from sandbox.api import Object
from sandbox.component import Context
from sandbox.host import cgroups
from tests.soak.judging import Sample


def sample(ctx: Context) -> Sample:
    """One look. Pods that have ended (Jobs) are no parts."""
    identity: dict[str, str] = {}
    memory: dict[str, float] = {}
    for name, state in ctx.supervisor.states().items():
        identity[name] = f"{state.pid} {state.state}"
        memory[name] = private_mib([state.pid])
    groups = cgroups.detect(ctx.settings.cgroup)
    for pod in ctx.cluster.items("/api/v1/pods"):
        if pod.get("status", {}).get("phase") == "Running":
            name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            identity[name] = _identity(pod)
            memory[name] = private_mib(cgroups.pod_members(groups, pod["metadata"]["uid"]))
    return Sample(time.monotonic(), identity, memory)


def _identity(pod: Object) -> str:
    restarts = sum(one.get("restartCount", 0) for one in pod["status"].get("containerStatuses") or [])
    return f"{pod['metadata']['uid']} {restarts}"


def private_mib(pids: Iterable[int]) -> float:
    """Anonymous and shared memory; pages of files come and go with the kernel's mood (proc(5), RssAnon, RssShmem)."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(("RssAnon:", "RssShmem:")))
    return total / 1024
