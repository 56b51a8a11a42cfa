# Judges lines of logs: each replica's come to the store, can be parsed, are kept, tell errors apart, show no secrets.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.log_facts import (
    USUAL_KEPT,
    FlowSeen,
    LineNames,
    LinesFacts,
    Wrote,
    level_word,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import seconds, words
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found, no_input
from ansible_collections.bytebot.production.plugins.module_utils.clients.log_search import text_of
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    inconclusive,
    pending,
)

FLOW, STRUCTURED = "monitoring.logging.flow", "monitoring.logging.structured"
RETENTION, ERRORS = "monitoring.logging.retention", "monitoring.logging.errors"
CHECKS: Checks[LinesFacts] = Checks()
_AGENT = "Look at the agent's log and at what it leaves out: does it read this pod's files, does it reach the store?"
_READ = "the right to search"
_FORM = "Let the application write one JSON object for each line, with these fields, an error's stack among them."
_ID = "Write the request's correlation id (x-correlation-id) into each of its lines, and answer with the same."
_LEVEL = "Write errors under level error or warn, with a code and the request's correlation id."
_SECRET = "Leave tokens, passwords and personal data out of lines, and change what was written already."
_KEEP = "Let the store keep lines longer, on a volume that has the room."


@CHECKS.settles(FLOW)
def flow(facts: LinesFacts) -> Verdict:
    """A line that each replica wrote of a known request is found in the store."""
    seen = facts.flow
    if (early := _early(facts)) is not None or seen is None:
        return early or pending("Nothing was asked.")
    found, where = Found(), f"{facts.title} at {facts.url}"
    evidence = _flow_evidence(facts, seen)
    silent = [one.pod for one in seen.wrote if not one.words]
    if silent:
        told = f"Pod {', '.join(silent)} wrote no line that tells of a known request, though {len(seen.ids)} were made."
        return inconclusive(told, "Let the application write a line for each request, then judge again.", evidence)
    if _searched(found, seen):
        lost = [one.pod for one in seen.wrote if not arrived(one, seen)]
        for pod in lost:
            found.wrong(f"no line of pod {pod} arrived within {seen.within_s:.0f} s", _AGENT)
    good = f"lines of {len(seen.wrote)} replicas of {seen.workload} arrived within {seen.took_s:.1f} s"
    return found.verdict(where, good, [evidence])


def _searched(found: Found, seen: FlowSeen) -> bool:
    """Whether the store could be searched; what it was not asked for, it does not lack."""
    return found.asked(seen.found, "the store answers no search", "Look at the store's log.", allow=_READ)


def arrived(one: Wrote, seen: FlowSeen) -> bool:
    """Whether the store has a line that this pod wrote."""
    return any(line.pod == one.pod and any(word in text_of(line.fields) for word in one.words) for line in seen.lines)


def _early(facts: LinesFacts) -> Verdict | None:
    """What keeps lines from being judged at all."""
    seen = facts.flow
    if not facts.url:
        return no_input("log_store", "bytebot_log_store")
    if facts.unasked:
        return pending(facts.unasked)
    if seen is None:
        return pending("Needs inputs base_url, namespace and release.", "Set them in the inventory.")
    if seen.gap:
        return pending(seen.gap, seen.remedy)
    if seen.broken:
        return inconclusive(f"Known requests could not be made: {seen.broken}.", "Mend that, then judge again.")
    return None


@CHECKS.settles(STRUCTURED)
def structured(facts: LinesFacts) -> Verdict:
    """Each line is one JSON object with the wanted fields, and those of a request bear its correlation id."""
    seen = facts.flow
    if (early := _early(facts)) is not None or seen is None:
        return early or pending("Nothing was asked.")
    found, names = Found(), facts.names
    rows = [(one.pod, line) for one in seen.wrote for line in one.lines]
    for pod, line in rows:
        for what in line_problems(line, names):
            found.wrong(f"pod {pod} {what}", _FORM)
    for sent, told in seen.ids.items():
        if told != sent:
            found.wrong("an answer's x-correlation-id is not the one that the request bore", _ID)
    marked = {str(line.get(names.correlation)) for _pod, line in _objects(seen)}
    if rows and not found.problems and not marked & set(seen.ids):
        found.wrong("no line bears the correlation id of its request", _ID)
    kept = {str(line.fields.get(names.correlation)) for line in seen.lines}
    if not found.problems and _searched(found, seen) and not kept & set(seen.ids):
        found.wrong(f"the store has no field {names.correlation} of these lines, so it does not parse them", _FORM)
    good = (
        f"{len(rows)} lines of {len(seen.wrote)} replicas are JSON with {', '.join(names.wanted)}, and bear their ids"
    )
    return found.verdict(f"Lines of {seen.workload}", good, [_lines_evidence(facts, seen, rows)])


def line_problems(line: str, names: LineNames) -> Iterator[str]:
    """What is wrong with one line."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        yield "writes lines that are no JSON object"
        return
    lacking = [name for name in names.wanted if found.get(name) in (None, "")]
    if lacking:
        yield f"writes lines without {', '.join(lacking)}"
    level = found.get(names.level)
    if level not in (None, "") and level_word(level) not in names.levels:
        yield f"writes lines of a level {str(level)[:20]!r} that is none"
    text = found.get(names.time)
    if names.time in names.wanted and text not in (None, "") and not has_zone(text):
        yield f"writes lines whose {names.time} is no time with a zone"


def has_zone(text: Any) -> bool:
    """Whether a text is a time that says its zone; a number is one since 1970 in UTC."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return True
    whole = re.sub(r"(\.\d{6})\d+", r"\1", str(text)).replace("Z", "+00:00")
    try:
        return datetime.fromisoformat(whole).tzinfo is not None
    except ValueError:
        return False


