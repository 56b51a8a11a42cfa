# Visits the application as a user does: signs in, has a task done, looks at the screen, and takes its traces away.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

from ansible_collections.bytebot.production.plugins.module_utils.checks.smoke import SmokeFacts
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.observe_computer import Scope, Use, missing_of
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor


def observe(http: Http, scope: Scope, redactor: Redactor) -> SmokeFacts:
    """One visit; nothing where something is missing."""
    missing = missing_of(scope)
    if scope.unasked or missing or scope.size is None or scope.door is None:
        return SmokeFacts(http.base_url, scope.unasked, missing)
    began = time.monotonic()
    account = next((one for one in scope.accounts if one.role == scope.main), scope.accounts[0])
    who = scope.door.sign_in(account, redactor)
    if who.problem:
        return SmokeFacts(http.base_url, user=account.role, refused=who.problem, wanted=scope.size)
    use = Use(http, scope, who.headers)
    try:
        shot, drawn, unstarted = use.look()
        task = use.work()
    finally:
        use.sweep()
    took = time.monotonic() - began
    return SmokeFacts(http.base_url, "", None, account.role, "", task, scope.size, shot, drawn, unstarted, took)
