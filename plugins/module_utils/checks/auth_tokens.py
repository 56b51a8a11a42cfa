# Judges tokens and sessions: which forged token is believed, what rotation, re-use and sign-out do, what cookies say.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.bytebot.production.plugins.module_utils.checks.answers import UNTOLD
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import (
    Cookie,
    SessionFacts,
    TokenFacts,
    Wanted,
)

OK, UNAUTHORIZED, REFUSED = 200, 401, range(400, 500)
ENDED = (200, 204)
GOOD = range(200, 300)
_AFTER = "a refresh after that"
_SAME_SITE = ("none", "lax", "strict")
# Cookies that load balancers and proxies set for themselves, by how their documentation has their names begin.
_BALANCERS = ("awsalb", "awselb", "gclb", "gcilb", "arraffinity", "__cf", "_cfuvid", "cf_clearance", "ingresscookie",
              "serverid")  # fmt: skip
_FOR_SCRIPTS = frozenset({"xsrf-token", "csrftoken", "csrf-token", "csrf_token"})  # which send it back in a header


# ---------------------------------------------------------------------- tokens


def accepted(seen: TokenFacts) -> Iterator[str]:
    """The tokens that are believed and must not be, or that break the application."""
    for one in dict.fromkeys((case.what, case.status) for case in seen.cases if case.status):
        what, status = one
        if status < REFUSED.start:
            yield f"a token is believed: {what} ({status})"
        elif status not in (UNAUTHORIZED, *UNTOLD):
            yield f"a token is answered with {status} in place of 401: {what}"


def ill_made(seen: TokenFacts, wanted: Wanted) -> Iterator[str]:
    """What is wrong with the token that the login gives."""
    if seen.algorithm not in wanted.algorithms:
        yield f"tokens are signed by {seen.algorithm or 'nothing'}, {' or '.join(wanted.algorithms)} is wanted"
    if wanted.issuer and seen.issuer != wanted.issuer:
        yield f"the issuer is {seen.issuer or 'not said'}, {wanted.issuer} is wanted"
    if wanted.audience and wanted.audience not in seen.audience.split():
        yield f"the audience is {seen.audience or 'not said'}, {wanted.audience} is wanted"
    if seen.lifetime_s is None:
        yield "a token does not say when it was made and when it ends"


def token_doubts(seen: TokenFacts) -> Iterator[str]:
    """Why refusals prove nothing."""
    if seen.good != OK:
        yield f"the token of the login itself gets {seen.good or 'no answer'}"
    lost = [one for one in seen.cases if one.problem or one.status in UNTOLD]
    if lost:
        yield f"{len(lost)} of {len(seen.cases)} tokens got no answer that tells of them ({lost[0].told})"
    if any(one.by for one in seen.cases) and seen.counter != OK:
        yield (
            f"a token signed anew with the key of the Secret and nothing changed gets {seen.counter or 'no answer'}, "
            "so that others signed with it are refused says nothing"
        )


# ---------------------------------------------------------------------- sessions


def not_refreshed(seen: SessionFacts) -> Iterator[str]:
    """What is wrong with asking for a new pair."""
    if not seen.has_refresh:
        yield "the login gives no refresh token"
        return
    if seen.refreshed != OK:
        if seen.refreshed not in UNTOLD:
            yield f"a refresh token gets {seen.refreshed}"
        return
    if not seen.new_access:
        yield "a refresh gives no new access token"
    elif seen.new_works not in (OK, *UNTOLD):
        yield f"the new access token gets {seen.new_works}"
    yield from _not_rotated(seen)
    if seen.access_as_refresh not in (*REFUSED, *UNTOLD):
        yield f"an access token in place of a refresh token gets {seen.access_as_refresh}"


def _not_rotated(seen: SessionFacts) -> Iterator[str]:
    if not seen.new_refresh:
        yield "a refresh gives no new refresh token"
    if seen.reused not in (*REFUSED, *UNTOLD):
        yield f"a refresh token that was used gets {seen.reused} a second time"


def not_ended(seen: SessionFacts) -> Iterator[str]:
    """What is good after signing out and must not be."""
    if seen.logout in UNTOLD:
        return
    if seen.logout not in ENDED:
        yield f"signing out gets {seen.logout}"
    if seen.access_after not in (*REFUSED, *UNTOLD):
        yield f"the access token gets {seen.access_after} after signing out"
    if seen.refresh_after not in (*REFUSED, *UNTOLD):
        yield f"the refresh token gets {seen.refresh_after} after signing out"


