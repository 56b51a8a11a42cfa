# Looks into the running containers of a release: the variables that they have, who listens, the levels of their lines.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import (
    Lines,
    Running,
    name_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.log_facts import NUMBERS
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.inside import log_of, run_inside
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.observe_environment import Environment
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_spec

Object = dict[str, Any]
Member = tuple[Object, Object]  # a pod and its workload
AT_ONCE = 6
LAST_LINES = 500
MOST = 100  # containers that are looked into, and logs that are read, in one run
_MARK = "@@ net"
# Shell builtins alone: what the container was started with, and the kernel's table of its connections.
_LOOK = (
    f'export -p; echo "{_MARK}"; for f in /proc/net/tcp /proc/net/tcp6; do '
    'while IFS= read -r line; do echo "$line"; done < $f; done 2>/dev/null\n'
)
_VARIABLE = re.compile(r"^(?:export|declare -x) ([A-Za-z_]\w*)(?:=(.*))?$", re.DOTALL)
_ESCAPED = re.compile(r'\\([$`"\\])')
_NOT_COMPARED = ("$(", "\nexport ", "\ndeclare -x ")  # put together at the start, or not told apart from the next one
_LISTENS = "0A"
_LEVEL_WORD = re.compile(
    r"^[^A-Za-z]*(?:\S+\s+){0,3}?\[?(TRACE|DEBUG|VERBOSE|INFO|NOTICE|WARN(?:ING)?|ERROR|FATAL|CRITICAL)\b"
)
_LEVEL_PAIR = re.compile(r"\b(?:level|lvl|severity)=\"?(\w+)", re.IGNORECASE)
_NO_SHELL = ("executable file not found", "no such file or directory", "not found in $PATH")


def running_of(
    cluster: Cluster, namespace: str, members: Sequence[Member], environment: Environment, *, look: bool
) -> tuple[tuple[Running, ...], str]:
    """The containers that run, each with what its sources say and what it has; why that may not be asked."""
    changes = _Changes(cluster, namespace)
    found = [one for pod, workload in members for one in _told(pod, workload, environment, changes)]
    if not look or not found:
        return tuple(found), "" if look else "check mode sends no probe"
    try:
        first = _inside(cluster, namespace, found[0])
    except NotPermitted as exc:
        return tuple(found), exc.sentence.rstrip(".")
    unseen = [replace(one, problem=f"only {MOST} containers are looked into in one run") for one in found[MOST:]]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return (first, *pool.map(lambda one: _inside(cluster, namespace, one), found[1:MOST]), *unseen), ""


def _told(pod: Object, workload: Object, environment: Environment, changes: _Changes) -> Iterator[Running]:
    statuses = {str(one["name"]): one for one in (pod.get("status") or {}).get("containerStatuses") or []}
    own = {str(one["name"]) for one in (pod_spec(workload) or {}).get("containers") or []}
    for container in (pod.get("spec") or {}).get("containers") or []:
        begun = ((statuses.get(str(container["name"])) or {}).get("state") or {}).get("running")
        if not begun:
            continue
        told = environment.every(container)
        yield Running(
            where=f"{name_of(workload)} container {container['name']}",
            workload=name_of(workload),
            pod=str(pod["metadata"]["name"]),
            told=told,
            unknown=frozenset(name for name, value in told.items() if any(one in value for one in _NOT_COMPARED)),
            changed=tuple(changes.since(container, str(begun.get("startedAt") or ""))),
            injected=str(container["name"]) not in own,
        )


