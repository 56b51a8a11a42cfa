# Finds which values a chart's templates read, and those given ones that none does; no I/O.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.helm.chart_source import ChartSource

Path = tuple[str, ...]
GLOBAL = "global"
# Go text/template: an action, a comment within one, a chain of fields after .Values, and the words of `index`.
_ACTION = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_FIELDS = re.compile(r"\.Values((?:\.[A-Za-z_]\w*)*)")
_INDEX = re.compile(r"\bindex\s+\(?\s*\$?\w*\.Values((?:\.[A-Za-z_]\w*)*)(?:\s*\))?((?:\s+\"[^\"]+\")*)")
_QUOTED = re.compile(r"\"([^\"]+)\"")
_CHOICE = re.compile(r"\b(default|coalesce|ternary|or|dig)\b")


@dataclass(frozen=True, slots=True)
class Use:
    """One place where a template reads a value.

    :param choice: whether it stands beside others in an action that takes one of them.
    """

    path: Path
    choice: bool = False


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Given values that may have no effect.

    :param unread: no template names them; :param undecided: whether they matter shows only when they are changed.
    """

    unread: tuple[Path, ...] = ()
    undecided: tuple[Path, ...] = ()


def dotted(path: Path) -> str:
    """A path as people write it."""
    return ".".join(path)


def uses(chart: ChartSource, prefix: Path = ()) -> Iterator[Use]:
    """Every place where a chart or one of its subcharts reads a value, as a path in the values of the outermost."""
    for text in chart.texts.values():
        for use in uses_in(text):
            yield Use(_within(use.path, () if chart.library else prefix), use.choice)
            if chart.library:
                yield Use(_within(use.path, prefix), use.choice)
    for path in (*chart.switches, *chart.imports):
        yield Use(_within(tuple(path.strip().split(".")), prefix))
    for name, inner in chart.subcharts.items():
        yield from uses(inner, (*prefix, name))


def uses_in(text: str) -> Iterator[Use]:
    """The values that the actions in a text read."""
    for found in _ACTION.finditer(text):
        action = _COMMENT.sub("", found.group(1))
        paths = set(_paths(action))
        choice = len(paths) > 1 and bool(_CHOICE.search(action))
        for path in paths:
            yield Use(path, choice)


def _paths(action: str) -> Iterator[Path]:
    for found in _INDEX.finditer(action):
        fields, quoted = found.groups()  # what is looked up by a variable is within that path
        yield (*_split(fields), *_QUOTED.findall(quoted))
    rest = _INDEX.sub(" ", action)
    for found in _FIELDS.finditer(rest):
        yield _split(found.group(1))


def _split(fields: str) -> Path:
    return tuple(fields.split(".")[1:])


def _within(path: Path, prefix: Path) -> Path:
    """A path as the outermost chart has it: a subchart's values lie under its name, but `global` is everybody's."""
    return path if path[:1] == (GLOBAL,) else (*prefix, *path)


def leaves(values: Mapping[str, Any], prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The values that are no further mapping, with their paths; an empty mapping is one of them."""
    for key, value in values.items():
        path = (*prefix, str(key))
        if isinstance(value, Mapping) and value:
            yield from leaves(value, path)
        else:
            yield path, value


def doubtful(given: Mapping[str, Any], defaults: Mapping[str, Any], found: Iterable[Use]) -> Doubtful:
    """Which of the given values no template reads, and of which that cannot be told from the templates' texts.

    Undecided are those that stand beside others where one is taken (``default``), and those unknown to the chart's own
    values within a mapping that a template takes as a whole.
    """
    known = {path for path, _value in leaves(defaults)}
    inner = {path[:end] for path in known for end in range(1, len(path) + 1)}
    all_uses = list(found)
    unread: list[Path] = []
    undecided: list[Path] = []
    for path, value in leaves(given):
        if value == {}:
            continue  # it says nothing
        touching = [use for use in all_uses if _touch(use.path, path)]
        if not touching:
            unread.append(path)
        elif all(use.choice for use in touching) or (path not in inner and all(_above(use, path) for use in touching)):
            undecided.append(path)
    return Doubtful(tuple(unread), tuple(undecided))


def _touch(use: Path, path: Path) -> bool:
    shorter = min(len(use), len(path))
    return use[:shorter] == path[:shorter]


def _above(use: Use, path: Path) -> bool:
    return len(use.path) < len(path)


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Values laid over each other as helm does it: mappings are merged, all else is replaced, null takes a key away."""
    result: dict[str, Any] = {}
    for layer in layers:
        result = _laid(result, layer)
    return result


def _laid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            under = result.get(key)
            result[key] = _laid(under if isinstance(under, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def defaults_of(chart: ChartSource) -> dict[str, Any]:
    """The values that a chart brings: its own over those of its subcharts."""
    inner = {name: defaults_of(subchart) for name, subchart in chart.subcharts.items()}
    return merged(inner, chart.values)


def changed_at(values: Mapping[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """Only the values at some paths, each another one of the same type."""
    there = dict(leaves(values))
    result: dict[str, Any] = {}
    for path in paths:
        place = result
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = _another(there.get(path))
    return result


def _another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, list):
        return [*value, value[-1]] if value else ["another"]
    if isinstance(value, Mapping):
        return {"another": "another"}
    return f"{value or ''}-another"
