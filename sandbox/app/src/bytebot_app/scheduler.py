# The scheduler: puts scheduled tasks into the queue when their time has come. Several of them do no harm.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import contextlib

from bytebot_app.logs import logger
from bytebot_app.queue import Jobs
from bytebot_app.work_store import Work
from bytebot_app.worker import OUTAGES, Beat

PERIOD_S = 1.0


class Scheduler:
    """Asks the database every second."""

    def __init__(self, work: Work, jobs: Jobs) -> None:
        self._work, self._jobs = work, jobs
        self.beat = Beat()
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        """Until it is asked to stop; an outage is waited for."""
        while not self.stopping.is_set():
            try:
                await self.turn()
                self.beat.mark()
            except OUTAGES as exc:
                logger().warning("the scheduler cannot go on", error=type(exc).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PERIOD_S):
                    await self.stopping.wait()

    async def turn(self) -> int:
        """Queue all that is due; how many these were."""
        due = await self._work.due()
        for task in due:
            await self._jobs.put(task["id"], task["priority"])
            await self._work.queued(task["id"])
            logger().info("scheduled task queued", taskId=task["id"], taskType=task["type"])
        return len(due)
