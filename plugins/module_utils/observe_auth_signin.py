# Observes what wrong names and passwords meet, how an account is locked and opens again, and which passwords are taken.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import secrets
import time
from dataclasses import replace
from http import HTTPStatus

from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import (
    Lockout,
    PasswordFacts,
    RefusalFacts,
    Tried,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.auth_api import AuthApi, Session
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer
from ansible_collections.bytebot.production.plugins.module_utils.test_identities import (
    Identities,
    Person,
    new_mark,
    new_password,
    short_name,
)

PAIRS = 6  # of an unknown name and a wrong password, whose times are compared
AT_MOST = 4  # failures of one name, which is then left alone: one more could lock it
MORE_TRIES = 3  # than a lock-out wants, before it is said that there is none
GRACE_S, GRACE, LOOKS = 3.0, 0.1, 3
LATEST = 0.8  # of the time of a lock-out: later a look may find it over
_BY_NATURE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # ids
    r"|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?|\b1\d{9}(?:\d{3})?\b"  # times
)


def _wrong() -> str:
    return f"Wrong-7a-{secrets.token_urlsafe(16)}"


def tried(api: AuthApi, what: str, answer: Answer, wanted: str = "401") -> Tried:
    """An answer as it is kept."""
    problem = answer.failure.sentence.rstrip(".") if answer.failure else ""
    return Tried(what, answer.status, wanted, "", api.code_of(answer), problem)


# ---------------------------------------------------------------------- refused


def refusals_of(api: AuthApi, made: Identities, role: str) -> RefusalFacts:
    """An unknown name and a wrong password in turn, each time at the same number of failures."""
    person, unknown = made.make(role), _stranger(made)
    wrong: list[tuple[str, Answer]] = []
    other: list[tuple[str, Answer]] = []
    wrong_s: list[float] = []
    unknown_s: list[float] = []
    for number in range(PAIRS):
        if number and number % AT_MOST == 0:
            person, unknown = made.make(role), _stranger(made)
        pair = [(person.name, wrong, wrong_s), (unknown, other, unknown_s)]
        for name, answers, took in pair if number % 2 else pair[::-1]:
            answer = api.login(name, _wrong()).answer
            answers.append((name, answer))
            took.append(answer.elapsed_s)
    return RefusalFacts(
        tried(api, "a wrong password", wrong[0][1]),
        tried(api, "an unknown name", other[0][1]),
        _said(*wrong[0]),
        _said(*other[0]),
        tuple(wrong_s),
        tuple(unknown_s),
    )


def _stranger(made: Identities) -> str:
    """A name of the same form that nobody has."""
    known = made.people[-1].name
    return f"{new_mark()}@{known.partition('@')[2]}" if "@" in known else new_mark()


def _said(name: str, answer: Answer) -> str:
    """A body without what differs by nature."""
    return " ".join(_BY_NATURE.sub("…", answer.body.replace(name, "…")).split())[:1000]


# ---------------------------------------------------------------------- the lock


