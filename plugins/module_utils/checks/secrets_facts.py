# What is observed of the Secrets of a release, and what they are judged by.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    not_applicable,
    pending,
    utc_now,
)

DATABASE, JWT, REDIS, TLS, ENCODING = (
    f"deployment.secrets.{item}" for item in ("database", "jwt", "redis", "tls", "encoding")
)
STRENGTH = "security_configuration.secrets.strength"
JWT_KEYS = "security_configuration.auth.jwt_keys"
# The document makes passwords by `openssl rand -base64 32`: 32 random bytes, which are 256 bits.
DOCUMENT_BITS = 256
SHOWN = 4  # findings named in a summary; all stand in the evidence


@dataclass(frozen=True, slots=True)
class Manager:
    """What makes a Secret from outside the cluster.

    :param problem: the condition that says that it is not in step; empty where it is, or where that cannot be read.
    """

    kind: str
    name: str
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Injected:
    """What others put into the release's pods as files, past any Secret.

    :param asked: what is asked for, in words; :param served: how many pods have got it.
    :param problems: by pod, why it has not; :param unseen: why the pods could not be seen.
    """

    asked: tuple[str, ...]
    served: int = 0
    problems: tuple[str, ...] = ()
    unseen: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """One Secret as it is in the cluster; its values are never shown."""

    name: str
    type: str = "Opaque"
    data: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    managers: tuple[Manager, ...] = ()


@dataclass(frozen=True, slots=True)
class Keys:
    """Where the credentials of a service stand: a Secret, and the names of its keys.

    :param dsn: the key that holds all in one URL; empty where the parts have keys of their own.
    :param required: the keys that must be there; the others may be.
    :param encryption: ``sslmode`` for PostgreSQL, empty to choose; for Redis ``on`` or empty.
    """

    secret: str
    username: str = "username"
    password: str = "password"
    host: str = "host"
    port: str = "port"
    database: str = "database"
    ca: str = "ca.crt"
    dsn: str = ""
    required: tuple[str, ...] = ("username", "password", "host", "database")
    encryption: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Credentials as they are read from a Secret, or what is wrong with them as they stand there."""

    host: str = ""
    port: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    database: str = ""
    ca: str = field(default="", repr=False)
    encryption: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SignIn:
    """What came of signing in from inside the namespace.

    :param state: ``works``, ``refused`` (certain), ``blocked`` (the probe itself may be what is kept out) or
        ``unable`` (the probe could not work).
    :param cause: why not, as a clause; :param seen: what the server said of itself.
    """

    state: str
    cause: str = ""
    remedy: str = ""
    seen: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of a sign-in that should be refused.

    :param outcome: ``refused``, ``accepted``, ``unseen`` (tried, and nothing is certain) or ``untried``.
    """

    outcome: str = "untried"
    said: str = ""


@dataclass(frozen=True, slots=True)
class JwtKeys:
    """Where the keys of tokens stand.

    :param pairs: key of the private half, key of the public half; the first pair signs access tokens.
    :param shared: the key of one shared text (HS256) in place of pairs; :param shared_length: characters it must have.
    :param signers: the workloads that may have the private halves, ``Kind/name`` or the name alone; empty for one.
    """

    secret: str = "bytebot-jwt-secret"
    pairs: tuple[tuple[str, str], ...] = (
        ("access-token-private-key", "access-token-public-key"),
        ("refresh-token-private-key", "refresh-token-public-key"),
    )
    shared: str = ""
    shared_length: int = 64
    signers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyUses:
    """Where the keys of tokens may be beside their Secret.

    :param holders: containers that a private key is mounted into or given to, each as ``Kind name container name``.
    :param config_maps: name, key and value of all that ConfigMaps of the namespace hold.
    :param unseen: why something of it could not be seen.
    """

    holders: tuple[str, ...] = ()
    config_maps: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)
    unseen: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """What came of asking the running application for a token; ``token`` is empty where none was had."""

    token: str = field(default="", repr=False)
    problem: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class TlsWanted:
    """The certificates that are judged.

    :param secrets: names of the Secrets; :param hosts: by Secret, the hosts that the Ingress serves with it.
    :param further_hosts: hosts that any of them must cover.
    :param trusted: certificates of CAs, in PEM, that clients trust beside the system's; :param only: and no others.
    :param expiry_days: fewer days left than this are too few.
    """

    secrets: tuple[str, ...] = ()
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    further_hosts: tuple[str, ...] = ()
    trusted: bytes = b""
    expiry_days: int = 30


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """One observation.

    :param held: the Secrets that are there, by name; :param absent: those that are not; :param denied: by name, why
        one could not be read.
    :param released: whether helm keeps a deployed revision; :param release_problem: why that is not known.
    :param injected: what is put into pods past any Secret; None where nothing is.
    :param mentions_redis: where the release mentions Redis, in words.
    :param key_uses: where the keys of tokens are used; None where that was not looked at.
    :param unread_managers: by kind, why it could not be seen whether objects of it are in step.
    :param to_be_made: Secrets that a run without check mode makes first; empty outside check mode.
    :param binary: keys (``key`` or ``Secret/key``) whose values need not be text.
    """

    namespace: str
    held: Mapping[str, Held] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    denied: Mapping[str, str] = field(default_factory=dict)
    released: bool = False
    release_problem: str = ""
    injected: Injected | None = None
    mentions_redis: tuple[str, ...] = ()
    unread_managers: Mapping[str, str] = field(default_factory=dict)
    to_be_made: frozenset[str] = frozenset()
    database: Keys = field(default_factory=lambda: Keys("bytebot-db-secret"))
    database_sign_in: SignIn | None = None
    redis: Keys = field(default_factory=lambda: Keys("bytebot-redis-secret", required=("password", "host")))
    redis_sign_in: SignIn | None = None
    no_probe: str = ""
    jwt: JwtKeys = field(default_factory=JwtKeys)
    token: Token | None = None
    key_uses: KeyUses | None = None
    tls: TlsWanted = field(default_factory=TlsWanted)
    minimum_bits: int = DOCUMENT_BITS
    minimum_length: int = 0
    binary: frozenset[str] = frozenset()
    now: float = field(default_factory=time.time)
    observed_at: str = field(default_factory=utc_now)

    def evidence(self, name: str, more: Mapping[str, object] | None = None) -> Evidence:
        """What is told of one Secret: its type and its keys with the length of each value, and who makes it."""
        held = self.held.get(name)
        told: dict[str, object] = {"found": held is not None}
        if held:
            told = {
                "found": True,
                "type": held.type,
                "bytes_by_key": [f"{key}: {len(value)}" for key, value in sorted(held.data.items())],
                "managed_by": [str(one) for one in held.managers],
            }
        if self.unread_managers:
            told["managers_not_seen"] = dict(self.unread_managers)
        return Evidence(f"GET Secret {self.namespace}/{name}", {**told, **(more or {})}, self.observed_at)


