# Values composed of other keys of the same Secret, which they follow: connection strings and password files.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any, ClassVar
from urllib.parse import quote

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, LibraryMissing
from ansible_collections.bytebot.production.plugins.module_utils.secret.base import Derived, Values
from ansible_collections.bytebot.production.plugins.module_utils.secret.options import number, options, text

LARGEST_PORT = 65535
BCRYPT_BYTES = 72  # bcrypt reads no more of a password (Provos and Mazieres 1999), and would let the rest be anything
COST, LEAST_COST, LARGEST_COST = 10, 10, 16  # OWASP Password Storage Cheat Sheet: a work factor of 10 or more
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")  # RFC 3986, 3.1
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_ENTRY = re.compile(r"([^:\n]+):(\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53})")


# ---------------------------------------------------------------------- connection strings


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a connection string: a text, or the key that holds it."""

    text: str = ""
    key: str = ""

    @classmethod
    def parse(cls, where: str, given: Any, *, secret: bool = False) -> Part:
        """A part of the options. A ``secret`` one must stand in a key, so that it does not stand in the playbook."""
        if isinstance(given, Mapping):
            return cls(key=text(f"{where}.key", options(where, given, {"key"}, needed={"key"})["key"]))
        if secret:
            raise InputError(f"{where} does not name the key that holds it; write it as {{key: NAME}}.")
        if isinstance(given, bool) or not isinstance(given, (str, int)) or given == "":
            raise InputError(f"{where} is neither a text nor the key that holds one, {{key: NAME}}.")
        return cls(text=str(given))

    def of(self, parts: Values) -> bytes:
        """The part's value."""
        return parts[self.key] if self.key else self.text.encode()


@dataclass(frozen=True, slots=True)
class Dsn(Derived):
    """A connection string in the form of a URI: RFC 3986, as libpq, Redis and AMQP clients take it."""

    word: ClassVar[str] = "dsn"
    key: str
    scheme: str
    parts: Mapping[str, Part]
    query: Mapping[str, str]

    @classmethod
    def parse(cls, key: str, given: Mapping[str, Any]) -> Dsn:
        where = f"data.{key}.dsn"
        names = ("username", "password", "host", "port", "database")
        of = options(where, given["dsn"], {"scheme", "query", *names}, needed={"scheme", "host"})
        scheme = of["scheme"]
        if not isinstance(scheme, str) or not _SCHEME.fullmatch(scheme):
            raise InputError(f"{where}.scheme is no scheme, such as postgresql or rediss.")
        parts = {
            name: Part.parse(f"{where}.{name}", of[name], secret=name == "password")
            for name in names
            if of.get(name) is not None
        }
        query = of.get("query") or {}
        if not isinstance(query, Mapping) or any(isinstance(value, (bool, list, dict)) for value in query.values()):
            raise InputError(f"{where}.query is not a mapping of names to texts (put true and false in quotes).")
        return cls(key, scheme, parts, {str(name): str(value) for name, value in query.items()})

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(part.key for part in self.parts.values() if part.key)

    def current(self, what: str, value: bytes, parts: Values) -> bool:
        return value == self.compose(what, parts)

    def compose(self, what: str, parts: Values) -> bytes:
        have = {name: part.of(parts) for name, part in self.parts.items()}
        user = quote(have.get("username", b""), safe="")
        password = f":{quote(have['password'], safe='')}" if "password" in have else ""
        host = _host(what, have["host"])
        port = f":{_port(what, have['port'])}" if "port" in have else ""
        path = f"/{quote(have['database'], safe='')}" if "database" in have else ""
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in self.query.items())
        login = f"{user}{password}@" if user or password else ""
        return f"{self.scheme}://{login}{host}{port}{path}{f'?{query}' if query else ''}".encode()


def _host(what: str, value: bytes) -> str:
    """A host name, or an address; one of IPv6 stands in brackets (RFC 3986, 3.2.2)."""
    name = value.decode("utf-8", "replace")
    if _HOST.fullmatch(name):
        return name
    try:
        return f"[{IPv6Address(name.strip('[]'))}]"
    except ValueError as exc:
        raise InputError(f"{what} has a host that is neither a host name nor an address.") from exc


def _port(what: str, value: bytes) -> int:
    try:
        port = int(value.decode("ascii"))
    except ValueError:
        port = 0
    if not 1 <= port <= LARGEST_PORT:
        raise InputError(f"{what} has a port that is no number from 1 to {LARGEST_PORT}.")
    return port


# ---------------------------------------------------------------------- password files


@dataclass(frozen=True, slots=True)
class Htpasswd(Derived):
    """The users of a web server and their passwords' hashes (bcrypt), one a line; the passwords stand in other keys."""

    word: ClassVar[str] = "htpasswd"
    key: str
    users: Mapping[str, str]
    cost: int = COST

    @classmethod
    def parse(cls, key: str, given: Mapping[str, Any]) -> Htpasswd:
        where = f"data.{key}.htpasswd"
        of = options(where, given["htpasswd"], {"users", "cost"}, needed={"users"})
        users = of["users"]
        if not isinstance(users, Mapping) or not users:
            raise InputError(f"{where}.users is not a mapping of user names to the keys that hold their passwords.")
        for user in users:
            if not str(user) or set(str(user)) & set(":\n\r"):
                raise InputError(f"{where}.users has a name that is empty or holds a colon or a line break.")
        named = {str(user): text(f"{where}.users.{user}", of_user) for user, of_user in users.items()}
        return cls(key, named, number(f"{where}.cost", of.get("cost", COST), LEAST_COST, LARGEST_COST))

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(self.users.values())

    def current(self, _what: str, value: bytes, parts: Values) -> bool:
        entries = [_ENTRY.fullmatch(line) for line in value.decode("utf-8", "replace").splitlines()]
        hashes = {entry[1]: entry[2] for entry in entries if entry}
        if len(hashes) != len(entries) or hashes.keys() != self.users.keys():
            return False
        if any(int(entry[3]) < self.cost for entry in entries if entry):
            return False
        return all(_verified(parts[key], hashes[user]) for user, key in self.users.items())

    def compose(self, what: str, parts: Values) -> bytes:
        lines = [f"{user}:{_hashed(what, parts[key], self.cost)}\n" for user, key in self.users.items()]
        return "".join(lines).encode()


def _hashed(what: str, password: bytes, cost: int) -> str:
    if len(password) > BCRYPT_BYTES or b"\0" in password:
        raise InputError(
            f"{what} has a password that bcrypt cannot take: {BCRYPT_BYTES} bytes at most, none of them 0."
        )
    made: bytes = _bcrypt().hashpw(password, _bcrypt().gensalt(rounds=cost))
    # The same algorithm under the name that Apache, nginx and Traefik all know.
    return made.decode().replace("$2b$", "$2y$", 1)


def _verified(password: bytes, known: str) -> bool:
    try:
        return bool(_bcrypt().checkpw(password, known.encode()))
    except ValueError:
        return False


def _bcrypt() -> Any:
    try:
        import bcrypt
    except ImportError as exc:
        raise LibraryMissing("bcrypt", str(exc)) from exc
    return bcrypt


def missing(sources: Iterable[Derived], known: Iterable[str]) -> tuple[str, str] | None:
    """The first key that is needed and not known, with the key that needs it."""
    have = set(known)
    return next(((source.key, need) for source in sources for need in source.needs if need not in have), None)
