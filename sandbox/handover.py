# What a platform team would hand over: passwords, certificates; made once, mode 0600.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets

from sandbox.files import put
from sandbox.settings import Settings


def password(settings: Settings, name: str) -> str:
    """The password in the handed-over file of this name."""
    path = settings.handover / name
    if not path.exists():
        put(path, secrets.token_urlsafe(32))  # as many random bytes as the document asks for
    return path.read_text().strip()
