# A short look at a running API from outside: health, sign-in, one task from making to removal.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 10


class Failed(Exception):
    """A step did not end as it must."""


def ask(base: str, method: str, path: str, expected: int, body: Any = None, token: str = "") -> Any:
    """One request; the parsed body, or :class:`Failed` where the status is another."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as exc:
        status, text = exc.code, exc.read()
    except (OSError, http.client.HTTPException) as exc:
        raise Failed(f"{method} {path}: {exc}") from None
    if status != expected:
        raise Failed(f"{method} {path}: {status}, {expected} is expected")
    print(f"ok  {method} {path} {status}", flush=True)
    try:
        return json.loads(text or b"null")
    except ValueError:
        raise Failed(f"{method} {path}: the answer is not JSON") from None


def smoke() -> int:
    """Every step; 0 where all of them end well."""
    base = os.environ.get("SMOKE_URL", "http://127.0.0.1:3000").rstrip("/")
    try:
        for name in ("live", "ready", "startup"):
            _healthy(name, ask(base, "GET", f"/health/{name}", 200))
        login = {"username": os.environ.get("SMOKE_USERNAME", ""), "password": os.environ.get("SMOKE_PASSWORD", "")}
        token = _of(ask(base, "POST", "/api/v1/auth/login", 200, login), "access_token")
        try:
            _task(base, token)
        finally:
            # A session that a failed step leaves open could be used until it ends by itself.
            ask(base, "POST", "/api/v1/auth/logout", 204, token=token)
        ask(base, "GET", "/api/v1/auth/permissions", 401, token=token)
    except Failed as exc:
        print(f"FAILED  {exc}", file=sys.stderr)
        return 1
    return 0


def _healthy(name: str, body: Any) -> None:
    if _of(body, "status") != "ok":
        raise Failed(f"/health/{name}: its status is not ok")


def _task(base: str, token: str) -> None:
    made = ask(base, "POST", "/api/v1/tasks", 201, {"description": "smoke"}, token)
    path = f"/api/v1/tasks/{_of(made, 'id')}"
    ask(base, "GET", path, 200, token=token)
    ask(base, "DELETE", path, 204, token=token)
    ask(base, "GET", path, 404, token=token)


def _of(body: Any, name: str) -> str:
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, str) or not value:
        raise Failed(f"the answer has no {name}")
    return value
