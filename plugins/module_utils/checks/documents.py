# Judges documents: there, whole, kept by somebody, looked at lately, and true of the system that they speak of.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_facts import (
    ApiSeen,
    DocumentFacts,
    Entry,
    Live,
    Page,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import (
    AGES,
    API,
    DOCUMENT_AGE,
    INCIDENT,
    MONITORING,
    SECTIONS,
    lacking,
    mark_in,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found
from ansible_collections.bytebot.production.plugins.module_utils.document_names import (
    alerts_named,
    mentions,
    mentions_version,
    references,
)
from ansible_collections.bytebot.production.plugins.module_utils.document_text import Text
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, pending

_WRITE = "Write it, or correct where it is (in the inventory: bytebot_documents)."
_FILL = "Write what the section is to tell, or name other sections that are wanted."
_KEEP = "Say who keeps it and when it was last reviewed, as `owner:` and `reviewed: 2026-10-01` in its front matter."
_REVIEW = "Have its owner read it, correct it, and set the date of the review."
_COMPLETE = "Replace each placeholder by what is true here."
_PEOPLE = "Complete what only people know, and take the marker out of the document."
_LINKS = "Correct the link, or what it leads to."
_NAMES = "Name what is there, or deploy what is named."
_ALERTS = "Name the alerts that the rules have, and say of each what to do."
_VERSION = "Look whether it is true of the version that runs, and name that version."
_PUBLISH = "Publish the description that belongs to the running version."
_SHOWN = 3

CHECKS: Checks[DocumentFacts] = Checks()
SETTLED = tuple(control for control in SECTIONS if control.startswith("documentation."))


def document_verdict(facts: DocumentFacts, control: str) -> Verdict:
    """One control, by its own documents."""
    entry = facts.entries.get(control)
    if entry is None:
        return pending(
            f"Needs input documents: nothing says where the document of {control} is.",
            f"Name it (in the inventory: bytebot_documents, key {control}).",
        )
    found = Found()
    judged = judge_pages(found, facts, entry)
    if control == MONITORING:
        _every_alert(found, facts)
    if control == API:
        _description(found, entry.api)
    good = f"{_count(judged)}, last reviewed {_oldest(judged)}, with all sections, and what it names is there"
    if control == API and entry.api:
        good += f"; the published description of {entry.api.operations} operations is the live one"
    return found.verdict(
        _where(entry),
        good,
        [evidence_of(facts, entry)],
        weaker_age(entry.wanted.max_age, AGES.get(control, DOCUMENT_AGE)),
    )


def judge_pages(found: Found, facts: DocumentFacts, entry: Entry) -> list[Page]:
    """Add what is wrong with the documents of a control; those that could be read are returned."""
    read = []
    for page in entry.pages:
        if page.text is None:
            told = f"{page.where} {page.problem}"
            found.wrong(told, _WRITE) if page.absent else found.unknown(told, "Make it readable for this account.")
        else:
            read.append(page)
            _page(found, facts, page, page.text, entry)
    if read and len(read) == len(entry.pages):
        for gap in lacking(tuple(page.text for page in read if page.text), entry.wanted):
            found.wrong(gap, _FILL)
        if entry.wanted.version:
            _version(found, facts.live, read)
    return read


def _page(found: Found, facts: DocumentFacts, page: Page, text: Text, entry: Entry) -> None:
    told = f"{page.where}: " if len(entry.pages) > 1 else ""
    if text.marked:
        found.wrong(f"{told}it was generated, and nobody has completed it", _PEOPLE)
    if mark := mark_in(text.prose):
        found.wrong(f"{told}the placeholder {mark[:80]} is left", _COMPLETE)
    if not text.owner:
        found.wrong(f"{told}it names no owner", _KEEP)
    for problem in age_problems(text.reviewed, "reviewed", entry.wanted.max_age, facts.today):
        found.wrong(f"{told}{problem}", _REVIEW)
    for dead in page.dead:
        found.wrong(f"{told}{dead}", _LINKS)
    for unsure in page.unsure:
        found.unknown(f"{told}{unsure}", "Judge again, or let this machine reach it.")
    _references(found, facts.live, text, told)
    _alerts(found, facts.live, text, told)


def age_problems(written: str, what: str, most: int, today: date) -> Iterator[str]:
    """Why a date that somebody wrote does not hold: missing, no date, to come, or too long ago."""
    if not written:
        yield f"it does not say when it was last {what}"
        return
    try:
        when = date.fromisoformat(written[:10])
    except ValueError:
        yield f"it was last {what} {written[:40]!r}, which is no day such as 2026-10-01"
        return
    age = (today - when).days
    if age < -1:  # somewhere it is tomorrow already
        yield f"it was last {what} on {when}, which is to come"
    elif age > most:
        yield f"it was last {what} on {when}, {age} days ago, and at most {most} are wanted"


def _references(found: Found, live: Live, text: Text, told: str) -> None:
    named = references(text.commands)
    lost = [one for one in named if one in live.missing]
    if lost:
        found.wrong(f"{told}its commands name {', '.join(map(str, lost[:_SHOWN]))}, which is not there", _NAMES)
    for one in named:
        if why := live.unseen.get(one):
            found.unknown(f"{told}whether {one} is there is not known ({why})", "Permit that, or leave it open there.")


def _alerts(found: Found, live: Live, text: Text, told: str) -> None:
    named = alerts_named(text)
    if named and live.alerts is None:
        found.unknown(f"{told}it names alerts, and {live.no_alerts}", "Say where Prometheus is (bytebot_prometheus).")
    elif lost := [name for name in named if name not in (live.alerts or ())]:
        found.wrong(f"{told}it names the alert {', '.join(lost[:_SHOWN])}, which no rule has", _ALERTS)


def _every_alert(found: Found, facts: DocumentFacts) -> None:
    """Each alert of the rules stands in one of the runbooks for incidents and for alerts."""
    if facts.live.alerts is None:
        found.unknown(
            f"whether every alert has a runbook is not known: {facts.live.no_alerts}",
            "Say where Prometheus is (bytebot_prometheus).",
        )
        return
    entries = (facts.entries.get(control) for control in (MONITORING, INCIDENT))
    texts = [page.text for entry in entries if entry for page in entry.pages if page.text]
    without = sorted(name for name in facts.live.alerts if not any(mentions(text, name) for text in texts))
    if texts and without:
        found.wrong(f"no runbook says what to do at {', '.join(without[:_SHOWN])}{_more(without)}", _ALERTS)


def _version(found: Found, live: Live, read: list[Page]) -> None:
    if not live.versions:
        found.unknown(
            f"which version runs is not known: {live.no_versions}", "Deploy the release, or name its version."
        )
    elif not any(mentions_version(page.text, one) for page in read if page.text for one in live.versions):
        found.wrong(f"it does not name version {' or '.join(live.versions)}, which runs", _VERSION)


def _description(found: Found, api: ApiSeen | None) -> None:
    if api is None:
        found.unknown(
            "where the description of the API is published is not said",
            f"Name it (in the inventory: bytebot_documents, key {API}, openapi).",
        )
        return
    if api.wrong:
        found.wrong(api.wrong, _PUBLISH)
    elif api.gap:
        found.unknown(api.gap, api.gap_remedy)
    elif api.differences:
        few = "; ".join(api.differences[:_SHOWN])
        found.wrong(f"the published description is not the live one: {few}{_more(api.differences)}", _PUBLISH)


# ---------------------------------------------------------------------------- words and evidence


def _more(given: object) -> str:
    count = len(given) if isinstance(given, (list, tuple)) else 0
    return f" and {count - _SHOWN} more" if count > _SHOWN else ""


def _where(entry: Entry) -> str:
    names = [page.where for page in entry.pages]
    return ", ".join(names[:_SHOWN]) + _more(names)


def _count(pages: list[Page]) -> str:
    owners = ", ".join(dict.fromkeys(page.text.owner for page in pages if page.text))
    return f"kept by {owners}"


def _oldest(pages: list[Page]) -> str:
    return min((page.text.reviewed for page in pages if page.text), default="never")


def weaker_age(days: int, usual: int = DOCUMENT_AGE, what: str = "a review") -> list[str]:
    """In words, where an age is permitted that is above the document's."""
    return [f"{what} of at most {days} days ago wanted, document: {usual}"] if days > usual else []


def evidence_of(facts: DocumentFacts, entry: Entry, **more: object) -> Evidence:
    """What was read, without the text itself: its hash says which one it was."""
    api = entry.api
    observed = {
        "documents": [_told(page) for page in entry.pages],
        "sections_wanted": list(entry.wanted.sections),
        "alerts_known": None if facts.live.alerts is None else len(facts.live.alerts),
        "versions": list(facts.live.versions),
        **({"api": {"published": api.published, "live": api.live, "version": api.version,
                    "operations": api.operations, "differences": list(api.differences[:50])}} if api else {}),
        **more,
    }  # fmt: skip
    return Evidence(f"documents of {entry.control}", observed, facts.at)


def _told(page: Page) -> dict[str, object]:
    text = page.text
    if text is None:
        return {"where": page.where, "problem": page.problem}
    return {
        "where": page.where,
        "format": text.kind,
        "sha256": page.sha256,
        "title": text.title,
        "owner": text.owner,
        "reviewed": text.reviewed,
        "sections": {one.title: one.words for one in text.sections},
        "links": page.links,
        "links_dead": list(page.dead),
        "links_to_hosts_not_asked": page.foreign,
        "alerts_named": alerts_named(text),
        "commands_name": [str(one) for one in references(text.commands)],
    }


def _judge_of(control: str) -> Callable[[DocumentFacts], Verdict]:
    return lambda facts: document_verdict(facts, control)


for _control in SETTLED:
    CHECKS.settles(_control)(_judge_of(_control))
