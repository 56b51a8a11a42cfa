# Watches the containers of a release from inside while something else goes on: memory, processor time, open files.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import select
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.load_facts import Change, Replica, Sample, Usage
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import quantity
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.clients.tunnel import ExecStream
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, NotPermitted

Object = dict[str, Any]
TICK_S = 2.0
PATIENCE_S = 1.5  # for the answers of one tick
MOST = 40  # containers
_PAIR = 2  # words of a line with a name and a number
MOST_BYTES = 64 * 1024  # of one answer
INSTANCE = "app.kubernetes.io/instance"
_MARK, _END = "@@ ", "@@ end"
# Control groups in their second and first version; Linux documentation, "cgroup-v2" and "Memory Resource Controller".
_V2 = ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "/sys/fs/cgroup/cpu.stat")
_V1 = (
    "/sys/fs/cgroup/memory/memory.usage_in_bytes", "/sys/fs/cgroup/memory/memory.stat", "/sys/fs/cgroup/cpu/cpu.stat",
    "/sys/fs/cgroup/cpuacct/cpuacct.usage",
)  # fmt: skip
_KILLS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
# Shell builtins alone, which make no process: what is measured should not be the measuring. It ends with its input.
_SCRIPT = f"""count() {{ [ "$1" = "/proc/1/fd/*" ] || echo $#; }}
while IFS= read -r tick; do
for f in "$@"; do
 if [ -r "$f" ]; then echo "{_MARK}$f"; while IFS= read -r line; do echo "$line"; done < "$f"; fi
done 2>/dev/null
echo "{_MARK}limits"
while read -r a b c soft rest; do [ "$a $b $c" = "Max open files" ] && echo "$soft"; done < /proc/1/limits 2>/dev/null
echo "{_MARK}files"
count /proc/1/fd/*
echo "{_END}"
done
"""
_QUERIES = {
    "working": "container_memory_working_set_bytes",
    "anonymous": "container_memory_rss",
    "cpu_s": "container_cpu_usage_seconds_total",
    "periods": "container_cpu_cfs_periods_total",
    "throttled": "container_cpu_cfs_throttled_periods_total",
    "files": "container_file_descriptors",
}
_REMEDY = (
    "Let the account exec in the namespace (create on pods/exec, as files/deployer-rbac.yaml of the role "
    "infrastructure has it), or name Prometheus (bytebot_prometheus)."
)


@dataclass
class _Watched:
    """A container that is watched. :param kills: of its processes for memory, first and last."""

    replica: Replica
    uid: str
    stream: ExecStream | None = None
    said: bytes = b""
    samples: list[Sample] = field(default_factory=list)
    kills: list[int] = field(default_factory=list)


