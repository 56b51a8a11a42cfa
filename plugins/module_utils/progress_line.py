# What those who tell progress and those who show it share: where the lines stand, and what a line is.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

# The file's path comes in the environment, not as an option: an option is public (documented, repeated in `invocation`,
# reachable by module_defaults), and a path is no secret. Only the action plugin in plugin_utils/live.py sets it.
VARIABLE = "BYTEBOT_PROGRESS"
LONGEST = 600  # characters of a line


def one_line(text: str, longest: int = LONGEST) -> str:
    """The text in one line that a terminal only prints: no control characters, and not endless."""
    line = "".join(char for char in " ".join(text.split()) if char.isprintable())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
