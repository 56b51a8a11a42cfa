# Says what runs, what it costs, and what is left behind.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from sandbox import remains
from sandbox.catalog import sequence
from sandbox.component import Component, Context, Process, Workload
from sandbox.diagnosis import rolled_out
from sandbox.host import cgroups, packages
from sandbox.lifecycle import Sandbox, needs_of
from sandbox.progress import table

UP, BROKEN = 0, 1
NOTHING_LEFT = "down, nothing left"


def report(sandbox: Sandbox, seconds: Mapping[str, float]) -> str:
    """The table at the end of `up`."""
    rows = []
    for name in sequence(needs_of(sandbox.components)):
        component = sandbox.components[name]
        memory = rss_mib(pids_of(sandbox.ctx, component))
        rows.append([name, version(component), f"{seconds.get(name, 0.0):.1f}", f"{memory:.0f}" if memory else "-"])
    return table(["component", "version", "seconds", "RSS MiB"], rows)


def status(sandbox: Sandbox) -> tuple[str, int]:
    """0 when all is up, and when all is down and nothing is left."""
    other = sandbox.other_owner()
    if other:
        stop = other.command("down")
        return f"the sandbox of another checkout is running, with its state in {other.state}; stop: {stop}", BROKEN
    if not sandbox.runs():
        return describe_remains(remains.look(sandbox.settings))
    states = {name: condition(sandbox.ctx, component) for name, component in sandbox.components.items()}
    rows, seconds = [], sandbox.first_starts()
    for name, said in states.items():
        memory = rss_mib(pids_of(sandbox.ctx, sandbox.components[name]))
        took = f"{seconds[name]:.1f}" if name in seconds else "-"
        rows.append([name, version(sandbox.components[name]), said, took, f"{memory:.0f}" if memory else "-"])
    good = all(said == "ready" for said in states.values())
    text = table(["component", "version", "state", "start s", "RSS MiB"], rows)
    return f"{text}\n{'up' if good else 'not all is ready'}", UP if good else BROKEN


def describe_remains(left: Iterable[remains.Remain]) -> tuple[str, int]:
    lines = [f"  {remain.kind}: {remain.what}" for remain in left]
    if not lines:
        return NOTHING_LEFT, UP
    return "\n".join(["down, but this is left (`python -m sandbox down` clears it away):", *lines]), BROKEN


def version(component: Component) -> str:
    return packages.version(component.package) if component.package else component.version


def condition(ctx: Context, component: Component) -> str:
    if isinstance(component, Process):
        state = ctx.supervisor.states().get(component.name)
        if state is None or state.state != "RUNNING":
            return state.state.lower() if state else "unknown to the supervisor"
    elif isinstance(component, Workload):
        for rollout in component.rollouts:
            found = ctx.cluster.get(rollout.path)
            if found is None or not rolled_out(found):
                return f"{rollout.kind} {rollout.name} is not ready"
    return "ready" if component.answers(ctx) else "does not answer"


def pids_of(ctx: Context, component: Component) -> set[int]:
    if isinstance(component, Process):
        state = ctx.supervisor.states().get(component.name)
        return {state.pid} if state and state.pid else set()
    found: set[int] = set()
    if isinstance(component, Workload):
        groups = cgroups.detect(ctx.settings.cgroup)
        for rollout in component.rollouts:
            workload = ctx.cluster.get(rollout.path)
            for pod in ctx.cluster.pods_of(workload) if workload else []:
                found |= cgroups.pod_members(groups, pod["metadata"]["uid"])
    return found


def rss_mib(pids: Iterable[int]) -> float:
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS:"))
    return total / 1024
