# Sends the load once, and watches replicas and the database meanwhile, for the checks in checks/load.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ansible_collections.bytebot.production.plugins.module_utils.checks.load import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.load_facts import (
    DATABASE,
    LEAK,
    RESOURCES,
    DatabaseSeen,
    LoadFacts,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Keys
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_login import target_of
from ansible_collections.bytebot.production.plugins.module_utils.clients import load_postgres
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account, Door
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_postgres import Place
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.load.plan import Plan
from ansible_collections.bytebot.production.plugins.module_utils.load.sender import Target
from ansible_collections.bytebot.production.plugins.module_utils.load.tally import Tally
from ansible_collections.bytebot.production.plugins.module_utils.load.workers import TELL_S, Workers, workers
from ansible_collections.bytebot.production.plugins.module_utils.observe_secrets import read_secrets
from ansible_collections.bytebot.production.plugins.module_utils.observe_sign_in import ca_file
from ansible_collections.bytebot.production.plugins.module_utils.observe_usage import Watch
from ansible_collections.bytebot.production.plugins.module_utils.reach import Roads, Sides, Way
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret import hide

LIVED, UNKNOWN_LIFE_S = 0.6, 600.0  # of its life a token may have lived; and a life that no token tells
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is asked: a name for reports, an URL, its weight among the others, and whether a token is sent."""

    name: str
    url: str
    weight: float = 1.0
    signed_in: bool = True


@dataclass(frozen=True, slots=True)
class LoadScope:
    """What is sent, and what is watched.

    :param users: concurrent ones; :param sign_ins: how many of them sign in on their own at most.
    :param unasked: why no load may be sent, and :param remedy: what permits it.
    """

    base_url: str
    namespace: str
    release: str
    endpoints: tuple[Endpoint, ...]
    plan: Plan
    target: Target
    database: Keys
    sides: Sides
    users: int = 1
    sign_ins: int = 1
    accounts: tuple[Account, ...] = ()
    door: Door | None = None
    workers: int = 0
    wanted: Wanted = field(default_factory=Wanted)
    unasked: str = ""
    remedy: str = ""
    only: tuple[str, ...] = ()

    def judges(self, *controls: str) -> bool:
        return any(control in (self.only or CHECKS.controls) for control in controls)


def observe(
    cluster: Cluster | None,
    scope: LoadScope,
    redactor: Redactor,
    tell: Tell,
    *,
    folder: str = "",
    prometheus: Prometheus | None = None,
) -> LoadFacts:
    """Sign in, send, watch. Nothing is sent where it is not permitted."""
    facts = LoadFacts(
        scope.base_url,
        scope.wanted,
        scope.unasked,
        scope.remedy,
        scope.plan,
        endpoints=tuple((one.name, one.signed_in) for one in scope.endpoints),
        users=scope.users,
    )
    if scope.unasked:
        return facts
    sessions = _Sessions(scope, redactor)
    no_users = sessions.begin()
    facts = replace(facts, no_users=no_users, sessions=len(sessions.tokens), asked_each=sessions.most_each())
    if no_users and any(one.signed_in for one in scope.endpoints):
        return _without_users(facts)
    tell(f"{len(sessions.tokens)} sessions for {scope.users} users")
    target = replace(scope.target, tokens=tuple(sessions.tokens) or ("",))
    with workers(scope.plan, target, scope.workers) as made:
        run = _Run(made, scope, tell, sessions, facts)
        return _sent(run, cluster, redactor, folder=folder, prometheus=prometheus)


def _without_users(facts: LoadFacts) -> LoadFacts:
    """No load at all: what is asked without a token alone is no load that tells of users."""
    why = f"The endpoints are asked signed in, and nobody is: {facts.no_users}."
    return replace(
        facts, unasked=why, remedy="Name users of the application (in the inventory: bytebot_test_accounts)."
    )


class _Sessions:
    """The users that are signed in: as many as sign-ins go, the accounts in turn, and again before a token ends."""

    def __init__(self, scope: LoadScope, redactor: Redactor, clock: Callable[[], float] = time.time) -> None:
        self._scope, self._redactor, self._clock = scope, redactor, clock
        self._of: list[int] = []  # by session, its account
        self.tokens: list[str] = []
        self._again = 0.0

    def begin(self) -> str:
        """Sign in; why nobody is, or empty."""
        scope = self._scope
        if not any(one.signed_in for one in scope.endpoints):
            return "no endpoint is asked signed in"
        if scope.door is None or not scope.accounts:
            return "no accounts are named"
        problem = ""
        for number in range(max(1, min(scope.users, scope.sign_ins))):
            account = number % len(scope.accounts)
            one = scope.door.sign_in(scope.accounts[account], self._redactor)
            if not one.problem:
                self.tokens.append(one.token)
                self._of.append(account)
                continue
            problem = one.problem
            if number >= len(scope.accounts):
                break
        self._note()
        return "" if self.tokens else problem

    def most_each(self) -> float:
        """Requests of the account that sends most, in a minute of the highest level: limits count by account."""
        if not self._of:
            return 0.0
        turns = Counter(self._of[number % len(self._of)] for number in range(self._scope.users))
        return self._scope.plan.most_rate * 60 * max(turns.values()) / self._scope.users

    def renew(self) -> list[str]:
        """New tokens, where the old ones have lived for most of their time; one that is not had stays the old one."""
        door = self._scope.door
        if door is None or not self.tokens or self._clock() < self._again:
            return []
        for session, account in enumerate(self._of):
            one = door.sign_in(self._scope.accounts[account], self._redactor)
            if not one.problem:
                self.tokens[session] = one.token
        self._note()
        return self.tokens

    def _note(self) -> None:
        """When to sign in again."""
        now = self._clock()
        lives = [end - now for token in self.tokens if (end := end_of(token)) is not None]
        self._again = now + max(TELL_S, LIVED * min([*lives, UNKNOWN_LIFE_S]))


def end_of(token: str) -> float | None:
    """When a JSON Web Token says that it ends, in Unix time; None where it says nothing, or is none."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        end = claims.get("exp")
    except (IndexError, ValueError, AttributeError):
        return None
    return float(end) if isinstance(end, (int, float)) and not isinstance(end, bool) else None


