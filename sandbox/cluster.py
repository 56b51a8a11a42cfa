# The sandbox's own client of its cluster: get, server-side apply, logs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from sandbox.api import Api, ApiError, Object
from sandbox.errors import SandboxError
from sandbox.pki import Pki
from sandbox.settings import Settings

APPLY = "application/apply-patch+yaml"


class Cluster(Api):
    """Speaks as `admin`."""

    def __init__(self, settings: Settings, pki: Pki) -> None:
        self._settings = settings
        self._pki = pki
        self._lock = threading.RLock()
        self._context: ssl.SSLContext | None = None
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}

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

    def service_address(self, namespace: str, name: str) -> str:
        """Of a Service in the cluster; empty where there is none yet."""
        found = self.get(f"/api/v1/namespaces/{namespace}/services/{name}") or {}
        return str(found.get("spec", {}).get("clusterIP", ""))

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

    def remove(self, component: str, manifests: str) -> None:
        """Deletes every document's object, the last first; what is not there is well."""
        documents = [document for document in yaml.safe_load_all(manifests) if document]
        for document in reversed(documents):
            try:
                self.call("DELETE", f"{self._path(document)}?propagationPolicy=Background")
            except ApiError as error:
                if error.status != http.client.NOT_FOUND:
                    name = f"{document.get('kind')} {document['metadata']['name']}"
                    raise SandboxError(component, f"the API server did not delete {name}: {error}") from error

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


def _main(resources: Iterable[Object]) -> list[Object]:
    return [resource for resource in resources if "/" not in resource["name"]]