class Watch:
    """Looks at all containers of a release every two seconds, from :meth:`follow` to :meth:`end`, in a thread."""

    def __init__(self, cluster: Cluster, namespace: str, release: str, prometheus: Prometheus | None = None) -> None:
        self._cluster, self._namespace, self._release = cluster, namespace, release
        self._prometheus = prometheus
        self._stop = threading.Event()
        self._watched: list[_Watched] = []
        self._before: dict[tuple[str, str], Object] = {}
        self._problem, self._source = "", ""
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Find the containers, and open what looks into them."""
        try:
            pods = self._pods()
        except CollectionError as exc:
            self._problem = exc.sentence.rstrip(".")
            return
        self._before = dict(_containers(pods))
        for (uid, container), pod in list(self._before.items())[:MOST]:
            self._watched.append(_Watched(_replica(pod, container), uid))
        if len(self._before) > MOST:
            self._problem = f"there are {len(self._before)} containers, and {MOST} are watched"
        self._open()

    def follow(self, start: float) -> None:
        """Begin to look; times are told from ``start``, by the monotonic clock."""
        if not self._watched:
            return
        self._thread = threading.Thread(target=self._follow, args=(start,), name="usage", daemon=True)
        self._thread.start()

    def end(self) -> Usage:
        """End, and tell what was seen."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=2 * PATIENCE_S + self._timeout())
        for one in self._watched:
            if one.stream:
                one.stream.close()
        if self._problem and not self._watched:
            return Usage(problem=self._problem, remedy="Let the account list pods in the namespace.")
        try:
            changes = tuple(self._changes(self._pods()))
        except CollectionError as exc:
            return Usage(problem=exc.sentence.rstrip("."), remedy="Let the account list pods in the namespace.")
        replicas = tuple(replace(one.replica, samples=tuple(one.samples)) for one in self._watched)
        if len(self._before) > MOST:
            replicas += (Replica("", f"{len(self._before) - MOST} more", "", problem=self._problem),)
        remedy = _REMEDY if any(not one.samples for one in replicas) else ""
        return Usage(replicas, changes, self._source, self._problem, remedy)

    def _timeout(self) -> float:
        return 30.0 if self._prometheus else 5.0

    def _pods(self) -> list[Object]:
        return self._cluster.list("v1", "Pod", self._namespace, labels=f"{INSTANCE}={self._release}")

    # ------------------------------------------------------------------ by a program inside

    def _open(self) -> None:
        self._source = f"control groups of the containers in namespace {self._namespace}"
        command = ["sh", "-c", _SCRIPT, "sh", *_V2, *_V1, *_KILLS]
        for one in self._watched:
            try:
                pod, container = one.replica.pod, one.replica.container
                one.stream = ExecStream(self._cluster.exec(self._namespace, pod, container, command))
            except NotPermitted as exc:
                self._problem = exc.sentence.rstrip(".")
                break
            except CollectionError as exc:
                one.replica = replace(one.replica, problem=exc.sentence.rstrip("."))
        if self._prometheus and not any(one.stream for one in self._watched):
            self._source = f"Prometheus, namespace {self._namespace}"

    def _follow(self, start: float) -> None:
        while True:
            if any(one.stream for one in self._watched):
                self._tick(start)
            elif self._prometheus:
                self._ask(self._prometheus, start)
            if self._stop.wait(TICK_S):
                return

    def _tick(self, start: float) -> None:
        asked = [one for one in self._watched if one.stream]
        for one in asked:
            self._send(one)
        end = time.monotonic() + PATIENCE_S
        waiting = [one for one in asked if one.stream]
        while waiting and (rest := end - time.monotonic()) > 0:
            with contextlib.suppress(
                OSError, ValueError, AttributeError
            ):  # one of them has just ended, as reading tells
                select.select([one.stream for one in waiting if one.stream], [], [], min(rest, 0.2))
            for one in list(waiting):
                if self._read(one, start):
                    waiting.remove(one)

    def _send(self, one: _Watched) -> None:
        try:
            if one.stream:
                one.stream.write(b"\n")
        except EOFError:
            self._ended(one)

    def _read(self, one: _Watched, start: float) -> bool:
        """Whether nothing more is to come of this tick."""
        if one.stream is None:
            return True
        try:
            out, said = one.stream.read()
        except (EOFError, OSError):
            self._ended(one)
            return True
        if said and not one.samples:
            one.replica = replace(one.replica, problem=" ".join(said.decode("utf-8", "replace").split())[:200])
        one.said += out
        if len(one.said) > MOST_BYTES:
            self._ended(one)
            return True
        if _END.encode() not in one.said:
            return False
        told, _end, one.said = one.said.partition(_END.encode())
        _keep(one, told.decode("utf-8", "replace"), time.monotonic() - start)
        return True

    @staticmethod
    def _ended(one: _Watched) -> None:
        if one.stream:
            one.stream.close()
        one.stream = None
        if not one.samples and not one.replica.problem:
            one.replica = replace(one.replica, problem="it has no sh to ask by, or it ended at once")

    # ------------------------------------------------------------------ by Prometheus

    def _ask(self, prometheus: Prometheus, start: float) -> None:
        """What the kubelet told last; it may be some seconds old."""
        found: dict[tuple[str, str], dict[str, float]] = {}
        for name, metric in _QUERIES.items():
            told = prometheus.query(f'{metric}{{namespace="{self._namespace}",container!="",container!="POD"}}')
            if not told.ok:
                self._problem = told.cause
                continue
            for labels, value in told.data:
                key = (str(labels.get("pod")), str(labels.get("container")))
                found.setdefault(key, {})[name] = float(value)
        at = time.monotonic() - start
        for one in self._watched:
            if seen := found.get((one.replica.pod, one.replica.container)):
                one.samples.append(_sample(at, seen))

    # ------------------------------------------------------------------ what changed

    def _changes(self, pods: list[Object]) -> Iterator[Change]:
        after = {
            (uid, str(status.get("name"))): status
            for pod in pods
            if (uid := str(pod["metadata"]["uid"]))
            for status in (pod.get("status") or {}).get("containerStatuses") or []
        }
        for (uid, container), pod in self._before.items():
            where = f"{pod['metadata']['name']}/{container}"
            now, then = after.get((uid, container)), _status(pod, container)
            if now is None:
                yield Change(where, "is no longer there", gone=True)
            elif int(now.get("restartCount") or 0) > int(then.get("restartCount") or 0):
                yield _restarted(where, now)
        for one in self._watched:
            if one.kills and one.kills[-1] > one.kills[0]:
                yield Change(one.replica.where, "had a process killed for its memory", killed=True)


