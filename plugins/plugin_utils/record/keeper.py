# What every store of the record can do; one keeps files, the other objects in a cluster.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.bytebot.production.plugins.plugin_utils.record.files import Unusable

HEADER = "run"  # the part that tells of the run as a whole; every other part is a section's
DOCUMENT, LATEST = "results.json", "latest"
STATEMENTS = "statements"  # stands where a run does, and its parts are the signed statements of the environment

Part = dict[str, Any]


class Guard(Protocol):
    """Lets only one run of an environment write at a time."""

    def run_of_mine(self) -> str:
        """The run for which this process holds the guard; empty where it does not."""

    def held(self, run: str, now: str) -> AbstractContextManager[None]:
        """Hold it for a run, and keep it afterwards.

        :raises Locked: another process holds it.
        """

    def release(self) -> None:
        """Give it back, where this process holds it."""


class Keeper(Protocol):
    """Keeps the runs of one environment in parts, each of which is written whole or not at all.

    What is read is verified: :class:`Unusable` says why a part cannot be used. What cannot be written costs one
    sentence, and what was there before stays.
    """

    folder: Path
    guard: Guard

    @property
    def where(self) -> str:
        """Where the runs are, in words."""

    def named(self, run: str, part: str) -> str:
        """A part in words, such as the path of its file."""

    def resolved(self, run: str) -> str:
        """The id of a run that may be named ``latest``."""

    def headers(self) -> Mapping[str, Part | Unusable]:
        """The headers of all runs by id, in the order of time."""

    def sections(self, run: str) -> Mapping[str, Part | Unusable]:
        """All sections of a run."""

    def aside(self, run: str) -> Mapping[str, str]:
        """What was put aside of a run: its name, and where it is."""

    def read(self, run: str, part: str) -> Part | None:
        """One part; ``None`` where there is none.

        :raises Unusable: it is damaged, was edited, or is of another schema.
        """

    def write(self, run: str, part: str, content: Mapping[str, Any]) -> None:
        """Put a part in the place of what was there."""

    def put_aside(self, run: str, part: str) -> None:
        """Keep a part that cannot be used under another name, so that another can take its place."""

    def finish(self, run: str) -> None:
        """Nothing is added to the run from now on."""

    def publish(self, run: str, document: Mapping[str, Any]) -> None:
        """Put the results document into the run's folder on this machine."""

    def outcome(self, run: str) -> Mapping[str, Any] | None:
        """What the run came to: its id (``run.id``) and at least ``id`` and ``state`` of its ``controls``."""

    def rehearse(self, run: str) -> None:
        """See that a run could be written, and write nothing. What a disk takes shows only when it is written."""
