# The texts that are tried for injection. None changes or deletes anything; what they leave is a mark in an answer.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
from collections.abc import Iterator

from ansible_collections.bytebot.production.plugins.module_utils.checks.injection import Marks

MARK = "bbprobe"  # is in every text that may be stored, so that what is left of an earlier run is found
PAUSES = (0.0, 1.5, 3.0)  # seconds, the first for comparison
SLEPT_ENOUGH = 3  # inputs that wait, after which the cause is certain: each more takes as long as all its pauses
_CLIMB = "../" * 9 + "etc/passwd"
# Texts that let a database or a shell wait, by what is to blame: PostgreSQL, MySQL, and a shell's two ways.
SLEEPERS = (
    ("sql", "{word}'||(SELECT pg_sleep({seconds:g}))||'"),
    ("sql", "{word}' OR SLEEP({seconds:g}) -- "),
    ("command", "{word};sleep {seconds:g};"),
    ("command", "{word}$(sleep {seconds:g})"),
)


def marks() -> Marks:
    """Marks that nobody can have foreseen; the factors make a product that is long enough to be no accident."""
    one, other = (100_003 + secrets.randbelow(800_000) for _number in range(2))
    return Marks(f"{MARK}{secrets.token_hex(5)}", (one, other), (secrets.token_hex(4), secrets.token_hex(4)))


def texts(made: Marks, *, stored: bool) -> Iterator[str]:
    """The texts whose marks an answer shows at once (OWASP Web Security Testing Guide 4.2, 4.7).

    :param stored: whether they may be kept; a text without the mark is left out then, since nobody would find it again.
    """
    word, (one, other), (left, right) = made.word, made.factors, made.halves
    yield f"{word}'"
    yield f'{word}"'
    yield f"{word}' UNION SELECT '{left}'||'{right}' -- "
    yield f'{word}"><svg id={word}>'
    yield f"{word}{{{{{one}*{other}}}}}${{{one}*{other}}}<%= {one}*{other} %>#{{{one}*{other}}}"
    yield f"{word};echo $(({one}*{other}))`echo $(({one}*{other}))`"
    yield f"{word}\r\n{made.header}: {word}"
    yield f"{word}/{_CLIMB}"
    if not stored:
        yield _CLIMB


def conditions(word: str) -> tuple[str, str]:
    """A text that is true in a statement, and one that is false."""
    return f"{word}' OR '7'='7", f"{word}' AND '7'='8"
