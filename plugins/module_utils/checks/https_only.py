# Judges that nothing is answered in clear: plain HTTP leads to https on the same host, and no side door is open.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

PERMANENT = frozenset({301, 308})  # RFC 9110, 15.4.2 and 15.4.9: others are asked in clear again the next time
HTTPS = 443
REDIRECTS = range(300, 400)


@dataclass(frozen=True, slots=True)
class Plain:
    """What came of one request in clear.

    :param status: 0 where no answer came; :param closed: whether nothing listens; :param problem: why else none came.
    """

    url: str
    status: int = 0
    location: str = ""
    closed: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SideDoor:
    """A way around the Ingress: a port on nodes, or an address of a Service's own.

    :param opened_by: the object; :param url: where it was asked in clear; empty where no address of it is known.
    :param unasked: why it was not asked.
    """

    opened_by: str
    url: str = ""
    answer: Plain | None = None
    unasked: str = ""


def plain_flaws(asked: Sequence[Plain]) -> list[str]:
    """What is wrong with the answers in clear."""
    return [flaw for one in asked for flaw in _plain_flaw(one)]


def door_flaws(doors: Sequence[SideDoor]) -> list[str]:
    """Which side doors answer in clear."""
    return [
        f"{one.opened_by} is a side door: {one.url} answers {one.answer.status} in clear"
        for one in doors
        if one.answer is not None and one.answer.status and not _leads_away(one.answer, any_port=True)
    ]


def doubts(asked: Sequence[Plain], doors: Sequence[SideDoor]) -> list[str]:
    """What was not seen: requests that got lost, and doors that were not tried."""
    lost = [one for one in asked if not one.status and not one.closed]
    found = [f"{one.url} gave no answer ({one.problem.rstrip('.')})" for one in lost]
    found += [f"{one.opened_by} opens a side door that was not tried: {one.unasked}" for one in doors if one.unasked]
    return found


def _plain_flaw(one: Plain) -> Iterator[str]:
    if not one.status:
        return
    if not _redirects(one):
        yield f"{one.url} answers {one.status} in clear"
    elif one.status not in PERMANENT:
        yield f"{one.url} leads away by {one.status}, which is not for good (301 or 308)"
    elif not _leads_away(one):
        yield f"{one.url} leads to {_shown(one)}, and not to https on the same host"


def _redirects(one: Plain) -> bool:
    return one.status in REDIRECTS and bool(one.location)


def _leads_away(one: Plain, *, any_port: bool = False) -> bool:
    """Whether it leads to https on the same host for good."""
    if not _redirects(one) or one.status not in PERMANENT:
        return False
    try:
        to = urlsplit(urljoin(one.url, one.location))
        port = to.port
    except ValueError:
        return False
    same_host = to.hostname == urlsplit(one.url).hostname
    return to.scheme == "https" and same_host and (any_port or port in (None, HTTPS))


def _shown(one: Plain) -> str:
    return one.location.split("?", 1)[0][:120]
