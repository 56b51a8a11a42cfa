# A steady, light load by the public address: reads every second, sign-ins, and tasks that drive the desktop.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import threading
import time
import uuid
from typing import Any

from sandbox.cluster import Cluster
from sandbox.errors import SandboxError
from sandbox.settings import Settings
from tests.soak.judging import Load

READ_S, TASK_S, TOKEN_S, TASK_WITHIN_S, ANSWER_S = 1.0, 30.0, 120.0, 120.0, 30.0
READS = ("/health/live", "/health/ready", "/api/v1/tasks", "/metrics", "/api/v1/auth/permissions")
ADMIN = "bytebot-bootstrap-admin"
SOAK = "soak"


class Public:
    """The application by its public name, as from outside; the name is resolved to the node's address."""

    def __init__(self, settings: Settings) -> None:
        self._address = settings.node_address
        self._host = f"api.{settings.domain}"
        self._context = ssl.create_default_context(cafile=str(settings.handover / "ingress-ca.crt"))

    def call(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        """Status and what the JSON answer holds (text where it is none)."""
        plain = socket.create_connection((self._address, 443), timeout=ANSWER_S)
        with self._context.wrap_socket(plain, server_hostname=self._host) as secure:
            connection = http.client.HTTPConnection(self._host, timeout=ANSWER_S)
            connection.sock = secure
            headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        try:
            return answer.status, json.loads(text or "null")
        except ValueError:
            return answer.status, text


class Steady:
    """Asks until it is stopped, and keeps count."""

    def __init__(self, settings: Settings, cluster: Cluster) -> None:
        self.load = Load()
        self._public = Public(settings)
        self._account = _account(settings, cluster)
        self._stop = threading.Event()
        self._token = ""
        self._token_until = 0.0
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._reads, self._tasks)]
        self._sign_in()

    def __enter__(self) -> Steady:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(TASK_WITHIN_S + ANSWER_S)

    def _reads(self) -> None:
        number = 0
        while not self._stop.wait(READ_S):
            path = READS[number % len(READS)]
            number += 1
            if time.monotonic() > self._token_until:
                self._sign_in()
            self._asked("GET", path, 200, kind=f"GET {path}")

    def _tasks(self) -> None:
        while not self._stop.wait(TASK_S):
            began = time.monotonic()
            nonce = uuid.uuid4().hex
            what = f'write file "soak.txt" with "{nonce}"; take a screenshot; read file "soak.txt"'
            made = self._asked("POST", "/api/v1/tasks", 201, {"description": what}, kind="task created")
            if not isinstance(made, dict):
                continue
            path = f"/api/v1/tasks/{made['id']}"
            status = made["status"]
            while status in {"PENDING", "IN_PROGRESS"} and time.monotonic() < began + TASK_WITHIN_S:
                time.sleep(READ_S)
                status = (self._asked("GET", path, 200, kind="task read") or {}).get("status", "?")
            self.load.count("task done", "" if status == "COMPLETED" else f"it ended as {status}")
            self._asked("DELETE", path, 204, kind="task removed")

    def _sign_in(self) -> None:
        told = self._asked("POST", "/api/v1/auth/login", 200, self._account, kind="sign-in")
        if isinstance(told, dict):
            self._token, self._token_until = str(told["access_token"]), time.monotonic() + TOKEN_S

    def _asked(self, method: str, path: str, wanted: int, body: Any = None, *, kind: str) -> Any:
        try:
            status, told = self._public.call(method, path, body, self._token)
        except (OSError, http.client.HTTPException) as error:
            self.load.count(kind, type(error).__name__)
            return None
        self.load.count(kind, "" if status == wanted else f"answered {status}")
        return told if status == wanted else None


def _account(settings: Settings, cluster: Cluster) -> dict[str, str]:
    """The administrator's name and password, from the Secret that the deployment made."""
    found = cluster.get(f"/api/v1/namespaces/{settings.app_namespace}/secrets/{ADMIN}")
    if found is None:
        raise SandboxError(SOAK, f"there is no Secret {ADMIN}, so nothing is deployed", remedy="run `make demo`")
    return {key: base64.b64decode(found["data"][key]).decode() for key in ("username", "password")}