def session_doubts(seen: SessionFacts) -> Iterator[str]:
    """Why what is refused after signing out proves nothing."""
    if seen.problem:
        yield seen.problem.rstrip(".")
    elif seen.before_logout != OK:
        yield f"the access token gets {seen.before_logout or 'no answer'} before signing out"


def ill_kept(seen: SessionFacts, wanted: Wanted) -> Iterator[str]:
    """What is wrong with sessions."""
    for what, lasts, most in (
        ("an access token", seen.access_s, wanted.access_s),
        ("a refresh token", seen.refresh_s, wanted.refresh_s),
    ):
        if lasts is not None and lasts > most:
            yield f"{what} is good for {lasts} s, at most {most} s is wanted"
    if seen.refreshed == OK and not seen.new_refresh:
        yield "a refresh gives no new refresh token"
    twice, ended = seen.refreshed == OK, seen.logout not in UNTOLD
    good = {
        "a refresh token that was used is good a second time": seen.reused if twice else 0,
        "after a refresh token was used twice its session goes on": seen.after_reuse if seen.reused in REFUSED else 0,
        "the access token is good after signing out": seen.access_after if ended else 0,
        "the refresh token is good after signing out": seen.refresh_after if ended else 0,
    }
    yield from (f"{what} ({status})" for what, status in good.items() if status in GOOD)
    for one in own_cookies(seen):
        yield from _cookie(one, wanted)
    if wanted.token_in_cookie and not own_cookies(seen):
        yield "the login sets no cookie"
    if seen.fixed:
        yield f"the login takes over a session that was brought along ({seen.fixed})"
    if seen.living > wanted.sessions:
        yield f"{seen.living} sessions of one user live at once, at most {wanted.sessions} are wanted"


def unclear(seen: SessionFacts) -> Iterator[str]:
    """Requests that got no answer that tells anything, as where a service is away for a moment."""
    asked = {**_asked_at_end(seen), **(_asked_anew(seen) if seen.has_refresh else {})}
    for what, status in asked.items():
        if status in UNTOLD or (status not in REFUSED and status not in GOOD):
            yield f"{what} gets {status or 'no answer'}"


def refresh_doubts(seen: SessionFacts) -> Iterator[str]:
    """Why it is not known what a refresh token is good for."""
    asked = {**_asked_anew(seen), "an access token in place of a refresh token": seen.access_as_refresh}
    if seen.new_access:
        asked["the new access token"] = seen.new_works
    asked.pop(_AFTER)
    yield from (f"{what} gets {status or 'no answer'}" for what, status in asked.items() if status in UNTOLD)


def end_doubts(seen: SessionFacts) -> Iterator[str]:
    """Why it is not known what is good after signing out."""
    asked = _asked_at_end(seen)
    yield from (f"{what} gets {status or 'no answer'}" for what, status in asked.items() if status in UNTOLD)


def _asked_at_end(seen: SessionFacts) -> dict[str, int]:
    asked = {"signing out": seen.logout, "the access token after signing out": seen.access_after}
    return {**asked, "the refresh token after signing out": seen.refresh_after} if seen.has_refresh else asked


def _asked_anew(seen: SessionFacts) -> dict[str, int]:
    return {"a refresh": seen.refreshed, "a second use of a refresh token": seen.reused, _AFTER: seen.after_reuse}


def lifetime_doubts(seen: SessionFacts) -> Iterator[str]:
    """Lifetimes that nothing tells."""
    if seen.access_s is None:
        yield "how long an access token is good is not said"
    if seen.has_refresh and seen.refresh_s is None:
        yield "how long a refresh token is good is said neither by it nor by its cookie"


def own_cookies(seen: SessionFacts) -> list[Cookie]:
    """The cookies that the application sets, and no load balancer before it."""
    return [one for one in seen.cookies if not one.name.lower().startswith(_BALANCERS)]


def _cookie(cookie: Cookie, wanted: Wanted) -> Iterator[str]:
    if not cookie.secure:
        yield f"the cookie {cookie.name} is not Secure"
    if not cookie.http_only and cookie.name.lower() not in _FOR_SCRIPTS:
        yield f"the cookie {cookie.name} is not HttpOnly"
    said = cookie.same_site or "none"
    if said not in _SAME_SITE or _SAME_SITE.index(said) < _SAME_SITE.index(wanted.same_site):
        yield f"the cookie {cookie.name} has SameSite={cookie.same_site or 'nothing'}, {wanted.same_site} is wanted"
