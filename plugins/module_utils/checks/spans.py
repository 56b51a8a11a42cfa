# Lengths of time as Prometheus writes them, and versions as numbers.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError

# Prometheus documentation, "Configuration", <duration>; a year has 365 days there.
_UNITS = {"y": 31_536_000.0, "w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SPAN = re.compile(r"(?:\d+y)?(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?(?:\d+ms)?")
_PART = re.compile(r"(\d+)(ms|[ywdhms])")
_VERSION = re.compile(r"\D*(\d+(?:\.\d+)*)")


def seconds(text: str) -> float | None:
    """The seconds of a length of time such as ``15d`` or ``1h30m``; None where it is none."""
    text = text.strip()
    if not text or not _SPAN.fullmatch(text):
        return None
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def span(name: str, text: str) -> float:
    """The seconds of an option.

    :raises InputError: it is no length of time, or none at all.
    """
    found = seconds(text)
    if not found:
        raise InputError(f"{name}: {text!r} is no length of time; 15d, 36h and 1h30m are.")
    return found


def words(span_s: float) -> str:
    """Seconds for a person, in the largest unit that fits."""
    for unit in ("d", "h", "m"):
        if span_s >= 2 * _UNITS[unit]:
            return f"{span_s / _UNITS[unit]:.3g}{unit}"
    return f"{span_s:.3g}s"


def version(text: str) -> tuple[int, ...]:
    """The numbers of a version (``v2.53.1+ds`` is 2, 53, 1); none where there is none."""
    found = _VERSION.match(text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def wanted_version(name: str, text: str) -> tuple[int, ...]:
    """The numbers of an option.

    :raises InputError: it is no version.
    """
    if not re.fullmatch(r"\d+(\.\d+){0,2}", text):
        raise InputError(f"{name}: {text!r} is no version; 2.53 is one.")
    return version(text)
