# Judges limits on requests by what answers tell of them: whom they count, over which replicas, and what a burst meets.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import pairwise

DOCUMENT_API, DOCUMENT_LOGIN = 100, 5  # requests in a minute
ENOUGH = 8  # requests in a row, before anything is said of replicas
SEVERAL = 2
MINUTE = 60
_NUMBER = re.compile(r"\s*([0-9]{1,12})(?:\.[0-9]+)?\s*(?:[,;]|$)")
_POLICY = re.compile(r"([0-9]{1,12})\s*(?:;[^,;]*)*?;\s*w=([0-9]{1,9})\b")


@dataclass(frozen=True, slots=True)
class Names:
    """The headers that tell of a limit, in lower case."""

    limit: str = "x-ratelimit-limit"
    remaining: str = "x-ratelimit-remaining"
    reset: str = "x-ratelimit-reset"


@dataclass(frozen=True, slots=True)
class Counted:
    """What one answer tells of a limit; None where it does not tell.

    :param windows: requests and seconds of each policy that it names, as gateways do.
    """

    status: int = 0
    limit: int | None = None
    remaining: int | None = None
    reset: int | None = None
    retry_after: str = ""
    problem: str = ""
    windows: tuple[tuple[int, int], ...] = ()

    @property
    def a_minute(self) -> int | None:
        """How many requests the limit lets through in a minute; its number alone, where no window is told."""
        least = min((most * max(MINUTE, width) // width for most, width in self.windows), default=None)
        return self.limit if least is None else least

    @property
    def told(self) -> bool:
        return self.limit is not None and self.remaining is not None and self.reset is not None


@dataclass(frozen=True, slots=True)
class Burst:
    """More requests at once than a limit allows.

    :param first: what the first one that was refused said; None where none was.
    :param sent: how many were sent; :param other: what another user met right after.
    :param late: whether the window that it began in ended before it did, so that no limit had to be met.
    """

    path: str
    sent: int
    statuses: Mapping[int, int] = field(default_factory=dict)
    first: Counted | None = None
    other: Counted | None = None
    late: bool = False


@dataclass(frozen=True, slots=True)
class LimitFacts:
    """What was seen of the limits.

    :param row: one user's requests in a row; :param mixed: then two users' in turn, the first one's first.
    :param nobody: one without a token; :param login: a refused login.
    :param spoofed: without a token, each by headers that name another address; :param spoofed_logins: likewise.
    :param replicas: how many processes answered on the same public path meanwhile; 0 where they are not told apart.
    :param no_burst: why no burst was sent; :param problem: why nothing could be asked, :param remedy: and what then.
    """

    row: tuple[Counted, ...] = ()
    mixed: tuple[Counted, ...] = ()
    nobody: Counted = field(default_factory=Counted)
    login: Counted = field(default_factory=Counted)
    spoofed: tuple[Counted, ...] = ()
    spoofed_logins: tuple[Counted, ...] = ()
    replicas: int = 0
    burst: Burst | None = None
    no_burst: str = ""
    burst_remedy: str = ""
    problem: str = ""
    remedy: str = ""


def counted(status: int, headers: Mapping[str, str], names: Names, problem: str = "") -> Counted:
    """What the headers of an answer tell: a number, or one with the policies behind it (``100, 100;w=60``).

    Source: draft-ietf-httpapi-ratelimit-headers-03, which Envoy and gateways made of it write.
    """

    def number(name: str) -> int | None:
        found = _NUMBER.match(headers.get(name, ""))
        return int(found[1]) if found else None

    windows = [(int(most), int(width)) for most, width in _POLICY.findall(headers.get(names.limit, ""))]
    return Counted(
        status,
        number(names.limit),
        number(names.remaining),
        number(names.reset),
        _back(headers),
        problem,
        tuple((most, width) for most, width in windows if width > 0),
    )


def _back(headers: Mapping[str, str]) -> str:
    """When to come back, in seconds; a date (RFC 9110, 10.2.3) is held against the answer's own."""
    said = headers.get("retry-after", "").strip()
    if said.isdecimal():
        return said
    try:
        wait = parsedate_to_datetime(said) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return said
    return str(max(0, math.ceil(wait.total_seconds())))


def _says_when(text: str) -> bool:
    try:
        return text.isdecimal() or bool(parsedate_to_datetime(text))
    except (ValueError, TypeError):
        return False


def flaws(facts: LimitFacts, *, api_limit: int, login_limit: int) -> list[str]:
    """What is wrong with the limits."""
    found = [*_untold(facts), *_too_wide(facts, api_limit, login_limit)]
    if not found:
        found += [*_not_counted(facts.row), *_counted_together(facts)]
    return [*found, *burst_flaws(facts.burst)]


def evasions(facts: LimitFacts) -> list[str]:
    """How a limit for an address is evaded: by a header that names another one, counting begins anew."""
    found = []
    for what, row in (("requests", facts.spoofed), ("logins", facts.spoofed_logins)):
        left = [one.remaining for one in row if one.remaining is not None]
        falls = sum(after < before or after == 0 for before, after in pairwise(left))
        if len(left) > SEVERAL and falls < len(left) - SEVERAL:  # once, a new window may begin
            shown = ", ".join(str(one) for one in left)
            found.append(
                f"{what} that name other addresses in X-Forwarded-For and the like are counted anew (left: {shown})"
            )
    return found


def doubts(facts: LimitFacts) -> list[str]:
    """What was not seen well enough to be sure."""
    found = []
    unanswered = [one for one in facts.row if one.problem]
    if unanswered:
        found.append(f"{len(unanswered)} of {len(facts.row)} requests got no answer ({unanswered[0].problem})")
    if len(facts.row) < ENOUGH:
        found.append(f"only {len(facts.row)} requests in a row were seen")
    if facts.replicas < SEVERAL:
        seen = "replicas could not be told apart" if not facts.replicas else "only one replica answered"
        found.append(f"{seen}, so it is not seen that they count together")
    return found + burst_doubts(facts.burst)


def burst_doubts(burst: Burst | None) -> list[str]:
    """Why a burst says nothing."""
    if burst is None or burst.first is not None or not burst.late:
        return []
    return [f"a burst of {burst.sent} requests took longer than the window of the limit"]


def _untold(facts: LimitFacts) -> Iterator[str]:
    answered = [one for one in facts.row if not one.problem]
    if answered and not any(one.told for one in answered):
        yield "signed-in answers tell of no limit"
    elif any(not one.told for one in answered):
        yield "some signed-in answers tell of no limit"
    if facts.nobody.status and not facts.nobody.told:
        yield "answers to nobody signed in tell of no limit for their address"
    if facts.login.status and not facts.login.told:
        yield "answers to a login tell of no limit"


def _too_wide(facts: LimitFacts, api_limit: int, login_limit: int) -> Iterator[str]:
    for what, one, most in (
        ("a signed-in user", facts.row[0] if facts.row else Counted(), api_limit),
        ("an address", facts.nobody, api_limit),
        ("logins", facts.login, login_limit),
    ):
        if one.a_minute is not None and one.a_minute > most:
            yield f"the limit for {what} is {one.a_minute}, and at most {most} is wanted"


def _not_counted(row: Sequence[Counted]) -> Iterator[str]:
    """Each request of a user leaves one less for all replicas; once, a new window may begin."""
    left = [one.remaining for one in row if one.remaining is not None]
    steps = [after - before for before, after in pairwise(left)]
    risen = [step for step in steps if step >= 0]
    if steps and not any(step < 0 for step in steps):
        yield f"{len(left)} requests in a row leave as many as before ({left[0]})"
    elif len(risen) > 1 or risen == [0]:
        shown = ", ".join(str(one) for one in left[:ENOUGH])
        yield f"what is left does not fall with each request of one user ({shown}), so replicas count for themselves"


def _counted_together(facts: LimitFacts) -> Iterator[str]:
    """Two users in turn: where they share a count, what is left falls by two between one user's own requests."""
    mine = [one.remaining for one in facts.mixed[::2] if one.remaining is not None]
    both = [one.remaining for one in facts.mixed if one.remaining is not None]
    falls = [before - after for before, after in pairwise(mine)]
    alike = all(before - after == 1 for before, after in pairwise(both))
    if len(falls) > 1 and alike and all(fall == SEVERAL for fall in falls):
        yield "one user's requests are taken from another's count"


def burst_flaws(burst: Burst | None) -> Iterator[str]:
    """What is wrong with what a burst met."""
    if burst is None or (burst.first is None and burst.late):
        return
    if burst.first is None:
        met = ", ".join(f"{count} times {status}" for status, count in sorted(burst.statuses.items()))
        yield f"a burst of {burst.sent} signed-in requests to {burst.path} met no 429 ({met})"
        return
    if not _says_when(burst.first.retry_after):
        yield "a 429 does not say when to come back (Retry-After)"
    if burst.other is not None and burst.other.status == HTTPStatus.TOO_MANY_REQUESTS:
        yield "another user was refused as well"
