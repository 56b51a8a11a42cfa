# What restore drills observe: artifacts that were restored, objects that were made again, targets, the second copy.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.bytebot.production.plugins.module_utils.backup.configuration import Compared
from ansible_collections.bytebot.production.plugins.module_utils.backup.database import DatabaseFacts, Restored
from ansible_collections.bytebot.production.plugins.module_utils.backup.records import Record
from ansible_collections.bytebot.production.plugins.module_utils.checks.backup import BackupFacts
from ansible_collections.bytebot.production.plugins.module_utils.checks.first_backup import First
from ansible_collections.bytebot.production.plugins.module_utils.checks.recovery_plan import Plan
from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now


@dataclass(frozen=True, slots=True)
class DatabaseDrill:
    """One artifact of the database that was restored.

    :param source: what made it, in words; :param made: when, by its place; :param exact: whether the facts of the very
        snapshot are known, so that rows must be the same.
    """

    source: str
    artifact: str
    made: float
    size: int
    restored: Restored
    exact: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def began(self) -> float:
        """When the data is of: the older one of what the place says and what the archive itself says."""
        told = [one for one in (self.made, self.restored.catalogue.created) if one]
        return min(told, default=0.0)

    def flaws(self, live: DatabaseFacts | None) -> list[str]:
        """What is wrong with it, held against the database as it is, or was in the snapshot."""
        restored, facts = self.restored, self.restored.facts
        if not self.size:
            return ["it is empty"]
        if restored.trouble:
            return [f"it cannot be restored ({_PHASE.get(restored.phase, restored.phase)}): {restored.trouble}"]
        if facts is None or live is None:
            return ["what it holds could not be compared"]
        flaws = []
        if missing := sorted(live.tables.keys() - facts.tables.keys()):
            flaws.append(f"it lacks {some(missing, 'table')}")
        elif bare := sorted(live.tables.keys() - restored.catalogue.data):
            flaws.append(f"it has no rows of {some(bare, 'table')}")
        if self.exact:
            other = sorted(name for name, told in live.tables.items() if facts.tables.get(name, told) != told)
            if other:
                flaws.append(f"rows are not those of the snapshot in {some(other, 'table')}")
            if facts.schema != live.schema:
                flaws.append("its schema is not that of the snapshot")
        return flaws


SHOWN = 3  # names in one sentence
_PHASE = {"fetch": "while reading it", "take": "while opening it", "restore": "while restoring", "check": "pg_amcheck"}


@dataclass(frozen=True, slots=True)
class ConfigurationDrill:
    """The archive of the application's state, restored and compared.

    :param live: objects by kind that are there; :param kept: objects by kind in the archive.
    :param gone: live objects, unchanged since, that the archive lacks; :param changed: others than the live ones.
    :param clear: what shows a secret in the folder of the backups.
    """

    artifact: str
    made: float
    seconds: float = 0.0
    live: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    unserved: tuple[str, ...] = ()
    clear: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    compared: Compared = field(default_factory=Compared)
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Targets:
    """Recovery point and recovery time objectives, and how old a drill may be, in seconds."""

    rpo_s: float
    rto_s: float
    interval_s: float = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Copy:
    """The newest object at the place of the second copy.

    :param trouble: why it could not be looked at; :param waits: why nobody has looked.
    """

    where: str
    name: str = ""
    made: float = 0.0
    size: int = 0
    trouble: str = ""
    waits: str = ""


@dataclass(frozen=True, slots=True)
class DrillFacts:
    """One observation.

    :param waits: why no drill ran, and :param waits_for: what to do; :param trouble: why it broke off.
    :param live: the database as it is in the newest backup's own snapshot.
    :param first: the first backup of a young release, where one was wanted for this drill.
    """

    waits: str = ""
    waits_for: str = ""
    failure: str = ""
    trouble: str = ""
    live: DatabaseFacts | None = None
    databases: tuple[DatabaseDrill, ...] = ()
    configuration: ConfigurationDrill | None = None
    records: tuple[Record, ...] = ()
    backup: BackupFacts = field(default_factory=BackupFacts)
    targets: Targets | None = None
    plan: Plan | None = None
    copy: Copy | None = None
    first: First | None = None
    now: float = 0.0
    at: str = field(default_factory=utc_now)


def some(names: Sequence[str], word: str) -> str:
    """A few names, and how many there are."""
    shown = ", ".join(names[:SHOWN]) + (", …" if names[SHOWN:] else "")
    return f"{word} {shown}" if len(names) == 1 else f"{len(names)} {word}s ({shown})"
