# The incident sheet: what runs, who is called, how to go back, and where to look, on one page; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.checks.contacts_facts import CHANNELS, Register
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import mark_in
from ansible_collections.bytebot.production.plugins.module_utils.helm.rollback_record import Rollback

NOT_SAID = "not known here"
ROLES = ("operations", "infrastructure", "development", "security")
OTHERS = ("executive", "customer")
_IMAGES = 12  # that fit on the page
_LEVELS = 4
_LINKS = 12
_LOGIN = re.compile(r"^(//)?(?!mailto:)[^/@\s]*:[^/@\s]*@")  # in an address without its scheme


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of the release."""

    number: int
    chart: str
    app_version: str
    since: str
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """How one goes back.

    :param to: the revision that is the last good one; None where there is none, for ``why_not``.
    :param before: what runs ahead of the application and differs, in words: a database does not go back.
    """

    to: Revision | None = None
    why_not: str = ""
    before: tuple[str, ...] = ()
    last: Rollback | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """By what this environment is reached, for commands that are to be copied."""

    environment: str
    namespace: str
    release: str
    inventory: str = ""
    context: str = ""
    kubeconfig: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """What the sheet tells."""

    place: Place
    now: Revision | None = None
    problem: str = ""
    way: Way = field(default_factory=Way)
    contacts: Register = field(default_factory=Register)
    escalation: Register = field(default_factory=Register)
    links: Mapping[str, str] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a name, and what is told; ``code`` where it is to be copied."""

    name: str
    text: str
    code: bool = False


Sections = Sequence[tuple[str, Sequence[Row]]]


def sections(sheet: Incident) -> Sections:
    """What stands on the page, from top to bottom."""
    return (
        ("What runs", tuple(_runs(sheet))),
        ("Who to call", tuple(_people(sheet))),
        ("How urgent", tuple(_levels(sheet))),
        ("How to go back", tuple(_back(sheet))),
        ("Where to look", tuple(_links(sheet))),
    )


def commands(place: Place, to: int) -> tuple[str, str]:
    """The exact commands by which this environment goes back: with the checks of this collection, and by helm alone."""
    inventory = f"-i {shlex.quote(place.inventory)} " if place.inventory else ""
    playbook = (
        f"ansible-playbook {inventory}rollback.yml --limit {shlex.quote(place.environment)} "
        f"-e rollback_to_revision={to} -e 'rollback_reason=\"WHY\"'"
    )
    target = f"--namespace {shlex.quote(place.namespace)}"
    target += f" --kube-context {shlex.quote(place.context)}" if place.context else ""
    target += f" --kubeconfig {shlex.quote(place.kubeconfig)}" if place.kubeconfig else ""
    return playbook, f"helm rollback {shlex.quote(place.release)} {to} {target} --wait"


def _runs(sheet: Incident) -> Iterator[Row]:
    place, now = sheet.place, sheet.now
    yield Row("Environment", f"{place.environment}, namespace {place.namespace}")
    if now is None:
        yield Row("Release", f"{place.release}: {sheet.problem or NOT_SAID}")
        return
    yield Row("Release", f"{place.release}, revision {now.number}, application {now.app_version}, chart {now.chart}")
    yield Row("Since", now.since)
    for image in now.images[:_IMAGES]:
        yield Row("Image", image)
    if more := len(now.images) - _IMAGES:
        yield from [Row("Images", f"and {more} more")] if more > 0 else []


def _people(sheet: Incident) -> Iterator[Row]:
    if problem := _missing(sheet.contacts, "bytebot_contacts"):
        yield Row("Contacts", problem)
    else:
        entries = (sheet.contacts.data or {}).get("contacts")
        for role in ROLES:
            one = entries.get(role) if isinstance(entries, Mapping) else None
            yield Row(_title(role, one), _pair(one))
    for role in OTHERS:
        if one := (sheet.escalation.data or {}).get(role):
            yield Row(_title(role, one), _pair(one))


def _levels(sheet: Incident) -> Iterator[Row]:
    if problem := _missing(sheet.escalation, "bytebot_escalation"):
        yield Row("Levels", problem)
        return
    listed = (sheet.escalation.data or {}).get("severities")
    levels = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    for one in [level for level in levels if not level.get("informational")][:_LEVELS]:
        steps = [step for step in one.get("escalate") or [] if isinstance(step, Mapping)]
        further = "; ".join(f"after {step.get('after')} {step.get('to')}" for step in steps)
        told = f"{one.get('meaning') or NOT_SAID}; answer within {one.get('respond_within') or NOT_SAID}"
        yield Row(str(one.get("name") or "?"), f"{told}; {further or 'nobody further is named'}")


