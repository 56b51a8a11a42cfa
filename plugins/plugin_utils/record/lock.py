# Lets only one run of an environment write at a time, and takes over from one that has died.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.plugin_utils.record.files import NotWritten, make_folder

NAME = "lock"


class Locked(CollectionError):
    """Another run of the environment is going on."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that stands for a run, such as ``ansible-playbook``.

    :param process: when the process began; a process id alone is given again to others.
    """

    pid: int
    host: str
    process: str

    @classmethod
    def of(cls, pid: int) -> Owner:
        """The process of this machine with a process id."""
        return cls(pid, socket.gethostname(), _began(pid))

    @property
    def alive(self) -> bool:
        """Whether it still runs; one of another machine is taken to run."""
        return self.host != socket.gethostname() or (_exists(self.pid) and _began(self.pid) == self.process)


@dataclass(frozen=True, slots=True)
class Holding:
    """What stands in the lock: who, since when, for which run."""

    owner: Owner
    start: str
    run: str


class Lock:
    """A file in the environment's folder. An empty one is free.

    Its content is read and written under ``flock`` only, which the system releases when a process dies: so a content
    that is half written is that of a dead process.
    """

    def __init__(self, folder: Path, owner: Owner) -> None:
        self.path = folder / NAME
        self.owner = owner

    def run_of_mine(self) -> str:
        """The run for which this owner holds the lock; empty where it does not."""
        if not self.path.is_file():
            return ""
        with self._opened() as file:
            holding = _read(file)
        return holding.run if holding and holding.owner == self.owner else ""

    @contextmanager
    def held(self, run: str, now: str) -> Iterator[None]:
        """Hold the lock for a run (and keep it afterwards); the block runs while nobody else reads or writes it.

        :raises Locked: the process of another run still lives, or cannot be asked since it is on another machine.
        """
        with self._opened() as file:
            self._refuse_others(_read(file))
            _write(file, Holding(self.owner, now, run))
            yield

    def release(self) -> None:
        """Give the lock back, where this owner holds it."""
        with self._opened() as file:
            holding = _read(file)
            if holding is None or holding.owner == self.owner:
                _write(file, None)

    def _refuse_others(self, holding: Holding | None) -> None:
        if holding is None or holding.owner == self.owner or not holding.owner.alive:
            return
        owner = holding.owner
        elsewhere = owner.host != self.owner.host
        raise Locked(
            f"Run {holding.run} of this environment is going on (process {owner.pid} on {owner.host}, since "
            f"{holding.start}); wait for its end"
            + (f", or delete {self.path} if that machine no longer runs it." if elsewhere else ".")
        )

    @contextmanager
    def _opened(self) -> Iterator[IO[str]]:
        make_folder(self.path.parent)
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "r+", encoding="utf-8", errors="replace") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield file
        except OSError as exc:
            raise NotWritten(
                f"{self.path} cannot be written: {exc.strerror}; make room or give another reports_dir, then run again."
            ) from exc


def _read(file: IO[str]) -> Holding | None:
    file.seek(0)
    try:
        content = json.loads(file.read())
        owner = Owner(**{field.name: content["owner"][field.name] for field in fields(Owner)})
        return Holding(owner, str(content["start"]), str(content["run"]))
    except (ValueError, TypeError, KeyError):
        return None


def _write(file: IO[str], holding: Holding | None) -> None:
    file.seek(0)
    file.truncate()
    if holding:
        file.write(json.dumps(asdict(holding)))
    file.flush()
    os.fsync(file.fileno())


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _began(pid: int) -> str:
    """Boot and clock tick at which a process began; empty where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return f"{boot}:{status.rpartition(')')[2].split()[19]}"  # field 22, counted after the name in brackets
