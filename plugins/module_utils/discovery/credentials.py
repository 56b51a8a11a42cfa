# Tells which Secrets hold the credentials of PostgreSQL and Redis and the keys of tokens, and the addresses; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.discovery.look import Object, Seen
from ansible_collections.bytebot.production.plugins.module_utils.discovery.release import is_record
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_spec
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import data_of

DATABASE, CACHE = "PostgreSQL", "Redis"
# By part, the names that a key or the end of a variable may have. Only these parts are ever shown, and only where
# their values are what they are called: a host, a port, a name.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "host": ("host", "hostname", "server", "address"),
    "port": ("port",),
    "database": ("database", "dbname", "db", "name", "database-name", "db-name"),
    "username": ("username", "user", "login"),
    "password": ("password", "pass", "passwd"),
    "ca": ("ca.crt", "ca", "ca-cert", "sslrootcert"),
    "url": ("url", "uri", "dsn", "connection-string", "connectionstring"),
}
_SHOWN: Mapping[str, re.Pattern[str]] = {
    "host": re.compile(
        r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
    ),
    "port": re.compile(r"\d{1,5}"),
    "database": re.compile(r"[A-Za-z0-9_-]{1,63}"),
}
_KIND_WORDS: Mapping[str, re.Pattern[str]] = {
    DATABASE: re.compile(r"(?i)postgres|(?:^|[-_.])(?:pg|db|database|sql)(?:$|[-_.])|^pg"),
    CACHE: re.compile(r"(?i)redis|valkey|(?:^|[-_.])cache(?:$|[-_.])"),
}
_SCHEMES = {"postgres": DATABASE, "postgresql": DATABASE, "redis": CACHE, "rediss": CACHE, "valkey": CACHE}
PORTS = {DATABASE: "5432", CACHE: "6379"}
_VARIABLE = re.compile(r"(?i)(?:^|_)(?P<kind>DATABASE|POSTGRES(?:QL)?|PG|DB|REDIS|VALKEY|CACHE)_?"
                       r"(?P<part>HOST(?:NAME)?|SERVER|PORT|NAME|DATABASE|DB|DBNAME|URL|URI|DSN)$")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is; parts that are not known are empty."""

    host: str = ""
    port: str = ""
    database: str = ""

    def __str__(self) -> str:
        where = f"{self.host or 'host not known'}{f':{self.port}' if self.port else ''}"
        return where + (f", database {self.database}" if self.database else "")


@dataclass(frozen=True, slots=True)
class Credentials:
    """One Secret that holds credentials: its keys by their part, and the address that its open keys tell."""

    kind: str
    secret: str
    keys: Mapping[str, str]
    address: Address = field(default_factory=Address)


def own_secrets(seen: Seen) -> list[Object]:
    """The Secrets of the application: without Helm's record and tokens of accounts."""
    skipped = ("kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token")
    return [one for one in seen.of("Secret") if not is_record(one) and one.get("type") not in skipped]


def credentials(secrets: Iterable[Object]) -> list[Credentials]:
    """The Secrets that look like credentials of PostgreSQL or Redis, in the order of their names."""
    return [found for secret in secrets if (found := _of(secret))]


def _of(secret: Object) -> Credentials | None:
    name, data = str(secret["metadata"]["name"]), data_of(secret)
    keys = _parts(data)
    values = {part: data[key].decode("utf-8", "replace").strip() for part, key in keys.items()}
    from_url = _from_url(values["url"]) if "url" in values else None
    if from_url:
        return Credentials(from_url[0], name, {"url": keys["url"]}, from_url[1])
    if "password" not in keys or "host" not in keys:
        return None
    kind = next((one for one, words in _KIND_WORDS.items() if words.search(name)), "")
    kind = kind or next((one for one, words in _KIND_WORDS.items() if words.search(values["host"])), "")
    kind = kind or next((one for one, port in PORTS.items() if values.get("port") == port), "")
    if not kind:
        return None
    shown = {part: values[part] for part, form in _SHOWN.items() if part in values and form.fullmatch(values[part])}
    return Credentials(kind, name, keys, Address(**shown))


def _parts(data: Mapping[str, bytes]) -> dict[str, str]:
    """By part, the key of a Secret that holds it."""
    found: dict[str, str] = {}
    for part, names in _NAMES.items():
        keys = [
            key for name in names for key in sorted(data) if _plain(key) == name or _plain(key).endswith(f"-{name}")
        ]
        if keys:
            found[part] = keys[0]
    return found


