# Reads what people reported, were told and learned since a go-live, each kind once.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
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
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.observe_record import record_of
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

LIST = "list"
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
    known = (LIST, *FIELDS[kind])
    if unknown := sorted(set(map(str, fields)) - set(known)):
        raise InputError(f"{kind}: fields has {', '.join(unknown)}, which is not known. Known are: {', '.join(known)}.")
    usual = {name: kind if name == LIST else name for name in known}
    return {name: compiled(str(fields.get(name) or usual[name]), f"{kind}, fields, {name}") for name in known}


def _collected(
    kind: str, options: Mapping[str, Any], queries: Mapping[str, Any], params: Mapping[str, Any], redactor: Redactor
) -> Collected:
    source, told = record_of(kind, options, params, redactor)
    if told is None or not told.ok:
        return Collected(source, told)
    try:
        found, problem = entries_of(queries[LIST].search(told.data))
        if len(found) > MOST:
            found, problem = (), f"it has {len(found)} entries, and at most {MOST} are read"
        entries = tuple({name: queries[name].search(one) for name in FIELDS[kind]} for one in found)
    except (ValueError, TypeError, RecursionError) as exc:
        return Collected(source, told, f"a query does not fit it ({' '.join(str(exc).split())[:200]})")
    return Collected(source, told, problem, entries)
