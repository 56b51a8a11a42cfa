# The texts that are tried for injection. None changes or deletes anything; what they leave is a mark in an answer.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
from collections.abc import Iterator

from ansible_collections.bytebot.production.plugins.module_utils.checks.injection import Marks

MARK = "bbprobe"  # begins every text, so that what is left of an earlier run is found
PAUSES = (0.0, 1.5, 3.0)  # seconds, the first for comparison


def marks() -> Marks:
    """Marks that nobody can have foreseen; the product is of two primes' neighbours, long enough to be no accident."""
    one, other = 100_003 + secrets.randbelow(800_000), 100_003 + secrets.randbelow(800_000)
    left, right = secrets.token_hex(4), secrets.token_hex(4)
    made = Marks(f"{MARK}{secrets.token_hex(5)}", str(one * other), left + right)
    _FACTORS[made.word] = (one, other, left, right)
    return made


_FACTORS: dict[str, tuple[int, int, str, str]] = {}


def texts(made: Marks) -> Iterator[str]:
    """The texts whose marks an answer shows at once (OWASP Web Security Testing Guide 4.2, 4.7)."""
    one, other, left, right = _FACTORS[made.word]
    word = made.word
    yield f"{word}'"
    yield f'{word}"'
    yield f"{word}' UNION SELECT '{left}'||'{right}' -- "
    yield f'{word}"><svg id={word}>'
    yield f"{word}{{{{{one}*{other}}}}}${{{one}*{other}}}<%= {one}*{other} %>#{{{one}*{other}}}"
    yield f"{word};echo $(({one}*{other}))`echo $(({one}*{other}))`"
    yield f"{word}\r\n{made.header}: {word}"
    yield "../../../../../../../../etc/passwd"


def conditions(word: str) -> tuple[str, str]:
    """A text that is true in a statement, and one that is false."""
    return f"{word}' OR '7'='7", f"{word}' AND '7'='8"


def sleepers(word: str, seconds: float) -> Iterator[str]:
    """Texts that let a database or a shell wait: PostgreSQL, MySQL, and a shell's two ways."""
    yield f"{word}'||(SELECT pg_sleep({seconds:g}))||'"
    yield f"{word}' OR SLEEP({seconds:g}) -- "
    yield f"{word};sleep {seconds:g};"
    yield f"$(sleep {seconds:g})"
