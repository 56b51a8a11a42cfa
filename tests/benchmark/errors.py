# What ends a benchmark: something that has to work does not.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class Broken(Exception):
    """The benchmark cannot go on; the text says what failed and what to do."""
