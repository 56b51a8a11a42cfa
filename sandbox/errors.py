# The errors a person may meet: what failed, what it last said, what to do.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence


class SandboxError(Exception):
    """A step of the sandbox failed."""

    def __init__(self, component: str, what: str, *, log: Sequence[str] = (), remedy: str = "") -> None:
        super().__init__(what)
        self.component = component
        self.what = what
        self.log = tuple(log)
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [f"{self.component}: {self.what}"]
        if self.log:
            lines.append("  last lines of its log:")
            lines += [f"    {line}" for line in self.log]
        if self.remedy:
            lines.append(f"  what to do: {self.remedy}")
        return "\n".join(lines)


class PreflightError(Exception):
    """The machine lacks something; nothing was touched."""

    def __init__(self, causes: Sequence[str]) -> None:
        super().__init__("; ".join(causes))
        self.causes = tuple(causes)


class Stopped(Exception):
    """Another component failed, so this one gave up waiting."""
