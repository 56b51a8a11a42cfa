# Judges an application's sign-in and rights, and shows where it waits: a lock-out has to end, a limit to pass.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.plugin_utils.live import LiveAction


class ActionModule(LiveAction):
    """Runs the module of the same name, which has the documentation, and shows its progress."""
