# Runs programs with a clean environment and keeps what they said for the error.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.errors import SandboxError

TAIL = 15


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's environment with the system folders in PATH."""
    env = dict(os.environ)
    env["PATH"] = f"{env.get('PATH', '')}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    env["LC_ALL"] = "C.UTF-8"
    env.update(extra or {})
    return env


def tail(text: str, lines: int = TAIL) -> list[str]:
    return [line.rstrip()[:400] for line in text.splitlines() if line.strip()][-lines:]


def tail_file(path: Path, lines: int = TAIL) -> list[str]:
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 65536))
            return tail(stream.read().decode(errors="replace"), lines)
    except OSError:
        return []


def run(
    component: str,
    command: Sequence[str | Path],
    *,
    remedy: str = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    stdin: str = "",
    what: str = "",
) -> str:
    """Output of a command that must succeed; with `log`, all it says goes there."""
    words = [str(word) for word in command]
    try:
        if log:
            with log.open("a") as sink:
                done = subprocess.run(
                    words, cwd=cwd, env=environment(env), input=stdin, text=True, stdout=sink, stderr=sink, check=False
                )
        else:
            done = subprocess.run(
                words, cwd=cwd, env=environment(env), input=stdin, text=True, capture_output=True, check=False
            )
    except FileNotFoundError as error:
        raise SandboxError(component, f"the program {words[0]} is not there", remedy=remedy) from error
    if done.returncode:
        said = tail_file(log) if log else tail(f"{done.stdout}\n{done.stderr}")
        raise SandboxError(
            component, f"{what or ' '.join(words[:4])} ended with status {done.returncode}", log=said, remedy=remedy
        )
    return "" if log else str(done.stdout)
