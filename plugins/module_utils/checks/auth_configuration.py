# Judges how sign-in is configured: roles, users that must be there, passwords, sessions, and what guessing meets.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import asdict

from ansible_collections.bytebot.production.plugins.module_utils.checks import (
    auth_facts,
    auth_refusals,
    auth_rights,
    auth_tokens,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import AuthFacts
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_words import (
    KEYS,
    few,
    judged,
    unseen,
    weaker_lock,
    weaker_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import SHOULD, Verdict, failed, pending


def roles(facts: AuthFacts) -> Verdict:
    """Roles and their permissions are those that are wanted, in the application and in the cluster."""
    if facts.roles is None:
        return unseen(facts, facts.roles_problem)
    wanted = facts.wanted
    flaws = [*auth_rights.role_flaws(facts.roles, wanted.permissions)]
    flaws += auth_rights.account_flaws(facts.powers or {}, wanted.account_powers)
    observed = {
        "roles": dict(facts.roles),
        "accounts": {name: list(held) for name, held in (facts.powers or {}).items()},
    }
    accounts = f"; {len(facts.powers or {})} accounts of pods have no more power in the cluster than is wanted"
    return judged(
        flaws,
        "Give each role the permissions of the matrix, and each account of a pod what it needs.",
        [facts.powers_problem.rstrip(".")] if facts.powers_problem else (),
        f"All {len(wanted.permissions)} roles have the wanted permissions and no other{accounts}.",
        facts.evidence(observed),
    )


def default_users(facts: AuthFacts) -> Verdict:
    """Who must be there is there with the right roles and no known password, and nobody else administers."""
    if facts.unasked or facts.no_account:
        return unseen(facts)
    if facts.users is None:
        return pending(
            "Which users must be there is not known: default_users is not given.",
            "Name them (in the inventory: bytebot_default_users).",
        )
    seen = facts.users
    if seen.problem:
        return unseen(facts, seen.problem)
    tried = sum(one.tried for one in seen.users)
    test = f", {seen.test} test identities of runs that go on left out" if seen.test else ""
    return judged(
        auth_rights.user_flaws(seen, facts.wanted),
        "Give these users their roles and passwords of their own, and take the role from who must not have it.",
        auth_rights.user_doubts(seen),
        f"All {len(seen.users)} users have their roles, {tried} known passwords open none of them, and nobody else of "
        f"{seen.seen} users is {facts.wanted.admin}{test}.",
        facts.evidence(asdict(seen)),
    )


def password_policy(facts: AuthFacts) -> Verdict:
    """Weak passwords are refused, each for its own weakness, with a word on it."""
    seen, wanted = facts.passwords, facts.wanted
    if seen is None:
        return unseen(facts)
    weaker = weaker_of(
        ("length of passwords", wanted.length, auth_facts.LENGTH, False),
        ("passwords of before that are refused", wanted.history, auth_facts.HISTORY, False),
    )
    history = ", and so is the one of before" if seen.history else ""
    verdict = judged(
        auth_refusals.taken(seen),
        "Hold every new password to the policy where it is set, by whoever it is set.",
        auth_refusals.password_doubts(seen, wanted),
        f"A strong password is taken, and {len(seen.weak)} weak ones are refused "
        f"({few(one.what for one in seen.weak)}){history}.",
        facts.evidence(asdict(seen)),
        weaker=weaker,
    )
    if verdict.state == "pass" and seen.silent:
        told = f"Weak passwords are refused, and the answer does not name the field: {few(seen.silent)}."
        return failed(told, "Name the field and the reason.", *verdict.evidence, level=SHOULD, weaker=weaker)
    return verdict


def sessions(facts: AuthFacts) -> Verdict:
    """Tokens end soon, are rotated and revoked, and cookies are kept from others."""
    seen, wanted = facts.session, facts.wanted
    if seen is None:
        return unseen(facts)
    weaker = weaker_of(
        ("lifetime of an access token in s", wanted.access_s, auth_facts.ACCESS_S, True),
        ("lifetime of a refresh token in s", wanted.refresh_s, auth_facts.REFRESH_S, True),
    )
    cookies = ", ".join(one.name for one in auth_tokens.own_cookies(seen))
    flags = f"; the cookie {cookies} is kept from others" if cookies else "; no cookie is set"
    return judged(
        auth_tokens.ill_kept(seen, wanted) if seen.logout else (),
        "Shorten the lifetimes, rotate refresh tokens, end a session whose token is used twice, set all flags.",
        [*auth_tokens.session_doubts(seen), *auth_tokens.unclear(seen), *auth_tokens.lifetime_doubts(seen)],
        f"An access token is good for {seen.access_s} s, a refresh token for {seen.refresh_s} s and once; a second use "
        f"ends the session, and so does signing out{flags}.",
        facts.evidence(asdict(seen)),
        weaker=weaker,
    )


def invalid_auth(facts: AuthFacts) -> Verdict:
    """Guessing meets a lock or a delay, forged tokens are refused, and no session is planted."""
    tokens_seen, session, refused = facts.tokens, facts.session, facts.refusals
    lock = refused.lockout if refused else None
    if tokens_seen is None or session is None or lock is None:
        return unseen(facts)
    flaws = [*auth_tokens.accepted(tokens_seen)]
    doubts = [*auth_tokens.token_doubts(tokens_seen), *auth_refusals.lock_doubts(lock)]
    if not list(auth_refusals.lock_doubts(lock)) and not auth_refusals.slowed(lock):
        flaws += auth_refusals.never_locked(lock)
    if session.fixed:
        flaws.append(f"the login takes over a session that was brought along ({session.fixed})")
    open_end = f"Not tried, for want of the key: {tokens_seen.untried}." if tokens_seen.untried else ""
    return judged(
        flaws,
        "Lock a name, or slow it down, after some failures; check tokens by one algorithm and key; begin a new session "
        "with each login.",
        doubts,
        f"{len(lock.failures)} wrong passwords keep the right one out, {len(tokens_seen.cases)} forged tokens are "
        "refused, and a login begins a session of its own.",
        facts.evidence({"tokens": asdict(tokens_seen), "lockout": asdict(lock), "planted": session.fixed}),
        open_end=(open_end, KEYS),
        weaker=weaker_lock(facts.wanted),
    )
