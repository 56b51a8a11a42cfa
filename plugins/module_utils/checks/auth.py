# Judges an application's sign-in, tokens, sessions, passwords and rights, each control by what was seen of it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from ansible_collections.bytebot.production.plugins.module_utils.checks import (
    auth_facts,
    auth_refusals,
    auth_rights,
    auth_tokens,
)
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
    SignIn,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    SHOULD,
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

SHOWN = 4  # named in a summary; all stand in the evidence
CHECKS: Checks[AuthFacts] = Checks()
_NOT_ASKED = "Run without --check: this signs in to the application."
_KEYS = "Let this account read the Secret with the keys, and name it in jwt (in the inventory: bytebot_jwt)."
_AGAIN = "Mend that, then judge again."


@CHECKS.settles(LOGIN)
def login(facts: AuthFacts) -> Verdict:
    """Who has an account signs in, and gets a token that says when it ends."""
    if not facts.sign_ins:
        return _unseen(facts)
    seen = facts.evidence([asdict(one) for one in facts.sign_ins])
    without = [one for one in facts.sign_ins if one.works and not one.has_expiry]
    if not any(one.works for one in facts.sign_ins):
        if all(one.problem for one in facts.sign_ins):
            return inconclusive(f"No login was answered: {facts.sign_ins[0].problem}.", _AGAIN, seen)
        return failed(f"Nobody signs in: {_told(facts.sign_ins)}.", "Mend the login; its log has the cause.", seen)
    if without:
        return failed(f"The login of {without[0].who} does not say when its token ends.", "Say it: expires_in.", seen)
    if lost := [one for one in facts.sign_ins if not one.works]:
        return inconclusive(f"Not everybody signs in: {_told(lost)}.", "Correct the Secrets of these accounts.", seen)
    who = ", ".join(one.who for one in facts.sign_ins[:SHOWN])
    return passed(f"Signs in, with a token and its end: {who}.", seen)


@CHECKS.settles(JWT)
def tokens(facts: AuthFacts) -> Verdict:
    """The token of the login is believed, and none that is forged, expired, or meant for others."""
    seen = facts.tokens
    if seen is None:
        return _unseen(facts)
    evidence = facts.evidence(asdict(seen))
    if not seen.is_jwt:
        return inconclusive(
            "The login's token is no JSON Web Token, so none like it can be forged.", "Say how it is made.", evidence
        )
    flaws = [*auth_tokens.accepted(seen), *auth_tokens.ill_made(seen, facts.wanted)]
    believed = len({one.what for one in seen.cases})
    open_end = f"Not tried, for want of the key: {seen.untried}." if seen.untried else ""
    return _judged(
        flaws,
        "Check the signature by one algorithm and one known key, then the end, the issuer and the audience.",
        auth_tokens.token_doubts(seen),
        f"A good token is believed, and {len(seen.cases)} others in {believed} kinds get 401 ({seen.algorithm}).",
        evidence,
        open_end=(open_end, _KEYS),
    )


@CHECKS.settles(REFRESH)
def refresh(facts: AuthFacts) -> Verdict:
    """A refresh token gives a new pair, once."""
    seen = facts.session
    if seen is None or (seen.problem and not seen.has_refresh):
        return _unseen(facts, seen.problem if seen else "")
    return _judged(
        auth_tokens.not_refreshed(seen),
        "Give a new pair for each refresh token and refuse the used one.",
        (),
        f"A refresh token gives a new pair that works, a second use gets {seen.reused}, and an access token in its "
        f"place {seen.access_as_refresh}.",
        facts.evidence(asdict(seen)),
    )


@CHECKS.settles(LOGOUT)
def logout(facts: AuthFacts) -> Verdict:
    """After signing out neither token is good."""
    seen = facts.session
    if seen is None:
        return _unseen(facts)
    return _judged(
        auth_tokens.not_ended(seen) if seen.logout else (),
        "Revoke the session with all its tokens, for all replicas, before the answer.",
        auth_tokens.session_doubts(seen),
        f"Both tokens are good before signing out, and refused after it ({seen.access_after}, {seen.refresh_after}).",
        facts.evidence(asdict(seen)),
    )


