# The desktop over HTTP; every operation is counted with its end.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Protocol

import httpx

from bytebot_app.metrics import Metrics
from bytebot_app.settings import Settings

TIMEOUT_S = 180.0  # reading a screen, or waiting as long as a wait may be, takes its time
CONNECT_S = 5.0
OPERATIONS = frozenset({
    "move_mouse", "trace_mouse", "click_mouse", "press_mouse", "drag_mouse", "scroll", "type_keys", "press_keys",
    "type_text", "paste_text", "wait", "screenshot", "cursor_position", "application", "write_file", "read_file", "ocr",
    "find_text", "enhanced_screenshot",
})  # fmt: skip
VIEWS = frozenset({"screenshot", "cursor_position", "ocr", "find_text", "enhanced_screenshot"})
Body = dict[str, Any]


class ComputerFailed(Exception):
    """An operation that the desktop did not perform, with the desktop's own words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Unreachable(ComputerFailed):
    """No desktop answers."""

    def __init__(self, text: str) -> None:
        super().__init__(503, text)


class Computer(Protocol):
    """What performs operations."""

    async def act(self, action: str, **fields: Any) -> Body: ...


class HttpComputer:
    """The desktop's endpoint."""

    def __init__(self, settings: Settings, metrics: Metrics, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._metrics, self._there = metrics, bool(settings.bytebot_desktop_base_url)
        token = settings.desktop_service_token.get_secret_value()
        self._client = httpx.AsyncClient(
            base_url=settings.bytebot_desktop_base_url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_S),
            transport=transport,
            trust_env=False,
        )

    async def act(self, action: str, **fields: Any) -> Body:
        """The answer's body, or :class:`ComputerFailed`."""
        kind = action if action in OPERATIONS else "other"
        try:
            body = await self._ask({"action": action, **fields})
        except ComputerFailed:
            self._metrics.computer_operations.labels(kind, "failure").inc()
            raise
        self._metrics.computer_operations.labels(kind, "success").inc()
        return body

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, request: Body) -> Body:
        if not self._there:
            raise Unreachable("no desktop is configured")
        try:
            answer = await self._client.post("/computer-use", json=request)
            body = answer.json()
        except httpx.HTTPError as exc:
            raise Unreachable(f"the desktop does not answer: {type(exc).__name__}") from None
        except ValueError:
            raise Unreachable("the desktop's answer is not JSON") from None
        if not isinstance(body, dict) or not answer.is_success or body.get("success") is not True:
            said = body.get("error") if isinstance(body, dict) else None
            raise ComputerFailed(answer.status_code, str(said or f"status {answer.status_code}"))
        return body
