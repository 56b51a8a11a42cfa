# Finds the source of each key in a module's options; a new kind of source is a new class, listed here.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.secret.base import Source
from ansible_collections.bytebot.production.plugins.module_utils.secret.derived import Dsn, Htpasswd
from ansible_collections.bytebot.production.plugins.module_utils.secret.given import Copy, Environment, File, Value
from ansible_collections.bytebot.production.plugins.module_utils.secret.made import Random
from ansible_collections.bytebot.production.plugins.module_utils.secret.options import options

SOURCES: dict[str, type[Value | File | Environment | Copy | Random | Htpasswd | Dsn]] = {
    source.word: source for source in (Value, File, Environment, Copy, Random, Htpasswd, Dsn)
}
_BESIDE: dict[str, frozenset[str]] = {  # options that stand next to a source
    File.word: frozenset({"strip_newline"}),
    Random.word: frozenset({"rotate"}),
}


def parse_source(key: str, given: Any) -> Source:
    """The source of one key, from its part of the option ``data``. No error repeats a value: it may be a secret."""
    words = ", ".join(SOURCES)
    if not isinstance(given, Mapping):
        raise InputError(f"data.{key} names no source; give one of {words}.")
    named = [word for word in SOURCES if word in given]
    if len(named) != 1:
        raise InputError(f"data.{key} names {' and '.join(named) or 'no source'}; give one of {words}.")
    word = named[0]
    options(f"data.{key}", given, {word} | _BESIDE.get(word, frozenset()))
    return SOURCES[word].parse(key, given)
