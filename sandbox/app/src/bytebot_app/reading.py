# The task with an id, for who may read it; for those who do not ask by HTTP.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bytebot_app.auth import Caller, needs
from bytebot_app.store import Row, Store
from bytebot_app.tasks import _own


def reader(store: Store) -> Callable[[Caller, str], Awaitable[Row]]:
    """The same rule as that of the route which shows a task."""

    async def read(caller: Caller, task_id: str) -> Row:
        needs(caller, "task:read")
        return await _own(store, caller, task_id, "task:read")

    return read
