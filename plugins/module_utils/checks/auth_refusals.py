# Judges what wrong names and passwords meet: one answer for both, in comparable time, and a lock-out that ends.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from statistics import median

from ansible_collections.bytebot.production.plugins.module_utils.checks.answers import UNTOLD
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import (
    Lockout,
    PasswordFacts,
    RefusalFacts,
    Wanted,
)

OK, UNAUTHORIZED, LIMITED, BROKEN = 200, 401, 429, 500
REFUSED = (400, 422)
APART = 1.5  # times as long, before times tell anything to who listens through a network
ENOUGH = 4  # samples of each
RARELY = 0.25  # of all comparisons: one sample of four that was held up
SLOWED, SLOWED_S = 5, 1.0  # times as long as at first, and seconds more: a delay that keeps guesses few


def tells_which(seen: RefusalFacts) -> Iterator[str]:
    """How an unknown name is told from a wrong password."""
    for one in (seen.wrong, seen.unknown):
        if one and one.status and one.status != UNAUTHORIZED:
            yield f"{one.what} gets {one.told}, 401 is wanted"
    if seen.wrong and seen.unknown and seen.wrong.status == seen.unknown.status == UNAUTHORIZED:
        if seen.wrong_said != seen.unknown_said:
            codes = f"{seen.wrong.code or 'no code'} and {seen.unknown.code or 'no code'}"
            yield f"an unknown name and a wrong password get different answers ({codes})"
        yield from _told_by_time(seen.wrong_s, seen.unknown_s)


def _told_by_time(wrong: Sequence[float], unknown: Sequence[float]) -> Iterator[str]:
    """Every sample of one is longer than every one of the other, and by much: that is no chance."""
    if min(len(wrong), len(unknown)) < ENOUGH:
        return
    ratio = median(wrong) / max(median(unknown), 1e-6)
    if _apart(wrong, unknown) and max(ratio, 1 / max(ratio, 1e-6)) >= APART:
        yield (
            f"an unknown name takes {median(unknown) * 1000:.0f} ms and a wrong password {median(wrong) * 1000:.0f} ms "
            f"in the middle, {len(wrong)} times each, and none of them overlap"
        )


def _apart(one: Sequence[float], other: Sequence[float]) -> bool:
    above = sum(1 for a, b in product(one, other) if a > b)
    return above in (0, len(one) * len(other))


def time_doubts(seen: RefusalFacts) -> Iterator[str]:
    """Times that can neither be called alike nor told apart."""
    wrong, unknown = seen.wrong_s, seen.unknown_s
    if min(len(wrong), len(unknown)) < ENOUGH:
        yield f"only {min(len(wrong), len(unknown))} times of each were measured"
        return
    ratio = median(wrong) / max(median(unknown), 1e-6)
    above = sum(1 for a, b in product(wrong, unknown) if a > b) / (len(wrong) * len(unknown))
    if not _apart(wrong, unknown) and not 1 / APART < ratio < APART and not RARELY < above < 1 - RARELY:
        yield (
            f"the times of unknown names and wrong passwords scatter too much ({median(unknown) * 1000:.0f} and "
            f"{median(wrong) * 1000:.0f} ms)"
        )


# ---------------------------------------------------------------------- the lock


def never_locked(seen: Lockout) -> Iterator[str]:
    """Wrong passwords that lock nothing."""
    for one in seen.failures:
        if one.status == OK:
            yield f"{one.what} signs in"
        elif one.status >= BROKEN:
            yield f"{one.what} gets {one.told}"
    if seen.right is None:
        yield f"{len(seen.failures)} wrong passwords do not keep the right one from signing in"
    elif seen.right.status == OK:
        yield f"{seen.right.what} gets 200"
    elif seen.right.status >= BROKEN:
        yield f"{seen.right.what} gets {seen.right.told}"


def wrong_end(seen: Lockout, wanted: Wanted) -> Iterator[str]:
    """A lock that opens too early, or not at all."""
    if seen.middle and seen.middle.status == OK and seen.middle_s < wanted.lockout_s:
        yield f"the account is open again {seen.middle_s:.0f} s after it was locked, {wanted.lockout_s} s are wanted"
    elif seen.end and seen.end.status != OK and seen.end.status not in UNTOLD:
        yield f"the account is still locked {seen.after_s:.0f} s after it was, {wanted.lockout_s} s are wanted"


def end_doubts(seen: Lockout) -> Iterator[str]:
    """Why the end of a lock is not known, where it was to be waited for."""
    if seen.right is None or seen.not_waited or (seen.middle and seen.middle.status == OK):
        return
    if seen.end is None:
        yield "whether the lock ends was not looked at"
    elif seen.end.status in UNTOLD:
        yield f"the right password gets {seen.end.told} {seen.after_s:.0f} s after the lock"


def lock_doubts(seen: Lockout) -> Iterator[str]:
    """Why a refusal proves nothing."""
    if seen.before != OK:
        yield f"the right password got {seen.before or 'no answer'} before any wrong one"
    for one in (*seen.failures, *((seen.right,) if seen.right else ())):
        if one.problem:
            yield f"{one.what}: {one.problem}"
        elif one.status == LIMITED:
            yield f"{one.what} meets a limit on requests"


def slowed(seen: Lockout) -> bool:
    """Whether further guesses take so much longer that they are few."""
    if len(seen.delays_s) < ENOUGH:
        return False
    first, last = seen.delays_s[0], min(seen.delays_s[-2:])
    return last >= SLOWED * first and last - first >= SLOWED_S


# ---------------------------------------------------------------------- passwords


def taken(seen: PasswordFacts) -> Iterator[str]:
    """Passwords that are taken and must not be."""
    for one in seen.weak:
        if one.status and one.status < REFUSED[0]:
            yield f"a password is taken: {one.what}"
        elif one.status == BROKEN:
            yield f"a weak password breaks the request ({one.what}: {one.told})"
    if seen.history and seen.history.status and seen.history.status < REFUSED[0] and _changed(seen):
        yield "the password of before is taken again"


def password_doubts(seen: PasswordFacts, wanted: Wanted) -> Iterator[str]:
    """Refusals that have another reason, or that could not be seen."""
    for one in seen.weak:
        if one.problem or (one.status > REFUSED[0] and one.status not in (*REFUSED, BROKEN)):
            yield f"{one.what}: {one.told}"
    if wanted.history and not _changed(seen):
        yield f"a password could not be changed ({seen.changed or 'no answer'}), so none of before was tried"
    elif seen.history and REFUSED[0] <= seen.history.status < BROKEN and seen.history.status not in REFUSED:
        yield f"{seen.history.what}: {seen.history.told}"


def _changed(seen: PasswordFacts) -> bool:
    return seen.changed in (200, 204)
