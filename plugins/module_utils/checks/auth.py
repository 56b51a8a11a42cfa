# Judges an application's sign-in, tokens, sessions, passwords and rights, each control by what was seen of it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import asdict

from ansible_collections.bytebot.production.plugins.module_utils.checks import (
    auth_configuration,
    auth_refusals,
    auth_rights,
    auth_tokens,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.answers import NOT_ASKED
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import (
    ADMIN,
    DEFAULT_USERS,
    INVALID,
    INVALID_AUTH,
    JWT,
    LOGIN,
    LOGOUT,
    PASSWORD_POLICY,
    PERMISSIONS,
    RBAC,
    REFRESH,
    ROLES,
    SESSIONS,
    UNAUTHORIZED,
    AuthFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_words import (
    AGAIN,
    KEYS,
    SHOWN,
    few,
    judged,
    told_of,
    unseen,
    weaker_lock,
)
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    SHOULD,
    Verdict,
    failed,
    inconclusive,
    passed,
)

CHECKS: Checks[AuthFacts] = Checks()


@CHECKS.settles(LOGIN)
def login(facts: AuthFacts) -> Verdict:
    """Who has an account signs in, and gets a token that says when it ends."""
    if not facts.sign_ins:
        return unseen(facts)
    seen = facts.evidence([asdict(one) for one in facts.sign_ins])
    without = [one for one in facts.sign_ins if one.works and not one.has_expiry]
    if not any(one.works for one in facts.sign_ins):
        if all(one.problem for one in facts.sign_ins):
            return inconclusive(f"No login was answered: {facts.sign_ins[0].problem}.", AGAIN, seen)
        return failed(f"Nobody signs in: {told_of(facts.sign_ins)}.", "Mend the login; its log has the cause.", seen)
    if without:
        return failed(f"The login of {without[0].who} does not say when its token ends.", "Say it: expires_in.", seen)
    if lost := [one for one in facts.sign_ins if not one.works]:
        return inconclusive(f"Not everybody signs in: {told_of(lost)}.", "Correct the Secrets of these accounts.", seen)
    who = ", ".join(one.who for one in facts.sign_ins[:SHOWN])
    return passed(f"Signs in, with a token and its end: {who}.", seen)


@CHECKS.settles(JWT)
def tokens(facts: AuthFacts) -> Verdict:
    """The token of the login is believed, and none that is forged, expired, or meant for others."""
    seen = facts.tokens
    if seen is None:
        return unseen(facts)
    evidence = facts.evidence(asdict(seen))
    if not seen.is_jwt:
        return inconclusive(
            "The login's token is no JSON Web Token, so none like it can be forged.", "Say how it is made.", evidence
        )
    flaws = [*auth_tokens.accepted(seen), *auth_tokens.ill_made(seen, facts.wanted)]
    believed = len({one.what for one in seen.cases})
    open_end = f"Not tried, for want of the key: {seen.untried}." if seen.untried else ""
    return judged(
        flaws,
        "Check the signature by one algorithm and one known key, then the end, the issuer and the audience.",
        auth_tokens.token_doubts(seen),
        f"A good token is believed, and {len(seen.cases)} others in {believed} kinds get 401 ({seen.algorithm}).",
        evidence,
        open_end=(open_end, KEYS),
    )


@CHECKS.settles(REFRESH)
def refresh(facts: AuthFacts) -> Verdict:
    """A refresh token gives a new pair, once."""
    seen = facts.session
    if seen is None or (seen.problem and not seen.has_refresh):
        return unseen(facts, seen.problem if seen else "")
    return judged(
        auth_tokens.not_refreshed(seen),
        "Give a new pair for each refresh token and refuse the used one.",
        auth_tokens.refresh_doubts(seen) if seen.has_refresh else (),
        f"A refresh token gives a new pair that works, a second use gets {seen.reused}, and an access token in its "
        f"place {seen.access_as_refresh}.",
        facts.evidence(asdict(seen)),
    )


@CHECKS.settles(LOGOUT)
def logout(facts: AuthFacts) -> Verdict:
    """After signing out neither token is good."""
    seen = facts.session
    if seen is None:
        return unseen(facts)
    return judged(
        auth_tokens.not_ended(seen) if seen.logout else (),
        "Revoke the session with all its tokens, for all replicas, before the answer.",
        [*auth_tokens.session_doubts(seen), *auth_tokens.end_doubts(seen)],
        f"Both tokens are good before signing out, and refused after it ({seen.access_after}, {seen.refresh_after}).",
        facts.evidence(asdict(seen)),
    )


@CHECKS.settles(INVALID)
def invalid(facts: AuthFacts) -> Verdict:
    """Unknown names and wrong passwords meet the same refusal, and some of them a lock that ends."""
    seen, wanted = facts.refusals, facts.wanted
    if seen is None or seen.lockout is None:
        return unseen(facts)
    lock = seen.lockout
    evidence = facts.evidence(asdict(seen))
    flaws = list(auth_refusals.tells_which(seen))
    doubts = [*auth_refusals.lock_doubts(lock), *auth_refusals.end_doubts(lock), *auth_refusals.time_doubts(seen)]
    if not list(auth_refusals.lock_doubts(lock)):
        flaws += [*auth_refusals.never_locked(lock), *auth_refusals.wrong_end(lock, wanted)]
    open_end = f"The end of the lock-out was not waited for: {lock.not_waited}." if lock.not_waited else ""
    return judged(
        flaws,
        "Answer both alike, do the same work for both, and lock a name for a while after some failures.",
        doubts,
        f"An unknown name and a wrong password get the same {seen.wrong.status if seen.wrong else 0} in comparable "
        f"time; {len(lock.failures)} failures lock an account, which is open again after {lock.after_s:.0f} s.",
        evidence,
        open_end=(open_end, "Let it take longer with lockout_wait."),
        weaker=weaker_lock(wanted),
    )


@CHECKS.settles(RBAC)
def matrix(facts: AuthFacts) -> Verdict:
    """Every cell of the matrix is open or shut as it must be."""
    if facts.cells is None:
        return unseen(facts)
    away = auth_rights.away(facts.cells)
    roles = len({one.role for one in facts.cells})
    endpoints = len({one.endpoint for one in facts.cells})
    told = f"; at {', '.join(away)} who may is let in and told that the service is away" if away else ""
    return judged(
        auth_rights.cell_flaws(facts.cells),
        "Ask for the permission where the request is served, and give each role what the matrix says.",
        auth_rights.cell_doubts(facts.cells),
        f"All {len(facts.cells)} cells are as wanted ({roles} roles, {endpoints} endpoints{told}).",
        facts.evidence([asdict(one) for one in facts.cells]),
    )


@CHECKS.settles(PERMISSIONS)
def ownership(facts: AuthFacts) -> Verdict:
    """Nobody reads or changes what is another's."""
    if facts.ownership is None:
        return unseen(facts)
    denied = sum(1 for one in facts.ownership if one.wanted == "denied")
    return judged(
        auth_rights.tried_flaws(facts.ownership),
        "Compare the owner, or the team, of what is asked for with who asks, on every route and in every list.",
        auth_rights.tried_doubts(facts.ownership),
        f"A user of another team is refused in {denied} ways and does not find the task in the list; its owner does.",
        facts.evidence([asdict(one) for one in facts.ownership]),
    )


@CHECKS.settles(UNAUTHORIZED)
def unauthorized(facts: AuthFacts) -> Verdict:
    """Nothing that is not public answers who has no token, or a broken one."""
    if facts.anonymous is None:
        return unseen(facts)
    seen = facts.anonymous
    endpoints = len({one.endpoint for one in seen})
    lost = [f"{one.endpoint}: {one.problem or one.status}" for one in seen if one.problem or one.status in NOT_ASKED]
    if not facts.let_in:
        why = facts.no_account or "nobody signed in"
        lost.append(f"that these endpoints let in who is signed in was not seen ({why.rstrip('.')})")
    verdict = judged(
        auth_rights.open_doors(seen),
        "Ask for a token before anything else on every route that is not public.",
        lost,
        f"All {endpoints} endpoints answer 401 without a token and with a broken one; signed in, "
        f"{facts.let_in} of them let in.",
        facts.evidence([asdict(one) for one in seen]),
    )
    if verdict.state == "pass" and (silent := auth_rights.unchallenged(seen)):
        told = f"Refusals do not say how to sign in (WWW-Authenticate): {few(silent)}."
        return failed(told, "Send WWW-Authenticate: Bearer with each 401.", *verdict.evidence, level=SHOULD)
    return verdict


@CHECKS.settles(ADMIN)
def administration(facts: AuthFacts) -> Verdict:
    """Only administrators administer, and nobody becomes one."""
    if facts.admin_routes is None:
        return unseen(facts)
    denied = sum(1 for one in facts.admin_routes if one.wanted == "denied")
    climbed = sum(1 for one in facts.admin_routes if one.wanted == "nothing gained")
    return judged(
        auth_rights.tried_flaws(facts.admin_routes),
        "Ask for the administrator's permission on these routes, and take roles from no request of a user's own.",
        auth_rights.tried_doubts(facts.admin_routes),
        f"Administrators are let in, others are refused {denied} times, and {climbed} ways to a higher role give none.",
        facts.evidence([asdict(one) for one in facts.admin_routes]),
    )


# ---------------------------------------------------------------------- security configuration

CHECKS.settles(ROLES)(auth_configuration.roles)
CHECKS.settles(DEFAULT_USERS)(auth_configuration.default_users)
CHECKS.settles(PASSWORD_POLICY)(auth_configuration.password_policy)
CHECKS.settles(SESSIONS)(auth_configuration.sessions)
CHECKS.settles(INVALID_AUTH)(auth_configuration.invalid_auth)