def _restarted(where: str, now: Mapping[str, Any]) -> Change:
    ended = (now.get("lastState") or {}).get("terminated") or (now.get("state") or {}).get("terminated") or {}
    reason = str(ended.get("reason") or "for an unknown reason")
    if reason == "OOMKilled":
        return Change(where, "was killed for its memory and began anew", killed=True)
    return Change(where, f"ended ({reason}, status {ended.get('exitCode')}) and began anew")


def _containers(pods: list[Object]) -> Iterator[tuple[tuple[str, str], Object]]:
    """The containers that run, by the pod's uid and their name."""
    for pod in sorted(pods, key=lambda one: str(one["metadata"]["name"])):
        status = pod.get("status") or {}
        if status.get("phase") != "Running" or pod["metadata"].get("deletionTimestamp"):
            continue
        for told in status.get("containerStatuses") or []:
            if "running" in (told.get("state") or {}):
                yield (str(pod["metadata"]["uid"]), str(told["name"])), pod


def _status(pod: Object, container: str) -> Mapping[str, Any]:
    told = (pod.get("status") or {}).get("containerStatuses") or []
    return next((one for one in told if one.get("name") == container), {})


def _replica(pod: Object, container: str) -> Replica:
    spec: Object = next((one for one in pod["spec"]["containers"] if one["name"] == container), {})
    limits = (spec.get("resources") or {}).get("limits") or {}
    owners = pod["metadata"].get("ownerReferences") or [{}]
    workload = str(owners[0].get("name") or pod["metadata"]["name"])
    template = (pod["metadata"].get("labels") or {}).get("pod-template-hash")
    memory, cpu = quantity(limits.get("memory")), quantity(limits.get("cpu"))
    return Replica(
        workload.removesuffix(f"-{template}") if template else workload,
        str(pod["metadata"]["name"]),
        container,
        int(memory) if memory is not None else None,
        float(cpu) if cpu is not None else None,
    )


# ---------------------------------------------------------------------------- what a container tells


def _keep(one: _Watched, told: str, at: float) -> None:
    parts = {name.strip(): body for name, _newline, body in (part.partition("\n") for part in told.split(_MARK)[1:])}
    limit = _number(parts.get("limits", ""))
    if limit and one.replica.files_limit is None:
        one.replica = replace(one.replica, files_limit=limit)
    kills = [number for path in _KILLS if (number := _fields(parts.get(path, "")).get("oom_kill")) is not None]
    one.kills += kills[:1]
    one.samples.append(_sample(at, _second(parts) or _first(parts), _number(parts.get("files", ""))))


def _second(parts: Mapping[str, str]) -> dict[str, float]:
    """Of control groups in their second version."""
    current = _number(parts.get(_V2[0], ""))
    if current is None:
        return {}
    memory, cpu = _fields(parts.get(_V2[1], "")), _fields(parts.get(_V2[2], ""))
    found: dict[str, float] = {"working": max(0, current - memory.get("inactive_file", 0))}
    if "anon" in memory:
        found["anonymous"] = memory["anon"]
    if "usage_usec" in cpu:
        found["cpu_s"] = cpu["usage_usec"] / 1e6
    return found | _periods(cpu)


def _first(parts: Mapping[str, str]) -> dict[str, float]:
    """Of control groups in their first version."""
    memory, cpu = _fields(parts.get(_V1[1], "")), _fields(parts.get(_V1[2], ""))
    usage, spent = _number(parts.get(_V1[0], "")), _number(parts.get(_V1[3], ""))
    found: dict[str, float] = {}
    if usage is not None:
        found["working"] = max(0, usage - memory.get("total_inactive_file", 0))
    if "total_rss" in memory:
        found["anonymous"] = memory["total_rss"]
    if spent is not None:
        found["cpu_s"] = spent / 1e9
    return found | _periods(cpu)


def _periods(cpu: Mapping[str, int]) -> dict[str, float]:
    names = {"periods": "nr_periods", "throttled": "nr_throttled"}
    return {ours: cpu[theirs] for ours, theirs in names.items() if theirs in cpu}


def _sample(at: float, found: Mapping[str, float], files: int | None = None) -> Sample:
    def whole(name: str) -> int | None:
        return int(found[name]) if name in found else None

    return Sample(
        at,
        whole("anonymous"),
        whole("working"),
        found.get("cpu_s"),
        whole("periods"),
        whole("throttled"),
        whole("files") if files is None else files,
    )


def _number(text: str) -> int | None:
    word = text.strip()
    return int(word) if word.isdecimal() else None


def _fields(text: str) -> dict[str, int]:
    rows = (line.rsplit(maxsplit=1) for line in text.splitlines() if len(line.split()) == _PAIR)
    return {name: int(number) for name, number in rows if number.isdecimal()}