def not_there(facts: SecretFacts, name: str, create: str, *, in_pods: bool = True) -> Verdict | None:
    """Pending where the Secret may not be read, red where it is not there or its manager is not in step.

    :param in_pods: whether files that are put into the pods may stand in its place.
    """
    seen = facts.evidence(name)
    if name in facts.denied:
        return pending(f"Secret {name} could not be read: {facts.denied[name]}", "Grant get on that Secret.", seen)
    held = facts.held.get(name)
    troubled = [one for one in held.managers if one.problem] if held else []
    if troubled:
        return failed(f"{troubled[0]}, which makes Secret {name}, is not in step: {troubled[0].problem}.", MEND, seen)
    if held is None and name in facts.to_be_made:
        return pending(f"Secret {name} is not there yet, and check mode makes none.", "", seen)
    if held is None and facts.injected and in_pods:
        return _by_injection(facts.injected, name, facts)
    if held is None:
        return failed(f"Secret {name} is not there in namespace {facts.namespace}.", create, seen)
    return None


class Use(Protocol):
    """What is known of whether a release uses Redis."""

    @property
    def mentions_redis(self) -> tuple[str, ...]: ...
    @property
    def released(self) -> bool: ...
    @property
    def release_problem(self) -> str: ...
    @property
    def injected(self) -> Injected | None: ...
    @property
    def observed_at(self) -> str: ...


def without_redis(facts: Use, name: str, create: str) -> Verdict | None:
    """What is said where there is no Secret for Redis; None where its values are put into the pods in its place."""
    where = Evidence(
        "LIST of helm's records; the objects of the deployed revision",
        {
            "mentions_redis": list(facts.mentions_redis),
            "deployed": facts.released,
            "secret": f"{name} is not there",
        },
        facts.observed_at,
    )
    if facts.release_problem or not facts.released:
        why = facts.release_problem or "no release is deployed yet that could say whether Redis is used"
        return pending(f"Secret {name} is not there, and {why.rstrip('.')}.", create, where)
    if not facts.mentions_redis:
        return not_applicable("Nothing in the deployed release mentions Redis, and it has no Secret.", where)
    if facts.injected:
        return None
    summary = f"Secret {name} is not there, and the release mentions Redis in {some(list(facts.mentions_redis))}."
    return failed(summary, create, where)


def _by_injection(injected: Injected, name: str, facts: SecretFacts) -> Verdict:
    """What can be said where the values may only be in the pods: red where they have not come, else pending."""
    seen = facts.evidence(name, {"injected": list(injected.asked), "pods_served": injected.served})
    told = f"There is no Secret {name}; the release's pods get {some(list(injected.asked))}"
    if injected.problems:
        return failed(f"{told}, and this has failed: {some(list(injected.problems))}.", MEND, seen)
    if injected.unseen:
        return pending(f"{told}, and the pods could not be seen: {injected.unseen}", "Grant list on pods.", seen)
    if not injected.served:
        return pending(f"{told}, and no pod runs yet.", "Deploy the release, then judge again.", seen)
    remedy = "Judge the value by its use: the readiness of the application, which signs in with it."
    return pending(f"{told} ({injected.served} pods have them); values in pods are not read.", remedy, seen)


MEND = "Mend what the condition names: the store, its credentials, or the path of the secret in it."


def some(texts: list[str]) -> str:
    """The first texts, and how many more there are."""
    left = len(texts) - SHOWN
    return "; ".join(texts[:SHOWN]) + (f" (and {left} more)" if left > 0 else "")
