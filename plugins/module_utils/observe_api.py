# Asks an API what it does: every operation of its description, errors of each kind, a burst, and foreign origins.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from ansible_collections.bytebot.production.plugins.module_utils.api_drive import Asker, Drive, Driven
from ansible_collections.bytebot.production.plugins.module_utils.checks import http_security
from ansible_collections.bytebot.production.plugins.module_utils.checks.api import (
    CHECKS,
    CORS,
    ENDPOINTS,
    ERRORS,
    LIMIT,
    VALIDATION,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.api_facts import (
    DOCUMENT_LIMIT,
    ApiFacts,
    ErrorShape,
    LimitSeen,
    Missing,
    Recovery,
    Seen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.http_security import HttpFacts
from ansible_collections.bytebot.production.plugins.module_utils.checks.rate_limit import Burst
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account, Door, Identity
from ansible_collections.bytebot.production.plugins.module_utils.observe_http import BROKEN, Paths
from ansible_collections.bytebot.production.plugins.module_utils.observe_http import Scope as HttpScope
from ansible_collections.bytebot.production.plugins.module_utils.observe_http import observe as observe_http
from ansible_collections.bytebot.production.plugins.module_utils.observe_limits import LimitScope, burst_by
from ansible_collections.bytebot.production.plugins.module_utils.openapi import Description
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

USERS = 2
GRACE_S, POLL_S = 3.0, 0.5  # after the seconds of Retry-After: clocks differ a little
_ACCOUNTS = "Name the Secrets of users of the application (in the inventory: bytebot_test_accounts)."


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked, and what is wanted of it.

    :param description: None where there is none, for which ``undescribed`` says why.
    :param main: the role of the account that asks for everything; it should be the one that may most.
    :param writes: whether objects may be made (and removed).
    :param patience_s: how long answers that say to come back later are waited for, in all.
    """

    paths: Paths
    limits: LimitScope
    driven: Driven
    description: Description | None = None
    undescribed: Missing | None = None
    limit: int = DOCUMENT_LIMIT
    credentials: bool = True
    shape: ErrorShape = field(default_factory=ErrorShape)
    origins: tuple[str, ...] | None = None
    accounts: tuple[Account, ...] = ()
    main: str = "admin"
    door: Door | None = None
    writes: bool = False
    patience_s: float = 150.0
    unasked: str = ""
    only: Collection[str] = ()

    def judges(self, *controls: str) -> bool:
        return any(control in (self.only or CHECKS.controls) for control in controls)


def observe(http: Http, scope: Scope, redactor: Redactor, clients: Callable[[], Http]) -> ApiFacts:
    """Ask what the wanted controls rest on; nothing where ``unasked`` says why not."""
    if scope.unasked:
        return ApiFacts(http.base_url, unasked=scope.unasked)
    return _Look(http, scope, redactor, clients).facts()


class _Look:
    """One look at an API. The burst comes first, so that its end is waited for while others are asked."""

    def __init__(self, http: Http, scope: Scope, redactor: Redactor, clients: Callable[[], Http]) -> None:
        self._http, self._scope, self._redactor, self._clients = http, scope, redactor, clients
        self._signed: dict[str, Identity] = {}
        self._asker = Asker(http, scope.shape, scope.patience_s)

    def facts(self) -> ApiFacts:
        scope = self._scope
        cors = self._origins() if scope.judges(CORS) else None
        errors = tuple(self._errors()) if scope.judges(ERRORS) else ()
        limits, limits_missing, back_at = LimitSeen(), None, 0.0
        if scope.judges(LIMIT):
            limits, limits_missing, back_at = self._limits()
        drive, missing = self._drive() if scope.judges(ENDPOINTS, VALIDATION) else (None, None)
        if limits.burst and limits.burst.first:
            limits = LimitSeen(limits.burst, limits.burst.first.limit, self._recovery(limits.burst, back_at))
        return ApiFacts(
            self._http.base_url,
            operations=drive.operations if drive else (),
            seen=(*errors, *(drive.seen if drive else ())),
            lives=tuple(drive.lives) if drive else (),
            limits=limits,
            limit=scope.limit,
            cors=cors,
            missing=missing,
            limits_missing=limits_missing,
            left=tuple(drive.left) if drive else (),
            cleaned=drive.cleaned if drive else 0,
        )

    def _sign_in(self, account: Account) -> Identity:
        if account.role not in self._signed and self._scope.door:
            self._signed[account.role] = self._scope.door.sign_in(account, self._redactor)
        return self._signed[account.role]

    # ------------------------------------------------------------------ the description

    def _drive(self) -> tuple[Drive | None, Missing | None]:
        scope = self._scope
        if scope.description is None:
            return None, scope.undescribed
        if scope.door is None or not scope.accounts:
            return None, Missing("Operations are asked signed in, and accounts names nobody.", _ACCOUNTS)
        account = next((one for one in scope.accounts if one.role == scope.main), scope.accounts[0])
        who = self._sign_in(account)
        if who.problem:
            return None, Missing(f"Nobody could sign in: {who.problem}.", _ACCOUNTS)
        drive = Drive(self._asker, scope.description, scope.driven, who, self._redactor)
        drive.read_all()
        if not scope.writes:
            opt_in = "Permit it for this environment (in the inventory: bytebot_tests_allowed, with the value writes)."
            return drive, Missing("Operations that write are not asked, since tests may not write here.", opt_in)
        drive.write_all(mistakes=scope.judges(VALIDATION))
        return drive, None

    # ------------------------------------------------------------------ errors

    def _errors(self) -> Iterator[Seen]:
        """An error of each kind that nobody has to sign in for and that changes nothing."""
        paths, json = self._scope.paths, {"Content-Type": "application/json"}
        lost = f"/api/nothing-{secrets.token_hex(8)}"
        for case, method, path, data in (
            ("what is not there", "GET", lost, None),
            ("a method that is not allowed", "DELETE", paths.login, None),
            ("no token", "GET", paths.protected, None),
            ("JSON that is broken", "POST", paths.login, BROKEN),
        ):
            yield self._asker.error(case, method, path, json if data else {}, data)

    # ------------------------------------------------------------------ limits

    def _limits(self) -> tuple[LimitSeen, Missing | None, float]:
        scope = self._scope
        if scope.door is None or len(scope.accounts) < USERS:
            return (
                LimitSeen(),
                Missing("A limit is seen by two signed-in users, and accounts names fewer.", _ACCOUNTS),
                0.0,
            )
        users = [self._sign_in(one) for one in scope.accounts[:USERS]]
        if problems := [f"{one.role}: {one.problem}" for one in users if one.problem]:
            return LimitSeen(), Missing(f"Two users must sign in: {'; '.join(problems)}.", _ACCOUNTS), 0.0
        burst, why, remedy = burst_by(self._http, _http_scope(scope), users, self._clients, scope.limit)
        after = int(burst.first.retry_after) if burst and burst.first and burst.first.retry_after.isdecimal() else 0
        why = f"That a burst meets a limit is not seen: {why}"
        return LimitSeen(burst, no_burst=why, remedy=remedy), None, time.monotonic() + after

    def _recovery(self, burst: Burst, back_at: float) -> Recovery:
        """Ask as the one that was refused, when it is told to come back."""
        said = burst.first.retry_after if burst.first else ""
        if not said.isdecimal():
            return Recovery(problem="it does not say when to come back")
        rest = back_at - time.monotonic()
        if rest > self._scope.patience_s:
            return Recovery(int(said), problem=f"its {said} s are more than the patience of this check")
        time.sleep(max(0.0, rest))
        limits, who = self._scope.limits, self._sign_in(self._scope.accounts[0])
        until = time.monotonic() + GRACE_S
        while True:
            answer = self._http.request(limits.method, limits.path, headers=who.headers, json={})
            if answer.status != HTTPStatus.TOO_MANY_REQUESTS or time.monotonic() >= until:
                return Recovery(int(said), answer.status, answer.failure.sentence if answer.failure else "")
            time.sleep(POLL_S)

    # ------------------------------------------------------------------ origins

    def _origins(self) -> HttpFacts:
        scope = self._scope
        wanted = http_security.Wanted(credentials=scope.credentials)
        if scope.origins is None:
            return HttpFacts(self._http.base_url, wanted, origins=None)
        return observe_http(self._http, _http_scope(scope), self._redactor, self._clients)


def _http_scope(scope: Scope) -> HttpScope:
    paths = scope.paths
    if not paths.cors and scope.description:
        groups = (paths.protected, paths.login, paths.ok, *groups_of(scope.description))
        paths = Paths(paths.ok, paths.protected, paths.login, cors=tuple(dict.fromkeys(groups)))
    return HttpScope(
        paths,
        http_security.Wanted(credentials=scope.credentials),
        scope.limits,
        scope.origins,
        scope.accounts,
        scope.door,
        only=(http_security.CORS,),
    )


def groups_of(description: Description) -> Sequence[str]:
    """One path of each group of endpoints: the first that a GET reads, by the path's first parts."""
    found: dict[str, str] = {}
    for one in description.operations:
        if not one.variables and one.method == "GET":
            found.setdefault("/".join(one.path.split("/")[:4]), one.path)
    return list(found.values())
