# What has been revoked while Redis does not answer: the database knows, and Redis is left alone for a while.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bytebot_app import revocations
from bytebot_app.breaker import Breaker
from bytebot_app.http_settings import HttpSettings
from bytebot_app.revocations import Revocations
from bytebot_app.sessions import Client, Lease

from .memory import Clock, MemoryMarks, MemoryStore

SETTINGS = HttpSettings(circuit_breaker_failure_threshold=2, circuit_breaker_reset_timeout=30000)
LIVES, GONE = ({"jti": name, "sessionId": name, "sub": "u"} for name in ("lives", "gone"))


class Silent(MemoryMarks):
    """Marks that count who asks, and may be silent."""

    asked, silent = 0, False

    async def marked(self, *keys: str) -> bool:
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        return await super().marked(*keys)


def test_a_redis_that_is_silent_is_waited_for_no_more_than_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "PATIENCE_S", 0.01)
    marks, store, clock = Silent(), MemoryStore(), Clock()
    kept = Revocations(marks, store, 900, Breaker(SETTINGS, clock))

    async def live() -> None:
        for session in ("lives", "gone"):
            ends = datetime.now(UTC) + timedelta(hours=1)
            await store.add_session(session, "u", Lease(session, ends, Client()))
        await kept.end("gone")
        assert (await kept.ended(LIVES), await kept.ended(GONE), marks.asked) == (False, True, 2)
        marks.silent = True
        for _ in range(3):
            assert (await kept.ended(LIVES), await kept.ended(GONE)) == (False, True)
        assert marks.asked == 4
        clock.now += 30
        marks.silent = False
        assert (await kept.ended(LIVES), await kept.ended(GONE), marks.asked) == (False, True, 6)

    asyncio.run(live())
