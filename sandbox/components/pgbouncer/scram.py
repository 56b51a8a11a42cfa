# The stored form of a SCRAM-SHA-256 password, as PostgreSQL and PgBouncer keep it (RFC 5803).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import hmac

ITERATIONS = 4096


def secret(word: str, salt: str, iterations: int = ITERATIONS) -> str:
    """What tells whether a password is right, and cannot be used to sign in.

    :param word: the password, in ASCII; others would have to be prepared first (RFC 4013).
    :param salt: in base64.
    """
    salted = hashlib.pbkdf2_hmac("sha256", word.encode("ascii"), base64.b64decode(salt), iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    keys = ":".join(base64.b64encode(key).decode() for key in (stored, server))
    return f"SCRAM-SHA-256${iterations}:{salt}${keys}"
