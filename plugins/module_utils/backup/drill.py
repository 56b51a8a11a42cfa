# A restore drill: the newest artifacts are restored into scratch places, what comes out is looked at, all is removed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.backup import claim, scripts
from ansible_collections.bytebot.production.plugins.module_utils.backup.configuration import (
    Kept,
    counts,
    differing,
    restored,
    unpacked,
    values_of_secrets,
)
from ansible_collections.bytebot.production.plugins.module_utils.backup.database import (
    DatabaseFacts,
    Restored,
    restore,
)
from ansible_collections.bytebot.production.plugins.module_utils.backup.objects import (
    export,
    helm_records,
    normal,
)
from ansible_collections.bytebot.production.plugins.module_utils.backup.scratch import scratch_namespace
from ansible_collections.bytebot.production.plugins.module_utils.backup.store import (
    CONFIGURATION,
    DATABASE,
    Artifact,
    Folder,
    pieces,
)
from ansible_collections.bytebot.production.plugins.module_utils.backup.tools_pod import (
    Tools,
    reading,
    scratch_server,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.drill_facts import (
    ConfigurationDrill,
    DatabaseDrill,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.cms import opened
from ansible_collections.bytebot.production.plugins.module_utils.clients.pod_run import PodShell
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, InputError, NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, identity

OWN = "backup"  # what made an artifact in the folder
SETTLING_S = 10.0  # before a backup ended; what was made so shortly before may have come after its kind was listed


@dataclass(frozen=True, slots=True)
class Regular:
    """The CronJob that makes backups, where its artifacts are, and how they are told in words."""

    cron: Mapping[str, Any]
    claim: str
    files: str
    where: str


@dataclass(frozen=True, slots=True)
class Drill:
    """What a drill works with.

    :param keys: certificate and key that open the artifacts; :param left_out: schemas that do not count.
    """

    cluster: Cluster
    namespace: str
    release: str
    scratch: str
    folder: Folder
    keys: tuple[str, str]
    tools: Tools
    left_out: str
    tell: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a drill came to; ``trouble`` is why it broke off, ``denied`` what this account may not do."""

    live: DatabaseFacts | None = None
    databases: tuple[DatabaseDrill, ...] = ()
    configuration: ConfigurationDrill | None = None
    trouble: str = ""
    denied: str = ""


def drilled(drill: Drill, regular: Regular | None) -> Outcome:
    """Restore everything once."""
    live: DatabaseFacts | None = None
    databases: list[DatabaseDrill] = []
    configuration: ConfigurationDrill | None = None
    own, archive = drill.folder.newest(DATABASE), drill.folder.newest(CONFIGURATION)
    if own:
        live = DatabaseFacts.of(own.facts)
    try:
        with scratch_namespace(drill.cluster, drill.scratch, drill.namespace):
            if archive:
                configuration = _configuration(drill, archive)
            if own or regular:
                databases = _databases(drill, own, regular)
    except InputError:
        raise
    except NotPermitted as exc:
        return Outcome(live, tuple(databases), configuration, denied=exc.sentence)
    except CollectionError as exc:
        return Outcome(live, tuple(databases), configuration, exc.sentence.rstrip("."))
    return Outcome(live, tuple(databases), configuration)


def _databases(drill: Drill, own: Artifact | None, regular: Regular | None) -> list[DatabaseDrill]:
    found: list[DatabaseDrill] = []
    began = time.monotonic()
    with scratch_server(drill.cluster, drill.scratch, drill.tools) as shell:
        shell.ask(scripts.START)
        prepared = time.monotonic() - began
        drill.tell(f"a scratch server is there after {prepared:.1f} s")
        if own:
            come = restore(shell, opened(pieces(own.path, own.sha256), *drill.keys), drill.left_out, drill.tell)
            seconds = {"prepare": prepared, **come.seconds}
            found.append(DatabaseDrill(OWN, own.path.name, own.made, own.size, come, True, seconds))
            drill.tell(_said(found[-1]))
        if regular:
            found.append(_regular(drill, regular, shell, prepared))
            drill.tell(_said(found[-1]))
    return found


def _regular(drill: Drill, regular: Regular, shell: PodShell, prepared: float) -> DatabaseDrill:
    """The newest artifact on the claim, read by a pod that changes nothing there."""
    began = time.monotonic()
    with reading(drill.cluster, regular.cron, regular.claim, drill.tools.life_s) as reader:
        newest = claim.newest(reader, regular.files)
        fetched = time.monotonic() - began
        if newest is None:
            nothing = Restored(phase="fetch", trouble=f"there is no file {regular.files} on the claim")
            return DatabaseDrill(regular.where, "no artifact", 0.0, 1, nothing)
        if not newest.size:
            return DatabaseDrill(regular.where, newest.name, newest.made, 0, Restored())
        come = restore(shell, opened(claim.content(reader, newest), *drill.keys), drill.left_out, drill.tell)
    seconds = {"prepare": prepared, "fetch": fetched, **come.seconds}
    return DatabaseDrill(regular.where, newest.name, newest.made, newest.size, come, False, seconds)


def _said(one: DatabaseDrill) -> str:
    if one.restored.trouble:
        return f"{one.artifact}: {one.restored.trouble}"
    return f"{one.artifact}: restored in {sum(one.seconds.values()):.1f} s"


def _configuration(drill: Drill, archive: Artifact) -> ConfigurationDrill:
    began = time.monotonic()
    exported = export(drill.cluster, drill.namespace)
    clear = drill.folder.in_clear(dict(values_of_secrets(exported.objects)))
    base = ConfigurationDrill(
        archive.path.name,
        archive.made,
        live=counts(exported.objects),
        denied=exported.denied,
        unserved=exported.broken,
        clear=tuple(clear),
    )
    try:
        kept = unpacked(opened(pieces(archive.path, archive.sha256), *drill.keys))
    except CollectionError as exc:
        return replace(base, trouble=exc.sentence.rstrip("."))
    began = time.monotonic()
    compared = restored(drill.cluster, drill.scratch, kept)
    seconds = time.monotonic() - began
    drill.tell(f"{archive.path.name}: {len(kept)} objects restored in {seconds:.1f} s")
    gone, changed = _against(exported.objects, kept, archive.made)
    bodies = [one.body for one in kept.values()]
    return replace(
        base,
        seconds=seconds,
        kept=counts(bodies),
        gone=gone,
        changed=changed,
        release=tuple(helm_records(bodies, drill.release)),
        compared=compared,
    )


def _against(
    live: Iterable[Mapping[str, Any]], kept: Mapping[Identity, Kept], made: float
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Live objects that the archive lacks or holds otherwise. What was made or changed since is no fault of it."""
    gone: list[str] = []
    changed: list[str] = []
    for one in live:
        name = identity({**one, "metadata": {**one["metadata"], "namespace": ""}})
        there = kept.get(name)
        if there is None:
            if _born(one) < made - SETTLING_S:
                gone.append(str(name))
        elif there.version == str(one["metadata"].get("resourceVersion", "")) and differing(there.body, normal(one)):
            changed.append(str(name))
    return tuple(gone), tuple(changed)


def _born(one: Mapping[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(one["metadata"]["creationTimestamp"]).replace("Z", "+00:00")).timestamp()
    except (KeyError, ValueError):
        return 0.0
