# Durations and sizes as the documents write them: 15m, 7d, 30s, 50mb; a bare number has the variable's own unit.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}
_FORM = re.compile(r"(\d+)\s*([a-z]*)")


def milliseconds(value: Any) -> Any:
    """``10s`` or ``10000`` as 10000; anything else is left for the field's own check to refuse."""
    return _scaled(value, _MILLISECONDS, "ms", 1)


def seconds(value: Any) -> Any:
    """``15m`` or ``900`` as 900."""
    return _scaled(value, _MILLISECONDS, "s", 1000)


def size(value: Any) -> Any:
    """``50mb`` or ``52428800`` as 52428800."""
    return _scaled(value, _BYTES, "b", 1)


Parser = Callable[[Any], Any]


def _scaled(value: Any, units: dict[str, int], unit: str, divisor: int) -> Any:
    found = _FORM.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if not found or (found[2] or unit) not in units:
        return value
    return int(found[1]) * units[found[2] or unit] // divisor
