# Starts one component and waits until it really answers, or until that is known to be hopeless.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from sandbox import diagnosis
from sandbox.api import Object
from sandbox.component import Component, Context, Process, Rollout, Workload
from sandbox.errors import SandboxError, Stopped
from sandbox.files import put, render
from sandbox.shell import tail_file
from sandbox.supervisor import Program, fingerprint

POLL_S = 0.2


def program(ctx: Context, process: Component) -> Program:
    """The supervised program of a process, after its configuration files are written."""
    if not isinstance(process, Process):
        raise TypeError(f"{process.name} is not a process")
    texts = [render(path, process.template_values(ctx)) for path in sorted(process.folder.glob("*.j2"))]
    certificates = [ctx.pki.text(f"{wanted.name}.crt") for wanted in process.certificates]
    return Program(
        process.name,
        tuple(process.command(ctx.settings)),
        ctx.settings.log / f"{process.name}.log",
        fingerprint([*texts, *certificates]),
    )


def start(ctx: Context, component: Component) -> None:
    for image in component.images:
        ctx.images.push(image)
    if isinstance(component, Process):
        _start_process(ctx, component)
    elif isinstance(component, Workload):
        _start_workload(ctx, component)


def _start_process(ctx: Context, process: Process) -> None:
    ctx.supervisor.start(process.name)
    log = ctx.settings.log / f"{process.name}.log"

    def ready() -> bool:
        state = ctx.supervisor.state(process.name)
        # A single BACKOFF may be a port that the predecessor has not yet given back; FATAL is final.
        if state.state == "FATAL":
            raise SandboxError(
                process.name,
                f"the process ends as soon as it is started ({state.says})",
                log=tail_file(log),
                remedy=f"read {log}; then `python -m sandbox up` again",
            )
        return state.state in {"RUNNING", "STARTING"} and process.answers(ctx)

    def late() -> SandboxError:
        state = ctx.supervisor.state(process.name)
        what = f"it does not answer within {process.within_s:.0f} s (supervisor: {state.state})"
        return SandboxError(process.name, what, log=tail_file(log), remedy=f"read {log}")

    _wait(ctx, process, ready, late)


def _start_workload(ctx: Context, workload: Workload) -> None:
    texts = [render(path, workload.template_values(ctx)) for path in sorted(workload.folder.glob("*.yaml.j2"))]
    put(ctx.settings.applied / f"{workload.name}.yaml", "\n---\n".join(texts))
    for text in texts:
        ctx.cluster.apply(workload.name, text)
    workload.after_apply(ctx)
    began = float((ctx.settings.run / "started").read_text())

    def ready() -> bool:
        return all(_rollout_ready(ctx, workload, rollout, began) for rollout in workload.rollouts) and workload.answers(
            ctx
        )

    def late() -> SandboxError:
        return _late(ctx, workload)

    _wait(ctx, workload, ready, late)


def take_out(ctx: Context, kept: Container[str]) -> list[str]:
    """Deletes what workloads have in the cluster that this sandbox no longer has."""
    gone = [file for file in sorted(ctx.settings.applied.glob("*.yaml"), reverse=True) if file.stem not in kept]
    for file in gone:
        ctx.cluster.remove(file.stem, file.read_text())
        file.unlink()
    return [file.stem for file in gone]


def _rollout_ready(ctx: Context, workload: Workload, rollout: Rollout, began: float) -> bool:
    found = ctx.cluster.get(rollout.path)
    if found is None:
        return False
    pods = ctx.cluster.pods_of(found)
    failure = diagnosis.certain_failure(_of_now(ctx, rollout, found, pods), began)
    if failure:
        pod = next(p for p in pods if p["metadata"]["name"] == failure.pod)
        raise SandboxError(
            workload.name,
            f"pod {failure.pod}, container {failure.container}: {failure.reason}: {failure.message}",
            log=ctx.cluster.log_lines(pod, failure.container),
            remedy=failure.remedy,
        )
    return diagnosis.rolled_out(found) and diagnosis.running_since(pods, began)


def _of_now(ctx: Context, rollout: Rollout, found: Object, pods: list[Object]) -> Sequence[Mapping[str, Any]]:
    """Only a Deployment begins with its new pods before the former ones are gone."""
    if rollout.kind != "Deployment":
        return pods
    sets = ctx.cluster.items(f"/apis/apps/v1/namespaces/{rollout.namespace}/replicasets")
    uid = found["metadata"]["uid"]
    own = [one for one in sets if any(owner["uid"] == uid for owner in one["metadata"].get("ownerReferences") or [])]
    return diagnosis.of_now(found, own, pods)


def _late(ctx: Context, workload: Workload) -> SandboxError:
    lines: list[str] = []
    for rollout in workload.rollouts:
        found = ctx.cluster.get(rollout.path)
        for pod in ctx.cluster.pods_of(found) if found else []:
            status = pod.get("status", {})
            lines.append(f"pod {pod['metadata']['name']}: {status.get('phase')}")
            for condition in status.get("conditions") or []:
                if condition.get("status") == "False":
                    lines.append(f"  {condition['type']}: {condition.get('message', condition.get('reason', ''))}")
            for container in pod["spec"]["containers"]:
                lines += [f"  {line}" for line in ctx.cluster.log_lines(pod, container["name"], 8)]
        if found is None:
            lines.append(f"{rollout.kind} {rollout.name} is not in the cluster")
    what, remedy = f"not ready within {workload.within_s:.0f} s", "look with `kubectl describe pod` in its namespace"
    return SandboxError(workload.name, what, log=lines[-20:], remedy=remedy)


def _wait(ctx: Context, component: Component, ready: Callable[[], bool], late: Callable[[], SandboxError]) -> None:
    end = time.monotonic() + component.within_s
    while not ready():
        if time.monotonic() > end:
            raise late()
        if ctx.stop.wait(POLL_S):
            raise Stopped(component.name)