class LockoutTrial:
    """Wrong passwords until the account is locked; its end is looked at later."""

    def __init__(self, api: AuthApi, person: Person, wanted: Wanted, wait_s: float) -> None:
        self._api, self._person, self._wanted, self._wait_s = api, person, wanted, wait_s
        self._seen = Lockout()
        self._since = 0.0

    def begin(self) -> None:
        """Sign in rightly, then wrongly as often as it may take, then rightly again."""
        before = self._right()
        if before.works:
            self._api.logout(before)
        failures, delays = [], []
        right: Tried | None = None
        for number in range(self._wanted.tries + MORE_TRIES):
            answer = self._api.login(self._person.name, _wrong()).answer
            failures.append(tried(self._api, f"wrong password {number + 1}", answer))
            delays.append(answer.elapsed_s)
            self._since = time.monotonic()
            if number + 1 >= self._wanted.tries and (right := self._shut(number + 1)):
                break
        self._seen = Lockout(before.answer.status, tuple(failures), tuple(delays), right)
        if right:
            self._api.patience.tell(
                f"An account of this run is locked; its end is looked at in {self._wanted.lockout_s} s, and the rest "
                "meanwhile."
            )

    @property
    def begun(self) -> Lockout:
        """What was seen until the account was locked."""
        return self._seen

    def ended(self) -> Lockout:
        """Look half-way, and when the time is over; nothing is waited for where nothing is locked."""
        seen, lasts = self._seen, self._wanted.lockout_s
        if seen.right is None:
            return seen
        most = lasts * (1 + GRACE) + GRACE_S
        if most > self._wait_s:
            why = f"it may take {most:.0f} s, and {self._wait_s:.0f} s may be waited"
            return replace(seen, not_waited=why)
        self.glance(wait=True)
        seen = self._seen
        if seen.middle and seen.middle.status == HTTPStatus.OK:
            return seen  # it is open already, too early
        end, after = seen.right, 0.0
        for number in range(LOOKS):  # a try while it is locked may prolong it elsewhere: few, and late
            end, after = self._look_at(lasts * (1 + GRACE * number / (LOOKS - 1)) + GRACE_S * (number + 1) / LOOKS)
            if end.status == HTTPStatus.OK:
                break
        return replace(seen, end=end, after_s=after)

    def glance(self, *, wait: bool = False) -> None:
        """Look once whether it is still locked when about half of the time is over; later that would say nothing."""
        lasts, passed = self._wanted.lockout_s, time.monotonic() - self._since
        if self._seen.right is None or self._seen.middle or passed > lasts * LATEST:
            return
        if wait or passed >= lasts / 2:
            middle, second = self._look_at(lasts / 2)
            if second <= lasts * LATEST or middle.status != HTTPStatus.OK:  # the answer came in time
                self._seen = replace(self._seen, middle=middle, middle_s=second)

    def _look_at(self, second: float) -> tuple[Tried, float]:
        """Sign in rightly so many seconds after the last failure."""
        left = second - (time.monotonic() - self._since)
        if left > 0:
            self._api.patience.sleep(left)
        session = self._right()
        after = time.monotonic() - self._since
        if session.works:
            self._api.logout(session)
        return tried(self._api, "the right password", session.answer), round(after, 1)

    def _shut(self, number: int) -> Tried | None:
        """The refusal of the right password; None where it is let in, which also begins the count anew."""
        session = self._right()
        if not session.works:
            return tried(self._api, f"the right password after {number} wrong ones", session.answer)
        self._api.logout(session)
        return None

    def _right(self) -> Session:
        return self._api.login(self._person.name, self._person.password)


# ---------------------------------------------------------------------- passwords


def weak_passwords(name: str, length: int) -> dict[str, str]:
    """Each breaks one rule and keeps the others, so that none stands in for another."""
    tail = secrets.token_hex(max(8, length))
    return {
        "one letter": "a",
        "four letters": "abcd",
        f"{length - 1} characters": f"Xk7!{tail}"[: length - 1],
        "no upper case": f"xk7!-{tail}",
        "no lower case": f"XK7!-{tail.upper()}",
        "no digit": "Xk!-" + "".join(secrets.choice("ghjkmnpqrtvwxz") for _number in range(max(12, length))),
        "no special character": f"Xk7{tail}",
        "a common one": "Password123!",
        "with the user name": f"{name.capitalize()}!X7k",
    }


def passwords_of(api: AuthApi, made: Identities, role: str, wanted: Wanted) -> PasswordFacts:
    """Ask for accounts with weak passwords; what is taken is removed at once."""
    person = made.make(role)
    weak, silent = [], []
    short, domain = short_name(), f"@{person.name.partition('@')[2]}" if "@" in person.name else ""
    for what, password in weak_passwords(short, wanted.length).items():
        name = f"{short}{domain}" if what == "with the user name" else ""
        answer = made.ask_for(role, password, name)
        weak.append(tried(api, what, answer, "400"))
        if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY) and not _names_field(api, answer):
            silent.append(what)
    changed, again = (0, None) if not wanted.history else _history(api, person)
    return PasswordFacts(HTTPStatus.CREATED, tuple(weak), tuple(silent), again, changed)


def _names_field(api: AuthApi, answer: Answer) -> bool:
    return api.dialect.password in answer.body.lower()


def _history(api: AuthApi, person: Person) -> tuple[int, Tried | None]:
    """A new password, and then the old one again."""
    new = new_password()
    api.learn(new)
    changed = _changed(api, person.name, person.password, new)
    if changed.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
        return changed.status, tried(api, "the password of before", changed, "400")
    again = _changed(api, person.name, new, person.password)
    return changed.status, tried(api, "the password of before", again, "400")


def _changed(api: AuthApi, name: str, current: str, new: str) -> Answer:
    session = api.login(name, current)
    dialect = api.dialect
    body = {dialect.current_password: current, dialect.new_password: new}
    return api.ask("POST", dialect.change_password, token=session.access, body=body)
