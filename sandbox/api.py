# Speaks to a Kubernetes API server over HTTP: calls and watches. Only the standard library, since pods use it too.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import json
import os
import ssl
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

Object = dict[str, Any]
TIMEOUT_S = 30.0
# The server ends a watch after this time, in seconds; whoever watches begins anew.
WATCH_S = 240
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Call(Protocol):
    """The text of an answer; an error of the API is raised."""

    def __call__(self, method: str, path: str, body: str = "", content_type: str = "application/json") -> str: ...


class ApiError(Exception):
    """The API answered, but not with success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api(ABC):
    """Each call has its own connection, so threads may share it."""

    def call(self, method: str, path: str, body: str = "", content_type: str = "application/json") -> str:
        with self.session() as call:
            return call(method, path, body, content_type)

    @contextmanager
    def session(self, timeout_s: float = TIMEOUT_S) -> Iterator[Call]:
        """Like `call`, for many calls of one thread over one connection."""
        connection = self._connection(timeout_s)

        def call(method: str, path: str, body: str = "", content_type: str = "application/json") -> str:
            headers = {"Content-Type": content_type, **self._headers()}
            connection.request(method, path, body=body or None, headers=headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            _raise_for(answer.status, text)
            return text

        try:
            yield call
        finally:
            connection.close()

    def watch(self, path: str, version: str) -> Iterator[Object]:
        """Events of a collection after a resource version, until the server ends the watch, which it has begun now.

        :raises ApiError: the server refuses; 410 where that version is too old to go on from.
        """
        query = f"watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={WATCH_S}"
        connection = self._connection(WATCH_S + TIMEOUT_S)
        try:
            connection.request("GET", f"{path}?{query}", headers=dict(self._headers()))
            answer = connection.getresponse()
            if answer.status >= http.client.BAD_REQUEST:
                _raise_for(answer.status, answer.read().decode(errors="replace"))
        except BaseException:
            connection.close()
            raise
        return _events(connection, answer)

    @abstractmethod
    def _connection(self, timeout_s: float) -> http.client.HTTPConnection: ...

    def _headers(self) -> Mapping[str, str]:
        """What says who calls, where the connection does not."""
        return {}


class PodApi(Api):
    """Speaks as the pod's own service account; its token is read anew each time, since the kubelet renews it."""

    def __init__(self, account: Path = ACCOUNT) -> None:
        self._account = account
        self._tls = ssl.create_default_context(cafile=str(account / "ca.crt"))

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"])
        return http.client.HTTPSConnection(host, port, context=self._tls, timeout=timeout_s)

    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {(self._account / 'token').read_text().strip()}"}


def _events(connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> Iterator[Object]:
    try:
        for line in answer:
            yield json.loads(line)
    finally:
        connection.close()


def _raise_for(status: int, text: str) -> None:
    if status < http.client.BAD_REQUEST:
        return
    try:
        message = str(json.loads(text).get("message", text))
    except (ValueError, AttributeError):
        message = text
    raise ApiError(status, message[:600])