def _back(sheet: Incident) -> Iterator[Row]:
    way = sheet.way
    if way.to is None:
        yield Row("Back", f"there is no way back: {way.why_not or NOT_SAID}")
        return
    to = way.to
    yield Row("Leads to", f"revision {to.number}, application {to.app_version}, chart {to.chart}, of {to.since}")
    playbook, helm = commands(sheet.place, to.number)
    yield Row("With checks", playbook, code=True)
    yield Row("By helm alone", helm, code=True)
    if way.before:
        yield Row(
            "Beware", f"the database does not go back, and these differ: {'; '.join(way.before)}. Ask development first"
        )
    if way.last:
        ended = "passed" if way.last.passed else f"failed ({way.last.why})"
        day = datetime.fromtimestamp(way.last.at, UTC).date().isoformat()
        yield Row("Last time", f"the rollback of {day} took {way.last.seconds:g} s and {ended}")
    else:
        yield Row("Last time", "no rollback is recorded in this environment")


def _links(sheet: Incident) -> Iterator[Row]:
    shown = {name: url for name, url in sheet.links.items() if url}
    for name, url in list(shown.items())[:_LINKS]:
        yield Row(name, bare(url))
    if not shown:
        yield Row("Links", f"{NOT_SAID} (in the inventory: bytebot_incident_links)")


def bare(url: str) -> str:
    """A place to look at, without credentials, and without a query, which may carry a token."""
    parts = urlsplit(url)
    if not parts.scheme or not parts.netloc:
        return _LOGIN.sub(r"\1", url.partition("?")[0])
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _missing(register: Register, variable: str) -> str:
    if register.problem:
        return f"{register.where}: {register.problem}"
    return "" if register.data else f"{NOT_SAID} (in the inventory: {variable})"


def _title(role: str, one: Any) -> str:
    return str(one.get("title") or role.capitalize()) if isinstance(one, Mapping) else role.capitalize()


def _pair(one: Any) -> str:
    """A person and the deputy; a placeholder is nobody."""
    if not isinstance(one, Mapping):
        return NOT_SAID
    return "; else ".join(told for who in ("person", "deputy") if (told := _person(one.get(who)))) or NOT_SAID


def _person(given: Any) -> str:
    if not isinstance(given, Mapping) or not given.get("name") or mark_in(str(given["name"])):
        return ""
    ways = [f"{kind.replace('_', ' ')} {given[kind]}" for kind in CHANNELS if given.get(kind)]
    return ", ".join([str(given["name"]), *(way for way in ways if not mark_in(way))])


# ---------------------------------------------------------------------------- the two forms


def markdown(sheet: Incident, told: Sections) -> str:
    """The page as Markdown."""
    lines = [
        f"# Incident sheet: {_md(sheet.place.environment)}",
        "",
        f"Made {_moment(sheet.at)}. Look it up anew when you can.",
    ]
    for title, rows in told:
        lines += ["", f"## {title}", ""]
        for row in rows:
            code = [f"- {_md(row.name)}:", "", f"      {_line(row.text)}", ""]
            lines += code if row.code else [f"- **{_md(row.name)}**: {_md(row.text)}"]
    return "\n".join(lines) + "\n"


def page(sheet: Incident, told: Sections) -> str:
    """The page as HTML in one file, which prints on one sheet."""
    name = html.escape(f"Incident sheet: {sheet.place.environment}")
    blocks = [
        f"<section><h2>{html.escape(title)}</h2><dl>{''.join(map(_html_row, rows))}</dl></section>"
        for title, rows in told
    ]
    head = f'<meta charset="utf-8"><title>{name}</title><style>{_STYLE}</style>'
    made = f"<p>Made {_moment(sheet.at)}. Look it up anew when you can.</p>"
    body = f"<h1>{name}</h1>{made}\n{''.join(blocks)}"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


_STYLE = (
    "@page{size:A4;margin:12mm}"
    "body{font:10pt/1.35 system-ui,sans-serif;max-width:60rem;margin:1rem auto;padding:0 1rem}"
    "h1{font-size:15pt;margin:0}h2{font-size:11pt;margin:.8em 0 .2em;border-bottom:1px solid}p{margin:.2em 0}"
    "dl{display:grid;grid-template-columns:11rem 1fr;gap:.15em .8em;margin:0}dt{font-weight:600}dd{margin:0}"
    "code{font-size:9pt;overflow-wrap:anywhere}"
)


def _html_row(row: Row) -> str:
    text = html.escape(row.text)
    if row.code:
        text = f"<code>{text}</code>"
    elif row.text.startswith(("https://", "http://")):
        text = f'<a href="{html.escape(row.text, quote=True)}">{text}</a>'
    return f"<dt>{html.escape(row.name)}</dt><dd>{text}</dd>"


def _md(text: str) -> str:
    """Text in which no sign of Markdown acts."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in _line(text))


def _line(text: str) -> str:
    return " ".join(text.split())


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
