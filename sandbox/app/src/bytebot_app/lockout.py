# Locks a name after some failed sign-ins, on all replicas; a name that nobody has is treated alike.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from bytebot_app import audit
from bytebot_app.auth_settings import AuthSettings
from bytebot_app.errors import ApiError
from bytebot_app.sessions import Sessions

_UNITS = ((3600, "hour"), (60, "minute"), (1, "second"))


class Lockout:
    """Counts failures by name. The count is read before the password is compared, and once more where it was right:
    of many guesses at the same time, one that comes after the lock wins nothing."""

    def __init__(self, store: Sessions, settings: AuthSettings) -> None:
        self._store = store
        self._limit, self._seconds = settings.auth_lockout_threshold, settings.auth_lockout_duration

    async def refuse_locked(self, name: str) -> None:
        """Raise where the name is locked."""
        if self._limit and await self._store.failures(name, self._seconds) >= self._limit:
            raise self._locked()

    async def failure(self, name: str) -> ApiError:
        """Count a failure; what the caller is told."""
        left = None
        if self._limit:
            left = self._limit - await self._store.failed(name, self._limit, self._seconds)
            if left < 0:  # others have failed meanwhile
                return self._locked()
        audit.security("AUTHENTICATION_FAILURE", success=False, attemptsRemaining=left)
        details = None if left is None else self._details(left)
        return ApiError(401, "INVALID_CREDENTIALS", "The user name or the password is wrong", details)

    async def success(self, name: str) -> None:
        """Forget the failures before."""
        await self.refuse_locked(name)
        await self._store.forgive(name)

    def _locked(self) -> ApiError:
        audit.security("ACCOUNT_LOCKED", success=False)
        return ApiError(401, "ACCOUNT_LOCKED", "Too many sign-ins have failed; try again later", self._details(0))

    def _details(self, left: int) -> dict[str, object]:
        return {"attempts_remaining": left, "lockout_duration": words(self._seconds)}


def words(seconds: int) -> str:
    """``15 minutes``."""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds // size} {unit}{'' if seconds == size else 's'}"
