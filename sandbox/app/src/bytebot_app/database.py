# PostgreSQL: one pool, short time-outs, TLS always verified as configured.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from bytebot_app.settings import Settings

UNHEARD_MS = 5000  # a peer that acknowledges nothing for so long is gone; the kernel's own answer takes 15 minutes


def conninfo(settings: Settings) -> str:
    """The connection's parameters; the password is in it, so it is never logged."""
    common: dict[str, str | int | None] = {
        "connect_timeout": max(2, settings.database_connection_timeout // 1000),
        "application_name": settings.pod_name,
        "tcp_user_timeout": UNHEARD_MS,
        # The tables' times have no zone: they are UTC whatever the server's own zone is.
        "options": "-c timezone=UTC",
    }
    if settings.database_ssl_root_cert:
        common["sslrootcert"] = settings.database_ssl_root_cert
    if url := settings.database_url.get_secret_value():
        return make_conninfo(url, **common)
    if settings.database_ssl_mode == "verify-full":
        common = {"sslrootcert": "system", **common}
    return make_conninfo(
        "",
        host=settings.database_host,
        port=settings.database_port,
        dbname=settings.database_name,
        user=settings.database_user,
        password=settings.database_password.get_secret_value(),
        sslmode=settings.database_ssl_mode,
        **common,
    )


class Database:
    """The pool, and the two ways to ask it."""

    def __init__(self, settings: Settings) -> None:
        self.size = settings.database_max_connections
        self._timeout = settings.database_connection_timeout / 1000
        self._opened: WeakSet[AsyncConnection[Any]] = WeakSet()
        self._pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            conninfo(settings),
            min_size=1,
            max_size=self.size,
            timeout=self._timeout,
            max_idle=settings.database_idle_timeout / 1000,
            max_lifetime=settings.database_max_lifetime / 1000,
            # A short limit: the pool tries again at once when it is asked, and a healed database is met soon.
            reconnect_timeout=self._timeout,
            kwargs={"row_factory": dict_row, "autocommit": True},
            configure=self._remember,
            # Without it, the first requests after a database restart would meet the dead connections.
            check=AsyncConnectionPool.check_connection,
            open=False,
        )

    async def open(self) -> None:
        """Start the pool without waiting: a database that is down must not keep the process from living."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Give all connections back."""
        await self._pool.close()

    @property
    def active(self) -> int:
        """Connections that are open now; the pool's own count has those in it that are only hoped for."""
        return sum(not connection.closed for connection in list(self._opened))

    async def rows(self, query: str, *parameters: Any, timeout: float | None = None) -> list[dict[str, Any]]:
        """All rows that a statement returns."""
        async with self._pool.connection(timeout=timeout or self._timeout) as connection:
            cursor = await connection.execute(query.encode(), parameters)
            return list(await cursor.fetchall()) if cursor.description else []

    async def row(self, query: str, *parameters: Any) -> dict[str, Any] | None:
        """The first row, or None."""
        found = await self.rows(query, *parameters)
        return found[0] if found else None

    async def _remember(self, connection: AsyncConnection[Any]) -> None:
        self._opened.add(connection)
