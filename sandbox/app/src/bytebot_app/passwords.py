# Passwords: hashed with bcrypt, compared in constant time, and new ones held to the policy.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import bcrypt

LONGEST = 72  # bytes: bcrypt looks at no more, and refuses more in its newer versions
SHORTEST_NAME = 4  # a shorter one may stand in a password by chance
OWN_LETTERS = 4  # so many beside a common word make it another password
_COMMON = re.compile(
    "password|passwort|passphrase|qwerty|qwertz|letmein|welcome|iloveyou|abcdef|administrator|admin|trustno|changeme"
    "|default|secret|bytebot"
)
_SEPARATOR = re.compile(r"[\W_]+")
_LEET = str.maketrans({"@": "a", "4": "a", "3": "e", "1": "i", "!": "i", "0": "o", "$": "s", "5": "s", "7": "t"})


def hashed(password: str, rounds: int) -> str:
    """The password's bcrypt hash."""
    return bcrypt.hashpw(password.encode()[:LONGEST], bcrypt.gensalt(rounds)).decode()


def matches(password: str, known: str) -> bool:
    """Whether the password has this hash."""
    return bcrypt.checkpw(password.encode()[:LONGEST], known.encode())


def used_before(password: str, known: list[str]) -> bool:
    """Whether the password has one of these hashes."""
    return any(matches(password, one) for one in known)


def weaknesses(password: str, username: str, shortest: int) -> list[str]:
    """Where a new password breaks the policy; none of the sentences has a part of it."""
    wanted = {
        f"it has fewer than {shortest} characters": len(password) >= shortest,
        f"it has more than {LONGEST} bytes": len(password.encode()) <= LONGEST,
        "it has no upper case letter": any(one.isupper() for one in password),
        "it has no lower case letter": any(one.islower() for one in password),
        "it has no digit": any(one.isdigit() for one in password),
        "it has no special character": any(not one.isalnum() and not one.isspace() for one in password),
        "it is a common password": not _is_common(password),
        "it has the user name in it": not _has_name(password, username),
    }
    return [sentence for sentence, kept in wanted.items() if not kept]


def _is_common(password: str) -> bool:
    plain = password.lower()
    for form in (plain, plain.translate(_LEET)):
        left, found = _COMMON.subn("", form)
        if found and sum(one.isalpha() for one in left) < OWN_LETTERS:
            return True
    return False


def _has_name(password: str, username: str) -> bool:
    name = _SEPARATOR.sub("", username.partition("@")[0].lower())
    return len(name) >= SHORTEST_NAME and name in _SEPARATOR.sub("", password.lower())
