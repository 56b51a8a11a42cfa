# What is observed of a cluster before anything is deployed, and what the checklist asks of it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_access import Permission
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_storage import Tried
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    pending,
    utc_now,
)

Object = dict[str, Any]

# What the checklist asks. It says "32GB", and a GB is 10^9 bytes.
DOCUMENT_VERSION = (1, 25)
DOCUMENT_CPU = Decimal(16)
DOCUMENT_MEMORY = Decimal(32 * 10**9)
NAMESPACE_LABELS = {"environment": "production"}
SHOWN = 5  # findings named in a summary; all stand in the evidence
GRANT = "Grant that verb to this account, or let an account that has it judge this control."


@dataclass(frozen=True, slots=True)
class HelmFacts:
    """What was learned about helm.

    :param problem: why there is no usable helm, with :param remedy: what to do.
    :param driver: where helm keeps its record; :param revisions: how many it keeps of the release.
    :param store_problem: why the record cannot be read.
    """

    binary: str = ""
    version: tuple[int, int, int] | None = None
    problem: str = ""
    remedy: str = ""
    driver: str = "Secret"
    revisions: tuple[int, ...] = ()
    store_problem: str = ""
    store_remedy: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The release as it would be deployed; ``problem`` where it cannot be rendered.

    :param digests: SHA-256 over the chart's files, its archive, and the values as helm merged them.
    """

    objects: tuple[Object, ...] = ()
    hooks: tuple[Object, ...] = ()
    problem: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """One observation of a cluster.

    :param server_version: the answer of ``/version``; :param ready: whether ``/readyz`` says ok, with its words.
    :param denied: by kind, the sentence of a LIST that was not permitted; what it would have told is not known.
    :param missing: permissions that the playbooks need and this account has not; :param asked: how many were asked.
    :param wildcard: whether this account may do everything everywhere.
    :param rendered: the release, where a chart was given.
    :param tried: what scratch claims showed; :param no_probe: why none was made.
    :param namespace_object: the release's namespace, None where it is not there; :param namespace_labels: those wanted.
    :param quotas: its ResourceQuotas; :param limit_ranges: its LimitRanges; :param claims: its claims.
    :param check_mode: whether nothing may be made now.
    """

    namespace: str
    server_version: Object
    ready: bool = True
    readyz: str = ""
    nodes: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    classes: tuple[Object, ...] = ()
    denied: Mapping[str, str] = field(default_factory=dict)
    asked: int = 0
    missing: tuple[Permission, ...] = ()
    wildcard: bool = False
    helm: HelmFacts = field(default_factory=HelmFacts)
    rendered: Rendered | None = None
    tried: tuple[Tried, ...] = ()
    no_probe: str = ""
    namespace_object: Object | None = None
    namespace_labels: Mapping[str, str] = field(default_factory=lambda: dict(NAMESPACE_LABELS))
    quotas: tuple[Object, ...] = ()
    limit_ranges: tuple[Object, ...] = ()
    claims: tuple[Object, ...] = ()
    check_mode: bool = False
    minimum_version: str = "1.25"
    minimum_cpu: str = "16"
    minimum_memory: str = "32G"
    observed_at: str = field(default_factory=utc_now)


def not_listed(facts: ClusterFacts, seen: Evidence, *kinds: str) -> Verdict | None:
    """Pending where something that the judgement rests on could not be read for want of a permission."""
    for kind in kinds:
        if kind in facts.denied:
            return pending(f"{kind} could not be read: {facts.denied[kind]}", GRANT, seen)
    return None


def some(texts: list[str]) -> str:
    """The first texts, and how many more there are."""
    return f"{'; '.join(texts[:SHOWN])}{more(len(texts), SHOWN)}"


def more(total: int, shown: int = 1) -> str:
    """How many more there are than are shown."""
    return f" (and {total - shown} more)" if total > shown else ""
