# Values that are made once and kept: random texts and key pairs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.secret import generate
from ansible_collections.bytebot.production.plugins.module_utils.secret.base import Flaw, Made, Values
from ansible_collections.bytebot.production.plugins.module_utils.secret.options import number, options
from ansible_collections.bytebot.production.plugins.module_utils.secret.rotation import NEVER, Rotation


@dataclass(frozen=True, slots=True)
class Random(Made):
    """Random bytes as text."""

    word: ClassVar[str] = "random"
    key: str
    count: int = 32
    encoding: str = "base64"
    length: int | None = None
    rotation: Rotation = NEVER

    @classmethod
    def parse(cls, key: str, given: Mapping[str, Any]) -> Random:
        where = f"data.{key}.random"
        of = options(where, given["random"] or {}, {"bytes", "encoding", "length"})
        encoding = of.get("encoding", "base64")
        if encoding not in generate.ENCODINGS:
            raise InputError(f"{where}.encoding is none of {', '.join(generate.ENCODINGS)}.")
        if "length" in of and encoding != "alphanumeric":
            raise InputError(f"{where}.length counts characters of alphanumeric text; give bytes for {encoding}.")
        if {"length", "bytes"} <= set(of):
            raise InputError(f"{where} has both bytes and length; give one of them.")
        count = number(f"{where}.bytes", of.get("bytes", 32), generate.LEAST_BYTES)
        least = generate.characters(generate.LEAST_BYTES)
        length = number(f"{where}.length", of["length"], least) if "length" in of else None
        return cls(key, count, encoding, length, Rotation.parse(f"data.{key}.rotate", given.get("rotate")))

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key,)

    def flaw(self, kept: Values) -> Flaw | None:
        if self.key not in kept:
            return None
        reason = generate.text_flaw(kept[self.key], self.count, self.encoding, self.length)
        return Flaw(self.key, reason, f"To have a new value made, name {self.key} in replace") if reason else None

    def make(self, kept: Values, _beside: Values, _now: datetime) -> dict[str, bytes]:
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
    rotation: Rotation = NEVER

    @classmethod
    def parse(cls, index: int, given: Mapping[str, Any]) -> KeyPair:
        """A key pair, from one element of the option ``key_pairs``, whose types Ansible has checked."""
        where = f"key_pairs[{index}]"
        rotation = Rotation.parse(f"{where}.rotate", given.get("rotate"))
        return cls(given["private_key"], given["public_key"], rotation=rotation, **kind_of_key(where, given))

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.private, self.public)

    @property
    def kept_back(self) -> tuple[str, ...]:
        return (self.public,)  # signatures by the old key are still verified; nothing is signed with it any more

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

    def make(self, kept: Values, _beside: Values, _now: datetime) -> dict[str, bytes]:
        if self.private in kept and self.public in kept:
            return {}
        if self.private in kept:
            return {self.public: generate.public_pem(generate.load_private(kept[self.private]))}
        key = generate.new_private_key(self.algorithm, self.bits, self.curve)
        return {self.private: generate.private_pem(key), self.public: generate.public_pem(key)}

    def fingerprint(self, kept: Values) -> str:
        key = generate.load_private(kept[self.private]) if self.private in kept else None
        return sha256(generate.public_pem(key)).hexdigest() if key else ""


def kind_of_key(where: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The algorithm of a key, and its size or curve where one is said."""
    algorithm = given["algorithm"]
    for option, belongs in (("bits", "rsa"), ("curve", "ec")):
        if given.get(option) is not None and algorithm != belongs:
            raise InputError(f"{where}.{option} is for algorithm {belongs} only.")
    return {"algorithm": algorithm} | {of: given[of] for of in ("bits", "curve") if given.get(of) is not None}
