# What discovery says: an input with its value and where it was found, a blank that a person must fill, a note.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Input:
    """An inventory variable whose value was found.

    :param template: the value is Ansible's own template, such as a path below the inventory; any other is data.
    """

    name: str
    value: Any
    where: str
    template: bool = False


@dataclass(frozen=True, slots=True)
class Blank:
    """An inventory variable that only a person can say. :param standing: what stands in its place until then."""

    name: str
    question: str
    standing: Any = None


@dataclass(frozen=True, slots=True)
class Note:
    """What was found and is no input."""

    text: str
    where: str


Entry: TypeAlias = "Input | Blank | Note"


@dataclass(frozen=True, slots=True)
class Part:
    """Entries under one heading."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """All that is written.

    :param files: further files by their path below the folder, such as those of the chart.
    :param unseen: what this account could not see, with the reason.
    """

    parts: tuple[Part, ...]
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    unseen: tuple[str, ...] = ()

    def inputs(self) -> list[Input]:
        return [one for part in self.parts for one in part.entries if isinstance(one, Input)]

    def blanks(self) -> list[Blank]:
        return [one for part in self.parts for one in part.entries if isinstance(one, Blank)]

    def notes(self) -> list[Note]:
        return [one for part in self.parts for one in part.entries if isinstance(one, Note)]
