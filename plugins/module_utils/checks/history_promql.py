# Reads what can be read of an expression of PromQL without knowing all of it: its last comparison, and its metrics.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from dataclasses import dataclass

_OPEN, _CLOSE = "([{", ")]}"
_COMPARISONS = ("==", "!=", ">=", "<=", ">", "<")
_SETS = re.compile(r"\b(?:and|or|unless)\b", re.IGNORECASE)
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`")
_COMMENT = re.compile(r"#[^\n]*")
_KEPT = re.compile(r'"(\d+)"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\b\s*(?:\([^)]*\))?", re.IGNORECASE)
_METRIC = re.compile(r"(?<![\w:.])([A-Za-z_:][\w:]*)(?![\w:])(?!\s*\()")
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"})
_NAMED = re.compile(r"__name__\s*=\s*\"([^\"]+)\"")


@dataclass(frozen=True, slots=True)
class Read:
    """What is read of an expression.

    :param left: what is compared, where the whole is one comparison; empty else.
    :param sign: the comparison; :param bound: what it is compared with.
    :param metrics: names of the metrics in it; :param absent: whether it asks for what is not there.
    """

    left: str = ""
    sign: str = ""
    bound: str = ""
    metrics: tuple[str, ...] = ()
    absent: bool = False


def read(expression: str) -> Read:
    """Read an expression; what is not understood is left out."""
    strings: list[str] = []

    def keep(match: re.Match[str]) -> str:
        strings.append(match[0])
        return f'"{len(strings) - 1}"'

    def whole(text: str) -> str:
        return _KEPT.sub(lambda match: strings[int(match[1])], text).strip()

    plain = _COMMENT.sub(" ", _STRING.sub(keep, expression))
    absent = bool(re.search(r"\babsent(?:_over_time)?\s*\(", plain))
    metrics = _metrics(plain, whole(plain))
    found, sets = _outer(plain)
    if sets or len(found) != 1:
        return Read(metrics=metrics, absent=absent)
    place, sign = found[0]
    bound = re.sub(r"^\s*bool\b", "", plain[place + len(sign) :])
    return Read(whole(plain[:place]), sign, whole(bound), metrics, absent)


def _outer(plain: str) -> tuple[list[tuple[int, str]], bool]:
    """Comparisons outside of all brackets, and whether a set operator stands there."""
    depth, place = 0, 0
    found: list[tuple[int, str]] = []
    outside: list[str] = []
    while place < len(plain):
        letter = plain[place]
        sign = next((one for one in _COMPARISONS if plain.startswith(one, place)), "") if depth == 0 else ""
        if sign:
            found.append((place, sign))
            place += len(sign)
            continue
        depth += (letter in _OPEN) - (letter in _CLOSE)
        outside.append(letter if depth == 0 and letter not in _CLOSE else " ")
        place += 1
    return found, bool(_SETS.search("".join(outside)))


def _metrics(plain: str, whole: str) -> tuple[str, ...]:
    """Names that are no functions, labels, words of the language or lengths of time."""
    bare = _GROUPING.sub(" ", plain)
    for brackets in (r"\{[^}]*\}", r"\[[^\]]*\]", _KEPT.pattern, r"\boffset\s+-?\w+", r"(?<![\w:])\d[\w.]*"):
        bare = re.sub(brackets, " ", bare)
    found = [name for name in _METRIC.findall(bare) if name.lower() not in _WORDS]
    return tuple(dict.fromkeys([*_NAMED.findall(whole), *found]))
