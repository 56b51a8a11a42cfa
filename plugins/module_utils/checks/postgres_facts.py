# What is observed of a PostgreSQL server and of those who use it, and what it is judged by.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import (
    Attempt,
    Keys,
    SignIn,
    Target,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, utc_now

VERSION, CREDENTIALS, POOLING, TLS = (
    f"infrastructure.database.{item}" for item in ("version", "credentials", "pooling", "tls")
)
DOCUMENT_MAJOR = 14
WANTED_MODE = "verify-full"


@dataclass(frozen=True, slots=True)
class Encryption:
    """What the server showed of TLS.

    :param offered: None where that could not be seen, for the reason in ``why``.
    :param why: why the certificate does not verify by name against the CA; empty where it does.
    :param old: protocol versions below 1.2 that it accepts; :param names: those that its certificate is for.
    """

    offered: bool | None = None
    protocol: str = ""
    verified: bool = False
    why: str = ""
    old: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    not_after: str = ""
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class PostgresSeen:
    """One look at a server.

    :param cause: why the credentials are not accepted; empty where they are. :param lost: no server spoke at all.
    :param passing: it may pass; :param mode: the ``sslmode`` that was signed in with.
    :param scram: whether the password was proved by SCRAM; None where nobody signed in.
    :param server: settings by name; :param role: rights of the user by name, ``verifier`` where it may be read,
        ``member_of`` the roles with rights over the server that it is in.
    :param connections: by application name, how many there are.
    """

    cause: str = ""
    lost: bool = False
    passing: bool = False
    mode: str = ""
    scram: bool | None = None
    used_password: bool = True
    server: Mapping[str, object] = field(default_factory=dict)
    role: Mapping[str, object] = field(default_factory=dict)
    connections: Mapping[str, int] = field(default_factory=dict)
    encryption: Encryption = field(default_factory=Encryption)
    wrong: Attempt = field(default_factory=Attempt)
    plain: Attempt = field(default_factory=Attempt)

    def number(self, name: str) -> int:
        """A setting as a number; 0 where the server does not have it."""
        value = self.server.get(name)
        return int(str(value)) if value not in (None, "") else 0


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of connections of one workload.

    :param size: connections of one replica; None where no setting says it. :param source: what says size and replicas.
    """

    name: str
    size: int | None
    replicas: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class PoolerSeen:
    """What the console of PgBouncer told; ``cause`` is empty where it did.

    :param databases: ``SHOW DATABASES``, :param pools: ``SHOW POOLS``, :param settings: ``SHOW CONFIG``.
    """

    cause: str = ""
    lost: bool = False
    passing: bool = False
    databases: tuple[Mapping[str, str], ...] = ()
    pools: tuple[Mapping[str, str], ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """An ``sslmode`` that the application is told to use, and where that stands; ``default`` where nothing is said."""

    mode: str
    where: str


@dataclass(frozen=True, slots=True)
class PostgresWanted:
    """What a server is judged by."""

    major: int = DOCUMENT_MAJOR
    mode: str = WANTED_MODE
    reserve: int = 5
    instances: int = 1


@dataclass(frozen=True, slots=True)
class PostgresFacts:
    """One observation.

    :param secret_problem: why there are no credentials to sign in with: the Secret is absent or may not be read.
    :param seen: None where the server was not met, for the reason in ``no_way``; :param side: from where it was met.
    :param password_flaw: what is wrong with the password itself, as a clause.
    :param probing: whether attempts that should be refused were made (check mode makes none).
    :param asked: what the application is told to use; :param asked_problem: why that could not be seen.
    :param pools: None where nothing says what they are; :param pools_problem: what could not be seen of them.
    """

    namespace: str
    keys: Keys
    secret_problem: str = ""
    target: Target = field(default_factory=Target)
    side: str = ""
    seen: PostgresSeen | None = None
    no_way: SignIn | None = None
    password_flaw: str = ""
    probing: bool = True
    released: bool = False
    asked: tuple[Asked, ...] = ()
    asked_problem: str = ""
    pools: tuple[Pool, ...] | None = None
    pools_problem: str = ""
    pooler_secret_problem: str = ""
    pooler_target: Target | None = None
    pooler: PoolerSeen | None = None
    pooler_no_way: SignIn | None = None
    wanted: PostgresWanted = field(default_factory=PostgresWanted)
    observed_at: str = field(default_factory=utc_now)

    @property
    def where(self) -> str:
        return f"{self.target.host}:{self.target.port}"

    def evidence(self, more: Mapping[str, object]) -> Evidence:
        """What is told of one question, with the server and from where it was met."""
        told: dict[str, object] = {"server": self.where, "met_from": self.side or "nowhere"}
        return Evidence(
            f"PostgreSQL {self.where}; Secret {self.namespace}/{self.keys.secret}", {**told, **more}, self.observed_at
        )
