# Alertmanager's routing tree, followed as Alertmanager follows it: which receivers an alert with given labels reaches.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

# Alertmanager documentation, "Configuration": <matcher>, <route>; its sources dispatch/route.go and pkg/labels.
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:.-]*"
_MATCHER = re.compile(
    rf'\s*(?P<name>{_NAME}|"(?:[^"\\]|\\.)*")\s*(?P<how>=~|!~|!=|=)\s*'
    r'(?P<value>"(?:[^"\\]|\\.)*"|[^,{}\s"=~!](?:[^,{}"]*[^,{}"\s])?|)\s*(?P<end>,|$)'
)
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
_ESCAPED = re.compile(r"\\(.)")
# What Go's regular expressions know and Python's read otherwise, or not at all.
_GO_ONLY = re.compile(r"\\[zQEpPC]|\[\[:|\(\?[a-zA-Z-]*U")

Labels = Mapping[str, str]


class NotUnderstood(ValueError):
    """A route that cannot be followed with certainty."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; a label that is not there is empty."""

    name: str
    how: str
    value: str
    fits: Callable[[str], bool]

    def __str__(self) -> str:
        return f'{self.name}{self.how}"{self.value}"'


@dataclass(frozen=True, slots=True)
class Reached:
    """A receiver that an alert comes to, and by which route.

    :param timed: whether the route is muted, or active, at named times only.
    :param wait: how long its group gathers first; :param interval: between news of the group.
    :param repeat: after what time the same is told again.
    """

    receiver: str
    path: str
    timed: bool = False
    wait: str = "30s"
    interval: str = "5m"
    repeat: str = "4h"


def reached(root: Mapping[str, Any], labels: Labels) -> list[Reached]:
    """The receivers of an alert, in the order of the routes.

    :raises NotUnderstood: a route on the way cannot be followed.
    """
    return list(_follow(root, labels, Reached("", "route"), top=True))


def _follow(route: Mapping[str, Any], labels: Labels, above: Reached, *, top: bool) -> Iterator[Reached]:
    """What a route that matches leads to: the children that match, up to one that does not go on, or else itself."""
    path = above.path
    own = Reached(
        str(route.get("receiver") or above.receiver),
        path,
        wait=str(route.get("group_wait") or above.wait),
        interval=str(route.get("group_interval") or above.interval),
        repeat=str(route.get("repeat_interval") or above.repeat),
    )
    found = False
    for number, child in enumerate(_mappings(route.get("routes"), path)):
        matchers = matchers_of(child)
        if all(one.fits(labels.get(one.name, "")) for one in matchers):
            found = True
            told = ", ".join(map(str, matchers)) or f"number {number + 1}"
            yield from _follow(child, labels, replace(own, path=f"{path} > {told}"), top=False)
            if not child.get("continue"):
                break
    if not found:
        timed = not top and bool(route.get("mute_time_intervals") or route.get("active_time_intervals"))
        yield replace(own, timed=timed)


def matchers_of(route: Mapping[str, Any]) -> list[Matcher]:
    """The conditions of a route, in all three ways in which they are written.

    :raises NotUnderstood: one of them cannot be read.
    """
    found = [_matcher(str(name), "=", str(value)) for name, value in (route.get("match") or {}).items()]
    found += [_matcher(str(name), "=~", str(value)) for name, value in (route.get("match_re") or {}).items()]
    given = route.get("matchers") or []
    for text in [given] if isinstance(given, str) else given:
        found += parsed(str(text))
    return found


def parsed(text: str) -> list[Matcher]:
    """The matchers in a text such as ``severity="critical"`` or ``{a="b", c=~"d|e"}``.

    :raises NotUnderstood: it is none.
    """
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1].strip()
    found, at = [], 0
    while at < len(inner):
        one = _MATCHER.match(inner, at)
        if one is None or one.end() == at:
            raise NotUnderstood(f"the matcher {text!r} cannot be read")
        found.append(_matcher(_plain(one["name"]), one["how"], _plain(one["value"])))
        at = one.end()
    if not found:
        raise NotUnderstood(f"the matcher {text!r} is empty")
    return found


def _matcher(name: str, how: str, value: str) -> Matcher:
    if how in ("=", "!="):
        return Matcher(name, how, value, (lambda text: text == value) if how == "=" else (lambda text: text != value))
    if _GO_ONLY.search(value):
        raise NotUnderstood(f"the expression {value!r} is one that only Alertmanager understands")
    try:
        whole = re.compile(value, re.ASCII)
    except (re.error, OverflowError, RecursionError) as exc:
        raise NotUnderstood(f"the expression {value!r} cannot be read ({exc})") from exc
    if how == "=~":
        return Matcher(name, how, value, lambda text: whole.fullmatch(text) is not None)
    return Matcher(name, how, value, lambda text: whole.fullmatch(text) is None)


def _plain(text: str) -> str:
    if not text.startswith('"'):
        return text
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[0]), text[1:-1])


def _mappings(given: Any, path: str) -> Iterator[Mapping[str, Any]]:
    for one in given or []:
        if not isinstance(one, Mapping):
            raise NotUnderstood(f"below {path} stands what is no route")
        yield one


def integrations(receiver: Mapping[str, Any]) -> list[str]:
    """The kinds of notification that a receiver sends; one without any is where alerts go to be forgotten."""
    return sorted(
        key.removesuffix("_configs")
        for key, given in receiver.items()
        if key.endswith("_configs") and isinstance(given, list) and given
    )
