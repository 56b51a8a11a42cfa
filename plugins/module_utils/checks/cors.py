# Judges which origins an application lets in, by preflights and real requests with allowed, foreign and tricky ones.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.checks.answers import NOT_ASKED

ALLOWED, FOREIGN = "allowed", "foreign"
PREFLIGHT, REAL = "preflight", "request"
_OTHER_PORT, _SUCCESS = 8443, range(200, 300)
NULL = "null"


@dataclass(frozen=True, slots=True)
class Origin:
    """An origin, and by which trick it resembles an allowed one."""

    text: str
    trick: str = ""

    @property
    def allowed(self) -> bool:
        return not self.trick


@dataclass(frozen=True, slots=True)
class Asked:
    """One answer to one origin.

    :param group: the path that was asked; :param how: ``preflight`` or ``request``.
    """

    group: str
    how: str
    origin: Origin
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def admits(self) -> str:
        return self.headers.get("access-control-allow-origin", "").strip()

    @property
    def lost(self) -> str:
        """Why it says nothing of the origin; empty where it does. What an answer admits, it admits all the same."""
        if self.problem:
            return self.problem.rstrip(".")
        return f"{self.group} answers {self.status}" if self.status in NOT_ASKED and not self.admits else ""

    @property
    def with_credentials(self) -> bool:
        return self.headers.get("access-control-allow-credentials", "").strip().lower() == "true"


def origins(allowed: Iterable[str]) -> list[Origin]:
    """Those that are allowed, and for each of them what careless comparison takes for it; nobody is asked at these."""
    given = list(dict.fromkeys(one.rstrip("/") for one in allowed))
    tricks = [trick for one in given for trick in _tricks(one)]
    foreign = [Origin("https://foreign.example", "a foreign origin"), Origin(NULL, "the origin null"), *tricks]
    known = {one.lower() for one in given}
    return [Origin(one) for one in given] + [one for one in foreign if one.text.lower() not in known]


def _tricks(origin: str) -> Iterator[Origin]:
    parts = urlsplit(origin)
    host, scheme = parts.hostname or "", parts.scheme
    port = f":{parts.port}" if parts.port else ""
    yield Origin(f"{scheme}://not-{host}{port}", "another name with the same end")
    _first, dot, domain = host.partition(".")
    if dot and "." in domain:
        yield Origin(f"{scheme}://other.{domain}{port}", "another name of the same domain")
        yield Origin(f"{scheme}://not-{domain}{port}", "another domain with the same end")
    yield Origin(f"{scheme}://{host}.foreign.example{port}", "another name with the same beginning")
    if dot:
        yield Origin(f"{scheme}://{host.replace('.', 'x', 1)}{port}", "a dot taken for any letter")
    yield Origin(f"{'http' if scheme == 'https' else 'https'}://{host}{port}", "another scheme")
    yield Origin(f"{scheme}://{host}:{_OTHER_PORT if parts.port != _OTHER_PORT else _OTHER_PORT + 1}", "another port")


def flaws(answers: Iterable[Asked], *, credentials: bool) -> list[str]:
    """What is wrong, each once, with the path and the origin that show it."""
    return list(dict.fromkeys(flaw for one in answers if not one.lost for flaw in _flaws(one, credentials)))


def advice(answers: Iterable[Asked]) -> list[str]:
    """What is not wrong and better mended: caches may give an answer for one origin to another."""
    return sorted(
        {
            f"{one.group} does not vary by Origin"
            for one in answers
            if one.how == REAL and one.origin.allowed and one.admits == one.origin.text and not _varies(one.headers)
        }
    )


def _varies(headers: Mapping[str, str]) -> bool:
    return {"origin", "*"} & {one.strip().lower() for one in headers.get("vary", "").split(",")} != set()


def _flaws(one: Asked, credentials: bool) -> Iterator[str]:
    if one.origin.allowed:
        yield from _kept_out(one, credentials)
        return
    if one.admits == "*":
        beside = " with credentials" if one.with_credentials else ""
        yield f"{one.group} lets in every origin by *{beside} ({one.how})"
    elif one.admits.lower() == one.origin.text.lower():
        yield f"{one.group} lets in {one.origin.text}, {one.origin.trick} ({one.how})"
    elif one.admits.lower() == NULL:
        yield f"{one.group} lets in the origin null ({one.how})"


def _kept_out(one: Asked, credentials: bool) -> Iterator[str]:
    where = f"{one.group} ({one.how})"
    if one.admits == "*":
        yield f"{where} lets in every origin by *"
    elif one.admits != one.origin.text:
        yield f"{where} does not let in {one.origin.text}, which is allowed"
    elif credentials and not one.with_credentials:
        yield f"{where} lets {one.origin.text} send no credentials"
    elif one.how == PREFLIGHT and one.status not in _SUCCESS:
        yield f"{where} answers {one.status} to a preflight of {one.origin.text}"
