# Finds the patterns that log lines are made by: what varies is masked, and lines that agree in most words are one.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

# The method is Drain's (He, Zhu, Zheng and Lyu, 2017): lines are told apart by their number of words, then by their
# first word, then by the share of words that agree; words in which they differ become <*>. Its published library wants
# exact old versions of its dependencies, which other collections would meet, so the method stands here.
ANY = "<*>"
ALIKE = 0.6  # share of equal words
MOST = 500  # patterns; more than that are no patterns
_LONGEST = 60  # words of a line
# What varies from line to line; the first that matches counts.
MASKS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), mask)
    for pattern, mask in (
        (r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b", "<uuid>"),
        (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?", "<time>"),
        (r"\b[\w.+-]+@[\w-]+\.[\w.-]+\b", "<mail>"),
        (r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b", "<address>"),
        (r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}\b", "<address>"),
        (r"\b0x[0-9a-fA-F]+\b", "<hex>"),
        (r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b", "<hex>"),
        (r"\"[^\"]*\"|'[^']*'", "<text>"),
        (r"(?<![A-Za-z])[-+]?\d+(?:\.\d+)?(?:ns|us|ms|s|m|h|[KMG]i?B?|%)?(?![A-Za-z])", "<number>"),
    )
)
_BLANK = re.compile(r"[\s,;=()\[\]{}|]+")


@dataclass(slots=True)
class Pattern:
    """Lines that are alike.

    :param first: time of the earliest; :param example: that line's text as it was, to be redacted like all that leaves.
    """

    words: list[str]
    first: str
    example: str
    count: int = 0

    @property
    def text(self) -> str:
        """The pattern as a text."""
        return " ".join(self.words)


@dataclass(slots=True)
class Patterns:
    """Patterns that grow with the lines that are put in."""

    _by_start: dict[tuple[int, str], list[Pattern]] = field(default_factory=dict)
    _count: int = 0

    def put(self, text: str, at: str = "") -> Pattern | None:
        """The pattern of a line, which it changes; None where there are too many to tell."""
        words = words_of(text)
        near = self._by_start.setdefault(_start(words), [])
        known = max(near, key=lambda one: _alike(one.words, words), default=None)
        if known is None or _alike(known.words, words) < ALIKE:
            if self._count >= MOST:
                return None
            self._count += 1
            known = Pattern(words, at, text)
            near.append(known)
        else:
            known.words = [one if one == other else ANY for one, other in zip(known.words, words, strict=True)]
        known.count += 1
        if at and (not known.first or at < known.first):
            known.first, known.example = at, text
        return known

    def knows(self, pattern: Pattern) -> bool:
        """Whether lines like those of a pattern were put in."""
        near = self._by_start.get(_start(pattern.words), [])
        return any(_alike(one.words, pattern.words) >= ALIKE for one in near)

    def __iter__(self) -> Iterator[Pattern]:
        return (one for near in self._by_start.values() for one in near)

    @property
    def full(self) -> bool:
        """Whether there were too many."""
        return self._count >= MOST


def mined(lines: Iterable[tuple[str, str]]) -> Patterns:
    """The patterns of lines, each with its time."""
    found = Patterns()
    for at, text in lines:
        found.put(text, at)
    return found


def masked(text: str) -> str:
    """A line without what varies."""
    for pattern, mask in MASKS:
        text = pattern.sub(mask, text)
    return text


def words_of(text: str) -> list[str]:
    """The words by which lines are compared."""
    return [word for word in _BLANK.split(masked(text)) if word][:_LONGEST] or [""]


def _start(words: list[str]) -> tuple[int, str]:
    return len(words), ANY if words[0].startswith("<") else words[0]


def _alike(one: list[str], other: list[str]) -> float:
    """The share of words that agree; what was found to vary agrees with anything."""
    return sum(a == b or ANY in (a, b) for a, b in zip(one, other, strict=True)) / len(one)