@dataclass(frozen=True, slots=True)
class _Run:
    """All that one run of load is made of."""

    made: Workers
    scope: LoadScope
    tell: Tell
    sessions: _Sessions
    facts: LoadFacts


def _sent(
    run: _Run, cluster: Cluster | None, redactor: Redactor, *, folder: str, prometheus: Prometheus | None
) -> LoadFacts:
    scope = run.scope
    watches = cluster is not None and scope.judges(RESOURCES, LEAK)
    usage = Watch(cluster, scope.namespace, scope.release, prometheus) if cluster and watches else None
    done: list[LoadFacts] = []

    def send() -> None:
        """Once, even where the way to the database breaks in the middle and another one is tried."""
        if not done:
            done.append(run.facts)
            done[0] = _during(run, usage)

    met, why, remedy = None, "", ""
    if cluster and scope.judges(DATABASE):
        run.tell("meeting the database")
        met, why, remedy = _database(cluster, scope, redactor, folder, send=send)
    send()
    return replace(done[0], database=met, no_database=why, no_database_remedy=remedy)


def _during(run: _Run, usage: Watch | None) -> LoadFacts:
    """Send all, and watch the replicas."""
    if usage:
        usage.begin()
    run.tell(_planned(run.scope.plan))
    start = run.made.start()
    if usage:
        usage.follow(start)
    try:
        sent = run.made.run(start, _teller(run.tell, run.scope.plan), run.sessions.renew)
    finally:
        seen = usage.end() if usage else run.facts.usage
    return replace(run.facts, tally=sent.tally, workers=sent.workers, broken=sent.broken, usage=seen)


def _planned(plan: Plan) -> str:
    parts = (f"{one.kind} {one.seconds:g} s at {one.rate:.4g}/s" for one in plan.phases)
    return f"{plan.requests} requests in {plan.seconds:g} s: {', '.join(parts)}"


def _teller(tell: Tell, plan: Plan) -> Callable[[Tally, float], None]:
    def told(tally: Tally, after: float) -> None:
        tell(f"{after:.0f} of {plan.seconds:.0f} s: {tally.done} requests done, {tally.failures} failed")

    return told


# ---------------------------------------------------------------------------- the database


def _database(
    cluster: Cluster, scope: LoadScope, redactor: Redactor, folder: str, *, send: Callable[[], None]
) -> tuple[DatabaseSeen | None, str, str]:
    """What the database told while ``send`` ran; or why nothing, and what helps. Then ``send`` may not have run."""
    keys = scope.database
    found, _absent, denied = read_secrets(cluster, scope.namespace, [keys.secret])
    if not found:
        why = denied.get(keys.secret, "it is not there").rstrip(".")
        return None, f"Secret {keys.secret}: {why}", "Name the database's Secret in bytebot_database."
    target = target_of(hide.data_of(found[0]), keys, "postgresql", any_mode=True)
    redactor.learn(target.password)
    if target.problems:
        return None, f"Secret {keys.secret}: {'; '.join(target.problems)}", "Correct the Secret."

    def look(way: Way) -> DatabaseSeen:
        place = Place(way.address, way.port, ca_file(Path(folder), target.ca))
        return load_postgres.watch(target, place, send)

    with Roads(cluster, scope.sides) as roads:
        seen, _side, no_way = roads.ask(target.host, target.port, look)
    return seen, no_way.cause if no_way else "", no_way.remedy if no_way else ""
