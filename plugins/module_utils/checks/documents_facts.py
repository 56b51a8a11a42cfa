# What was observed of documents and of the live system that they speak of.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import Wanted
from ansible_collections.bytebot.production.plugins.module_utils.document_names import Reference
from ansible_collections.bytebot.production.plugins.module_utils.document_text import Text
from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now


@dataclass(frozen=True, slots=True)
class Page:
    """One document.

    :param problem: why it cannot be read; empty where it can. :param absent: it is not there, which is a finding and
        not a gap; :param dead: links that lead nowhere, as clauses; :param unsure: links that could not be followed.
    :param foreign: how many links lead to hosts that may not be asked.
    """

    where: str
    text: Text | None = None
    problem: str = ""
    absent: bool = False
    sha256: str = ""
    links: int = 0
    dead: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    foreign: int = 0


@dataclass(frozen=True, slots=True)
class ApiSeen:
    """The description of the API, as it is published and as it is live; empty problems where both were read.

    :param wrong: why what is published is none; :param gap: what could not be asked, and so is not known.
    """

    published: str = ""
    live: str = ""
    version: str = ""
    operations: int = 0
    differences: tuple[str, ...] = ()
    wrong: str = ""
    gap: str = ""
    gap_remedy: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """The documents of one control, and what is wanted of them."""

    control: str
    wanted: Wanted
    pages: tuple[Page, ...] = ()
    api: ApiSeen | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """What documents are compared with.

    :param alerts: names of the rules' alerts; None where they are not known, for the reason in ``no_alerts``.
    :param versions: of the release that runs; empty where it is not known, for the reason in ``no_versions``.
    :param missing: what commands name and is not there; :param unseen: what could not be asked for, each with why.
    """

    alerts: frozenset[str] | None = None
    no_alerts: str = ""
    versions: tuple[str, ...] = ()
    no_versions: str = ""
    missing: frozenset[Reference] = frozenset()
    unseen: Mapping[Reference, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccessNow:
    """What is known of access beside its documents.

    :param record: the last review's record; None where it could not be read, for ``problem``.
    :param now: by subject, the powers that it has now; None where nobody has told.
    """

    where: str = ""
    record: Mapping[str, Any] | None = None
    problem: str = ""
    now: Mapping[str, tuple[str, ...]] | None = None
    max_age: int = 90


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """One observation.

    :param go_live: when it went live; None where nothing says so.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    live: Live = field(default_factory=Live)
    access: AccessNow = field(default_factory=AccessNow)
    test_age: int = 180
    today: date = date.min
    go_live: datetime | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    at: str = field(default_factory=utc_now)
