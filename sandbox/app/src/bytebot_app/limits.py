# Limits on requests, counted in Redis for all replicas together.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import psycopg
from redis.exceptions import RedisError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bytebot_app.addresses import address_of, limited_as
from bytebot_app.breaker import Breaker, Open
from bytebot_app.errors import ApiError, plain
from bytebot_app.http_settings import HttpSettings
from bytebot_app.logs import logger
from bytebot_app.metrics import Metrics
from bytebot_app.middleware import Name
from bytebot_app.revocations import Revocations
from bytebot_app.tokens import Tokens

LOGIN, REFRESH, TASKS = "/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/tasks"
_MOST_KEPT = 10_000
_UNAVAILABLE = (RedisError, TimeoutError, Open)
Identify = Callable[[str], Awaitable[str | None]]


class Windows(Protocol):
    """Counts that all replicas share."""

    async def count(self, windows: Mapping[str, int]) -> list[tuple[int, int]]: ...


@dataclass(frozen=True)
class Limit:
    """So many requests in so many milliseconds."""

    name: str
    most: int
    window: int
    needed: bool = False  # where it cannot be counted, nothing passes


@dataclass(frozen=True)
class Count:
    """Where a request stands in one limit."""

    limit: Limit
    number: int
    rest_ms: int

    @property
    def remaining(self) -> int:
        return max(0, self.limit.most - self.number)

    @property
    def exceeded(self) -> bool:
        return self.number > self.limit.most

    @property
    def wait(self) -> int:
        """Whole seconds until the window is over for certain."""
        return max(1, -(-self.rest_ms // 1000))

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit.most),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(int(time.time()) + self.wait),
        }


class Identity:
    """Who a limit counts; the routes themselves decide later whether the token is good enough for them."""

    def __init__(self, tokens: Tokens, revocations: Revocations, order: str) -> None:
        self._tokens, self._revocations, self._revoked_too = tokens, revocations, order == "before_auth"

    async def __call__(self, token: str) -> str | None:
        """The user of a token that this application has signed; after authentication, of one that still counts."""
        try:
            claims = self._tokens.read("access", token)
        except ApiError:
            return None
        try:
            ended = not self._revoked_too and await self._revocations.ended(claims)
        except psycopg.OperationalError:  # neither Redis nor the database answers: the route itself will say so
            ended = True
        return None if ended else str(claims["sub"])


class Limited:
    """Counts each request in all limits that it falls under, and refuses what is over any of them."""

    def __init__(
        self,
        app: ASGIApp,
        settings: HttpSettings,
        windows: Windows,
        breaker: Breaker,
        identify: Identify,
        metrics: Metrics,
        name: Name,
    ) -> None:
        self._app, self._windows, self._breaker, self._name = app, windows, breaker, name
        self._identify, self._metrics = identify, metrics
        self._exempt = settings.exempt_paths
        self._before_auth = settings.rate_limit_order == "before_auth"
        self._api = Limit("api", settings.api_rate_limit_max_requests, settings.api_rate_limit_window)
        self._tasks = Limit("tasks", settings.task_rate_limit_max_requests, settings.task_rate_limit_window)
        self._login = Limit("login", settings.auth_rate_limit_max_requests, settings.auth_rate_limit_window, True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limits = await self._limits(scope) if scope["type"] in {"http", "websocket"} else {}
        if not limits:
            await self._app(scope, receive, send)
            return
        try:
            counts = await self._count(limits)
        except _UNAVAILABLE as exc:
            needed = any(limit.needed for limit in limits.values())
            logger().warning("requests cannot be counted", error=type(exc).__name__, refused=needed)
            if needed:
                await plain(503, {"Retry-After": "5"})(scope, receive, send)
            else:
                await self._app(scope, receive, send)
            return
        tightest = min(counts, key=lambda count: (not count.exceeded, count.remaining))
        if tightest.exceeded:
            endpoint = self._name(scope)
            self._metrics.limited.labels(endpoint).inc()
            logger().warning(
                "too many requests", eventType="RATE_LIMIT_EXCEEDED", success=False, limit=tightest.limit.name
            )
            await plain(429, {**tightest.headers(), "Retry-After": str(tightest.wait)})(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start", "websocket.accept"}:
                message.setdefault("headers", [])
                MutableHeaders(scope=message).update(tightest.headers())
            await send(message)

        await self._app(scope, receive, told)

    async def _count(self, limits: Mapping[str, Limit]) -> list[Count]:
        lengths = {key: limit.window for key, limit in limits.items()}
        said = await self._breaker.ask(lambda: self._windows.count(lengths))
        return [Count(limit, *one) for limit, one in zip(limits.values(), said, strict=True)]

    async def _limits(self, scope: Scope) -> dict[str, Limit]:
        """The limits of a request, each with the key that it is counted under."""
        path, method = scope["path"], scope.get("method", "GET")
        if any(path == exempt or path.startswith(exempt.rstrip("/") + "/") for exempt in self._exempt):
            return {}
        address = f"ip:{limited_as(address_of(scope))}"
        if (method, path) == ("POST", LOGIN):
            return {f"login:{address}": self._login}
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        user = await self._identify(token.strip()) if scheme.lower() == "bearer" else None
        if user is None and not self._before_auth and path != REFRESH:
            return {}
        who = f"user:{user}" if user else address
        limits = {f"api:{who}": self._api}
        if (method, path) == ("POST", TASKS):
            limits[f"tasks:{who}"] = self._tasks
        return limits


class LocalWindows:
    """Counts of this process alone, for tests and for one replica without Redis."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[int, float]] = {}

    async def count(self, windows: Mapping[str, int]) -> list[tuple[int, int]]:
        """As Redis does it."""
        return [self._one(name, length / 1000) for name, length in windows.items()]

    def _one(self, name: str, length: float) -> tuple[int, int]:
        now = self._clock()
        if len(self._kept) >= _MOST_KEPT:
            self._kept = {key: one for key, one in self._kept.items() if one[1] > now}
        number, ends = self._kept.get(name, (0, 0.0))
        if now >= ends:
            number, ends = 0, now + length
        self._kept[name] = number + 1, ends
        return number + 1, int((ends - now) * 1000)
