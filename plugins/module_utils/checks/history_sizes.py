# Compares what containers ask for with what they use, and writes the difference as values.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import Used

MIB = 1024.0**2
CPU_ROOM, MEMORY_ROOM = 1.3, 1.25  # times the use that is proposed: processor time can wait, memory cannot
LIMIT_ROOM = 2.0  # times the proposed request, as a limit
MUCH = 4.0  # times the proposal, from which on a request is far too large
CPU_MATTERS, MEMORY_MATTERS = 0.1, 128 * MIB  # what less is not worth a change
FULL = 0.9  # share of a limit
HELD = 0.25  # share of periods in which a container may be held back
CPU_STEP, MEMORY_STEP = 0.01, 16 * MIB


@dataclass(frozen=True, slots=True)
class Size:
    """One finding about a request or limit.

    :param key: below ``resources``, as ``requests.cpu``; :param now: as it is; :param proposed: as it should be.
    """

    used: Used
    key: str
    now: float
    use: float
    proposed: float
    why: str

    @property
    def text(self) -> str:
        """For a sentence."""
        of = self.key.partition(".")[2]
        return (
            f"{self.used.where} {self.key} is {shown(of, self.now)} and its use {shown(of, self.use)}{self.why}; "
            f"proposed {shown(of, self.proposed)}"
        )


def shown(kind: str, value: float) -> str:
    """A quantity as Kubernetes writes it."""
    if kind == "cpu":
        return f"{round(value * 1000)}m"
    return f"{math.ceil(value / MIB)}Mi"


def cpu_for(use: float) -> float:
    """The request proposed for a use of processor time."""
    return max(CPU_STEP, math.ceil(use * CPU_ROOM / CPU_STEP) * CPU_STEP)


def memory_for(use: float) -> float:
    """The request proposed for a use of memory."""
    return max(MEMORY_STEP, math.ceil(use * MEMORY_ROOM / MEMORY_STEP) * MEMORY_STEP)


def too_large(used: Used) -> list[Size]:
    """Requests far above the use."""
    found = []
    kinds = (
        ("requests.cpu", used.cpu_request, used.cpu, cpu_for(used.cpu), CPU_MATTERS),
        ("requests.memory", used.memory_request, used.memory, memory_for(used.memory), MEMORY_MATTERS),
    )
    for key, now, use, proposed, matters in kinds:
        if now is not None and now >= MUCH * proposed and now - proposed >= matters:
            found.append(Size(used, key, now, use, proposed, ""))
    return found


def too_small(used: Used) -> list[Size]:
    """Requests below the use, and limits that it comes near to."""
    found = []
    for key, now, use, proposed in (
        ("requests.cpu", used.cpu_request, used.cpu, cpu_for(used.cpu)),
        ("requests.memory", used.memory_request, used.memory, memory_for(used.memory)),
    ):
        if now is not None and use > now:
            found.append(Size(used, key, now, use, proposed, ", which is more than is kept free for it"))
    for key, now, use, proposed in (
        ("limits.cpu", used.cpu_limit, used.cpu, LIMIT_ROOM * cpu_for(used.cpu)),
        ("limits.memory", used.memory_limit, used.memory, LIMIT_ROOM * memory_for(used.memory)),
    ):
        if now is not None and use >= FULL * now:
            found.append(Size(used, key, now, use, proposed, f", {use / now:.0%} of it"))
    if (
        used.throttled is not None
        and used.throttled > HELD
        and used.cpu_limit
        and not any(one.key == "limits.cpu" for one in found)
    ):
        why = f", and it is held back in {used.throttled:.0%} of the periods"
        found.append(Size(used, "limits.cpu", used.cpu_limit, used.cpu, LIMIT_ROOM * used.cpu_limit, why))
    return found


def difference(sizes: list[Size], paths: Mapping[str, str]) -> str:
    """The proposals as a difference of values, by the chart's own keys where they are known."""
    lines = []
    for one in sizes:
        of = one.key.partition(".")[2]
        place = paths.get(one.used.where) or paths.get(one.used.workload) or f"{one.used.where}: resources"
        lines += [f"-{place}.{one.key}: {shown(of, one.now)}", f"+{place}.{one.key}: {shown(of, one.proposed)}"]
    return "\n".join(lines)
