# Paths as an inventory writes them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path


def own(path: str) -> Path:
    """A path with ``~`` for the home folder; for options that may hold something else than a path, too."""
    return Path(path).expanduser()
