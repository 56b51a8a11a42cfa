# Where a Secret's values come from, one class for each source; a new source is a new class here.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Set
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.secret import generate
from ansible_collections.bytebot.production.plugins.module_utils.secret.outside import Outside

Values = Mapping[str, bytes]
LARGEST = 4096  # bytes or characters of one random value; a Secret holds 1 MiB in all


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why the value of a key must not be kept, and what to do about it."""

    key: str
    reason: str
    remedy: str


class Source(ABC):
    """Fills one or more keys of a Secret."""

    word: ClassVar[str]

    @property
    @abstractmethod
    def keys(self) -> tuple[str, ...]:
        """The keys that it fills."""


class Given(Source):
    """Fills one key with a value that is read on every run; a different one in the cluster is updated."""

    key: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key,)

    @abstractmethod
    def read(self, what: str, outside: Outside) -> bytes:
        """The value; an error's sentence begins with ``what``."""

    @property
    def names(self) -> tuple[str, ...]:
        """The words in the source's own description (a path, a name), which are not secret."""
        return ()


class Made(Source):
    """Fills keys with values that are made once and then kept."""

    @abstractmethod
    def flaw(self, kept: Values) -> Flaw | None:
        """Why the values that exist cannot be kept, if so. ``kept`` has only keys of this source."""

    @abstractmethod
    def make(self, kept: Values) -> dict[str, bytes]:
        """Values for those keys that ``kept`` does not have."""

    @abstractmethod
    def fingerprint(self, kept: Values) -> str:
        """What must differ between any two sources of a Secret; empty while there is nothing."""

    def replaced(self, asked: Set[str]) -> Set[str]:
        """The keys that are made anew when ``asked`` are to be replaced."""
        return asked & set(self.keys)


# ---------------------------------------------------------------------- given


@dataclass(frozen=True, slots=True)
class Value(Given):
    """A value that is written in the playbook, for what is not secret."""

    word: ClassVar[str] = "value"
    key: str
    value: str

    @classmethod
    def parse(cls, key: str, given: Mapping[str, Any]) -> Value:
        value = given["value"]
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise InputError(f"data.{key}.value is not a text (put true, false and fractions in quotes).")
        return cls(key, str(value))

    def read(self, _what: str, _outside: Outside) -> bytes:
        return self.value.encode()


@dataclass(frozen=True, slots=True)
class File(Given):
    """A file on the machine that runs the module."""

    word: ClassVar[str] = "file"
    key: str
    path: str
    strip_newline: bool = True

    @classmethod
    def parse(cls, key: str, given: Mapping[str, Any]) -> File:
        strip = given.get("strip_newline", True)
        if not isinstance(strip, bool):
            raise InputError(f"data.{key}.strip_newline is neither true nor false.")
        return cls(key, _text(f"data.{key}.file", given["file"]), strip)

    def read(self, what: str, outside: Outside) -> bytes:
        content = outside.file(what, self.path)
        value = content.rstrip(b"\r\n") if self.strip_newline and _is_plain_text(content) else content
        if not value.strip():
            raise InputError(f"{what} is to come from the file {self.path}, which is empty.")
        return value

    @property
    def names(self) -> tuple[str, ...]:
        return (self.path,)


@dataclass(frozen=True, slots=True)
class Environment(Given):
    """An environment variable of the module's process."""

    word: ClassVar[str] = "environment"
    key: str
    variable: str

    @classmethod
    def parse(cls, key: str, given: Mapping[str, Any]) -> Environment:
        return cls(key, _text(f"data.{key}.environment", given["environment"]))

    def read(self, what: str, outside: Outside) -> bytes:
        value = outside.variable(what, self.variable)
        if not value.strip():
            raise InputError(f"{what} is to come from the environment variable {self.variable}, which is empty.")
        return value

    @property
    def names(self) -> tuple[str, ...]:
        return (self.variable,)


@dataclass(frozen=True, slots=True)
class Copy(Given):
    """A value of another Secret."""

    word: ClassVar[str] = "secret"
    key: str
    namespace: str
    name: str
    other_key: str

    @classmethod
    def parse(cls, key: str, given: Mapping[str, Any]) -> Copy:
        where = f"data.{key}.secret"
        of = _options(where, given["secret"], {"name", "namespace", "key"}, needed={"name", "namespace", "key"})
        name, namespace, other = (_text(f"{where}.{part}", of[part]) for part in ("name", "namespace", "key"))
        return cls(key, namespace, name, other)

    def read(self, what: str, outside: Outside) -> bytes:
        value = outside.secret(what, self.namespace, self.name, self.other_key)
        if not value.strip():
            raise InputError(
                f"{what} is to come from key {self.other_key} of Secret {self.namespace}/{self.name}, which is empty."
            )
        return value

    @property
    def names(self) -> tuple[str, ...]:
        return (self.namespace, self.name, self.other_key)


# ---------------------------------------------------------------------- made


