# Asks signed in, in a row and at once, for what is seen of the limits on requests.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from ansible_collections.bytebot.production.plugins.module_utils.checks.bodies import PROCESS, scrape
from ansible_collections.bytebot.production.plugins.module_utils.checks.rate_limit import (
    Burst,
    Counted,
    LimitFacts,
    Names,
    counted,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account, Door, Identity
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ROW, MIXED, SCRAPES, AT_ONCE = 12, 6, 8, 8
USERS = 2
SPOOFS = 6
LONGEST_S = 366 * 86400  # of a window: a larger number is the time of its end, a smaller one the seconds until then
# Headers by which proxies tell whom they speak for; whoever believes them of anybody counts what the sender likes.
FORWARDED = ("X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP")


@dataclass(frozen=True, slots=True)
class LimitScope:
    """How limits are tried.

    :param burst: whether more may be sent than a limit allows; :param most: requests of such a burst at most.
    :param path: where to: a body that is not valid is refused, and counted all the same.
    """

    burst: bool = False
    path: str = "/api/v1/tasks"
    method: str = "POST"
    most: int = 2000
    names: Names = field(default_factory=Names)


class Wanted(Protocol):
    """What is used of the whole scope."""

    @property
    def accounts(self) -> tuple[Account, ...]: ...
    @property
    def door(self) -> Door | None: ...
    @property
    def limits(self) -> LimitScope: ...
    @property
    def paths(self) -> PathsAsked: ...
    @property
    def spoofs(self) -> bool: ...


class PathsAsked(Protocol):
    """The paths that limits are seen at."""

    @property
    def protected(self) -> str: ...
    @property
    def login(self) -> str: ...
    @property
    def metrics(self) -> str: ...


def limits_of(http: Http, scope: Wanted, redactor: Redactor, clients: Callable[[], Http]) -> LimitFacts:
    """Sign two users in and look at what their answers tell of limits."""
    needs = "Name the Secrets of two users of the application (in the inventory: bytebot_test_accounts)."
    if scope.door is None or len(scope.accounts) < USERS:
        return LimitFacts(problem="Limits are seen by two signed-in users, and accounts names fewer.", remedy=needs)
    users = [scope.door.sign_in(one, redactor) for one in scope.accounts[:USERS]]
    problems = [f"{one.role}: {one.problem}" for one in users if one.problem]
    if problems:
        return LimitFacts(problem=f"Two users must sign in: {'; '.join(problems)}.", remedy=needs)
    return _Look(http, scope, users, clients).facts()


def burst_by(
    http: Http, scope: Wanted, users: Sequence[Identity], clients: Callable[[], Http], unsaid: int
) -> tuple[Burst | None, str, str]:
    """A burst of the first of two users, or why there is none and what to do.

    :param unsaid: the limit that is taken where answers tell of none.
    """
    return _Look(http, scope, users, clients).burst(unsaid)


class _Look:
    """One look at the limits, as two users."""

    def __init__(self, http: Http, scope: Wanted, users: Sequence[Identity], clients: Callable[[], Http]) -> None:
        self._http, self._scope, self._clients = http, scope, clients
        self._first, self._second = users
        self._started: set[str] = set()

    def facts(self) -> LimitFacts:
        self._scrape()
        row = tuple(self._get(self._first.headers) for _number in range(ROW))
        mixed = tuple(self._get((self._second if number % USERS else self._first).headers) for number in range(MIXED))
        self._scrape()
        nobody = {f"unknown-{secrets.token_hex(8)}": ""}
        login = self._told(self._http.request("POST", self._scope.paths.login, json=nobody))
        nobody_signed_in = self._get({})
        spoofed, logins = self._spoofed() if self._scope.spoofs else ((), ())
        burst, why, remedy = self.burst()
        return LimitFacts(row, mixed, nobody_signed_in, login, spoofed, logins, len(self._started), burst, why, remedy)

    def _spoofed(self) -> tuple[tuple[Counted, ...], tuple[Counted, ...]]:
        """As nobody, from addresses that are for documentation (RFC 5737), each another one."""
        addresses = [f"198.51.100.{number + 1}" for number in range(SPOOFS)]
        names = [{**dict.fromkeys(FORWARDED, address), "Forwarded": f"for={address}"} for address in addresses]
        requests = tuple(self._get(headers) for headers in names)
        nobody = {f"unknown-{secrets.token_hex(8)}": ""}
        path = self._scope.paths.login
        return requests, tuple(
            self._told(self._http.request("POST", path, headers=headers, json=nobody)) for headers in names
        )

    def _scrape(self) -> None:
        """Which replicas answer on the public path: each process says when it and its first counter began."""
        for _number in range(SCRAPES):
            page = scrape(self._http.get(self._scope.paths.metrics), PROCESS)
            self._started |= {page.process} - {""}

    def _get(self, headers: Mapping[str, str]) -> Counted:
        return self._told(self._http.get(self._scope.paths.protected, headers=headers))

    def _told(self, answer: Answer) -> Counted:
        problem = answer.failure.sentence.rstrip(".") if answer.failure else ""
        return counted(answer.status, answer.headers, self._scope.limits.names, problem)

    # ------------------------------------------------------------------ the burst

    def burst(self, unsaid: int = 0) -> tuple[Burst | None, str, str]:
        """More requests than the limit allows, where that is permitted."""
        limits = self._scope.limits
        if not limits.burst:
            opt_in = "Permit it for this environment with burst (in the inventory: bytebot_burst_allowed)."
            return None, "a burst is not permitted.", opt_in
        at_first = self._once(self._http)
        limit = at_first.limit or unsaid
        if not limit:
            return None, f"{limits.path} tells of no limit.", "Name a path that is limited in burst_path."
        wanted = limit + AT_ONCE
        if wanted > limits.most:
            raise_it = "Raise burst_maximum, or name a path with a lower limit in burst_path."
            return (
                None,
                f"the limit of {limits.path} is {limit}, and {limits.most} requests may be sent.",
                raise_it,
            )
        burst = self._sent(wanted, at_first.reset)
        if burst.late:  # it began at the end of a window that others had begun
            burst = self._sent(wanted, self._once(self._http).reset)
        return burst, "", ""

    def _sent(self, wanted: int, ends: int | None) -> Burst:
        statuses: Counter[int] = Counter()
        refused: list[Counted] = []
        ends = ends if ends is None or ends > LONGEST_S else ends + int(time.time())
        lock = threading.Lock()
        left = [wanted]

        def send() -> None:
            client = self._clients()
            while True:
                with lock:
                    if left[0] <= 0 or refused:
                        return
                    left[0] -= 1
                one = self._once(client)
                with lock:
                    statuses[one.status] += 1
                    if one.status == HTTPStatus.TOO_MANY_REQUESTS:
                        refused.append(one)

        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            for done in [pool.submit(send) for _number in range(AT_ONCE)]:
                done.result()
        first = refused[0] if refused else None
        late = first is None and ends is not None and time.time() >= ends - 1
        other = self._once(self._http, self._second)
        return Burst(self._scope.limits.path, sum(statuses.values()), dict(statuses), first, other, late)

    def _once(self, http: Http, who: Identity | None = None) -> Counted:
        limits = self._scope.limits
        return self._told(http.request(limits.method, limits.path, headers=(who or self._first).headers, json={}))
