# Looks into the running containers of a namespace: who their processes are, what they can write, what they logged.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.inside import Inside, mounts_of, status_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import Finding
from ansible_collections.bytebot.production.plugins.module_utils.clients.inside import Done
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, NotPermitted

Object = dict[str, Any]
Run = Callable[[str, str, Sequence[str]], Done]  # pod, container, command
Log = Callable[[str, str, Mapping[str, int]], str]  # pod, container, bounds
AT_ONCE = 6
MOST_LOGS = 100  # containers
FIRST_BYTES, LAST_LINES = 262_144, 1000  # what a program says as it starts, and what it says now
_STATUS, _MOUNTS = ("/proc/1/status", "/proc/self/status"), "/proc/self/mounts"
_MARK = "@@ "
# Shell builtins alone: an image may hold little else. The try to write removes what it may have made.
_READ = f'for f in "$@"; do echo "{_MARK}$f"; while IFS= read -r line; do echo "$line"; done < "$f"; done 2>/dev/null\n'
_WRITE = (
    'f="/.bytebot-write-$$"\n'
    f'if said=$( ( : > "$f" ) 2>&1 ); then rm -f "$f"; echo "{_MARK}written"; else echo "{_MARK}refused $said"; fi\n'
)
_NO_SHELL = ("executable file not found", "no such file or directory", "not found in $PATH")


@dataclass(frozen=True, slots=True)
class At:
    """A running container: its pod, and how findings name it."""

    pod: Object
    container: str
    where: str

    @property
    def pod_name(self) -> str:
        return str(self.pod["metadata"]["name"])


def running(pods: Iterable[Object], named: Callable[[Object], str], *, one_each: bool) -> list[At]:
    """The containers that run, init containers that stay and ephemeral ones too.

    :param one_each: of several pods of one workload and description, the first by name.
    """
    found: dict[tuple[str, str, str], At] = {}
    for pod in sorted(pods, key=lambda one: str(one["metadata"]["name"])):
        status = pod.get("status") or {}
        for group in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
            for told in status.get(group) or []:
                if "running" in (told.get("state") or {}):
                    where = f"{named(pod)} container {told['name']}"
                    key = (where, str(told.get("imageID")), "" if one_each else str(pod["metadata"]["name"]))
                    found.setdefault(key, At(pod, str(told["name"]), where))
    return list(found.values())


# ---------------------------------------------------------------------------- by a program


def look(targets: Sequence[At], run: Run, *, write: bool) -> tuple[tuple[Inside, ...], str]:
    """What is true inside, and why nothing was seen at all where this account may not exec."""
    if not targets:
        return (), "no container runs"
    try:
        first = _inside(targets[0], run, write=write)
    except NotPermitted as exc:
        return (), exc.sentence.rstrip(".")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return (first, *pool.map(lambda at: _inside(at, run, write=write), targets[1:])), ""


def _inside(at: At, run: Run, *, write: bool) -> Inside:
    spec = at.pod.get("spec") or {}
    shared = spec.get("shareProcessNamespace") or spec.get("hostPID")  # process 1 is another's
    statuses = _STATUS[1:] if shared else _STATUS
    script = _READ + (_WRITE if write else "")
    try:
        done = run(at.pod_name, at.container, ["sh", "-c", script, "sh", *statuses, _MOUNTS])
    except NotPermitted:
        raise
    except CollectionError as exc:
        return Inside(at.where, at.pod_name, problem=exc.sentence)
    if done.problem:
        none = any(word in done.problem for word in _NO_SHELL)
        return Inside(at.where, at.pod_name, problem="it has no sh to ask by" if none else done.problem)
    parts = dict(_parts(done.out))
    wrote = next((key for key in parts if key.split(" ")[0] in ("written", "refused")), "")
    mounts = [
        str(mount.get("mountPath"))
        for container in (*(spec.get("initContainers") or []), *(spec.get("containers") or []))
        if container.get("name") == at.container
        for mount in container.get("volumeMounts") or []
    ]
    return Inside(
        at.where,
        at.pod_name,
        {path: status_of(parts.get(path, "")) for path in statuses},
        mounts_of(parts.get(_MOUNTS, "")),
        wrote.split(" ")[0] or ("unknown" if write else ""),
        wrote,
        frozenset(mounts),
    )


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """What was said under each mark."""
    for part in text.split(_MARK)[1:]:
        name, _newline, body = part.partition("\n")
        yield name.strip(), body


# ---------------------------------------------------------------------------- by logs


@dataclass(frozen=True, slots=True)
class Logs:
    """What container logs showed; the values that were looked for stay here."""

    leaks: tuple[Finding, ...] = ()
    read: int = 0
    unread: Mapping[str, str] | None = None
    problem: str = ""


def search_logs(targets: Sequence[At], log: Log, values: Iterable[tuple[str, str]]) -> Logs:
    """Where logs hold one of the secret values, as it is or in base64. The values are compared here and told nobody."""
    wanted = [(name, form) for name, text in values for form in (text, b64encode(text.encode()).decode())]
    if not wanted:
        return Logs(problem="no Secret could be read, or none holds a value to look for")
    if not targets:
        return Logs(problem="no container runs")

    def held(at: At) -> tuple[At, list[str], str]:
        try:
            bounds = ({"first_bytes": FIRST_BYTES}, {"last_lines": LAST_LINES})
            text = "\n".join(log(at.pod_name, at.container, bound) for bound in bounds)
        except CollectionError as exc:
            return at, [], exc.sentence
        return at, list(dict.fromkeys(name for name, form in wanted if form in text)), ""

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(held, targets[:MOST_LOGS]))
    leaks = [
        Finding(at.where, f"its log holds the value of Secret {name}") for at, names, _why in found for name in names
    ]
    unread = {f"{at.where} of pod {at.pod_name}": why for at, _names, why in found if why}
    more = len(targets) - MOST_LOGS
    if more > 0:
        unread[f"{more} more containers"] = f"only {MOST_LOGS} logs are read in one run"
    return Logs(tuple(leaks), sum(1 for _at, _names, why in found if not why), unread)