@dataclass(frozen=True, slots=True)
class Random(Made):
    """Random bytes as text."""

    word: ClassVar[str] = "random"
    key: str
    count: int = 32
    encoding: str = "base64"
    length: int | None = None

    @classmethod
    def parse(cls, key: str, given: Mapping[str, Any]) -> Random:
        where = f"data.{key}.random"
        of = _options(where, given["random"] or {}, {"bytes", "encoding", "length"})
        encoding = of.get("encoding", "base64")
        if encoding not in generate.ENCODINGS:
            raise InputError(f"{where}.encoding is none of {', '.join(generate.ENCODINGS)}.")
        if "length" in of and encoding != "alphanumeric":
            raise InputError(f"{where}.length counts characters of alphanumeric text; give bytes for {encoding}.")
        if {"length", "bytes"} <= set(of):
            raise InputError(f"{where} has both bytes and length; give one of them.")
        count = _number(f"{where}.bytes", of.get("bytes", 32), generate.LEAST_BYTES)
        least = generate.characters(generate.LEAST_BYTES)
        return cls(key, count, encoding, _number(f"{where}.length", of["length"], least) if "length" in of else None)

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key,)

    def flaw(self, kept: Values) -> Flaw | None:
        if self.key not in kept:
            return None
        reason = generate.text_flaw(kept[self.key], self.count, self.encoding, self.length)
        return Flaw(self.key, reason, f"To have a new value made, name {self.key} in replace") if reason else None

    def make(self, kept: Values) -> dict[str, bytes]:
        made = generate.random_text(self.count, self.encoding, self.length)
        return {} if self.key in kept else {self.key: made.encode()}

    def fingerprint(self, kept: Values) -> str:
        return sha256(kept[self.key]).hexdigest() if self.key in kept else ""


@dataclass(frozen=True, slots=True)
class KeyPair(Made):
    """A private key and its public key. The public one is made from the private one, never the other way."""

    word: ClassVar[str] = "key_pair"
    private: str
    public: str
    algorithm: str = "rsa"
    bits: int = 3072
    curve: str = "secp256r1"

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.private, self.public)

    def replaced(self, asked: Set[str]) -> Set[str]:
        return set(self.keys) if self.private in asked else asked & {self.public}

    def flaw(self, kept: Values) -> Flaw | None:
        if self.private in kept:
            return self._private_flaw(kept[self.private]) or self._public_flaw(kept)
        if self.public in kept:
            reason = f"is a public key whose private key {self.private} is missing"
            return Flaw(self.public, reason, f"Restore {self.private}, or name it in replace to have a new pair made")
        return None

    def _private_flaw(self, pem: bytes) -> Flaw | None:
        reason = generate.leftover(pem)
        if not reason:
            key = generate.load_private(pem)
            reason = (
                "is not a private key in PEM without password"
                if key is None
                else generate.key_flaw(key, self.algorithm, self.bits, self.curve)
            )
        remedy = f"To have a new pair made, name {self.private} in replace"
        return Flaw(self.private, reason, remedy) if reason else None

    def _public_flaw(self, kept: Values) -> Flaw | None:
        if self.public not in kept or generate.matches(generate.load_private(kept[self.private]), kept[self.public]):
            return None
        reason = generate.leftover(kept[self.public]) or f"does not match its private key {self.private}"
        remedy = (
            f"To have it made from the private key, name {self.public} in replace; for a new pair, name {self.private}"
        )
        return Flaw(self.public, reason, remedy)

    def make(self, kept: Values) -> dict[str, bytes]:
        if self.private in kept and self.public in kept:
            return {}
        if self.private in kept:
            return {self.public: generate.public_pem(generate.load_private(kept[self.private]))}
        key = generate.new_private_key(self.algorithm, self.bits, self.curve)
        return {self.private: generate.private_pem(key), self.public: generate.public_pem(key)}

    def fingerprint(self, kept: Values) -> str:
        key = generate.load_private(kept[self.private]) if self.private in kept else None
        return sha256(generate.public_pem(key)).hexdigest() if key else ""


# ---------------------------------------------------------------------- from options


SOURCES: dict[str, type[Value | File | Environment | Copy | Random]] = {
    source.word: source for source in (Value, File, Environment, Copy, Random)
}
_BESIDE: dict[str, frozenset[str]] = {File.word: frozenset({"strip_newline"})}  # options that stand next to a source


def parse_source(key: str, given: Any) -> Given | Made:
    """The source of one key, from its part of the option ``data``. No error repeats a value: it may be a secret."""
    words = ", ".join(SOURCES)
    if not isinstance(given, Mapping):
        raise InputError(f"data.{key} names no source; give one of {words}.")
    named = [word for word in SOURCES if word in given]
    if len(named) != 1:
        raise InputError(f"data.{key} names {' and '.join(named) or 'no source'}; give one of {words}.")
    word = named[0]
    _options(f"data.{key}", given, {word} | _BESIDE.get(word, frozenset()))
    return SOURCES[word].parse(key, given)


def parse_pair(index: int, given: Mapping[str, Any]) -> KeyPair:
    """A key pair, from one element of the option ``key_pairs``, whose types Ansible has checked."""
    where, algorithm = f"key_pairs[{index}]", given["algorithm"]
    for option, belongs in (("bits", "rsa"), ("curve", "ec")):
        if given.get(option) is not None and algorithm != belongs:
            raise InputError(f"{where}.{option} is for algorithm {belongs} only.")
    chosen = {option: given[option] for option in ("bits", "curve") if given.get(option) is not None}
    return KeyPair(given["private_key"], given["public_key"], algorithm, **chosen)


def _options(where: str, given: Any, known: Set[str], needed: Set[str] = frozenset()) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise InputError(f"{where} does not hold options ({', '.join(sorted(known))}).")
    unknown = sorted(str(option) for option in given if option not in known)
    if unknown:
        raise InputError(f"{where} has no option {', '.join(unknown)}; it takes {', '.join(sorted(known))}.")
    missing = sorted(needed - set(given))
    if missing:
        raise InputError(f"{where} lacks {' and '.join(missing)}.")
    return given


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"{where} is not a text, or it is empty.")
    return value


def _number(where: str, value: Any, least: int) -> int:
    if isinstance(value, str) and value.isdigit():  # a templated number may come as text
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST:
        raise InputError(f"{where} is not a number from {least} to {LARGEST}.")
    return value


def _is_plain_text(content: bytes) -> bool:
    """Text other than PEM: its last line break is the editor's, not the value's."""
    if content.lstrip().startswith(b"-----BEGIN "):
        return False
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