def _objects(seen: FlowSeen) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for one in seen.wrote:
        for line in one.lines:
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                yield one.pod, found


@CHECKS.settles(RETENTION)
def retention(facts: LinesFacts) -> Verdict:
    """The store is set to keep lines as long as is wanted."""
    if not facts.url or facts.kept is None:
        return no_input("log_store", "bytebot_log_store")
    kept, wanted = facts.kept, seconds(facts.keep) or 0.0
    found, where = Found(), f"{facts.title} at {facts.url}"
    known = found.asked(kept.told, "how long it keeps lines", _KEEP, allow="the right to read its configuration")
    length = kept.told.data if known else None
    age = facts.now - kept.oldest if kept.oldest else None
    if known and length is not None and length < wanted:
        found.wrong(f"it keeps lines for {words(length)}, {facts.keep} are wanted", _KEEP)
    oldest = f"; its oldest line is {words(age)} old" if age else ""
    good = f"it keeps lines {'for ' + words(length) if length is not None else 'without an end'}{oldest}"
    weaker = [f"lines kept for {facts.keep}, usual {USUAL_KEPT}"] if wanted < (seconds(USUAL_KEPT) or 0.0) else []
    observed = {
        "keeps_s": length if known else kept.told.seen(),
        "oldest_line_age_s": round(age) if age else None,
        "notes": list(kept.notes),
        "wanted": facts.keep,
    }
    return found.verdict(where, good, [Evidence(f"settings of {where}", observed, facts.at)], weaker)


@CHECKS.settles(ERRORS)
def errors(facts: LinesFacts) -> Verdict:
    """An induced error has a line under an error's level with code and correlation id, and no line shows a secret."""
    seen = facts.flow
    if (early := _early(facts)) is not None or seen is None:
        return early or pending("Nothing was asked.")
    found, names = Found(), facts.names
    everything = [line for one in seen.wrote for line in one.lines] + [text_of(line.fields) for line in seen.lines]
    for kind, planted in seen.planted.items():
        if any(planted in line for line in everything):
            found.wrong(f"a line shows the {kind} of a request", _SECRET)
    evidence = _errors_evidence(facts, seen)
    if not seen.error_id:
        return inconclusive("No error could be induced.", "See functional_testing.authentication.login.", evidence)
    mine = [line for _pod, line in _objects(seen) if line.get(names.correlation) == seen.error_id]
    coded = [line for line in mine if any(line.get(code) for code in names.codes)]
    stored = [line.fields for line in seen.lines if line.fields.get(names.correlation) == seen.error_id]
    if not mine and not any(True for _one in _objects(seen)) and not found.problems:
        told = "No line is a JSON object, so levels cannot be told."
        return inconclusive(told, "See monitoring.logging.structured.", evidence)
    if not mine:
        found.wrong("no line bears the correlation id of the induced error", _LEVEL)
    elif not coded:
        found.wrong("no line of the induced error has a code", _LEVEL)
    elif not any(_is_error(line, names) for line in coded):
        level = str(coded[0].get(names.level) or "none")[:20]
        found.wrong(f"the line of the induced error has level {level}", _LEVEL)
    elif _searched(found, seen) and not any(
        _is_error(line, names) and any(line.get(code) for code in names.codes) for line in stored
    ):
        found.wrong("the store has no line of the induced error under an error's level with its code", _LEVEL)
    level = next((str(line.get(names.level)) for line in coded), "")
    good = (
        f"a failed sign-in is found under level {level} with code and correlation id, and no line shows a secret of it"
    )
    return found.verdict(f"Lines of {seen.workload}", good, [evidence])


def _is_error(line: Mapping[str, Any], names: LineNames) -> bool:
    return level_word(line.get(names.level)) in names.errors


def _flow_evidence(facts: LinesFacts, seen: FlowSeen) -> Evidence:
    observed = {
        "requests": len(seen.ids),
        "replicas": {one.pod: {"lines": len(one.lines), "in_store": arrived(one, seen)} for one in seen.wrote},
        "search": seen.found.seen(),
        "found": len(seen.lines),
        "took_s": round(seen.took_s, 1),
    }
    return Evidence(f"lines in {facts.title} {facts.url}", observed, facts.at)


def _lines_evidence(facts: LinesFacts, seen: FlowSeen, rows: list[tuple[str, str]]) -> Evidence:
    fields = sorted({name for _pod, line in _objects(seen) for name in line})
    observed = {
        "lines": len(rows),
        "json": sum(1 for _one in _objects(seen)),
        "fields": fields[:60],
        "levels": sorted({str(line.get(facts.names.level)) for _pod, line in _objects(seen)}),
        "correlation_ids_kept": sum(1 for sent, told in seen.ids.items() if sent == told),
    }
    return Evidence(f"lines of the pods of {seen.workload}", observed, facts.at)


def _errors_evidence(facts: LinesFacts, seen: FlowSeen) -> Evidence:
    names = facts.names
    shown = (names.level, names.correlation, names.time, *names.codes, "statusCode")
    mine = [line for _pod, line in _objects(seen) if seen.error_id and line.get(names.correlation) == seen.error_id]
    observed = {
        "answer": seen.error_status,
        "lines": [{name: line.get(name) for name in shown if name in line} for line in mine[:5]],
        "looked_for": sorted(seen.planted),
    }
    return Evidence(f"lines of an induced error of {seen.workload}", observed, facts.at)
