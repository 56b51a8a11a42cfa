# What documents must have: their sections by control, and the marks of what was never filled in.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.bytebot.production.plugins.module_utils.document_text import Section, Text

AGES: Mapping[str, int] = {"go_live.testing.penetration": 365}  # days, where it is not the usual age
DOCUMENT_AGE = 90  # days from the last review to the next one, as the checklist's own
API, MONITORING, INCIDENT = (
    "documentation.user.api",
    "documentation.runbooks.monitoring",
    "documentation.runbooks.incident",
)
PENETRATION = "go_live.testing.penetration"
# Each wanted section by the words that its heading may have.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "documentation.deployment.procedures": (
        "prerequisites|preconditions|before",
        "steps|procedure|deploy",
        "verification|verify|check|after",
        "rollback|roll back|failure|if it fails",
    ),
    "documentation.deployment.configuration": (
        "values|variables|settings|configuration",
        "secrets|credentials",
        "change|changing",
    ),
    "documentation.deployment.troubleshooting": (
        "symptoms|problems|issues",
        "logs|diagnosis|diagnose",
        "escalation|escalate|help",
    ),
    "documentation.deployment.rollback": (
        "when|criteria|decision",
        "steps|procedure",
        "database|data|migrations",
        "verification|verify|check|after",
    ),
    INCIDENT: (
        "severity|severities|levels",
        "roles|responsibilities|who",
        "response|steps|procedure",
        "communication|inform|tell",
        "review|post-mortem|postmortem|afterwards",
    ),
    MONITORING: ("dashboards|where to look", "alerts|alert", "silence|silences|mute|maintenance"),
    "documentation.runbooks.backup": (
        "backup|backups|schedule",
        "restore|recovery",
        "test|tests|drill|drills|verify",
        "targets|objectives|rto",
    ),
    "documentation.runbooks.scaling": (
        "when|signals|metrics|triggers",
        "steps|how|procedure",
        "limits|bounds|capacity",
    ),
    API: ("operations|endpoints|resources|reference", "authentication|sign in", "errors|error", "limits|rate limits"),
    "documentation.user.integration": (
        "first|start|started|begin",
        "authentication|sign in|tokens",
        "example|examples",
        "errors|retries|limits",
    ),
    "documentation.user.authentication": (
        "sign in|signing in|login|tokens",
        "roles|permissions|authorization",
        "sessions|session|expiry|lifetime",
    ),
    "documentation.user.faq": (),
    "team.access.emergency": (
        "when|criteria",
        "who|approval|approves",
        "steps|how|procedure",
        "notice|noticed|audit|alert|trace",
        "after|afterwards|return|close",
    ),
    "go_live.change.communication": (
        "channels|channel",
        "owner|owners|who|roles",
        "schedule|when|times",
        "templates|messages|template",
    ),
    PENETRATION: (
        "scope|methods|method",
        "findings|results",
        "summary|conclusion|assessment",
    ),
    "post_go_live.day_support.documentation": (),
    "post_go_live.month_optimization.documentation": (),
    "post_go_live.month_process.review": (
        "what went well|went well|worked",
        "what went wrong|went wrong|problems|did not work",
        "actions|action items|measures|next steps",
    ),
    "post_go_live.month_process.lessons": ("lessons|lessons learned|learned",),
    "post_go_live.month_process.procedures": ("steps|procedure|deploy", "changes|history|what changed"),
}
QUESTIONS: Mapping[str, int] = {"documentation.user.faq": 5}  # headings that ask, each with an answer below it
# What holds for one release names the version that it is about.
VERSIONED = frozenset({
    "documentation.deployment.configuration", API, "documentation.user.integration",
    "documentation.user.authentication", "documentation.user.faq", PENETRATION,
})  # fmt: skip
FEWEST_WORDS = 4  # below a heading; less says nothing
_MARKS = (
    re.compile(
        r"\[[^\]\n]*\b(?:contact|info|name|phone|e-?mail|address|date|link|url|number|team|insert|your|tbd|todo|fill|"
        r"placeholder|here|role|person|version)\b[^\]\n]*\](?!\()",
        re.IGNORECASE,
    ),
    re.compile(r"<(?!/?(?:br|a|b|i|p|em|ul|ol|li|td|tr|th|div|img|sub|sup|kbd|pre|code|span|table|details|summary)\b)"
               r"[A-Za-z][\w .-]{1,60}>"),
    re.compile(r"(?<![\w-])(?:TODO|FIXME|TBD|XXX+)(?![\w-])"),
    re.compile(r"\bchange[-_]?me\b|\bCHANGE[-_ ]?ME\b|\blorem ipsum\b", re.IGNORECASE),
    re.compile(r"(?<![\w-])(?:[\w-]+\.)*example\.(?:com|org|net|edu)(?![\w-])", re.IGNORECASE),
    re.compile(r"(?<!\w)_{4,}(?!\w)"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the documents of one control are judged by.

    :param sections: each by the words that its heading may have, with bars between them.
    :param max_age: days since somebody last reviewed it; :param version: whether it names the version that runs.
    """

    sections: tuple[str, ...] = ()
    questions: int = 0
    max_age: int = DOCUMENT_AGE
    version: bool = False


def usual(control: str) -> Wanted:
    """What is wanted of a control's documents where nothing else is said."""
    return Wanted(
        SECTIONS.get(control, ()), QUESTIONS.get(control, 0), AGES.get(control, DOCUMENT_AGE), control in VERSIONED
    )


def mark_in(prose: str) -> str:
    """The first part of a text that stands for something that nobody wrote; empty where there is none."""
    for mark in _MARKS:
        if found := mark.search(prose):
            return found.group(0)
    return ""


def lacking(texts: tuple[Text, ...], wanted: Wanted) -> Iterator[str]:
    """The wanted sections that are missing, and all that are empty, each as a clause."""
    sections = [one for text in texts for one in _below_title(text)]
    hollow = [one for one in sections if not one.words and not one.title.rstrip().endswith("?")]
    yield from (f"the section {one.title!r} is empty" for one in hollow)
    for words in wanted.sections:
        fit = [one for one in sections if _fits(one.title, words)]
        if not fit:
            yield f"no section on {words.split('|')[0]}"
        elif all(one.words < FEWEST_WORDS for one in fit) and fit[0] not in hollow:
            yield f"the section {fit[0].title!r} is empty"
    if wanted.questions:
        asked = [one for one in sections if one.title.rstrip().endswith("?")]
        answered = [one for one in asked if one.words >= FEWEST_WORDS]
        if empty := [one for one in asked if one not in answered]:
            yield f"the question {empty[0].title!r} has no answer"
        elif len(answered) < wanted.questions:
            yield f"{len(answered)} questions with answers, {wanted.questions} are wanted"


def _fits(title: str, words: str) -> bool:
    alternatives = "|".join(re.escape(word.strip()) for word in words.split("|") if word.strip())
    return re.search(rf"(?<![\w-])(?:{alternatives})(?![\w-])", title, re.IGNORECASE) is not None


def _below_title(text: Text) -> tuple[Section, ...]:
    """All sections but the title, below which everything stands."""
    first = text.sections[:1]
    if first and all(one.level > first[0].level for one in text.sections[1:]) and len(text.sections) > 1:
        return text.sections[1:]
    return text.sections
