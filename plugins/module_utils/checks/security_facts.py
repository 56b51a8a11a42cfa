# What is observed for the security of a namespace, and how a finding is judged where an exception is justified.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.access_review import AccessReview, Subject
from ansible_collections.bytebot.production.plugins.module_utils.checks.inside import Inside
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Manager, some
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import Finding
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    passed,
    pending,
    utc_now,
)

Object = dict[str, Any]
_SECRETS = "security_configuration.secrets"
_CONTAINERS = "security_configuration.containers"
STORED, PROTECTION = f"{_SECRETS}.stored", f"{_SECRETS}.protection"
CONTEXT, RESOURCES, ROOT = (f"{_CONTAINERS}.{name}" for name in ("context", "resources", "read_only_root"))
PRODUCTION, ACCOUNTS = "team.access.production", "team.access.service_accounts"
WORKLOAD_KINDS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod")
RBAC_KINDS = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
GRANT = "Grant list on it to this account; the summary names what was refused."


@dataclass(frozen=True, slots=True)
class Justified:
    """A finding that somebody answers for.

    :param workload: ``Kind/name``, or the name alone; :param container: empty for all of it.
    :param until: the last day on which it holds, ``YYYY-MM-DD``.
    """

    workload: str
    control: str
    reason: str
    until: str
    container: str = ""

    def __str__(self) -> str:
        return f"{self.workload}{f' container {self.container}' if self.container else ''} until {self.until}"

    def covers(self, finding: Finding) -> bool:
        """Whether a finding is about this workload and container."""
        kind, _blank, rest = finding.where.partition(" ")
        name, _word, container = rest.partition(" container ")
        own = self.workload in (name.split(" ")[0], f"{kind}/{name.split(' ')[0]}")
        return own and self.container in ("", container)

    def holds(self, today: str) -> bool:
        """Whether it has not run out."""
        return self.until >= today


@dataclass(frozen=True, slots=True)
class Authorized:
    """Somebody who may come to the namespace. ``powers`` is empty where all of them are meant."""

    subject: Subject
    powers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """What helm keeps of the deployed revision."""

    name: str
    revision: int
    values: Object
    objects: tuple[Object, ...]
    notes: str = ""


@dataclass(frozen=True, slots=True)
class SecurityFacts:
    """One observation of a namespace.

    :param described: every workload as it is described; :param running: its live pods, each in the form of the workload
        that owns it, so that findings of both have one name.
    :param pods: the live pods as they are.
    :param denied: by kind, the sentence of a LIST that was not permitted.
    :param secrets: those that could be read; :param references: by Secret, the keys that the workloads need of it, with
        where (an empty key for the Secret as a whole); :param absent: Secrets that are not there.
    :param leaks: where container logs hold a secret value, and which; :param logs_read: how many logs were looked into.
    :param encryption: what the cluster tells of encryption at rest: ``on``, ``off``, or empty; :param encryption_seen:
        where from, or why not.
    :param looked: whether containers were looked into; :param not_looked: why not.
    :param image_users: by image, the user that its configuration names.
    """

    namespace: str
    described: tuple[Object, ...] = ()
    running: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    namespace_object: Object | None = None
    config_maps: tuple[Object, ...] = ()
    secrets: tuple[Object, ...] = ()
    accounts: tuple[Object, ...] = ()
    others: tuple[Object, ...] = ()
    quotas: tuple[Object, ...] = ()
    limit_ranges: tuple[Object, ...] = ()
    references: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    unread_secrets: Mapping[str, str] = field(default_factory=dict)
    managers: Mapping[str, tuple[Manager, ...]] = field(default_factory=dict)
    unread_managers: Mapping[str, str] = field(default_factory=dict)
    release: ReleaseRecord | None = None
    release_name: str = ""
    release_problem: str = ""
    denied: Mapping[str, str] = field(default_factory=dict)
    review: AccessReview = field(default_factory=AccessReview)
    inside: tuple[Inside, ...] = ()
    not_looked: str = ""
    check_mode: bool = False
    leaks: tuple[Finding, ...] = ()
    logs_read: int = 0
    logs_unread: Mapping[str, str] = field(default_factory=dict)
    not_in_logs: str = ""
    encryption: str = ""
    encryption_seen: str = ""
    image_users: Mapping[str, str] = field(default_factory=dict)
    image_problems: Mapping[str, str] = field(default_factory=dict)
    justified: tuple[Justified, ...] = ()
    authorized: tuple[Authorized, ...] | None = None
    secret_readers: tuple[Subject, ...] = ()
    pod_security: str = "restricted"
    qos: str = "Burstable"
    writable_paths: tuple[str, ...] = ()
    today: str = field(default_factory=lambda: utc_now()[:10])
    observed_at: str = field(default_factory=utc_now)

    def weighed(self, control: str, findings: Iterable[Finding]) -> Weighed:
        """The findings of a control, those that an exception covers apart."""
        mine, findings = [one for one in self.justified if one.control == control], list(dict.fromkeys(findings))
        open_: list[Finding] = []
        excused: list[str] = []
        for finding in findings:
            answers = [one for one in mine if one.covers(finding)]
            standing = next((one for one in answers if one.holds(self.today)), None)
            if standing:
                excused.append(f"{finding} (excepted until {standing.until}: {standing.reason})")
            elif answers:
                problem = f"{finding.problem} (its exception ran out on {max(one.until for one in answers)})"
                open_.append(Finding(finding.where, problem))
            else:
                open_.append(finding)
        unused = tuple(str(one) for one in mine if not any(one.covers(finding) for finding in findings))
        return Weighed(tuple(open_), tuple(excused), unused)

    def refused(self, *kinds: str) -> str:
        """Why something that a judgement needs could not be read; empty where all could."""
        return next((f"{kind} could not be read: {self.denied[kind]}" for kind in kinds if kind in self.denied), "")


@dataclass(frozen=True, slots=True)
class Weighed:
    """Findings that stand, those that somebody answers for, and exceptions that cover nothing (any more), in words."""

    open: tuple[Finding, ...]
    excused: tuple[str, ...]
    unused: tuple[str, ...] = ()

    def evidence(self) -> Object:
        """What is kept of them."""
        told = {"findings": [str(one) for one in self.open], "excepted": list(self.excused)}
        return {**told, "exceptions_without_finding": list(self.unused)} if self.unused else told


def settled(
    weighed: Weighed, *, holds: str, remedy: str, unseen: str, seen: Evidence, weaker: Iterable[str] = ()
) -> Verdict:
    """Red by any finding, for it is certain; pending where something could not be seen; else it holds.

    :param unseen: what could not be looked at, as a sentence; empty where all was.
    """
    also = (*weighed.excused, *weaker)
    if weighed.open:
        return failed(f"{some([str(one) for one in weighed.open])}.", remedy, seen, weaker=also)
    if unseen:
        return pending(unseen, GRANT, seen)
    return passed(holds, seen, weaker=also)
