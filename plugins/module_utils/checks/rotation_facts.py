# What is observed of the rotation of Secrets: the written rule, the age of each value, who runs with it, and drills.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_facts import DocumentFacts
from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now

ROTATION = "security_configuration.secrets.rotation"
LONGEST = 365  # days between two rotations; NIST SP 800-57 part 1 has one to two years for keys that sign
DRILL_AGE = 30  # days
CLOCKS = timedelta(minutes=5)  # by which two clocks may differ


@dataclass(frozen=True, slots=True)
class Age:
    """When the secret values of one Secret were made.

    :param made: by key; where nothing is recorded of a value, it counts as old as its Secret, the most it can be.
    :param recorded: whether the Secret records it; :param before: keys that hold what was before the last rotation.
    """

    name: str
    made: Mapping[str, datetime]
    recorded: bool = False
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drill:
    """A rotation that was watched from one end to the other.

    :param at: when it ended (Unix time); :param why: what was wrong; :param steps: what was seen, in words.
    :param unclear: whether it has rotated, and the answers prove neither that it worked nor that it did not.
    :param by_key: whether a token of a living session that the old key signed after it was refused.
    """

    at: float
    secret: str
    passed: bool
    why: str = ""
    steps: tuple[str, ...] = ()
    seconds: float = 0.0
    unclear: bool = False
    by_key: bool = False


@dataclass(frozen=True, slots=True)
class RotationFacts:
    """One observation.

    :param document: of the control alone; None where nothing says where it is.
    :param absent: Secrets that are named and not there; :param denied: by Secret, why it may not be read.
    :param unreleased: why it is not known to which Secrets the release refers.
    :param behind: workloads that run with an older value than their Secret has, in words; :param unseen: why that is
        not known of all; :param undated: workloads of which it is not known for want of a recorded time, in words.
    :param no_drill: why none was made in this run; empty where none was due. :param unclear: whether one was begun in
        this run and proved nothing, which a drill of before does not outweigh.
    """

    namespace: str
    document: DocumentFacts | None = None
    ages: tuple[Age, ...] = ()
    absent: tuple[str, ...] = ()
    denied: Mapping[str, str] = field(default_factory=dict)
    unreleased: str = ""
    behind: tuple[str, ...] = ()
    unseen: str = ""
    undated: tuple[str, ...] = ()
    drills: tuple[Drill, ...] = ()
    no_drill: str = ""
    no_drill_remedy: str = ""
    unclear: bool = False
    longest: timedelta = timedelta(days=LONGEST)
    drill_age: timedelta = timedelta(days=DRILL_AGE)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    at: str = field(default_factory=utc_now)

    @property
    def last(self) -> Drill | None:
        """The newest drill; one that is to come was none."""
        until = (self.now + CLOCKS).timestamp()
        return max((one for one in self.drills if one.at <= until), key=lambda one: one.at, default=None)
