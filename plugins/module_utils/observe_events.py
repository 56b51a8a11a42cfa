# Causes known events at the application, and reads what its counters make of them in Prometheus.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_business import missed
from ansible_collections.bytebot.production.plugins.module_utils.checks.scrape_facts import BusinessSeen, Counter, Move
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import (
    Account,
    Door,
    Identity,
    body_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

SIGN_IN, FAILED, REQUEST, TASK = "sign_in", "failed_sign_in", "request", "task"
EVENTS = (SIGN_IN, FAILED, REQUEST, TASK)
MARKER = "bytebot.production checklist:"
TRIES, PAUSE_S = 3, 0.5
MORE = 4  # further tries have another number of events, by chance: others who count in step are told apart
_ALLOW = "bytebot_tests_allowed lacks writes"


class _CannotError(CollectionError):
    """An event could not be caused."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to cause and where to look.

    :param selector: matchers of the release's targets; :param within_s: bound for all of them to be scraped again.
    :param writes: whether tasks may be made; :param role: whose account makes and removes them.
    """

    counters: tuple[Counter, ...]
    accounts: tuple[Account, ...]
    selector: str
    within_s: float
    events: int = 2
    writes: bool = False
    role: str = "operator"
    tasks_path: str = "/api/v1/tasks"
    logout_path: str = "/api/v1/auth/logout"


@dataclass
class Business:
    """Moves counters."""

    server: Prometheus
    door: Door | None
    plan: Plan
    redactor: Redactor
    pause: Callable[[float], None] = time.sleep
    made: list[str] = field(default_factory=list)

    def look(self) -> BusinessSeen | None:
        """Cause the events and look, again where others may have caused some, too; None where nothing is wanted."""
        plan = self.plan
        if not plan.counters:
            return None
        if not plan.accounts or self.door is None:
            return BusinessSeen(gap="Needs input accounts.", remedy="Name users to sign in as (bytebot_test_accounts).")
        if not plan.selector:
            return BusinessSeen(
                gap="No target of the release is known to Prometheus, so its counters cannot be read.",
                remedy="See monitoring.metrics.scraped.",
            )
        left_out = {one.event: _ALLOW for one in plan.counters if one.event == TASK and not plan.writes}
        wanted = [one for one in plan.counters if one.event not in left_out]
        try:
            return self._tried(wanted, left_out)
        except CollectionError as exc:
            return BusinessSeen(broken=exc.sentence.rstrip("."), left_out=left_out)

    def _tried(self, wanted: Sequence[Counter], left_out: Mapping[str, str]) -> BusinessSeen:
        tries: list[tuple[Move, ...]] = []
        trouble = left = ""
        with self._signed_in() as who:
            try:
                if self.plan.writes:
                    self._remove_earlier(who)
                for number in range(TRIES):
                    moves, trouble = self._once(
                        wanted, who, self.plan.events + (secrets.randbelow(MORE) if number else 0)
                    )
                    tries.append(moves)
                    if not trouble and not any(map(missed, moves)):
                        break
                    if not trouble and any(one.after - one.before < one.caused for one in moves):
                        break
            finally:
                left = self._remove(who)
        return BusinessSeen(tuple(tries), left_out=dict(left_out), trouble=trouble, left=left)

    def _once(self, wanted: Sequence[Counter], who: Identity, events: int) -> tuple[tuple[Move, ...], str]:
        """One try with so many events of each kind."""
        late = tuple(Move(one, events) for one in wanted), "not all targets were scraped again in time"
        if not self._scraped_again():
            return late
        before = {str(one): self._series(one) for one in wanted}
        for event in dict.fromkeys(one.event for one in wanted):
            for _number in range(events):
                self._cause(event, who)
        if not self._scraped_again():
            return late
        moves, trouble = [], ""
        for one in wanted:
            was, now = before[str(one)], self._series(one)
            if any(now.get(key, -1.0) < value for key, value in was.items()):
                trouble = f"a replica that counts {one.metric} went away or began anew meanwhile"
            there = bool(now) or self._there(one.metric)
            moves.append(Move(one, events, sum(was.values()), sum(now.values()), there))
        return tuple(moves), trouble

    # ------------------------------------------------------------------ Prometheus

    def _scraped_again(self) -> bool:
        """Wait until all targets of the release have been scraped after now, by Prometheus' own clock."""
        asked, end = self._clock(), time.monotonic() + self.plan.within_s
        while True:
            told = self.server.query(f"min(timestamp(up{{{self.plan.selector}}}))")
            if told.ok and told.data and float(told.data[0][1]) > asked:
                return True
            if time.monotonic() >= end:
                return False
            self.pause(PAUSE_S)

    def _clock(self) -> float:
        told = self.server.query("time()")
        if not told.ok:
            raise _CannotError(f"Prometheus does not tell its time: {told.cause}.")
        return float(told.data[0][1])

    def _series(self, counter: Counter) -> dict[str, float]:
        """The counter's value by series."""
        matchers = [f'{name}="{value}"' for name, value in counter.labels.items()]
        told = self.server.query(f"{counter.metric}{{{', '.join([self.plan.selector, *matchers])}}}")
        if not told.ok:
            raise _CannotError(f"Prometheus does not tell {counter.metric}: {told.cause}.")
        return {str(sorted(labels.items())): float(value) for labels, value in told.data}

    def _there(self, metric: str) -> bool:
        told = self.server.query(f"count({metric}{{{self.plan.selector}}})")
        return bool(told.ok and told.data)

    # ------------------------------------------------------------------ events

    @contextlib.contextmanager
    def _signed_in(self) -> Iterator[Identity]:
        accounts = self.plan.accounts
        account = next((one for one in accounts if one.role == self.plan.role), accounts[0])
        who = self._sign_in(account)
        try:
            yield who
        finally:
            self._sign_out(who)

    def _sign_in(self, account: Account) -> Identity:
        who = self._door().sign_in(account, self.redactor)
        if who.problem:
            raise _CannotError(f"{who.problem}.")
        return who

    def _door(self) -> Door:
        if self.door is None:
            raise _CannotError("Nobody can sign in.")
        return self.door

    def _ask(self, method: str, path: str, who: Identity | None = None, body: Any = None) -> Answer:
        door = self._door()
        answer = door.http.request(method, path, headers=who.headers if who else {}, json=body)
        if answer.failure:
            raise _CannotError(answer.failure.sentence)
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise _CannotError(f"{method} {path} answers 429.")
        return answer

    def _sign_out(self, who: Identity) -> None:
        with contextlib.suppress(CollectionError):
            self._ask("POST", self.plan.logout_path, who)

    def _cause(self, event: str, who: Identity) -> None:
        plan = self.plan
        if event == SIGN_IN:
            self._sign_out(self._sign_in(plan.accounts[0]))
        elif event == FAILED:
            self._fail_to_sign_in()
        elif event == REQUEST:
            answer = self._ask("GET", f"{plan.tasks_path}/{uuid.uuid4()}", who)
            if answer.status != HTTPStatus.NOT_FOUND:
                raise _CannotError(f"A task that does not exist answers {answer.status}.")
        else:
            self._make_task(who)

    def _fail_to_sign_in(self) -> None:
        door = self._door()
        nobody = f"nobody-{secrets.token_hex(6)}@checklist.invalid"
        body = {door.fields.username: nobody, door.fields.password: secrets.token_hex(12)}
        answer = self._ask("POST", door.fields.login_path, body=body)
        if answer.status != HTTPStatus.UNAUTHORIZED:
            raise _CannotError(f"A login of nobody answers {answer.status}.")

    def _make_task(self, who: Identity) -> None:
        """A task that is due in a year, and so is never begun."""
        due = (datetime.now(UTC) + timedelta(days=365)).isoformat(timespec="seconds")
        body = {"description": f"{MARKER} {secrets.token_hex(8)}", "type": "SCHEDULED", "scheduledFor": due}
        answer = self._ask("POST", self.plan.tasks_path, who, body)
        task = body_of(answer).get("id")
        if answer.status != HTTPStatus.CREATED or not isinstance(task, str):
            raise _CannotError(f"Making a task answers {answer.status}.")
        self.made.append(task)

    def _remove_earlier(self, who: Identity) -> None:
        """What an earlier run that was killed has left."""
        told = self._ask("GET", f"{self.plan.tasks_path}?limit=100", who)
        with contextlib.suppress(ValueError):
            found = json.loads(told.body)
            listed = found.get("tasks") if isinstance(found, dict) else found
            for one in listed if isinstance(listed, list) else []:
                if isinstance(one, dict) and str(one.get("description") or "").startswith(MARKER):
                    self._ask("DELETE", f"{self.plan.tasks_path}/{one.get('id')}", who)

    def _remove(self, who: Identity) -> str:
        """Remove what was made; what is left, in words."""
        left = []
        for task in self.made:
            try:
                answer = self._ask("DELETE", f"{self.plan.tasks_path}/{task}", who)
            except CollectionError:
                left.append(task)
                continue
            if answer.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND):
                left.append(task)
        return f"{len(left)} tasks of this check could not be removed ({', '.join(left[:3])})" if left else ""
