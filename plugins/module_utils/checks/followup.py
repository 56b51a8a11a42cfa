# Judges what people reported, were told and learned since a go-live, as the systems that keep it say.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.change_record import time_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.followup_facts import (
    ANSWER_HOURS,
    MESSAGES,
    TICKETS,
    TRAINING,
    Collected,
    FollowupFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.since_go_live import not_due
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import ABSENT, DENIED
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    errored,
    failed,
    inconclusive,
    passed,
    pending,
)

USERS = "go_live.t_plus_2h.feedback"
FEEDBACK, ISSUES, STATUS = (f"post_go_live.day_support.{item}" for item in ("feedback", "issues", "status"))
LEARNED = "post_go_live.month_process.training"
_FUTURE = timedelta(minutes=5)  # by which clocks may differ
_SHOWN, _KEPT = 4, 100
_RECORD = "Correct where it is, and by which queries its entries are found (bytebot_records, {kind})."
_MEND = "Mend what is critical, and close its ticket."
_ANSWER = "Answer each ticket, and have somebody read the channel."
_SEND = "Tell the stakeholders how it goes, by the channel that the record is of."
_TRAIN = "Train further people on operating it, and write them into the record."

CHECKS: Checks[FollowupFacts] = Checks()


@dataclass(frozen=True, slots=True)
class _Ticket:
    id: str
    severity: str
    state: str
    opened: datetime
    answered: datetime | None
    said: Any = None  # what stands there of the answer

    def told(self) -> dict[str, Any]:
        answered = self.answered.isoformat() if self.answered else None
        return {"id": self.id, "severity": self.severity, "state": self.state, "opened": self.opened.isoformat(),
                "answered": answered}  # fmt: skip


@CHECKS.settles(USERS)
def user_feedback(facts: FollowupFacts) -> Verdict:
    """Since the go-live nobody opened a critical ticket that is still open."""
    return _no_open_critical(facts, USERS)


@CHECKS.settles(FEEDBACK)
def channels_read(facts: FollowupFacts) -> Verdict:
    """Each ticket since the go-live was answered in time."""
    tickets = _tickets(facts, FEEDBACK)
    if isinstance(tickets, Verdict):
        return tickets
    source = facts.collected[TICKETS].source
    within = timedelta(hours=facts.answer_hours)
    if unclear := next((why for one in tickets if (why := _unclear_answer(facts, one))), ""):
        return _unclear(facts.collected[TICKETS], unclear, facts)
    waiting = len([one for one in tickets if one.answered is None])
    late = [one for one in tickets if not _answered_in_time(facts, one, within)]
    seen = _seen(facts, source, tickets)
    if late:
        named = _named([one.id for one in late])
        return failed(
            f"Tickets of {source}: {named} not answered within {facts.answer_hours} h.", _ANSWER, seen,
            weaker=_weaker(facts),
        )  # fmt: skip
    told = f"each of {len(tickets)} since the go-live was answered within {facts.answer_hours} h" if tickets else (
        "none was opened since the go-live")  # fmt: skip
    told += f", but for {waiting} that may wait for it still" if waiting else ""
    return passed(f"Tickets of {source}: {told}.", seen, weaker=_weaker(facts))


@CHECKS.settles(ISSUES)
def issues_addressed(facts: FollowupFacts) -> Verdict:
    """No critical ticket since the go-live is still open."""
    return _no_open_critical(facts, ISSUES)


@CHECKS.settles(STATUS)
def stakeholders_told(facts: FollowupFacts) -> Verdict:
    """Since the go-live a message was sent to stakeholders."""
    blocked = not_due(STATUS, facts.go_live, facts.now, facts.at) or _unread(facts, MESSAGES)
    if blocked or facts.go_live is None:
        return blocked or pending("Needs input go_live.")
    collected = facts.collected[MESSAGES]
    sent = [time_of(one.get("sent")) for one in collected.entries]
    if None in sent:
        return _unclear(collected, f"message {sent.index(None) + 1} has no time at which it was sent", facts)
    good = [when for when in sent if when and facts.go_live <= when <= facts.now + _FUTURE]
    seen = Evidence(collected.source, {"messages": len(sent), "since_go_live": sorted(map(str, good))[:_KEPT],
                                       "go_live": str(facts.go_live)}, facts.at)  # fmt: skip
    if not good:
        return failed(
            f"Messages of {collected.source}: none was sent since the go-live ({len(sent)} before).", _SEND, seen
        )
    last = max(good).isoformat()
    return passed(f"Messages of {collected.source}: {len(good)} sent since the go-live, the last at {last}.", seen)


@CHECKS.settles(LEARNED)
def more_people_trained(facts: FollowupFacts) -> Verdict:
    """Since the go-live somebody was trained who had not been before."""
    blocked = not_due(LEARNED, facts.go_live, facts.now, facts.at) or _unread(facts, TRAINING)
    if blocked or facts.go_live is None:
        return blocked or pending("Needs input go_live.")
    collected = facts.collected[TRAINING]
    before: set[str] = set()
    after: set[str] = set()
    for number, one in enumerate(collected.entries, 1):
        when, person = time_of(one.get("day")), str(one.get("person") or "").strip()
        if when is None or not person:
            return _unclear(collected, f"entry {number} does not say who was trained when", facts)
        if when.date() <= facts.go_live.date():
            before.add(person.casefold())
        elif when <= facts.now + timedelta(days=1):
            after.add(person.casefold())
    more = after - before
    told = {"trained_before": len(before), "trained_since": len(after), "of_these_new": len(more)}
    seen = Evidence(collected.source, {**told, "go_live": str(facts.go_live)}, facts.at)
    if not more:
        return failed(f"Training record {collected.source}: nobody was trained since the go-live who was not before.",
                      _TRAIN, seen)  # fmt: skip
    return passed(f"Training record {collected.source}: {len(more)} more were trained since the go-live.", seen)


