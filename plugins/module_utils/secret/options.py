# Reads the parts of a source's options; no error repeats a value, for it may be a secret.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError

LARGEST = 4096  # bytes or characters of one random value; a Secret holds 1 MiB in all


def options(where: str, given: Any, known: Set[str], needed: Set[str] = frozenset()) -> Mapping[str, Any]:
    """The options that ``where`` holds, all of them known and none missing."""
    if not isinstance(given, Mapping):
        raise InputError(f"{where} does not hold options ({', '.join(sorted(known))}).")
    unknown = sorted(str(option) for option in given if option not in known)
    if unknown:
        raise InputError(f"{where} has no option {', '.join(unknown)}; it takes {', '.join(sorted(known))}.")
    missing = sorted(needed - set(given))
    if missing:
        raise InputError(f"{where} lacks {' and '.join(missing)}.")
    return given


def text(where: str, value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise InputError(f"{where} is not a text, or it is empty.")
    return value


def number(where: str, value: Any, least: int, largest: int = LARGEST) -> int:
    """A whole number within bounds."""
    if isinstance(value, str) and value.isdigit():  # a templated number may come as text
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= largest:
        raise InputError(f"{where} is not a number from {least} to {largest}.")
    return value
