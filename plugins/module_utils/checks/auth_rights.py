# Judges rights: cells of the matrix, others' tasks, who is let in without a token, administration, roles and users.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.bytebot.production.plugins.module_utils.checks.answers import NOT_ASKED
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import (
    Anonymous,
    Cell,
    Tried,
    UserFacts,
    Wanted,
)

DENIED = (403, 404)
NOT_LET_IN = (401, 403)
UNAUTHORIZED = 401
AWAY = 503  # whoever is told so has been let in; a service behind it is missing
BROKEN = 500
GOOD = range(200, 300)


def _good(status: int) -> bool:
    return status in GOOD


# ---------------------------------------------------------------------- the matrix


def cell_flaws(cells: Iterable[Cell]) -> Iterator[str]:
    """Cells that are open or shut wrongly."""
    for one in cells:
        told = f"{one.status}{f' {one.code}' if one.code else ''}"
        if one.allowed and one.status in NOT_LET_IN:
            yield f"{one.role} is not let in to {one.endpoint} ({told})"
        elif not one.allowed and one.status and one.status not in (*DENIED, *NOT_ASKED):
            yield f"{one.role} gets {told} from {one.endpoint}, 403 is wanted"


def cell_doubts(cells: Sequence[Cell]) -> Iterator[str]:
    """Cells without a clear answer, and endpoints that nobody reaches."""
    for one in cells:
        if one.problem:
            yield f"{one.endpoint} as {one.role}: {one.problem}"
        elif not one.allowed and one.status in NOT_ASKED:
            yield f"{one.endpoint} answers {one.status} to {one.role}"
        elif one.allowed and not _good(one.status) and one.status not in (*NOT_LET_IN, AWAY):
            yield f"{one.endpoint} answers {one.status} to {one.role}, who is let in by the matrix"
    reached = {one.endpoint for one in cells if one.allowed and (_good(one.status) or one.status == AWAY)}
    for endpoint in dict.fromkeys(one.endpoint for one in cells):
        if endpoint not in reached and not any(one.endpoint == endpoint and one.allowed for one in cells):
            yield f"nobody is let in to {endpoint} by the matrix, so that others are not says nothing"


def away(cells: Iterable[Cell]) -> list[str]:
    """Endpoints whose service is not there; who may is told so, who may not is refused."""
    return list(dict.fromkeys(one.endpoint for one in cells if one.allowed and one.status == AWAY))


# ---------------------------------------------------------------------- one request each


def tried_flaws(tried: Iterable[Tried]) -> Iterator[str]:
    """What was let through and must not be."""
    for one in tried:
        whose = f"{one.by}: " if one.by else ""
        if one.wanted == "denied" and one.status and one.status not in (*DENIED, *NOT_ASKED):
            yield f"{whose}{one.what} gets {one.told}, 403 is wanted"
        elif one.wanted == "not listed" and one.code == "listed":
            yield f"{whose}{one.what}: it is there"
        elif one.wanted == "nothing gained" and (one.code.startswith("gained") or one.status >= BROKEN):
            yield f"{whose}{one.what}: {one.told}"


def tried_doubts(tried: Iterable[Tried]) -> Iterator[str]:
    """What must be let in, and what got no answer."""
    for one in tried:
        whose = f"{one.by}: " if one.by else ""
        if one.problem:
            yield f"{whose}{one.what}: {one.problem}"
        elif (one.wanted == "denied" and one.status in NOT_ASKED) or (one.wanted == "2xx" and not _good(one.status)):
            yield f"{whose}{one.what} gets {one.told}"
        elif one.wanted in ("listed", "not listed") and not _good(one.status):
            yield f"{whose}{one.what}: the list gets {one.status}"
        elif one.wanted == "listed" and one.code != "listed":
            yield f"{whose}{one.what}: it is not there"


# ---------------------------------------------------------------------- nobody


def open_doors(seen: Iterable[Anonymous]) -> Iterator[str]:
    """Endpoints that let in who has no token, or that refuse in another way than is documented."""
    for one in seen:
        if not one.status or one.status in NOT_ASKED:
            continue
        if one.status != UNAUTHORIZED:
            yield f"{one.endpoint} answers {one.status} to {one.how}, 401 is wanted"
        elif one.leaked:
            yield f"{one.endpoint} shows its inside to {one.how} ({one.leaked})"
        elif not one.shaped:
            yield f"{one.endpoint} refuses {one.how} without the documented code"


def unanswered(seen: Iterable[Anonymous]) -> list[str]:
    """Requests that got no answer that tells anything."""
    return [f"{one.endpoint}: {one.problem or one.status}" for one in seen if one.problem or one.status in NOT_ASKED]


def unchallenged(seen: Iterable[Anonymous]) -> list[str]:
    """Refusals that do not say how to sign in."""
    return list(dict.fromkeys(one.endpoint for one in seen if one.status == UNAUTHORIZED and not one.challenge))


# ---------------------------------------------------------------------- roles and users


def role_flaws(listed: Mapping[str, Sequence[str]], wanted: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Where the application's roles differ from those that are wanted."""
    for role, permissions in wanted.items():
        if role not in listed:
            yield f"the role {role} is missing"
            continue
        more = [one for one in listed[role] if one not in permissions]
        less = [one for one in permissions if one not in listed[role]]
        if more:
            yield f"the role {role} may {', '.join(more)}, which nobody wants"
        if less:
            yield f"the role {role} lacks {', '.join(less)}"
    for role in listed:
        if role not in wanted:
            yield f"the role {role} is wanted by nobody"


def account_flaws(powers: Mapping[str, Sequence[str]], wanted: Sequence[str]) -> Iterator[str]:
    """ServiceAccounts of the release with more power in the cluster than is wanted."""
    for account, held in powers.items():
        if more := [one for one in held if one not in wanted]:
            yield f"ServiceAccount {account} has the power to {', '.join(more)}"


def user_flaws(seen: UserFacts, wanted: Wanted) -> Iterator[str]:
    """What is wrong with the users that must be there, and who administers beside them."""
    for one in seen.users:
        if one.problem:
            continue
        if not one.found:
            yield f"the user {one.name} is not there"
            continue
        if set(one.roles) != set(one.wanted):
            roles = ", ".join(one.roles) or "no role"
            yield f"the user {one.name} has {roles}, {', '.join(one.wanted)} is wanted"
        if one.opened_by:
            yield f"the user {one.name} is opened by {one.opened_by}"
    for name in seen.surplus:
        yield f"{name} has the role {wanted.admin}, and is not among those who must"


def user_doubts(seen: UserFacts) -> Iterator[str]:
    """Users that could not be looked at."""
    for one in seen.users:
        if one.problem:
            yield f"the user {one.name}: {one.problem}"
    if not seen.whole:
        yield f"not all users could be listed (only {seen.seen})"
