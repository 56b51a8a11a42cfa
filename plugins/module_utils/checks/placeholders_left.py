# Judges whether any value of what runs, or any document, still holds what stands for a value that nobody gave.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import documents_wanted, placeholders
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_facts import Page
from ansible_collections.bytebot.production.plugins.module_utils.checks.value_use import leaves
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, utc_now

PLACEHOLDERS = "go_live.review.placeholders"
Object = dict[str, Any]
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob")
_LISTED = 50  # places in the evidence
_GIVE = "Put the real values there and deploy again; a waiver covers a text that only looks like one."
_SECRET = "Put the real value into the Secret, by the system that keeps it."
_WRITE = "Replace each placeholder in the documents by what is true here."
_ALLOW = "Allow this account to list {kind}s in the namespace."


@dataclass(frozen=True, slots=True)
class SecretFlaw:
    """A key of a Secret whose value stands for another one. The value itself is not kept."""

    secret: str
    key: str
    flaw: str


@dataclass(frozen=True, slots=True)
class LeftFacts:
    """What was read. Values of Secrets are judged where they are read, and only what is wrong with them is here.

    :param values: of the release as helm keeps them; None where they could not be read, for ``no_values``.
    :param objects: workloads, ConfigMaps and Ingresses as they are live. :param unread: why a kind could not be read.
    :param secrets: how many were judged. :param hosts: that the environment names.
    :param pages: documents; None where none is named.
    """

    namespace: str
    release: str
    values: Mapping[str, Any] | None = None
    no_values: str = ""
    objects: tuple[Object, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    secrets: int = 0
    flaws: tuple[SecretFlaw, ...] = ()
    hosts: tuple[str, ...] = ()
    pages: tuple[Page, ...] | None = None
    at: str = field(default_factory=utc_now)


CHECKS: Checks[LeftFacts] = Checks()


@CHECKS.settles(PLACEHOLDERS)
def none_left(facts: LeftFacts) -> Verdict:
    """No placeholder and no example stands in values, in what is live, in Secrets, in hosts or in documents."""
    found = Found()
    live = _live(facts)
    written = dict(_written(facts))
    for where, mark in live.items():
        found.wrong(f"{where} is a placeholder ({mark[:80]})", _GIVE)
    for one in facts.flaws:
        found.wrong(f"key {one.key} of Secret {one.secret} {one.flaw}", _SECRET)
    for where, mark in written.items():
        found.wrong(f"{where} still has {mark[:80]}", _WRITE)
    _gaps(found, facts)
    observed = {
        "release": facts.release,
        "values_read": facts.values is not None,
        "objects": _counted(facts.objects),
        "secrets": facts.secrets,
        "hosts": list(facts.hosts),
        "documents": [page.where for page in facts.pages or ()],
        "placeholders": dict(list(live.items())[:_LISTED]),
        "secret_keys": [f"{one.secret}, {one.key}: {one.flaw}" for one in facts.flaws[:_LISTED]],
        "in_documents": dict(list(written.items())[:_LISTED]),
    }
    good = (
        f"no placeholder in its values, in {len(facts.objects)} live objects, {facts.secrets} Secrets, "
        f"{len(facts.hosts)} hosts and {len(facts.pages or ())} documents"
    )
    source = f"values and objects of release {facts.release} in {facts.namespace}; documents"
    seen = Evidence(source, observed, facts.at)
    return found.verdict(f"Release {facts.release}", good, [seen])


def _live(facts: LeftFacts) -> dict[str, str]:
    """Where values, objects and hosts hold a placeholder; what comes from a value is named once, as the value."""
    found = {f"value {where}": mark for where, mark in placeholders.in_values(leaves(facts.values or {}))}
    known = set(found.values())
    for where, mark in placeholders.in_objects(facts.objects, facts.namespace):
        if mark not in known:
            found[where] = mark
    for host in facts.hosts:
        if (mark := placeholders.mark_in(host)) and mark not in known:
            found[f"host {host}"] = mark
    return found


def _written(facts: LeftFacts) -> Iterator[tuple[str, str]]:
    for page in facts.pages or ():
        if page.text and (mark := documents_wanted.mark_in(page.text.prose)):
            yield page.where, mark


def _gaps(found: Found, facts: LeftFacts) -> None:
    if facts.values is None:
        found.unknown(f"its values could not be read: {facts.no_values}", "Deploy the release, and let it be read.")
    if not any(one["kind"] in WORKLOADS for one in facts.objects):
        found.unknown("no workload of it is there to be read", "Deploy the release, and let its workloads be read.")
    for kind, why in facts.unread.items():
        found.unknown(f"{kind}s could not be read: {why}", _ALLOW.format(kind=kind))
    if not facts.hosts:
        found.unknown("needs input hosts: none is named", "Name them (in the inventory: bytebot_hosts).")
    if facts.pages is None:
        remedy = "Name them (in the inventory: bytebot_documents)."
        found.unknown("needs input documents: none is named", remedy)
    for page in facts.pages or ():
        if page.text is None:
            found.unknown(f"{page.where} {page.problem}", "Make it readable for this account, or correct its place.")


def _counted(objects: tuple[Object, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in objects:
        counts[one["kind"]] = counts.get(one["kind"], 0) + 1
    return counts
