# What a source of a Secret's values is: given from outside, made once and kept, or composed of other keys.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from ansible_collections.bytebot.production.plugins.module_utils.secret.outside import Outside
from ansible_collections.bytebot.production.plugins.module_utils.secret.rotation import NEVER, Clock, Rotation, told

Values = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why the value of a key must not be kept, and what to do about it."""

    key: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Stale:
    """The keys whose values are good and still to be made anew, and why."""

    keys: Set[str] = frozenset()
    reason: str = ""


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
    """Fills keys with values that are made once and then kept, until they are replaced or too old.

    ``beside`` always is what the sources before this one give, which some rest on.
    """

    @property
    def rotation(self) -> Rotation:
        """How its values are rotated."""
        return NEVER

    @abstractmethod
    def flaw(self, kept: Values) -> Flaw | None:
        """Why the values that exist cannot be kept, if so. ``kept`` has only keys of this source."""

    @abstractmethod
    def make(self, kept: Values, beside: Values, now: datetime) -> dict[str, bytes]:
        """Values for those keys that ``kept`` does not have."""

    @abstractmethod
    def fingerprint(self, kept: Values) -> str:
        """What must differ between any two sources of a Secret; empty while there is nothing."""

    def replaced(self, asked: Set[str]) -> Set[str]:
        """The keys that are made anew when ``asked`` are to be replaced."""
        return asked & set(self.keys)

    def stale(self, kept: Values, beside: Values, clock: Clock) -> Stale:  # noqa: ARG002 - for certificates
        """What of the values that exist is due."""
        age, made = self.rotation.max_age, clock.made(self.keys[0])
        if self.keys[0] in kept and age and made and clock.now - made >= age:
            return Stale(frozenset(self.keys), f"it is {told(clock.now - made)} old, and may be {told(age)}")
        return Stale()

    def due(self, values: Values, clock: Clock) -> datetime | None:  # noqa: ARG002 - for certificates
        """When the values are made anew next; None where no time is set."""
        age, made = self.rotation.max_age, clock.made(self.keys[0])
        return made + age if age and made else None

    @property
    def kept_back(self) -> tuple[str, ...]:
        """The keys whose last value stays for a while when a new one is made."""
        return self.keys

    def overlap(self, last: Values) -> timedelta:  # noqa: ARG002 - for certificates
        """How long the ``last`` values stay beside new ones."""
        return self.rotation.overlap


class Derived(Source):
    """Fills one key with what is composed of other keys of the same Secret; it follows them."""

    key: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key,)

    @property
    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """The keys that it is composed of."""

    @abstractmethod
    def current(self, what: str, value: bytes, parts: Values) -> bool:
        """Whether a value is composed of these parts; an error's sentence begins with ``what``."""

    @abstractmethod
    def compose(self, what: str, parts: Values) -> bytes:
        """The value; an error's sentence begins with ``what``."""
