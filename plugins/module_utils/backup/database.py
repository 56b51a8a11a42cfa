# The database: dumped with the facts of the very snapshot, restored into a scratch server, and told from each other.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.backup import scripts
from ansible_collections.bytebot.production.plugins.module_utils.clients.pod_run import TAKE, PodShell
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, CommandFailed

_ENTRY = re.compile(r"^\d+; \d+ \d+ (TABLE DATA|TABLE) (\S+) (\S.*?) \S+$")
_CREATED = re.compile(r"^;\s+Archive created at (\S+ \S+) (\S+)$")
_META = 4  # columns of the row that begins with M: mark, time, size, version
_SHA256 = 64  # characters
PHASES = ("fetch", "take", "restore", "check")


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What a database holds.

    :param tables: number of rows and sum of their hashes, by ``schema.table``.
    """

    at: float = 0.0
    size: int = 0
    version: str = ""
    schema: str = ""
    tables: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> DatabaseFacts:
        """From what the scripts say.

        :raises CommandFailed: it is not whole.
        """
        rows = [line.split("|") for line in text.splitlines() if line]
        meta = next((row for row in rows if row[0] == "M" and len(row) == _META), None)
        schema = next((row[1] for row in rows if row[0] == "S"), "")
        if meta is None or len(schema) != _SHA256:
            raise CommandFailed("What the database holds was not told to its end.")
        tables = {"|".join(row[1:-2]): (int(row[-2]), row[-1]) for row in rows if row[0] == "T"}
        return cls(float(meta[1]), int(meta[2]), meta[3], schema, tables)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> DatabaseFacts:
        """From the manifest of a backup."""
        tables = {str(name): (int(rows), str(total)) for name, (rows, total) in given["tables"].items()}
        return cls(float(given["at"]), int(given["size"]), str(given["version"]), str(given["schema"]), tables)

    def to_dict(self) -> dict[str, Any]:
        told = {name: list(pair) for name, pair in sorted(self.tables.items())}
        return {"at": self.at, "size": self.size, "version": self.version, "schema": self.schema, "tables": told}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What an archive says that it holds (``pg_restore --list``)."""

    created: float = 0.0
    tables: frozenset[str] = frozenset()
    data: frozenset[str] = frozenset()

    @classmethod
    def read(cls, text: str) -> Catalogue:
        created, found = 0.0, {"TABLE": set[str](), "TABLE DATA": set[str]()}
        for line in text.splitlines():
            if entry := _ENTRY.match(line):
                found[entry[1]].add(f"{entry[2]}.{entry[3]}")
            elif told := _CREATED.match(line):
                created = _created(told[1], told[2])
        return cls(created, frozenset(found["TABLE"]), frozenset(found["TABLE DATA"]))


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of one artifact.

    :param seconds: by phase; :param trouble: why it could not be restored, empty where it was.
    """

    catalogue: Catalogue = field(default_factory=Catalogue)
    facts: DatabaseFacts | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    phase: str = ""
    trouble: str = ""


def dumped(shell: PodShell, left_out: str) -> Iterator[bytes]:
    """The dump, piece by piece, as it comes from the database."""
    return shell.out(scripts.dump(left_out))


def facts_of_dump(shell: PodShell) -> DatabaseFacts:
    """The facts of the snapshot that was dumped."""
    return DatabaseFacts.read(shell.ask(scripts.FACTS))


def restore(shell: PodShell, clear: Iterable[bytes], left_out: str, tell: Callable[[str], None]) -> Restored:
    """Restore one archive into the scratch server, which is started already, and look at what came out."""
    seconds: dict[str, float] = {}
    catalogue, facts, phase = Catalogue(), None, "take"
    try:
        began = time.monotonic()
        shell.ask(f"set -e; rm -f {scripts.TAKEN}; {TAKE} > {scripts.TAKEN}", feed=clear)
        catalogue = Catalogue.read(shell.ask(scripts.LIST))
        seconds[phase] = time.monotonic() - began
        phase, began = "restore", time.monotonic()
        tell(f"restoring {len(catalogue.tables)} tables")
        shell.ask(scripts.RESTORE)
        seconds[phase] = time.monotonic() - began
        phase, began = "check", time.monotonic()
        facts = DatabaseFacts.read(shell.ask(scripts.restored(left_out)))
        shell.ask(scripts.CHECK)
        seconds[phase] = time.monotonic() - began
    except CollectionError as exc:
        return Restored(catalogue, facts, seconds, phase, exc.sentence.rstrip("."))
    return Restored(catalogue, facts, seconds)


def _created(when: str, zone: str) -> float:
    """The archive's own time; pg_dump runs in the pod's time zone, which is UTC unless somebody says otherwise."""
    if zone not in ("UTC", "GMT", "Etc/UTC"):
        return 0.0
    try:
        return datetime.strptime(when, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0
