# Reads what people reported, were told and learned since a go-live, each kind once.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import filled
from ansible_collections.bytebot.production.plugins.module_utils.checks.followup import entries_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.followup_facts import (
    FIELDS,
    TICKETS,
    Collected,
    FollowupFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.own import compiled
from ansible_collections.bytebot.production.plugins.module_utils.checks.since_go_live import go_live_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import shown_url
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.observe_record import NO_MORE, pages_of
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

LIST, NEXT, TOTAL = "list", "next", "total"
_USUAL = {NEXT: "nextPageToken || next_page || next", TOTAL: "total"}
MOST = 2000  # entries of one record


def observe(given: Mapping[str, Any], spec: Mapping[str, Any], redactor: Redactor) -> FollowupFacts:
    """Every record that is named.

    :param spec: the argument spec of one record.
    :raises InputError: something of what is given is wrong.
    """
    go_live = go_live_of(given["go_live"])
    options = {kind: filled(given[kind], spec) for kind in FIELDS}
    queries = {kind: _queries(kind, options[kind]["fields"] or {}) for kind in FIELDS}
    collected = {
        kind: _collected(kind, options[kind], queries[kind], given, redactor) for kind in FIELDS if given[kind]
    }
    tickets = options[TICKETS]
    return FollowupFacts(
        collected, go_live, tuple(tickets["critical"]), tuple(tickets["closed"]), given["answer_hours"]
    )


def _queries(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    known = (LIST, NEXT, TOTAL, *FIELDS[kind])
    if unknown := sorted(set(map(str, fields)) - set(known)):
        raise InputError(f"{kind}: fields has {', '.join(unknown)}, which is not known. Known are: {', '.join(known)}.")
    usual = {name: kind if name == LIST else _USUAL.get(name, name) for name in known}
    return {name: compiled(str(fields.get(name) or usual[name]), f"{kind}, fields, {name}") for name in known}


def _collected(
    kind: str, options: Mapping[str, Any], queries: Mapping[str, Any], params: Mapping[str, Any], redactor: Redactor
) -> Collected:
    read = _Read(queries, options)
    try:
        source, pages = pages_of(kind, options, params, redactor, read.after)
        told = next((one for one in pages if not one.ok), pages[-1] if pages else None)
        if told is None or not told.ok:
            return Collected(source, told)
        problem = read.lack()
        found = () if problem else tuple(read.entries)
        entries = tuple({name: queries[name].search(one) for name in FIELDS[kind]} for one in found)
    except (ValueError, TypeError, RecursionError) as exc:
        why = f"a query does not fit it ({' '.join(str(exc).split())[:200]})"
        return Collected(str(options["path"] or shown_url(options["url"])), Told(), why)
    return Collected(source, told, problem, entries)


@dataclass
class _Read:
    """What is read of a record, page by page."""

    queries: Mapping[str, Any]
    options: Mapping[str, Any]
    entries: list[Mapping[str, Any]] = field(default_factory=list)
    problem: str = ""
    total: int = 0

    def after(self, page: Any) -> tuple[str, Any] | None:
        """Take the entries of a page, and say what asks for the next one."""
        found, self.problem = entries_of(self.queries[LIST].search(page))
        self.entries += found
        if self.problem or len(self.entries) > MOST:
            return NO_MORE
        following, total = (self.queries[name].search(page) for name in (NEXT, TOTAL))
        self.total = total if isinstance(total, int) and not isinstance(total, bool) else 0
        if following:
            return self.options["page_parameter"], following
        by_offset = self.options["offset_parameter"] and found and self.total > len(self.entries)
        return (self.options["offset_parameter"], len(self.entries)) if by_offset else None

    def lack(self) -> str:
        """Why what was read is not what there is; empty where it is."""
        number = len(self.entries)
        if self.problem or number > MOST:
            return self.problem or f"it has {number} entries, and at most {MOST} are read"
        return f"it has {self.total} entries, and told {number} of them" if self.total > number else ""
