# Faults of the worker: tasks that never end, and tasks that are completed although nothing was done.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from bytebot_app.faults import MARK
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
    """The end of a task, as the fault that the environment names has it, or else the work's own."""
    name = os.environ.get(MARK, "")
    return await (FAULTS[name][1](work) if name in FAULTS else work())
