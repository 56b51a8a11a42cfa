# Observes one session from its begin to its end, and what forged tokens meet.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus

from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import (
    SessionFacts,
    TokenFacts,
    Tried,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.auth_api import AuthApi, Session, cookie_value
from ansible_collections.bytebot.production.plugins.module_utils.forge import (
    Bent,
    Forged,
    Keys,
    confused,
    parts_of,
    rightly_signed,
    unkeyed,
)
from ansible_collections.bytebot.production.plugins.module_utils.test_identities import Person

MOST_SESSIONS = 20  # that are begun to see a limit on them


def tokens_of(api: AuthApi, session: Session, keys: Keys, *, key_id_needed: bool) -> TokenFacts:
    """Forge tokens after a good one, and see what each gets where a good one gets 200."""
    found = parts_of(session.access)
    good = api.believed(session.access)
    if found is None:
        return TokenFacts(good, is_jwt=False)
    header, claims = found
    untried, counter, cases = keys.problem, 0, [*unkeyed(session.access), *confused(session.access, keys)]
    if keys.private or keys.shared:
        try:
            first, *others = rightly_signed(session.access, keys, Bent(key_id_needed, time.time()))
            counter = api.believed(first.token)
            cases += others
        except ValueError as exc:
            untried = f"{exc}"
    if session.refresh:
        cases.append(Forged("a refresh token", session.refresh))
    return TokenFacts(
        good,
        str(header.get("alg", "")),
        str(claims.get("iss", "")),
        " ".join(_words(claims.get("aud"))),
        lifetime(session.access),
        tuple(_tried(api, cases)),
        counter,
        untried,
    )


def _tried(api: AuthApi, cases: list[Forged]) -> Iterator[Tried]:
    for one in cases:
        answer = api.ask("GET", api.dialect.me, token=one.token)
        problem = answer.failure.sentence.rstrip(".") if answer.failure else ""
        yield Tried(one.what, answer.status, "401", "signed" if one.signed else "", api.code_of(answer), problem)


def lifetime(token: str) -> int | None:
    """Seconds from a token's issue to its end, as it says itself."""
    found = parts_of(token)
    if found is None:
        return None
    begins, ends = found[1].get("iat"), found[1].get("exp")
    return int(ends - begins) if isinstance(begins, int | float) and isinstance(ends, int | float) else None


def session_of(api: AuthApi, person: Person, wanted: Wanted) -> SessionFacts:
    """Refresh, use twice what may be used once, sign out, and see what is good afterwards."""
    first = api.login(person.name, person.password)
    if not first.works:
        return SessionFacts(problem=f"A second login got {first.answer.status}.")
    ages = [one.max_age_s for one in first.cookies if one.name == api.dialect.refresh_cookie]
    facts = SessionFacts(
        access_s=_first(lifetime(first.access), first.expires_in),
        refresh_s=_first(lifetime(first.refresh), *ages),
        has_refresh=bool(first.refresh),
        cookies=first.cookies,
        fixed=_fixed(api, person),
        living=_living(api, person, wanted.sessions),
    )
    if first.refresh:
        facts = _refreshed(api, first, facts)
    return _signed_out(api, person, facts)


def _refreshed(api: AuthApi, first: Session, facts: SessionFacts) -> SessionFacts:
    wrong_kind = api.refresh(first.access).answer.status
    second = api.refresh(first.refresh)
    works = api.believed(second.access) if second.access else 0
    reused = api.refresh(first.refresh).answer.status
    after = api.refresh(second.refresh).answer.status if second.refresh else 0
    return replace(
        facts,
        access_as_refresh=wrong_kind,
        refreshed=second.answer.status,
        new_access=bool(second.access) and second.access != first.access,
        new_refresh=bool(second.refresh) and second.refresh != first.refresh,
        new_works=works,
        reused=reused,
        after_reuse=after,
    )


def _signed_out(api: AuthApi, person: Person, facts: SessionFacts) -> SessionFacts:
    session = api.login(person.name, person.password)
    if not session.works:
        return replace(facts, problem=f"A third login got {session.answer.status}.")
    before = api.believed(session.access)
    logout = api.logout(session).status
    after = api.believed(session.access)
    refreshed = api.refresh(session.refresh).answer.status if session.refresh else 0
    return replace(facts, before_logout=before, logout=logout, access_after=after, refresh_after=refreshed)


def _fixed(api: AuthApi, person: Person) -> str:
    """A session's name that is brought along, as who planted it in the browser knows it, must not be the new one's."""
    planted = secrets.token_urlsafe(32)
    unknown = api.login(person.name, person.password, cookie=planted)
    other = api.login(person.name, person.password)
    known = api.login(person.name, person.password, cookie=other.refresh) if other.refresh else other
    names = (api.dialect.refresh_cookie, api.dialect.access_cookie)
    told = [
        what
        for session, brought, what in (
            (unknown, planted, "an invented one"),
            (known, other.refresh, "one of another session"),
        )
        if session.works and brought and brought in (session.refresh, *(cookie_value(session.answer, n) for n in names))
    ]
    for one in (unknown, other, known):
        if one.works:
            api.logout(one)
    return " and ".join(told)


def _living(api: AuthApi, person: Person, most: int) -> int:
    """How many of more sessions than are wanted live on; 0 where no number is wanted."""
    if not 0 < most <= MOST_SESSIONS:
        return 0
    begun = [api.login(person.name, person.password) for _number in range(most + 1)]
    living = sum(1 for one in begun if one.works and api.believed(one.access) == HTTPStatus.OK)
    for one in begun:
        if one.works:
            api.logout(one)
    return living


def _first(*values: int | None) -> int | None:
    return next((one for one in values if one is not None), None)


def _words(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)] if value else []
