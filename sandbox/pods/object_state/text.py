# Series and their text form: Prometheus' exposition format 0.0.4.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True)
class Series:
    """One sample without a time."""

    family: str
    labels: Mapping[str, str]
    value: float

    def line(self) -> str:
        labels = ",".join(f'{name}="{value.translate(ESCAPES)}"' for name, value in self.labels.items())
        return f"{self.family}{{{labels}}} {number(self.value)}\n"


@dataclass(frozen=True)
class Family:
    help: str
    type: str = "gauge"


# Pairs of a family's name and a whole line of it: cheap to keep, to compare and to put together.
Lines = tuple[tuple[str, str], ...]


def lines(series: Iterable[Series]) -> Lines:
    return tuple((one.family, one.line()) for one in series)


def number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)  # noqa: PLR2004


def exposition(families: Mapping[str, Family], found: Iterable[Lines]) -> str:
    """All lines of a family stand together, under its head, which is there even where no object has such a series."""
    by_family: dict[str, list[str]] = {name: [] for name in families}
    for some in found:
        for family, line in some:
            by_family[family].append(line)
    return "".join(_blocks(families, by_family))


def _blocks(families: Mapping[str, Family], by_family: Mapping[str, list[str]]) -> Iterator[str]:
    for name, family in families.items():
        yield f"# HELP {name} {family.help}\n# TYPE {name} {family.type}\n"
        yield from by_family[name]