# ---------------------------------------------------------------------------- tickets


def _no_open_critical(facts: FollowupFacts, control: str) -> Verdict:
    tickets = _tickets(facts, control)
    if isinstance(tickets, Verdict):
        return tickets
    source = facts.collected[TICKETS].source
    critical = [one for one in tickets if one.severity.lower() in _lower(facts.critical)]
    still = [one for one in critical if one.state.lower() not in _lower(facts.closed)]
    seen = _seen(facts, source, tickets)
    if still:
        return failed(f"Tickets of {source}: {_named([one.id for one in still])} critical and open.", _MEND, seen)
    told = f"{len(tickets)} since the go-live, {len(critical)} of them critical, none of these open"
    return passed(f"Tickets of {source}: {told}.", seen)


def _tickets(facts: FollowupFacts, control: str) -> list[_Ticket] | Verdict:
    """Those that were opened since the go-live, or why that cannot be told."""
    blocked = not_due(control, facts.go_live, facts.now, facts.at) or _unread(facts, TICKETS)
    if blocked or facts.go_live is None:
        return blocked or pending("Needs input go_live.")
    collected = facts.collected[TICKETS]
    found: list[_Ticket] = []
    for number, one in enumerate(collected.entries, 1):
        severity, state = _word(one.get("severity")), _word(one.get("state"))
        name, opened = _word(one.get("id")) or f"ticket {number}", time_of(one.get("opened"))
        if opened is None:
            return _unclear(collected, f"{name} does not say when it was opened", facts)
        if opened < facts.go_live:
            continue
        if not severity or not state:
            return _unclear(collected, f"{name} has no {'state' if severity else 'severity'}", facts)
        found.append(_Ticket(name, severity, state, opened, time_of(one.get("answered")), one.get("answered")))
    return found


def _unclear_answer(facts: FollowupFacts, one: _Ticket) -> str:
    """Why the time to the answer of a ticket cannot be told; empty where it can."""
    if one.opened > facts.now + _FUTURE:
        return f"{one.id} says that it was opened at {one.opened.isoformat()}, which is to come"
    if one.answered is None:
        return f"{one.id} does not say at which time it was answered" if one.said else ""
    if one.answered < one.opened - _FUTURE:
        return f"{one.id} says that it was answered before it was opened"
    return ""


def _answered_in_time(facts: FollowupFacts, one: _Ticket, within: timedelta) -> bool:
    """Whether somebody answered in time, or there is still time to."""
    return (one.answered or facts.now) - one.opened <= within


def _seen(facts: FollowupFacts, source: str, tickets: list[_Ticket]) -> Evidence:
    told = [one.told() for one in tickets[:_KEPT]]
    observed = {
        "tickets": told,
        "since_go_live": len(tickets),
        "of_all": len(facts.collected[TICKETS].entries),
        "go_live": str(facts.go_live),
        "critical": list(facts.critical),
        "closed": list(facts.closed),
    }
    return Evidence(source, observed, facts.at)


def _weaker(facts: FollowupFacts) -> tuple[str, ...]:
    usual = ANSWER_HOURS
    return (f"an answer within {facts.answer_hours} h wanted, usual: {usual}",) if facts.answer_hours > usual else ()


# ---------------------------------------------------------------------------- what all share


def _unread(facts: FollowupFacts, kind: str) -> Verdict | None:
    """What is said where a record was not read."""
    collected = facts.collected.get(kind, Collected())
    told = collected.told
    if told is None:
        return pending(
            f"Needs input {kind}: nothing says where they are." if kind != TRAINING
            else "Needs input training: nothing says where the record is.",
            f"Name it (in the inventory: bytebot_records, key {kind}).",
        )  # fmt: skip
    seen = Evidence(collected.source, told.seen(), facts.at)
    remedy = _RECORD.format(kind=kind)
    if told.kind == ABSENT:
        return failed(f"There is no record of {kind} at {collected.source} ({told.cause}).", remedy, seen)
    if told.kind == DENIED:
        allow = "Sign in with an account that may read it."
        return pending(f"The record of {kind} at {collected.source} may not be read: {told.cause}.", allow, seen)
    if not told.ok or collected.problem:
        why = told.cause or collected.problem
        return errored(f"The record of {kind} at {collected.source} could not be read: {why}.", remedy, seen)
    return None


def _unclear(collected: Collected, what: str, facts: FollowupFacts) -> Verdict:
    seen = Evidence(collected.source, {"entries": len(collected.entries), "unclear": what}, facts.at)
    return inconclusive(f"{collected.source}: {what}.", "Correct the entry, or the query of that field.", seen)


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more} {'is' if len(names) == 1 else 'are'}"


def _word(value: Any) -> str:
    return str(value).strip()[:80] if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _lower(words: tuple[str, ...]) -> set[str]:
    return {one.lower() for one in words}


def entries_of(found: Any) -> tuple[tuple[Mapping[str, Any], ...], str]:
    """The entries of a list, and why they cannot be told."""
    if not isinstance(found, list):
        return (), f"the query of list finds {type(found).__name__ if found is not None else 'nothing'}, and no list"
    if not all(isinstance(one, Mapping) for one in found):
        return (), "the query of list finds entries that are no mappings"
    return tuple(found), ""
