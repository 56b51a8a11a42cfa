# A cluster in memory, for tests: the real client's paths and errors over a fake wire with the API server's manners.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import copy
import json
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import _CORE_PATHS, Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotThere
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import data_of

Object = dict[str, Any]
Path = tuple[str, ...]

_MORE_KINDS = {
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): ("customresourcedefinitions", False),
    ("networking.k8s.io/v1", "NetworkPolicy"): ("networkpolicies", True),
}


class FakeCluster(Cluster):
    """Server-side apply with field owners and conflicts, dry runs, namespaces that must exist, immutable Secrets."""

    def __init__(self, *objects: Object, namespaces: tuple[str, ...] = ("default",)) -> None:
        self._where = "the fake"
        self.server = "https://fake"
        self.requests = 0
        self.sent: list[tuple[str, str, Object | None]] = []
        self.writes = 0  # requests that stored something
        self._stored: dict[str, Object] = {}
        self._kinds = dict(_MORE_KINDS)
        self._version = 0
        self._ahead = timedelta()
        self.warnings: list[str] = []
        for namespace in namespaces:
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        for obj in objects:
            self.put(obj)

    # ------------------------------------------------------------------ for tests

    def put(self, obj: Object, manager: str = "somebody") -> None:
        """Store an object as another client would."""
        path = self._path_of(obj)
        self._store(path, self._merged(self._stored.get(path), copy.deepcopy(obj), manager), manager, _leaves(obj))
        self.writes = 0

    def live(self, kind: str, name: str, namespace: str = "", api_version: str = "v1") -> Object | None:
        return self._stored.get(self._path(api_version, kind, namespace, name))

    def values(self, name: str, namespace: str = "default") -> dict[str, bytes]:
        return data_of(self.live("Secret", name, namespace) or {})

    # ------------------------------------------------------------------ the wire

    def _send(
        self, method: str, path: str, body: Object | None, query: Mapping[str, str], content_type: str
    ) -> tuple[int, Mapping[str, str], str]:
        self.requests += 1
        self.sent.append((method, path, copy.deepcopy(body)))
        try:
            answer = getattr(self, f"_{method.lower()}")(path, copy.deepcopy(body), query, content_type)
        except _Status as status:
            return status.code, {}, json.dumps({"kind": "Status", "code": status.code, "message": status.message})
        return 200, {}, json.dumps(answer)

    def _resource(self, api_version: str, kind: str) -> Any:
        if (api_version, kind) not in self._kinds:
            raise NotThere(f"The cluster ({self._where}) does not serve {kind} in {api_version}.")
        plural, namespaced = self._kinds[api_version, kind]
        return SimpleNamespace(name=plural, namespaced=namespaced)

    def _get(self, path: str, _body: Any, _query: Any, _type: str) -> Object:
        if path in self._stored:
            return self._stored[path]
        if path.rsplit("/", 1)[-1] in {plural for plural, _namespaced in (_CORE_PATHS | self._kinds).values()}:
            return {"items": [obj for key, obj in self._stored.items() if key.rsplit("/", 1)[0] == path]}
        raise _Status(404, f'"{path.rsplit("/", 1)[-1]}" not found')

    def _post(self, path: str, body: Object, query: Mapping[str, str], _type: str) -> Object:
        full = f"{path}/{body['metadata']['name']}"
        if full in self._stored:
            raise _Status(409, f'"{body["metadata"]["name"]}" already exists')
        self._needs_namespace(body)
        return self._store(full, self._merged(None, body, "client"), "client", _leaves(body), dry="dryRun" in query)

    def _patch(self, path: str, body: Object, query: Mapping[str, str], content_type: str) -> Object:
        old = copy.deepcopy(self._stored.get(path))
        manager, dry = query["fieldManager"], "dryRun" in query
        if content_type == "application/merge-patch+json":
            return self._merge_patch(path, body, manager, dry)
        self._needs_namespace(body)
        self._check_version(old, body)
        _to_stored_form(body)
        wanted = _leaves(body)
        self._check_conflicts(old, wanted, manager, force=query.get("force") == "true")
        new = self._merged(old, body, manager)
        self._check_immutable(old, new)
        return self._store(path, new, manager, wanted, dry=dry)

    def _delete(self, path: str, _body: Any, query: Mapping[str, str], _type: str) -> Object:
        if path not in self._stored:
            raise _Status(404, f'"{path.rsplit("/", 1)[-1]}" not found')
        if "dryRun" not in query:
            del self._stored[path]
            self.writes += 1
        return {"kind": "Status", "status": "Success"}

    # ------------------------------------------------------------------ the server's manners

    def _merged(self, old: Object | None, body: Object, manager: str) -> Object:
        """The object after an apply: what the manager said before and says no more goes, unless others say it too."""
        _to_stored_form(body)
        new = copy.deepcopy(old) if old else {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": {}}
        wanted, owners = _leaves(body), _owners(old)
        for gone in owners.get(manager, set()) - set(wanted):
            if not any(gone in paths for other, paths in owners.items() if other != manager):
                _drop(new, gone)
        for path, value in wanted.items():
            _put(new, path, value)
        return new

    def _check_version(self, old: Object | None, body: Object) -> None:
        asked = body["metadata"].pop("resourceVersion", None)
        if asked and (old or {}).get("metadata", {}).get("resourceVersion") != asked:
            raise _Status(409, "Operation cannot be fulfilled: the object has been modified")

    def _check_conflicts(self, old: Object | None, wanted: dict[Path, Any], manager: str, *, force: bool) -> None:
        current = _leaves(old or {"metadata": {}})
        conflicts: dict[str, list[str]] = {}
        for other, paths in _owners(old).items():
            differing = sorted(path for path in paths & set(wanted) if current.get(path) != wanted[path])
            if other != manager and differing:
                conflicts[other] = ["." + ".".join(path) for path in differing]
                if force:
                    entry = next(item for item in old["metadata"]["managedFields"] if item["manager"] == other)
                    entry["paths"] = [list(path) for path in paths - set(differing)]
        if conflicts and not force:
            raise _Status(409, _conflict_message(conflicts))

    def _check_immutable(self, old: Object | None, new: Object) -> None:
        if old and old["kind"] == "Secret":
            if old.get("type", "Opaque") != new.get("type", "Opaque"):
                raise _Status(422, "type: field is immutable")
            if old.get("immutable") and (old.get("data") != new.get("data") or not new.get("immutable")):
                raise _Status(422, "data: field is immutable when `immutable` is set")

    def _merge_patch(self, path: str, body: Object, manager: str, dry: bool) -> Object:
        if path not in self._stored:
            raise _Status(404, "not found")
        new = copy.deepcopy(self._stored[path])
        self._check_version(new, {"metadata": dict(body.get("metadata") or {})})
        _merge(new, {key: value for key, value in body.items() if key != "metadata"})
        return self._store(path, new, manager, {}, dry=dry)

    def _needs_namespace(self, body: Object) -> None:
        namespace = body["metadata"].get("namespace", "")
        if namespace and f"/api/v1/namespaces/{namespace}" not in self._stored:
            raise _Status(404, f'namespaces "{namespace}" not found')

    def _store(self, path: str, new: Object, manager: str, owned: dict[Path, Any], *, dry: bool = False) -> Object:
        old = self._stored.get(path)
        fields = [entry for entry in new["metadata"].get("managedFields", []) if entry["manager"] != manager]
        new["metadata"]["managedFields"] = [*fields, _entry(manager, owned)]
        if old is None:
            new["metadata"] |= {"uid": f"uid-{path}", "creationTimestamp": "2026-01-01T00:00:00Z"}
        if _bare(old) != _bare(new) or old["metadata"]["managedFields"] != new["metadata"]["managedFields"]:
            self._version += 1
            new["metadata"]["resourceVersion"] = str(self._version)
            if not dry:
                self._stored[path] = new
                self.writes += 1
                self._serve(new)
        return copy.deepcopy(new)

    def _serve(self, obj: Object) -> None:
        if obj["kind"] == "CustomResourceDefinition":
            spec = obj["spec"]
            kind = (spec["names"]["plural"], spec["scope"] == "Namespaced")
            for version in spec["versions"]:
                self._kinds[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = kind
            obj["status"] = {"conditions": [{"type": "Established", "status": "True"}]}

    def _path_of(self, obj: Object) -> str:
        metadata = obj["metadata"]
        return self._path(obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"])


class _Status(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def _conflict_message(conflicts: dict[str, list[str]]) -> str:
    """The text of structured-merge-diff, as the API server sends it."""
    if sum(len(paths) for paths in conflicts.values()) == 1:
        manager, paths = next(iter(conflicts.items()))
        return f'Apply failed with 1 conflict: conflict with "{manager}" using v1: {paths[0]}'
    count = sum(len(paths) for paths in conflicts.values())
    parts = [
        f'conflicts with "{manager}" using v1 at 2026-01-01T00:00:00Z:\n' + "\n".join(f"- {path}" for path in paths)
        for manager, paths in sorted(conflicts.items())
    ]
    return f"Apply failed with {count} conflicts: " + "\n".join(parts)


def _to_stored_form(body: Object) -> None:
    if body["kind"] == "Secret":
        body["data"] = {key: _b64(value) for key, value in data_of(body).items()}
        body.pop("stringData", None)
        body.setdefault("type", "Opaque")


def _b64(value: bytes) -> str:
    return b64encode(value).decode()


def _leaves(obj: Any, at: Path = ()) -> dict[Path, Any]:
    """The fields of an object by path, without those that name it; lists are taken whole."""
    if not isinstance(obj, dict):
        return {at: obj}
    skipped = {(): ("apiVersion", "kind", "status"), ("metadata",): _NAMING}.get(at, ())
    found: dict[Path, Any] = {}
    for key, value in obj.items():
        if key not in skipped:
            found |= _leaves(value, (*at, key))
    return found


_NAMING = ("managedFields", "uid", "creationTimestamp", "resourceVersion", "generation", "deletionTimestamp")


def _owners(obj: Object | None) -> dict[str, set[Path]]:
    entries = ((obj or {}).get("metadata") or {}).get("managedFields") or []
    return {entry["manager"]: {tuple(path) for path in entry["paths"]} for entry in entries}


def _entry(manager: str, owned: dict[Path, Any]) -> Object:
    data = {f"f:{path[1]}": {} for path in sorted(owned) if path[0] == "data" and len(path) == 2}
    own = sorted(path for path in owned if path not in (("metadata", "name"), ("metadata", "namespace")))
    return {
        "manager": manager,
        "operation": "Apply" if manager == "bytebot.production" else "Update",
        "fieldsV1": {"f:data": {".": {}, **data}},
        "paths": [list(path) for path in own],
    }


def _bare(obj: Object | None) -> Object | None:
    if obj is None:
        return None
    metadata = {key: value for key, value in obj["metadata"].items() if key not in ("managedFields", "resourceVersion")}
    return {**obj, "metadata": metadata}


def _merge(into: Object, patch: Object) -> None:
    """JSON merge patch, RFC 7386."""
    for key, value in patch.items():
        if isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        elif value is None:
            into.pop(key, None)
        else:
            into[key] = value


def _put(obj: Object, path: Path, value: Any) -> None:
    for key in path[:-1]:
        obj = obj.setdefault(key, {})
    obj[path[-1]] = value


def _drop(obj: Object, path: Path) -> None:
    for key in path[:-1]:
        obj = obj.get(key, {})
    obj.pop(path[-1], None)


# ---------------------------------------------------------------------- over HTTP


@contextlib.contextmanager
def served(cluster: FakeCluster) -> Iterator[str]:
    """The fake behind a real socket, for tests that run a module in its own process: its address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = urlsplit(self.path)
            body = json.loads(raw) if raw else None
            kind = self.headers.get("Content-Type") or ""
            status, _headers, text = cluster._send(self.command, asked.path, body, dict(parse_qsl(asked.query)), kind)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PATCH = do_DELETE = _answer

        def log_message(self, *_args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
