# Which files of a chart's folder helm leaves out: .helmignore, as helm itself reads it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

FILE = ".helmignore"
ALWAYS = "templates/.?*"  # helm's own rule: no hidden files among the templates


@dataclass(frozen=True)
class Rule:
    """A line (Helm, ".helmignore file"): a glob; ``/`` before it anchors, behind it is for folders, ``!`` negates."""

    pattern: str
    folders: bool = False
    negated: bool = False

    @classmethod
    def of(cls, line: str) -> Rule | None:
        """From a line; None for a comment, an empty line, and what helm refuses (``**``)."""
        text = line.strip()
        if not text or text.startswith("#") or "**" in text:
            return None
        negated, text = text.startswith("!"), text.removeprefix("!")
        return cls(text.rstrip("/"), text.endswith("/"), negated)

    @cached_property
    def _shape(self) -> re.Pattern[str]:
        return re.compile(_regex(self.pattern.removeprefix("/")))

    def leaves_out(self, path: str, *, folder: bool) -> bool:
        """Whether a path within the chart is left out by this rule."""
        matched = bool(self._shape.fullmatch(path if "/" in self.pattern else path.rpartition("/")[2]))
        fits = matched and (folder or not self.folders)
        return not fits if self.negated else fits


class Ignore:
    """All rules of a chart."""

    def __init__(self, text: str = "") -> None:
        self._rules = [rule for line in (*text.splitlines(), ALWAYS) if (rule := Rule.of(line))]

    def leaves_out(self, path: str, *, folder: bool) -> bool:
        """Whether helm leaves out a file or folder."""
        return any(rule.leaves_out(path, folder=folder) for rule in self._rules)

    def kept(self, paths: Iterable[str]) -> list[str]:
        """The files that stay: neither they nor a folder above them is left out."""
        return [path for path in paths if not self._gone(path)]

    def _gone(self, path: str) -> bool:
        parts = path.split("/")
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        return self.leaves_out(path, folder=False) or any(self.leaves_out(one, folder=True) for one in above)


def _regex(pattern: str) -> str:
    """Go's ``filepath.Match``: no wildcard matches a slash."""
    shape, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        closing = pattern.find("]", at + 2) if char == "[" else -1
        if char == "*":
            shape += "[^/]*"
        elif char == "?":
            shape += "[^/]"
        elif closing > 0:
            shape += f"(?!/)[{pattern[at + 1 : closing]}]"
            at = closing
        elif char == "\\" and at + 1 < len(pattern):
            at += 1
            shape += re.escape(pattern[at])
        else:
            shape += re.escape(char)
        at += 1
    return shape
