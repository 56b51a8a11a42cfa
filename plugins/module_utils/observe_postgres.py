# Observes a PostgreSQL server and what the release asks of it, for the checks in checks/postgres.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.checks import secrets_strength
from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import (
    POOLING,
    TLS,
    Asked,
    Pool,
    PoolerSeen,
    PostgresFacts,
    PostgresSeen,
    PostgresWanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Keys, Target
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_login import SSL_MODES, target_of
from ansible_collections.bytebot.production.plugins.module_utils.clients import ask_postgres
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_postgres import Place
from ansible_collections.bytebot.production.plugins.module_utils.observe_environment import Environment, live
from ansible_collections.bytebot.production.plugins.module_utils.observe_pools import pools_of
from ansible_collections.bytebot.production.plugins.module_utils.observe_secrets import read_secrets, released_objects
from ansible_collections.bytebot.production.plugins.module_utils.observe_sign_in import SIGN_IN_S, ca_file
from ansible_collections.bytebot.production.plugins.module_utils.reach import Roads, Sides, Way
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret import hide

Object = dict[str, Any]
LIBPQ_DEFAULT = "prefer"  # PostgreSQL documentation, "Database Connection Control Functions": sslmode
MODE_KEY = "sslmode"
UNREADABLE = "(none that libpq knows)"
_MODE = re.compile(r"\bsslmode\s*=\s*'?([\w-]+)")
DEFAULT_PASSWORDS = secrets_strength.COMMON


@dataclass(frozen=True, slots=True)
class PostgresScope:
    """What is looked at.

    :param ca: CA of the server in PEM, where the Secret has none.
    :param pooler: where the credentials of PgBouncer's console stand; None where there is no pooler.
    :param pools: the application's pools; empty to read them from the deployed release.
    :param size_variables: variables that say the size of a pool; :param mode_variables: those that say ``sslmode``.
    """

    namespace: str
    release: str
    database: Keys
    sides: Sides
    wanted: PostgresWanted = field(default_factory=PostgresWanted)
    ca: str = field(default="", repr=False)
    pooler: Keys | None = None
    pools: tuple[Pool, ...] = ()
    size_variables: tuple[str, ...] = ()
    mode_variables: tuple[str, ...] = ()
    probing: bool = True
    only: Collection[str] = ()

    def judges(self, *controls: str) -> bool:
        """Whether one of the controls is judged."""
        return any(control in (self.only or CHECKS.controls) for control in controls)


def observe(cluster: Cluster, scope: PostgresScope, redactor: Redactor, folder: str) -> PostgresFacts:
    """Read the Secrets and the release, then meet the server and its pooler.

    :param folder: a private folder for the CA of a server, which vanishes with the task.
    """
    names = [scope.database.secret, *([scope.pooler.secret] if scope.pooler else [])]
    secrets = {name: _secret(cluster, scope, name, redactor) for name in dict.fromkeys(names)}
    data, problem = secrets[scope.database.secret]
    facts = PostgresFacts(
        scope.namespace, scope.database, secret_problem=problem, wanted=scope.wanted, probing=scope.probing
    )
    if not problem:
        target = with_ca(target_of(data, scope.database, "postgresql", any_mode=True), scope.ca)
        redactor.learn(target.password)
        facts = replace(facts, target=target, password_flaw=password_flaw(target))
    if scope.judges(POOLING, TLS):
        facts = _of_release(cluster, scope, facts, data)
    with Roads(cluster, scope.sides) as roads:
        if not problem and not facts.target.problems:
            target = facts.target

            def look(way: Way) -> PostgresSeen:
                return ask_postgres.look(target, _place(way, folder, target), probing=scope.probing)

            seen, side, no_way = roads.ask(target.host, target.port, look)
            facts = replace(facts, seen=seen, side=side, no_way=no_way)
        if scope.pooler and scope.judges(POOLING):
            facts = _of_pooler(roads, scope, facts, *secrets[scope.pooler.secret], redactor=redactor, folder=folder)
    return facts


def _secret(cluster: Cluster, scope: PostgresScope, name: str, redactor: Redactor) -> tuple[dict[str, bytes], str]:
    """A Secret's data, or why there is none."""
    found, _absent, denied = read_secrets(cluster, scope.namespace, [name])
    if name in denied:
        return {}, f"Secret {name} could not be read: {denied[name]}"
    if not found:
        return {}, f"Secret {name} is not there in namespace {scope.namespace}."
    data = hide.data_of(found[0])
    shown = {key for keys in (scope.database, scope.pooler) if keys for key in _shown(keys)}
    hide.learn(
        redactor,
        (value for key, value in data.items() if key not in shown),
        (scope.namespace, scope.release, name, *data),
    )
    return data, ""


def _shown(keys: Keys) -> tuple[str, ...]:
    return (keys.host, keys.port, keys.database, keys.username, keys.ca, MODE_KEY)


def with_ca(target: Target, ca: str) -> Target:
    """The target with a CA, where the Secret has none."""
    return replace(target, ca=ca) if ca and not target.ca else target


def _place(way: Way, folder: str, target: Target) -> Place:
    return Place(way.address, way.port, ca_file(Path(folder), target.ca), SIGN_IN_S)


def password_flaw(target: Target) -> str:
    """What is wrong with a password itself, as a clause; its strength is judged elsewhere."""
    word = target.password.lower()
    if not word or target.problems:
        return ""
    if word == target.username.lower():
        return "is the user's name"
    return "is one of those that everybody tries first" if word in DEFAULT_PASSWORDS else ""


# ---------------------------------------------------------------------------- the release


def _of_release(cluster: Cluster, scope: PostgresScope, facts: PostgresFacts, data: dict[str, bytes]) -> PostgresFacts:
    kept, released, problem = released_objects(cluster, scope.release, scope.namespace)
    objects, stale = live(cluster, scope.namespace, kept)
    environment = Environment(cluster, scope.namespace)
    asked = [*_asked_of_secret(data, scope.database), *asked_of(environment, objects, scope.mode_variables)]
    facts = replace(
        facts,
        released=released,
        asked=tuple(dict.fromkeys(asked)),
        asked_problem="; ".join(filter(None, (problem, stale, *environment.problems))),
    )
    if scope.pools:
        return replace(facts, pools=scope.pools)
    if not scope.judges(POOLING):
        return facts
    pools, unseen = pools_of(
        cluster,
        objects,
        environment,
        scope.size_variables,
        namespace=scope.namespace,
        secret=scope.database.secret,
    )
    return replace(facts, pools=pools or None, pools_problem="; ".join(filter(None, (problem, stale, unseen))))


def _asked_of_secret(data: dict[str, bytes], keys: Keys) -> Iterable[Asked]:
    for key in (keys.dsn, MODE_KEY):
        if key and key in data:
            yield Asked(mode_in(data[key].decode("utf-8", "replace")), f"{key} of Secret {keys.secret}")
    if keys.encryption:
        yield Asked(keys.encryption, "the inventory's database.sslmode")


def asked_of(environment: Environment, objects: Iterable[Object], variables: tuple[str, ...]) -> list[Asked]:
    """What the workloads' variables ask for, as a plain word or in a URL."""
    found = environment.of(objects, variables)
    return [Asked(mode_in(one.value), f"{one.name} of {one.workload}") for one in found]


def mode_in(text: str) -> str:
    """The ``sslmode`` that a text says: the word itself, or what a URL or a list of ``name=value`` asks for.

    Nothing else of the text is ever told: it may be a secret. Where it is silent, libpq's default counts. Prisma knows
    no ``verify-full``: ``require`` with ``sslaccept=strict`` is what it calls it (Prisma documentation, "PostgreSQL").
    """
    if "://" in text:
        try:
            given = parse_qs(urlsplit(text).query)
        except ValueError:
            return UNREADABLE
        mode = (given.get(MODE_KEY) or [LIBPQ_DEFAULT])[0]
        if (mode, given.get("sslaccept")) == ("require", ["strict"]):
            return "verify-full"
    else:
        found = _MODE.search(text)
        mode = found[1] if found else LIBPQ_DEFAULT if "=" in text else text.strip()
    return mode if mode in SSL_MODES else UNREADABLE


# ---------------------------------------------------------------------------- the pooler


def _of_pooler(
    roads: Roads,
    scope: PostgresScope,
    facts: PostgresFacts,
    data: dict[str, bytes],
    problem: str,
    *,
    redactor: Redactor,
    folder: str,
) -> PostgresFacts:
    if problem or not scope.pooler:
        return replace(facts, pooler_secret_problem=problem)
    target = with_ca(target_of(data, scope.pooler, "postgresql", any_mode=True), scope.ca or facts.target.ca)
    redactor.learn(target.password)
    if target.problems:
        return replace(facts, pooler_target=target)
    target = replace(target, database="pgbouncer")

    def look(way: Way) -> PoolerSeen:
        return ask_postgres.console(target, _place(way, folder, target))

    seen, _side, no_way = roads.ask(target.host, target.port, look)
    return replace(facts, pooler_target=target, pooler=seen, pooler_no_way=no_way)
