# How what was seen of sign-in and rights becomes a verdict, and its words.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ansible_collections.bytebot.production.plugins.module_utils.checks import auth_facts
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import AuthFacts, SignIn, Wanted
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

SHOWN = 4  # named in a summary; all stand in the evidence
NOT_ASKED = "Run without --check: this signs in to the application."
KEYS = "Let this account read the Secret with the keys, and name it in jwt (in the inventory: bytebot_jwt)."
AGAIN = "Mend that, then judge again."


def judged(
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
        return failed(f"{few(found)}.", remedy, evidence, weaker=weaker)
    if unsure := list(dict.fromkeys(doubts)):
        return inconclusive(f"{few(unsure)}.", AGAIN, evidence)
    if open_end[0]:
        return pending(open_end[0], open_end[1], evidence)
    return passed(holds, evidence, weaker=weaker)


def unseen(facts: AuthFacts, problem: str = "") -> Verdict:
    """Why nothing was seen of a control."""
    if facts.unasked:
        return pending(facts.unasked, NOT_ASKED)
    if facts.no_account:
        return pending(facts.no_account, facts.remedy)
    if facts.not_made and (not problem or facts.not_permitted):
        if facts.not_permitted:
            return pending(facts.not_made, facts.remedy)
        return inconclusive(facts.not_made, facts.remedy)
    if problem:
        return inconclusive(problem, AGAIN)
    return inconclusive("Nobody signs in, so that nothing was seen of it.", "Mend the login first.")


def few(texts: Iterable[str]) -> str:
    """The first of them, and how many more there are."""
    found = list(texts)
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{'; '.join(found[:SHOWN])}{more}"


def told_of(sign_ins: Sequence[SignIn]) -> str:
    """Who was told what at the sign-in."""
    return few(f"{one.who} gets {one.told}" for one in sign_ins)


def weaker_of(*thresholds: tuple[str, int, int, bool]) -> tuple[str, ...]:
    """Each threshold that is weaker than the document's; the last part says whether more is weaker."""
    return tuple(
        f"{what}: {given} wanted, document {document}"
        for what, given, document, more in thresholds
        if (given > document if more else given < document)
    )


def weaker_lock(wanted: Wanted) -> tuple[str, ...]:
    """What of the wanted lock-out is weaker than the document's."""
    return weaker_of(
        ("failures before a lock-out", wanted.tries, auth_facts.LOCKOUT_TRIES, True),
        ("seconds of a lock-out", wanted.lockout_s, auth_facts.LOCKOUT_S, False),
    )