class _Changes:
    """When a namespace's ConfigMaps were last changed, by the times that the API server keeps; each is read once."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._last: dict[str, str] = {}

    def since(self, container: Mapping[str, Any], start: str) -> Iterator[str]:
        """The ConfigMaps that were changed after a container had been made."""
        sources = [(one.get("configMapRef") or {}) for one in container.get("envFrom") or []]
        sources += [((one.get("valueFrom") or {}).get("configMapKeyRef") or {}) for one in container.get("env") or []]
        for name in sorted({str(one["name"]) for one in sources if one.get("name")}):
            if start and self._of(name) > start:
                yield f"ConfigMap {name}"

    def _of(self, name: str) -> str:
        if name not in self._last:
            try:
                found = self._cluster.get("v1", "ConfigMap", name, self._namespace) or {}
            except CollectionError:
                found = {}
            fields = (found.get("metadata") or {}).get("managedFields") or []
            times = [str(one.get("time") or "") for one in fields if "f:data" in (one.get("fieldsV1") or {})]
            self._last[name] = max(times, default="")
        return self._last[name]


def _inside(cluster: Cluster, namespace: str, one: Running) -> Running:
    container = one.where.rpartition(" ")[2]
    try:
        done = run_inside(cluster, namespace, one.pod, container, ["sh", "-c", _LOOK])
    except NotPermitted:
        raise
    except CollectionError as exc:
        return replace(one, problem=exc.sentence)
    if _MARK not in done.out:
        none = any(word in done.problem for word in _NO_SHELL)
        return replace(one, problem="it has no sh to ask by" if none else done.problem or "its shell said nothing")
    said, _mark, table = done.out.partition(_MARK)
    has, unread = exported(said)
    return replace(one, has=has, unknown=one.unknown | unread, ports=listening(table))


def exported(said: str) -> tuple[dict[str, str], frozenset[str]]:
    """The variables that a shell prints by ``export -p``, and those whose value is in a form that is not read."""
    found: dict[str, str] = {}
    unread: set[str] = set()
    for entry in re.split(r"\n(?=(?:export|declare -x) )", said.strip("\n")):
        told = _VARIABLE.match(entry)
        if told is None:
            continue
        name, text = told[1], told[2] or ""
        try:
            words = shlex.split(text)
        except ValueError:
            words = []
        if len(words) == 1 and text.startswith('"'):  # bash quotes so, and escapes more than shlex takes back
            words = [_ESCAPED.sub(r"\1", text[1:-1])]
        if text.startswith("$'") or len(words) > 1 or (text and not words):
            unread.add(name)
        found[name] = words[0] if words else ""
    return found, frozenset(unread)


def listening(table: str) -> tuple[int, ...]:
    """The ports on which somebody listens, by /proc/net/tcp."""
    rows = [line.split() for line in table.splitlines()]
    return tuple(sorted({int(row[1].rpartition(":")[2], 16) for row in rows if row[3:4] == [_LISTENS]}))


# ---------------------------------------------------------------------------- logs


def lines_of(cluster: Cluster, namespace: str, members: Sequence[Member]) -> tuple[Lines, ...]:
    """The levels of the last lines of every container that has a log."""
    targets = [
        (pod, workload, str(container["name"]))
        for pod, workload in members
        for container in (pod.get("spec") or {}).get("containers") or []
    ]

    def one(target: tuple[Object, Object, str]) -> Lines:
        pod, workload, container = target
        told = Lines(f"{name_of(workload)} container {container}", str(pod["metadata"]["name"]))
        try:
            text = log_of(cluster, namespace, told.pod, container, last_lines=LAST_LINES)
        except CollectionError as exc:
            return replace(told, problem=exc.sentence)
        lines = [line for line in text.splitlines() if line.strip()]
        levels: dict[str, int] = {}
        for line in lines:
            level = level_of(line)
            levels[level] = levels.get(level, 0) + 1
        return replace(told, count=len(lines), levels=levels)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(pool.map(one, targets[:MOST]))


def level_of(line: str) -> str:
    """The level that a line says, in small letters; empty where it says none."""
    if line.lstrip().startswith("{"):
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            return ""
        told = next((said[key] for key in ("level", "severity", "lvl", "log.level") if key in said), "")
        if isinstance(told, int):
            return NUMBERS.get(told, "")
        return str(told).lower() if isinstance(told, str) else ""
    pair = _LEVEL_PAIR.search(line)
    word = pair or _LEVEL_WORD.match(line)
    return word[1].lower() if word else ""
