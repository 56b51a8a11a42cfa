# Faults of the worker: tasks that never end, and tasks that are completed although nothing was done.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bytebot_app.faults import marked
from bytebot_app.runner import MODEL, End

FOR_EVER_S = 86_400.0
Work = Callable[[], Awaitable[End]]


async def _stuck(_work: Work) -> End:
    await asyncio.sleep(FOR_EVER_S)
    return End("FAILED", error="it was stuck for a day")


async def _idle(_work: Work) -> End:
    return End("COMPLETED", {"runner": MODEL, "steps": []})


FAULTS: dict[str, tuple[str, Callable[[Work], Awaitable[End]]]] = {
    "task_stuck": ("tasks are begun and never end", _stuck),
    "task_completed_without_effect": ("tasks are completed although nothing was done", _idle),
}


async def worked(work: Work) -> End:
    """The end of a task, as the first fault of these that the environment names has it, or else the work's own."""
    named = next((name for name in marked() if name in FAULTS), "")
    return await (FAULTS[named][1](work) if named else work())
