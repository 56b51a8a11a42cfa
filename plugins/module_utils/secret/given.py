# Where a value comes from that is not made here: the playbook, a file, the environment, another Secret.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.secret.base import Given
from ansible_collections.bytebot.production.plugins.module_utils.secret.options import options, text
from ansible_collections.bytebot.production.plugins.module_utils.secret.outside import Outside


@dataclass(frozen=True, slots=True)
class Value(Given):
    """A value that the playbook has: what is not secret, or what a lookup has fetched from another store."""

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
        return cls(key, text(f"data.{key}.file", given["file"]), strip)

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
        return cls(key, text(f"data.{key}.environment", given["environment"]))

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
        of = options(where, given["secret"], {"name", "namespace", "key"}, needed={"name", "namespace", "key"})
        name, namespace, other = (text(f"{where}.{part}", of[part]) for part in ("name", "namespace", "key"))
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


def _is_plain_text(content: bytes) -> bool:
    """Text other than PEM: its last line break is the editor's, not the value's."""
    if content.lstrip().startswith(b"-----BEGIN "):
        return False
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