@CHECKS.settles(INVALID)
def invalid(facts: AuthFacts) -> Verdict:
    """Unknown names and wrong passwords meet the same refusal, and some of them a lock that ends."""
    seen, wanted = facts.refusals, facts.wanted
    if seen is None or seen.lockout is None:
        return _unseen(facts)
    lock = seen.lockout
    evidence = facts.evidence(asdict(seen))
    flaws = list(auth_refusals.tells_which(seen))
    doubts = [*auth_refusals.lock_doubts(lock), *auth_refusals.time_doubts(seen)]
    if not list(auth_refusals.lock_doubts(lock)):
        flaws += [*auth_refusals.never_locked(lock), *auth_refusals.wrong_end(lock, wanted)]
    open_end = f"The end of the lock-out was not waited for: {lock.not_waited}." if lock.not_waited else ""
    return _judged(
        flaws,
        "Answer both alike, do the same work for both, and lock a name for a while after some failures.",
        doubts,
        f"An unknown name and a wrong password get the same {seen.wrong.status if seen.wrong else 0} in comparable "
        f"time; {len(lock.failures)} failures lock an account, which is open again after {lock.after_s:.0f} s.",
        evidence,
        open_end=(open_end, "Let it take longer with lockout_wait."),
        weaker=_weaker_lock(wanted),
    )


