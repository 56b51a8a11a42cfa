# What a build is, its stamp, and the run over all builds that are out of date.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from sandbox.files import put
from sandbox.progress import Progress
from sandbox.settings import Settings


class Build(Protocol):
    """Makes one or more files of `bin`. Equal builds of several components are made once."""

    @property
    def name(self) -> str: ...

    @property
    def label(self) -> str: ...

    @property
    def produces(self) -> tuple[str, ...]: ...

    @property
    def uses_go(self) -> bool: ...

    def recipe(self) -> str:
        """All that the result depends on; another text means another build."""

    def build(self, settings: Settings, log: Path, target: Path) -> None:
        """Puts the files into the folder `target`."""


def stamp(build: Build) -> str:
    return hashlib.sha256(build.recipe().encode()).hexdigest()


def stamp_file(settings: Settings, build: Build) -> Path:
    return settings.bin / ".stamps" / build.name


def up_to_date(settings: Settings, build: Build) -> bool:
    file = stamp_file(settings, build)
    return (
        file.exists()
        and file.read_text().strip() == stamp(build)
        and all((settings.bin / name).exists() for name in build.produces)
    )


def pending(settings: Settings, builds: Iterable[Build]) -> list[Build]:
    unique = {build.name: build for build in builds}
    return [build for build in unique.values() if not up_to_date(settings, build)]


def run_builds(settings: Settings, progress: Progress, builds: Iterable[Build]) -> None:
    """One after the other: each compiler run uses all cores already."""
    todo = pending(settings, builds)
    for number, build in enumerate(todo, start=1):
        log = settings.log / f"build-{build.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        target = settings.bin / ".new" / build.name
        target.mkdir(parents=True, exist_ok=True)
        with progress.long_step(f"building {build.label} ({number} of {len(todo)})"):
            build.build(settings, log, target)
        for name in build.produces:
            (target / name).chmod(0o755)
            (target / name).replace(settings.bin / name)
        put(stamp_file(settings, build), stamp(build), 0o644)
        target.rmdir()
