# Files of the desktop: bytes in, the same bytes out.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import binascii
import mimetypes
from pathlib import Path
from typing import Any

from bytebot_desktop.problems import Problem, Wrong


def place(path: str, desktop: Path) -> Path:
    """Absolute as it is, anything else on the desktop."""
    if "\0" in path:
        raise Wrong("path: the character U+0000 is not allowed")
    return desktop / path  # an absolute path stays itself


def write(path: Path, data: str) -> str:
    """Write bytes given as base64; the sentence that tells so."""
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Wrong("data: it is not base64") from None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as exc:
        raise Problem(f"{path} cannot be written: {exc.strerror}") from None
    return f"File written to {path}"


def read(path: Path) -> dict[str, Any]:
    """A file's bytes as base64, its name, size and type."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise Problem(f"{path} cannot be read: {exc.strerror}") from None
    return {
        "data": base64.b64encode(content).decode(),
        "name": path.name,
        "size": len(content),
        "mediaType": mimetypes.guess_type(path.name)[0] or "application/octet-stream",
    }