@CHECKS.settles(RBAC)
def matrix(facts: AuthFacts) -> Verdict:
    """Every cell of the matrix is open or shut as it must be."""
    if facts.cells is None:
        return _unseen(facts)
    away = auth_rights.away(facts.cells)
    roles = len({one.role for one in facts.cells})
    endpoints = len({one.endpoint for one in facts.cells})
    told = f"; at {', '.join(away)} who may is let in and told that the service is away" if away else ""
    return _judged(
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
        return _unseen(facts)
    denied = sum(1 for one in facts.ownership if one.wanted == "denied")
    return _judged(
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
        return _unseen(facts)
    seen = facts.anonymous
    endpoints = len({one.endpoint for one in seen})
    lost = [
        f"{one.endpoint}: {one.problem or one.status}"
        for one in seen
        if one.problem or one.status in auth_rights.MOMENT
    ]
    if not facts.let_in:
        why = facts.no_account or "nobody signed in"
        lost.append(f"that these endpoints let in who is signed in was not seen ({why.rstrip('.')})")
    verdict = _judged(
        auth_rights.open_doors(seen),
        "Ask for a token before anything else on every route that is not public.",
        lost,
        f"All {endpoints} endpoints answer 401 without a token and with a broken one; signed in, "
        f"{facts.let_in} of them let in.",
        facts.evidence([asdict(one) for one in seen]),
    )
    if verdict.state == "pass" and (silent := auth_rights.unchallenged(seen)):
        told = f"Refusals do not say how to sign in (WWW-Authenticate): {_few(silent)}."
        return failed(told, "Send WWW-Authenticate: Bearer with each 401.", *verdict.evidence, level=SHOULD)
    return verdict


@CHECKS.settles(ADMIN)
def administration(facts: AuthFacts) -> Verdict:
    """Only administrators administer, and nobody becomes one."""
    if facts.admin_routes is None:
        return _unseen(facts)
    denied = sum(1 for one in facts.admin_routes if one.wanted == "denied")
    climbed = sum(1 for one in facts.admin_routes if one.wanted == "nothing gained")
    return _judged(
        auth_rights.tried_flaws(facts.admin_routes),
        "Ask for the administrator's permission on these routes, and take roles from no request of a user's own.",
        auth_rights.tried_doubts(facts.admin_routes),
        f"Administrators are let in, others are refused {denied} times, and {climbed} ways to a higher role give none.",
        facts.evidence([asdict(one) for one in facts.admin_routes]),
    )


# ---------------------------------------------------------------------- security configuration


@CHECKS.settles(ROLES)
def roles(facts: AuthFacts) -> Verdict:
    """Roles and their permissions are those that are wanted, in the application and in the cluster."""
    if facts.roles is None:
        return _unseen(facts, facts.roles_problem)
    wanted = facts.wanted
    flaws = [*auth_rights.role_flaws(facts.roles, wanted.permissions)]
    flaws += auth_rights.account_flaws(facts.powers or {}, wanted.account_powers)
    observed = {
        "roles": dict(facts.roles),
        "accounts": {name: list(held) for name, held in (facts.powers or {}).items()},
    }
    accounts = f"; {len(facts.powers or {})} accounts of pods have no more power in the cluster than is wanted"
    return _judged(
        flaws,
        "Give each role the permissions of the matrix, and each account of a pod what it needs.",
        [facts.powers_problem.rstrip(".")] if facts.powers_problem else (),
        f"All {len(wanted.permissions)} roles have the wanted permissions and no other{accounts}.",
        facts.evidence(observed),
    )


@CHECKS.settles(DEFAULT_USERS)
def default_users(facts: AuthFacts) -> Verdict:
    """Who must be there is there with the right roles and no known password, and nobody else administers."""
    if facts.unasked or facts.no_account:
        return _unseen(facts)
    if facts.users is None:
        return pending(
            "Which users must be there is not known: default_users is not given.",
            "Name them (in the inventory: bytebot_default_users).",
        )
    seen = facts.users
    if seen.problem:
        return _unseen(facts, seen.problem)
    tried = sum(one.tried for one in seen.users)
    test = f", {seen.test} test identities of runs that go on left out" if seen.test else ""
    return _judged(
        auth_rights.user_flaws(seen, facts.wanted),
        "Give these users their roles and passwords of their own, and take the role from who must not have it.",
        auth_rights.user_doubts(seen),
        f"All {len(seen.users)} users have their roles, {tried} known passwords open none of them, and nobody else of "
        f"{seen.seen} users is {facts.wanted.admin}{test}.",
        facts.evidence(asdict(seen)),
    )


@CHECKS.settles(PASSWORD_POLICY)
def password_policy(facts: AuthFacts) -> Verdict:
    """Weak passwords are refused, each for its own weakness, with a word on it."""
    seen, wanted = facts.passwords, facts.wanted
    if seen is None:
        return _unseen(facts)
    weaker = _weaker(
        ("length of passwords", wanted.length, auth_facts.LENGTH, False),
        ("passwords of before that are refused", wanted.history, auth_facts.HISTORY, False),
    )
    history = ", and so is the one of before" if seen.history else ""
    verdict = _judged(
        auth_refusals.taken(seen),
        "Hold every new password to the policy where it is set, by whoever it is set.",
        auth_refusals.password_doubts(seen, wanted),
        f"A strong password is taken, and {len(seen.weak)} weak ones are refused "
        f"({_few(one.what for one in seen.weak)}){history}.",
        facts.evidence(asdict(seen)),
        weaker=weaker,
    )
    if verdict.state == "pass" and seen.silent:
        told = f"Weak passwords are refused, and the answer does not name the field: {_few(seen.silent)}."
        return failed(told, "Name the field and the reason.", *verdict.evidence, level=SHOULD, weaker=weaker)
    return verdict


@CHECKS.settles(SESSIONS)
def sessions(facts: AuthFacts) -> Verdict:
    """Tokens end soon, are rotated and revoked, and cookies are kept from others."""
    seen, wanted = facts.session, facts.wanted
    if seen is None:
        return _unseen(facts)
    weaker = _weaker(
        ("lifetime of an access token in s", wanted.access_s, auth_facts.ACCESS_S, True),
        ("lifetime of a refresh token in s", wanted.refresh_s, auth_facts.REFRESH_S, True),
    )
    cookies = ", ".join(one.name for one in seen.cookies)
    flags = f"; the cookie {cookies} is Secure, HttpOnly and SameSite" if cookies else "; no cookie is set"
    return _judged(
        auth_tokens.ill_kept(seen, wanted) if seen.logout else (),
        "Shorten the lifetimes, rotate refresh tokens, end a session whose token is used twice, set all flags.",
        [*auth_tokens.session_doubts(seen), *auth_tokens.unclear(seen), *auth_tokens.lifetime_doubts(seen)],
        f"An access token is good for {seen.access_s} s, a refresh token for {seen.refresh_s} s and once; a second use "
        f"ends the session, and so does signing out{flags}.",
        facts.evidence(asdict(seen)),
        weaker=weaker,
    )


@CHECKS.settles(INVALID_AUTH)
def invalid_auth(facts: AuthFacts) -> Verdict:
    """Guessing meets a lock or a delay, forged tokens are refused, and no session is planted."""
    tokens_seen, session, refused = facts.tokens, facts.session, facts.refusals
    lock = refused.lockout if refused else None
    if tokens_seen is None or session is None or lock is None:
        return _unseen(facts)
    flaws = [*auth_tokens.accepted(tokens_seen)]
    doubts = [*auth_tokens.token_doubts(tokens_seen), *auth_refusals.lock_doubts(lock)]
    if not list(auth_refusals.lock_doubts(lock)) and not auth_refusals.slowed(lock):
        flaws += auth_refusals.never_locked(lock)
    if session.fixed:
        flaws.append(f"the login takes over a session that was brought along ({session.fixed})")
    open_end = f"Not tried, for want of the key: {tokens_seen.untried}." if tokens_seen.untried else ""
    return _judged(
        flaws,
        "Lock a name, or slow it down, after some failures; check tokens by one algorithm and key; begin a new session "
        "with each login.",
        doubts,
        f"{len(lock.failures)} wrong passwords keep the right one out, {len(tokens_seen.cases)} forged tokens are "
        "refused, and a login begins a session of its own.",
        facts.evidence({"tokens": asdict(tokens_seen), "lockout": asdict(lock), "planted": session.fixed}),
        open_end=(open_end, _KEYS),
        weaker=_weaker_lock(facts.wanted),
    )


# ---------------------------------------------------------------------- words


def _judged(
    flaws: Iterable[str],
    remedy: str,
    doubts: Iterable[str],
    holds: str,
    evidence: Evidence,
    *,
    open_end: tuple[str, str] = ("", ""),
    weaker: tuple[str, ...] = (),
) -> Verdict:  # fmt: skip
    """Red where something is wrong, unsure where something was not seen well, and green only where neither is."""
    if found := list(dict.fromkeys(flaws)):
        return failed(f"{_few(found)}.", remedy, evidence, weaker=weaker)
    if unsure := list(dict.fromkeys(doubts)):
        return inconclusive(f"{_few(unsure)}.", _AGAIN, evidence)
    if open_end[0]:
        return pending(open_end[0], open_end[1], evidence)
    return passed(holds, evidence, weaker=weaker)


def _unseen(facts: AuthFacts, problem: str = "") -> Verdict:
    """Why nothing was seen of a control."""
    if facts.unasked:
        return pending(facts.unasked, _NOT_ASKED)
    if facts.no_account:
        return pending(facts.no_account, facts.remedy)
    if facts.not_made and (not problem or facts.not_permitted):
        if facts.not_permitted:
            return pending(facts.not_made, facts.remedy)
        return inconclusive(facts.not_made, facts.remedy)
    if problem:
        return inconclusive(problem, _AGAIN)
    return inconclusive("Nobody signs in, so that nothing was seen of it.", "Mend the login first.")


def _few(texts: Iterable[str]) -> str:
    found = list(texts)
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{'; '.join(found[:SHOWN])}{more}"


def _told(sign_ins: Sequence[SignIn]) -> str:
    return _few(f"{one.who} gets {one.told}" for one in sign_ins)


def _weaker(*thresholds: tuple[str, int, int, bool]) -> tuple[str, ...]:
    """Each threshold that is weaker than the document's; the last part says whether more is weaker."""
    return tuple(
        f"{what}: {given} wanted, document {document}"
        for what, given, document, more in thresholds
        if (given > document if more else given < document)
    )


def _weaker_lock(wanted: Wanted) -> tuple[str, ...]:
    return _weaker(
        ("failures before a lock-out", wanted.tries, auth_facts.LOCKOUT_TRIES, True),
        ("seconds of a lock-out", wanted.lockout_s, auth_facts.LOCKOUT_S, False),
    )
