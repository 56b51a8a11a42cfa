# A small client of the Kubernetes API: get, watch, server-side apply, logs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from sandbox.errors import SandboxError
from sandbox.pki import Pki
from sandbox.settings import Settings

Object = dict[str, Any]
APPLY = "application/apply-patch+yaml"
TIMEOUT_S = 30.0
# The server ends a watch after this time, in seconds; whoever watches begins anew.
WATCH_S = 240


class ApiError(Exception):
    """The API answered, but not with success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Cluster:
    """Speaks as `admin`. Each call has its own connection, so threads may share it."""

    def __init__(self, settings: Settings, pki: Pki) -> None:
        self._settings = settings
        self._pki = pki
        self._lock = threading.RLock()
        self._context: ssl.SSLContext | None = None
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}

    def call(self, method: str, path: str, body: str = "", content_type: str = "application/json") -> str:
        connection = self._connection(TIMEOUT_S)
        try:
            connection.request(method, path, body=body or None, headers={"Content-Type": content_type})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
        _raise_for(answer.status, text)
        return text

    def watch(self, path: str, version: str) -> Iterator[Object]:
        """Events of a collection after a resource version, until the server ends the watch, which it has begun now.

        :raises ApiError: the server refuses; 410 where that version is too old to go on from.
        """
        query = f"watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={WATCH_S}"
        connection = self._connection(WATCH_S + TIMEOUT_S)
        try:
            connection.request("GET", f"{path}?{query}")
            answer = connection.getresponse()
            if answer.status >= http.client.BAD_REQUEST:
                _raise_for(answer.status, answer.read().decode(errors="replace"))
        except BaseException:
            connection.close()
            raise
        return _events(connection, answer)

    def ready(self) -> bool:
        try:
            return self.call("GET", "/readyz") == "ok"
        except (OSError, ApiError, http.client.HTTPException):
            return False

    def get(self, path: str) -> Object | None:
        """None when there is no such object, or the API does not answer just now."""
        try:
            found: Object = json.loads(self.call("GET", path))
        except ApiError as error:
            if error.status in {http.client.NOT_FOUND, http.client.SERVICE_UNAVAILABLE}:
                return None
            raise
        except (OSError, http.client.HTTPException):
            return None
        return found

    def items(self, path: str) -> list[Object]:
        return list((self.get(path) or {}).get("items") or [])

    def pods_of(self, workload: Mapping[str, Any]) -> list[Object]:
        """Pods that a workload's selector chooses, without those on their way out."""
        labels = workload["spec"]["selector"]["matchLabels"]
        selector = ",".join(f"{key}%3D{value}" for key, value in sorted(labels.items()))
        namespace = workload["metadata"]["namespace"]
        pods = self.items(f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}")
        return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]

    def log_lines(self, pod: Mapping[str, Any], container: str, lines: int = 15) -> list[str]:
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/log?container={container}&tailLines={lines}"
        for variant in ("&previous=true", ""):
            try:
                text = self.call("GET", path + variant)
            except (ApiError, OSError):
                continue
            if text.strip():
                return [line[:400] for line in text.splitlines()]
        return []

    def apply(self, component: str, manifests: str) -> None:
        """Server-side apply of every document."""
        for document in yaml.safe_load_all(manifests):
            if document:
                self._apply_one(component, document)

    def _apply_one(self, component: str, document: Object) -> None:
        try:
            path = f"{self._path(document)}?fieldManager=bytebot-sandbox&force=true"
            self.call("PATCH", path, json.dumps(document), APPLY)
        except (ApiError, OSError, http.client.HTTPException) as error:
            name = f"{document.get('kind')} {document.get('metadata', {}).get('name')}"
            raise SandboxError(
                component, f"the API server did not take {name}: {error}", remedy="read .sandbox/log/kube-apiserver.log"
            ) from error

    def _path(self, document: Object) -> str:
        version, meta = str(document["apiVersion"]), document["metadata"]
        base = f"/apis/{version}" if "/" in version else f"/api/{version}"
        with self._lock:
            if version not in self._kinds:
                resources = json.loads(self.call("GET", base))["resources"]
                self._kinds[version] = {r["kind"]: (r["name"], r["namespaced"]) for r in _main(resources)}
        plural, namespaced = self._kinds[version][document["kind"]]
        where = f"/namespaces/{meta['namespace']}" if namespaced else ""
        return f"{base}{where}/{plural}/{meta['name']}"

    def _connection(self, timeout_s: float) -> http.client.HTTPSConnection:
        s = self._settings
        return http.client.HTTPSConnection(s.node_address, s.api_port, context=self._tls(), timeout=timeout_s)

    def _tls(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                context = ssl.create_default_context(cafile=str(self._pki.path("ca.crt")))
                context.load_cert_chain(self._pki.path("admin.crt"), self._pki.path("admin.key"))
                self._context = context
            return self._context


def _events(connection: http.client.HTTPSConnection, answer: http.client.HTTPResponse) -> Iterator[Object]:
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


def _main(resources: Iterable[Object]) -> list[Object]:
    return [resource for resource in resources if "/" not in resource["name"]]
