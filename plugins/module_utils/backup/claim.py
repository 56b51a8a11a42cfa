# The newest artifact on the claim of a CronJob that makes backups, read there and changed by nothing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.bytebot.production.plugins.module_utils.backup.store import hashed
from ansible_collections.bytebot.production.plugins.module_utils.backup.tools_pod import CLAIM
from ansible_collections.bytebot.production.plugins.module_utils.clients.pod_run import PodShell
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError

_PATTERN = re.compile(r"[A-Za-z0-9_.*/-]+")
_LIST = f'cd {CLAIM}; for f in $1; do if [ -f "$f" ]; then stat -c "%s|%Y|%n" "$f"; fi; done'
_COLUMNS = 3  # of that list: size, time, name
_SUM = f'cd {CLAIM}; if [ -f "$1.sha256" ]; then cut -c1-64 "$1.sha256"; fi'


@dataclass(frozen=True, slots=True)
class OnClaim:
    """One file there; ``sha256`` is what was written beside it, empty where nothing was."""

    name: str
    size: int
    made: float
    sha256: str = ""


def checked_pattern(pattern: str) -> str:
    """A pattern of the shell for files.

    :raises InputError: it is more than that.
    """
    if not _PATTERN.fullmatch(pattern) or ".." in pattern or pattern.startswith("/"):
        raise InputError(f"files: {pattern!r} is no pattern of file names below the claim; *.dump.cms is one.")
    return pattern


def newest(shell: PodShell, pattern: str) -> OnClaim | None:
    """The newest one by the file's own time; None where there is none."""
    lines = [line.split("|", _COLUMNS - 1) for line in shell.ask(_LIST, pattern).splitlines()]
    found = [OnClaim(line[2], int(line[0]), float(line[1])) for line in lines if len(line) == _COLUMNS]
    if not found:
        return None
    last = max(found, key=lambda one: (one.made, one.name))
    return OnClaim(last.name, last.size, last.made, shell.ask(_SUM, last.name).strip())


def content(shell: PodShell, one: OnClaim) -> Iterator[bytes]:
    """Its bytes, whose sum must be the one beside it, where there is one."""
    source = shell.out(f'cat "{CLAIM}/$1"', one.name)
    return hashed(source, one.sha256, one.name) if one.sha256 else source