def _plain(key: str) -> str:
    return key.lower().replace("_", "-")


def _from_url(text: str) -> tuple[str, Address] | None:
    """The server in a connection URL, without who signs in; None where it is none."""
    try:
        parts = urlsplit(text)
        kind, port = _SCHEMES.get(parts.scheme.lower().partition("+")[0]), parts.port
    except ValueError:
        return None
    if kind is None:
        return None
    host, database = parts.hostname or "", parts.path.strip("/")
    return kind, Address(
        host if _SHOWN["host"].fullmatch(host) else "",
        str(port or ""),
        database if _SHOWN["database"].fullmatch(database) else "",
    )


def open_keys(found: Iterable[Credentials]) -> set[tuple[str, str]]:
    """Secret and key of the values that are shown: host, port and name of a database."""
    return {
        (one.secret, one.keys[part]) for one in found for part in _SHOWN if part in one.keys and "url" not in one.keys
    }


# ---------------------------------------------------------------------- token keys


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """The Secret of the keys that sign tokens: pairs of private and public key, or one shared text."""

    secret: str
    pairs: tuple[tuple[str, str], ...] = ()
    shared: str = ""


def token_keys(secrets: Iterable[Object]) -> list[TokenKeys]:
    """The Secrets that hold such keys."""
    found = []
    for secret in secrets:
        name, keys = str(secret["metadata"]["name"]), sorted(data_of(secret))
        pairs = [
            (key, other) for key in keys if "private" in key and (other := key.replace("private", "public")) in keys
        ]
        shared = [key for key in keys if _plain(key) in ("jwt-secret", "jwt-key", "access-token-secret")]
        if pairs or shared:
            found.append(TokenKeys(name, tuple(pairs), "" if pairs else shared[0]))
    return found


# ---------------------------------------------------------------------- what pods are told


@dataclass(frozen=True, slots=True)
class Told:
    """An address that the environment of pods tells."""

    kind: str
    address: Address
    where: str


def told_to_pods(seen: Seen) -> list[Told]:
    """The addresses in variables of the workloads, whether they stand there or come from a ConfigMap."""
    maps = {one["metadata"]["name"]: one.get("data") or {} for one in seen.of("ConfigMap")}
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for workload in seen.of("Deployment", "StatefulSet", "DaemonSet", "CronJob"):
        for name, value, where in _variables(workload, maps):
            told = _VARIABLE.search(name)
            if told:
                kind = CACHE if told["kind"].upper() in ("REDIS", "VALKEY", "CACHE") else DATABASE
                found.setdefault(kind, {}).setdefault(told["part"].upper(), (value, where))
    return [one for kind, parts in sorted(found.items()) if (one := _told(kind, parts))]


def _told(kind: str, parts: Mapping[str, tuple[str, str]]) -> Told | None:
    for name in ("URL", "URI", "DSN"):
        if name in parts and (at := _from_url(parts[name][0])) and at[0] == kind:
            return Told(kind, at[1], parts[name][1])
    by_part = {
        "host": ("HOST", "HOSTNAME", "SERVER"),
        "port": ("PORT",),
        "database": ("NAME", "DATABASE", "DB", "DBNAME"),
    }
    values = {part: parts[name][0] for part, names in by_part.items() for name in names[::-1] if name in parts}
    shown = {part: value for part, value in values.items() if _SHOWN[part].fullmatch(value)}
    where = next((parts[name][1] for name in by_part["host"] if name in parts), "")
    return Told(kind, Address(**shown), where) if "host" in shown else None


def _variables(workload: Object, maps: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str, str]]:
    whose = f"{workload['kind']} {workload['metadata']['name']}"
    for container in (pod_spec(workload) or {}).get("containers") or []:
        for variable in container.get("env") or []:
            chosen = (variable.get("valueFrom") or {}).get("configMapKeyRef") or {}
            value = variable.get("value") or maps.get(chosen.get("name", ""), {}).get(chosen.get("key", ""))
            if value:
                origin = f"ConfigMap {chosen['name']}, which {whose} takes" if chosen else f"environment of {whose}"
                yield str(variable.get("name")), str(value), f"{variable.get('name')}, {origin}"
        for source in container.get("envFrom") or []:
            name, prefix = (source.get("configMapRef") or {}).get("name", ""), source.get("prefix") or ""
            for key, value in maps.get(name, {}).items():
                yield f"{prefix}{key}", str(value), f"{prefix}{key}, ConfigMap {name}, which {whose} takes"
