# Who may use the desktop: the application is asked about the caller's own token, where that is wanted.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hmac
import ssl
from http import HTTPStatus
from typing import Literal

import httpx

from bytebot_desktop.problems import Refused
from bytebot_desktop.settings import Settings

Permission = Literal["computer:control", "computer:view"]
TIMEOUT_S = 5.0


class Access:
    """Lets everybody pass where no address to ask is set, as the product's own desktop does."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url, self._service_token = settings.permission_url, settings.service_token
        verify = ssl.create_default_context(cafile=settings.permission_ca) if settings.permission_ca else True
        self._client = httpx.AsyncClient(transport=transport, verify=verify, timeout=TIMEOUT_S, trust_env=False)

    async def check(self, authorization: str, permission: Permission) -> None:
        """Return where the caller has the permission; else :class:`Refused`."""
        if not self._url:
            return
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(401, "a bearer token is needed")
        if self._service_token and hmac.compare_digest(token.encode(), self._service_token.encode()):
            return
        try:
            said = await self._client.post(
                self._url, json={"permission": permission}, headers={"Authorization": f"Bearer {token}"}
            )
            if said.status_code == HTTPStatus.UNAUTHORIZED:
                raise Refused(401, "the token is not valid")
            allowed = said.status_code == HTTPStatus.OK and said.json().get("hasPermission") is True
        except (httpx.HTTPError, ValueError, AttributeError):
            raise Refused(503, "permissions cannot be asked for now") from None
        if said.status_code not in {HTTPStatus.OK, HTTPStatus.FORBIDDEN}:
            raise Refused(503, "permissions cannot be asked for now")
        if not allowed:
            raise Refused(403, f"the permission {permission} is missing")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
