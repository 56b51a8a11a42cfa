# Reads Helm's own record of releases from the cluster: no helm process, and the whole history in one LIST.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import binascii
import gzip
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import manifest
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, RecordUnreadable
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

Object = dict[str, Any]
PENDING = ("pending-install", "pending-upgrade", "pending-rollback")
_TESTS = frozenset({"test", "test-success", "test-failure"})
DRIVERS = {"": "Secret", "secret": "Secret", "secrets": "Secret", "configmap": "ConfigMap", "configmaps": "ConfigMap"}


@dataclass(frozen=True)
class Release:
    """One revision of a release, as Helm stores it (``helm.sh/release.v1``)."""

    name: str
    namespace: str
    revision: int
    status: str
    description: str
    updated: str
    chart_name: str
    chart_version: str
    app_version: str
    values: Object
    objects: tuple[Object, ...]
    hooks: tuple[Object, ...]
    notes: str

    @property
    def values_digest(self) -> str:
        """SHA-256 over the values as helm merged them, without the chart's own."""
        return manifest.digest([self.values])

    @property
    def deploy_hooks(self) -> tuple[Object, ...]:
        """The hooks that run during install and upgrade (not tests, not those of deletion and rollback)."""
        wanted = {"pre-install", "post-install", "pre-upgrade", "post-upgrade"}
        return tuple(hook for hook in self.hooks if wanted & set(_hook_events(hook)))

    @property
    def operating_hooks(self) -> tuple[Object, ...]:
        """The hooks that run without being asked for: all but tests."""
        return tuple(hook for hook in self.hooks if not set(_hook_events(hook)) <= _TESTS)

    @classmethod
    def from_helm(cls, raw: Object) -> Release:
        """From the JSON that Helm stores and that ``helm … --output json`` prints."""
        info = raw.get("info") or {}
        chart = (raw.get("chart") or {}).get("metadata") or {}
        return cls(
            name=raw["name"],
            namespace=raw.get("namespace", ""),
            revision=int(raw.get("version", 0)),
            status=info.get("status", "unknown"),
            description=info.get("description", ""),
            updated=str(info.get("last_deployed", "")),
            chart_name=chart.get("name", ""),
            chart_version=str(chart.get("version", "")),
            app_version=str(chart.get("appVersion", "")),
            values=raw.get("config") or {},
            objects=tuple(manifest.parse(raw.get("manifest") or "", "the release's manifest")),
            hooks=tuple(_hooks(raw.get("hooks") or [])),
            notes=str(info.get("notes") or ""),
        )


def history(cluster: Cluster, name: str, namespace: str, driver: str = "") -> list[Release]:
    """All revisions of a release that Helm keeps, newest first; empty where there is none.

    :param driver: Helm's storage driver (``HELM_DRIVER``): Secrets, the default, or ConfigMaps.
    """
    kind = DRIVERS.get(driver)
    if kind is None:
        raise InputError(f"Helm's storage driver {driver} is not supported: use secret or configmap.")
    stored = cluster.list("v1", kind, namespace, labels=f"owner=helm,name={name}")
    texts = [str((item.get("data") or {}).get("release") or "") for item in stored]
    releases = [decode(text, encoded_twice=kind == "Secret") for text in texts]
    return sorted(releases, key=lambda release: release.revision, reverse=True)


def decode(stored: str, *, encoded_twice: bool = True) -> Release:
    """A stored release: JSON, gzipped, base64; Secrets add the API's own base64."""
    try:
        data = base64.b64decode(stored)
        if encoded_twice:
            data = base64.b64decode(data)
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return Release.from_helm(json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, zlib.error) as exc:
        raise RecordUnreadable(
            f"Helm's record of the release cannot be read ({type(exc).__name__}: {exc}). "
            "Look at the Secrets labelled owner=helm in the namespace."
        ) from exc


def learn_secrets(redactor: Redactor, objects: Iterable[Object]) -> None:
    """Teach the redactor the values of the Secrets among rendered objects."""
    for obj in objects:
        if obj.get("kind") != "Secret":
            continue
        for value in _given(obj.get("stringData")):
            redactor.learn(str(value))
        for value in _given(obj.get("data")):
            redactor.learn(str(value))
            try:
                redactor.learn(base64.b64decode(str(value), validate=True))
            except (binascii.Error, ValueError):
                continue  # the cluster refuses such a value; the text itself is already learned


def _given(fields: Any) -> list[Any]:
    return [value for value in (fields or {}).values() if value is not None]


def _hook_events(hook: Object) -> list[str]:
    annotations = (hook.get("metadata") or {}).get("annotations") or {}
    return [event.strip() for event in str(annotations.get("helm.sh/hook", "")).split(",")]


def _hooks(raw: Iterable[Object]) -> Iterable[Object]:
    for hook in raw:
        yield from manifest.parse(hook.get("manifest") or "", f"hook {hook.get('name')}")
