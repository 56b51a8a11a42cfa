# Reads and writes the record's objects in one namespace of a cluster; nobody else's change is ever written over.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import PAGE, Cluster, Object
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    InputError,
    NotPermitted,
    NotThere,
    Refused,
)

RBAC = "roles/run/files/record-rbac.yaml"
MANAGER = "bytebot.production"
# The kinds of the record and where they are served; looking them up would cost a request.
KINDS = {"ConfigMap": ("/api/v1", "configmaps"), "Lease": ("/apis/coordination.k8s.io/v1", "leases")}
VERSIONS = {"ConfigMap": "v1", "Lease": "coordination.k8s.io/v1"}


class Changed(CollectionError):
    """Somebody else changed or made an object since it was read."""


class Objects:
    """The objects of the record in one namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def get(self, kind: str, name: str) -> Object | None:
        """One object; ``None`` where it does not exist."""
        with self._permitted():
            try:
                return self.cluster.raw("GET", self._path(kind, name))
            except NotThere:
                return None

    def list(self, kind: str, labels: Mapping[str, str]) -> list[Object]:
        """The objects that have all those labels, by name."""
        query = {"limit": str(PAGE), "labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())}
        found: list[Object] = []
        with self._permitted():
            while True:
                page = self.cluster.raw("GET", self._path(kind), query=query)
                found += page.get("items") or []
                query["continue"] = (page.get("metadata") or {}).get("continue") or ""
                if not query["continue"]:
                    return sorted(found, key=lambda item: str(item["metadata"]["name"]))

    def put(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Make an object, or replace the one of its ``resourceVersion``.

        :raises Changed: it is no longer the one of that version, or is there already.
        """
        kind, metadata = str(obj["kind"]), obj["metadata"]
        name, version = str(metadata["name"]), metadata.get("resourceVersion")
        method, path = ("PUT", self._path(kind, name)) if version else ("POST", self._path(kind))
        query = {"fieldManager": MANAGER} | ({"dryRun": "All"} if dry_run else {})
        with self._permitted():
            try:
                return self.cluster.raw(method, path, body={"apiVersion": VERSIONS[kind], **obj}, query=query)
            except NotThere as exc:
                if version:
                    raise self._changed(kind, name) from exc
                raise InputError(
                    f"There is no namespace {self.namespace}, which is to keep the record (bytebot_record: namespace); "
                    f"make it, with the role in {RBAC}."
                ) from exc
            except Refused as exc:
                there = self.get(kind, name)
                if ((there or {}).get("metadata") or {}).get("resourceVersion") != version:
                    raise self._changed(kind, name) from exc
                raise

    def delete(self, kind: str, name: str) -> None:
        """Delete one object, if it is there."""
        with self._permitted():
            try:
                self.cluster.raw("DELETE", self._path(kind, name))
            except NotThere:
                return

    def named(self, kind: str, name: str) -> str:
        """An object in words."""
        return f"{kind} {self.namespace}/{name}"

    def _changed(self, kind: str, name: str) -> Changed:
        return Changed(
            f"{self.named(kind, name)} was changed by somebody else at the same moment and is left as it is now; "
            "run again when that one has ended."
        )

    @contextmanager
    def _permitted(self) -> Iterator[None]:
        try:
            yield
        except NotPermitted as exc:
            raise NotPermitted(f"{exc.sentence} What the record needs is in {RBAC}.") from exc

    def _path(self, kind: str, name: str = "") -> str:
        root, plural = KINDS[kind]
        return f"{root}/namespaces/{quote(self.namespace)}/{plural}" + (f"/{quote(name)}" if name else "")
