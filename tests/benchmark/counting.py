# Counts helm's processes: by a wrapper in its place, and once by strace.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

_EXECVE = re.compile(r'^(?P<pid>\d+)\s+execve\("(?P<path>[^"]*)",.*?(?P<end>= 0|<unfinished \.\.\.>|= -1 .*)$')
_RESUMED = re.compile(r"^(?P<pid>\d+)\s+<\.\.\. execve resumed>.*= 0$")


class CountingHelm:
    """A script that stands in helm's place: it notes each start in a file and becomes the real helm.

    The file's name is written into the script, since modules give helm a scrubbed environment.
    """

    def __init__(self, real: Path, folder: Path) -> None:
        self.path, self._log = folder / "helm", folder / "starts"
        folder.mkdir(parents=True, exist_ok=True)
        self._log.touch()
        note, become = shlex.quote(str(self._log)), shlex.quote(str(real))
        # only the first word: arguments are nobody's business
        self.path.write_text(f'#!/bin/sh\necho "$1" >>{note}\nexec {become} "$@"\n', encoding="utf-8")
        self.path.chmod(0o700)

    def take(self) -> list[str]:
        """The first argument of each start since the last time it was asked."""
        starts = self._log.read_text(encoding="utf-8").splitlines()
        self._log.write_text("", encoding="utf-8")
        return starts


def strace_command(output: Path) -> list[str]:
    """What stands before a command to have its starts of programs traced."""
    return ["strace", "-f", "-qq", "-e", "trace=execve", "-e", "signal=none", "-s", "256", "-o", str(output)]


def count_execve(lines: Iterable[str], program: str) -> int:
    """How many times a program was started, from strace's lines; starts that failed do not count."""
    count, unfinished = 0, set[str]()
    for line in lines:
        if started := _EXECVE.match(line):
            if started["path"] != program:
                continue
            count += started["end"] == "= 0"
            if started["end"].startswith("<"):
                unfinished.add(started["pid"])
        elif (resumed := _RESUMED.match(line)) and resumed["pid"] in unfinished:
            unfinished.discard(resumed["pid"])
            count += 1
    return count
