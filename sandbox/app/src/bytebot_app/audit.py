# The audit lines of the contract's section 11: what was allowed or refused, and what bears on security.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from bytebot_app.logs import correlation_id, logger, user_id
from bytebot_app.sessions import LONGEST_AGENT, Client

username: ContextVar[str] = ContextVar("username", default="")
_scope: ContextVar[Scope | None] = ContextVar("scope", default=None)
_SENTENCES = {
    "AUTHENTICATION_SUCCESS": "signed in",
    "AUTHENTICATION_FAILURE": "sign-in failed",
    "ACCOUNT_LOCKED": "sign-in refused: too many failures before",
    "TOKEN_REUSE": "a used refresh token came back",
    "TOKEN_REJECTED": "a token was refused",
    "LOGOUT": "signed out",
    "PASSWORD_CHANGED": "password changed",
    "USER_CREATED": "user made",
    "USER_DELETED": "user removed",
    "ROLE_CREATED": "role made",
    "ROLE_DELETED": "role removed",
    "ROLES_CHANGED": "roles of a user changed",
}


class Seen:
    """Keeps the request at hand for the lines."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            _scope.set(scope)
            username.set("")
        await self._app(scope, receive, send)


def client() -> Client:
    """From where the present request comes."""
    scope = _scope.get()
    if scope is None:
        return Client()
    agent = Headers(scope=scope).get("user-agent", "").replace("\0", "")[:LONGEST_AGENT]
    return Client((scope.get("client") or (None,))[0], agent or None)


def path() -> str:
    """The present request's path."""
    return str((_scope.get() or {}).get("path", ""))


def method() -> str:
    """The present request's method."""
    return str((_scope.get() or {}).get("method", ""))


def authorization(permission: str, reason: str, granted: bool) -> None:
    """One decision."""
    scope, here = _scope.get() or {}, client()
    write = logger().info if granted else logger().warning
    write(
        "authorization",
        username=username.get() or None,
        resource=_endpoint(scope),
        action=method() or None,
        permission=permission,
        result="granted" if granted else "denied",
        reason=reason,
        ipAddress=here.address,
        userAgent=here.agent,
        requestId=correlation_id.get(),
    )


def security(event: str, success: bool, subject: str | None = None, **metadata: Any) -> None:
    """One event, whose id and risk security.py adds; metadata never holds what somebody typed."""
    scope, here = _scope.get() or {}, client()
    write = logger().info if success else logger().warning
    write(
        _SENTENCES[event],
        eventType=event,
        userId=subject or user_id.get(),
        ipAddress=here.address,
        userAgent=here.agent,
        endpoint=_endpoint(scope),
        method=method() or None,
        success=success,
        metadata=metadata,
    )


def _endpoint(scope: Scope) -> str | None:
    # The route's form and not the path: what a client puts in the place of an id is not for the log.
    found = getattr(scope.get("route"), "path", None)
    return str(found) if found else None
