# A cluster in memory for the record: ConfigMaps and Leases with the API server's manners on versions and size.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.unit.collection.fakes import FakeCluster, Object, _Status

CONFIG_MAPS = "/api/v1/namespaces/record/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/record/leases"
MOST = 1024 * 1024  # of a ConfigMap's data


class RecordCluster(FakeCluster):
    """Versions that must match, immutable ConfigMaps, label selectors, and requests that fail when told."""

    def __init__(self) -> None:
        super().__init__(namespaces=("record",))
        self.before: Callable[[str, str], None] = lambda method, path: None  # what happens just before a request
        self.denied: set[tuple[str, str]] = set()  # method and plural

    def at(self, part: str) -> tuple[str, Object]:
        """The only object whose name ends so: its path, and itself."""
        found = [(path, obj) for path, obj in self._stored.items() if path.endswith(part) and "/record/" in path]
        assert len(found) == 1, [path for path, _obj in found]
        return found[0]

    def names(self) -> list[str]:
        return sorted(path.rsplit("/", 1)[-1] for path in self._stored if path.startswith(f"{CONFIG_MAPS}/"))

    def drop(self, path: str) -> None:
        del self._stored[path]

    def edit(self, path: str, obj: Object) -> None:
        """Change an object as kubectl edit would."""
        self._version += 1
        self._stored[path] = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self._version)}}

    def _send(
        self, method: str, path: str, body: Object | None, query: Mapping[str, str], content_type: str
    ) -> tuple[int, Mapping[str, str], str]:
        self.before(method, path)
        plural = path.split("/record/", 1)[-1].split("/", maxsplit=1)[0]
        if (method, plural) in self.denied:
            said = f'{plural} is forbidden: User "x" cannot {method.lower()} resource "{plural}"'
            return 403, {}, json.dumps({"kind": "Status", "message": said})
        return super()._send(method, path, body, query, content_type)

    def _get(self, path: str, _body: Any, query: Any, _type: str) -> Object:
        if path not in (CONFIG_MAPS, LEASES):
            return super()._get(path, _body, query, _type)
        wanted = [pair.split("=") for pair in query.get("labelSelector", "").split(",")]
        items = [obj for key, obj in self._stored.items() if key.rsplit("/", 1)[0] == path]
        chosen = [obj for obj in items if all((obj["metadata"].get("labels") or {}).get(k) == v for k, v in wanted)]
        bare = [{key: value for key, value in obj.items() if key not in ("kind", "apiVersion")} for obj in chosen]
        return {"items": copy.deepcopy(bare)}

    def _post(self, path: str, body: Object, query: Mapping[str, str], _type: str) -> Object:
        full = f"{path}/{body['metadata']['name']}"
        if full in self._stored:
            raise _Status(409, f'"{body["metadata"]["name"]}" already exists')
        namespace = path.split("/namespaces/")[1].split("/", maxsplit=1)[0]
        if f"/api/v1/namespaces/{namespace}" not in self._stored:
            raise _Status(404, f'namespaces "{namespace}" not found')
        return self._kept(full, body, "dryRun" in query)

    def _put(self, path: str, body: Object, query: Mapping[str, str], _type: str) -> Object:
        old = self._stored.get(path)
        if old is None:
            raise _Status(404, "not found")
        if old["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise _Status(409, "Operation cannot be fulfilled: the object has been modified")
        if old.get("immutable") and (old.get("binaryData") != body.get("binaryData") or not body.get("immutable")):
            raise _Status(422, "data: field is immutable when `immutable` is set")
        return self._kept(path, body, "dryRun" in query)

    def _kept(self, path: str, body: Object, dry: bool) -> Object:
        size = sum(len(base64.b64decode(value, validate=True)) for value in (body.get("binaryData") or {}).values())
        if size > MOST:
            raise _Status(422, f"Too long: must have at most {MOST} bytes")
        assert len(json.dumps(body)) < MOST
        self._version += 1
        stored = copy.deepcopy({**body, "metadata": {**body["metadata"], "resourceVersion": str(self._version)}})
        if not dry:
            self._stored[path] = stored
            self.writes += 1
        return copy.deepcopy(stored)
