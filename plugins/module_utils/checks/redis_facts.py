# What is observed of a Redis or Valkey server and of its pod, and what it is judged by.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import (
    Attempt,
    Injected,
    Keys,
    SignIn,
    Target,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, utc_now

VERSION, CREDENTIALS, PERSISTENCE, MEMORY = (
    f"infrastructure.cache.{item}" for item in ("version", "credentials", "persistence", "memory")
)
DOCUMENT_MAJOR = 6
MIXED, QUEUE, CACHE = "mixed", "queue", "cache"
USES = (MIXED, QUEUE, CACHE)
HEADROOM = 0.2
# Commands that no application needs. They are never run: where the server cannot be asked by ACL DRYRUN they are put
# into a transaction that is thrown away, and their arguments are such that none would do anything even if it were run.
DANGEROUS: Mapping[str, tuple[str, ...]] = {
    "FLUSHALL": ("FLUSHALL", "never"),
    "FLUSHDB": ("FLUSHDB", "never"),
    "CONFIG SET": ("CONFIG", "SET", "no-such-setting", "0"),
    "KEYS": ("KEYS", "no-such-key"),
    "DEBUG": ("DEBUG", "never"),
    "SHUTDOWN": ("SHUTDOWN", "never"),
    "ACL DELUSER": ("ACL", "DELUSER", "no-such-user"),
    "REPLICAOF": ("REPLICAOF", "never", "never"),
}


@dataclass(frozen=True, slots=True)
class RedisSeen:
    """One look at a server.

    :param cause: why the credentials are not accepted; empty where they are. :param lost: no server spoke at all.
    :param unkept: why it takes no writes for now, in its words: it cannot keep them.
    :param info: the fields of ``INFO``; :param info_denied: why there are none.
    :param config: settings by name, where the user may read them; :param config_denied: why it may not.
    :param cluster: the fields of ``CLUSTER INFO``, where the server is part of a cluster.
    :param user: the name by ``ACL WHOAMI``; :param rules: what ``ACL GETUSER`` says it may, where that may be read.
    :param nobody: a sign-in without a password; :param wrong: one with a wrong password.
    :param commands: by dangerous command, ``denied``, ``allowed``, or why neither could be seen; :param how: and how.
    """

    cause: str = ""
    lost: bool = False
    passing: bool = False
    unkept: str = ""
    info: Mapping[str, str] = field(default_factory=dict)
    info_denied: str = ""
    config: Mapping[str, str] = field(default_factory=dict)
    config_denied: str = ""
    cluster: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    rules: str = ""
    nobody: Attempt = field(default_factory=Attempt)
    wrong: Attempt = field(default_factory=Attempt)
    commands: Mapping[str, str] = field(default_factory=dict)
    how: str = ""

    def number(self, name: str) -> int | None:
        """A field of ``INFO``, or a setting, as a number; None where neither is known."""
        text = self.info.get(name, self.config.get(name, ""))
        return int(text) if text.isdigit() else None

    @property
    def product(self) -> str:
        """What the server is, with its version."""
        if valkey := self.info.get("valkey_version"):
            return f"Valkey {valkey}"
        return f"Redis {self.info.get('redis_version', '(of unknown version)')}"


@dataclass(frozen=True, slots=True)
class ServerPod:
    """A pod of the server.

    :param limit: bytes that its container may have; None where nothing limits it.
    :param volume: the kind and name of the volume on which the data are; empty where they are on none.
    :param lasting: whether that volume outlives the pod.
    """

    name: str
    limit: int | None = None
    volume: str = ""
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Pods:
    """The server's pods.

    :param outside: why there are none: the server is no Service of this cluster. :param problem: why they are not seen.
    """

    found: tuple[ServerPod, ...] = ()
    outside: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RedisWanted:
    """What a server is judged by.

    :param tls: whether it must be encrypted; :param use: ``queue``, ``cache``, or ``mixed`` (both in one server).
    :param headroom: the share of the container's memory that stays above ``maxmemory``.
    :param rdb_reason: why snapshots will do in place of the append-only file; empty where they do not.
    :param needed: dangerous commands that the application needs.
    """

    major: int = DOCUMENT_MAJOR
    tls: bool = False
    use: str = MIXED
    headroom: float = HEADROOM
    rdb_reason: str = ""
    needed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """One observation; fields as those of :class:`PostgresFacts` and :class:`SecretFacts` of the same name."""

    namespace: str
    keys: Keys
    absent: bool = False
    secret_problem: str = ""
    released: bool = False
    release_problem: str = ""
    mentions_redis: tuple[str, ...] = ()
    injected: Injected | None = None
    target: Target = field(default_factory=Target)
    side: str = ""
    seen: RedisSeen | None = None
    no_way: SignIn | None = None
    password_flaw: str = ""
    probing: bool = True
    pods: Pods = field(default_factory=Pods)
    wanted: RedisWanted = field(default_factory=RedisWanted)
    observed_at: str = field(default_factory=utc_now)

    @property
    def where(self) -> str:
        return f"{self.target.host}:{self.target.port}"

    def evidence(self, more: Mapping[str, object]) -> Evidence:
        """What is told of one question, with the server and from where it was met."""
        told: dict[str, object] = {"server": self.where, "met_from": self.side or "nowhere"}
        source = f"Redis {self.where}; Secret {self.namespace}/{self.keys.secret}"
        return Evidence(source, {**told, **more}, self.observed_at)
