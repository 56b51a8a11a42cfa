# Passwords: hashed with bcrypt, compared in constant time.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import bcrypt

_READ = 72  # bcrypt looks at no more, and refuses more in its newer versions


def hashed(password: str, rounds: int) -> str:
    """The password's bcrypt hash."""
    return bcrypt.hashpw(password.encode()[:_READ], bcrypt.gensalt(rounds)).decode()


def matches(password: str, known: str) -> bool:
    """Whether the password has this hash."""
    return bcrypt.checkpw(password.encode()[:_READ], known.encode())
