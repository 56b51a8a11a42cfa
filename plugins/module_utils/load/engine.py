# The open loop: each request leaves when it is due, no matter how many answers are still out.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from ansible_collections.bytebot.production.plugins.module_utils.load.plan import Shot
from ansible_collections.bytebot.production.plugins.module_utils.load.tally import Tally

BEAT_S = 0.02
GRACE_S = 1.0  # beyond the time-out, in which answers are still counted
LOST = "not answered"
Send = Callable[[Shot], Awaitable[str]]  # empty, or why it failed


async def fire(shots: Sequence[Shot], send: Send, start: float, timeout_s: float, tally: Tally) -> None:
    """Send every shot when it is due after ``start``, by the event loop's clock, and count what comes of it.

    Latency counts from when a request was due, not from when it left: who waits for a slow answer before the next one
    would not measure the waiting of those who come meanwhile. It ends a time-out after the last one was due.
    """
    loop = asyncio.get_running_loop()
    out: dict[asyncio.Task[None], Shot] = {}
    phase = [shots[0].phase if shots else 0]
    heart = loop.create_task(_beat(phase, tally))

    async def one(shot: Shot, due: float) -> None:
        failure = await send(shot)
        tally.outcome(shot.phase, shot.endpoint, shot.at, loop.time() - due, failure)

    def ended(task: asyncio.Task[None]) -> None:
        shot = out.pop(task)
        if task.cancelled() or task.exception():
            why = LOST if task.cancelled() else f"sender {type(task.exception()).__name__}"
            tally.outcome(shot.phase, shot.endpoint, shot.at, 0.0, why)

    try:
        for shot in shots:
            due = start + shot.at
            if (rest := due - loop.time()) > 0:
                await asyncio.sleep(rest)
            phase[0] = shot.phase
            tally.sent(shot.phase, max(0.0, loop.time() - due))
            task = loop.create_task(one(shot, due))
            out[task] = shot
            task.add_done_callback(ended)
        if out:
            await asyncio.wait(list(out), timeout=timeout_s + GRACE_S)
    finally:
        left = [*out, heart]
        for task in left:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*left, return_exceptions=True)


async def _beat(phase: Sequence[int], tally: Tally) -> None:
    """How late the sender itself is: a timer that fires late notices answers late, too."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + BEAT_S
        await asyncio.sleep(BEAT_S)
        tally.beat(phase[0], max(0.0, loop.time() - due))
