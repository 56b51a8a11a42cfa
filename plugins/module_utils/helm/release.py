# Reads Helm's own record of releases from the cluster: no helm process, and the whole history in one LIST.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import manifest
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, RecordUnreadable
from ansible_collections.bytebot.production.plugins.module_utils.helm.wanted import OWN_LABELS
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

Object = dict[str, Any]
PENDING = ("pending-install", "pending-upgrade", "pending-rollback")
GOOD = ("deployed", "superseded")  # what has been deployed, now or before
_ROLLBACK = re.compile(r"Rollback to (\d+)\b")  # how both majors begin the description of a rollback
# How both majors begin the description of a revision that failed, and so does this collection. The status alone does
# not tell: a failed first install is called superseded once an upgrade over it has succeeded.
_FAILED = re.compile(r'(?:Release|Upgrade|Rollback)(?: "[^"]*"| to \d+)? failed: ')
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
    rolled_back_to: int = 0  # the revision that this one repeats, where it was made by a rollback
    apply_method: str = ""  # `ssa` where helm 4 applied it on the server
    labels: tuple[tuple[str, str], ...] = ()  # the user's own ones
    crds: tuple[tuple[str, str], ...] = ()  # name and SHA-256 of the files in its chart's folder `crds`
    hook_runs: tuple[tuple[str, str, Object], ...] = ()  # kind, name, and when and how each hook ran last
    first_deployed: str = ""  # when the release was first deployed, which every revision repeats
    written: str = ""  # when its record was last written, by the API server's clock; empty where it was not stored

    @property
    def pending(self) -> bool:
        """Whether a helm works on it, or was killed at it."""
        return self.status in PENDING

    @property
    def good(self) -> bool:
        """Whether it has been deployed to its end."""
        return self.status in GOOD and not _FAILED.match(self.description)

    def same_as(self, other: Release) -> bool:
        """Whether both put the same into the cluster: chart, values, manifest and hooks."""
        return all(
            getattr(self, part) == getattr(other, part)
            for part in ("chart_name", "chart_version", "app_version", "values", "objects", "sorted_hooks")
        )

    @property
    def values_digest(self) -> str:
        """SHA-256 over the values as helm merged them, without the chart's own."""
        return manifest.digest([self.values])

    @property
    def sorted_hooks(self) -> list[Object]:
        """The hooks in a stable order: a run of some tests by helm changes it in its record."""
        return sorted(self.hooks, key=manifest.identity)

    @property
    def deploy_hooks(self) -> tuple[Object, ...]:
        """The hooks that run during install and upgrade (not tests, not those of deletion and rollback)."""
        return self.hooks_at("pre-install", "post-install", "pre-upgrade", "post-upgrade")

    def hooks_at(self, *events: str) -> tuple[Object, ...]:
        """The hooks that run at one of these events."""
        return tuple(hook for hook in self.hooks if set(events) & set(_hook_events(hook)))

    @property
    def operating_hooks(self) -> tuple[Object, ...]:
        """The hooks that run without being asked for: all but tests."""
        return tuple(hook for hook in self.hooks if not set(_hook_events(hook)) <= _TESTS)

    @property
    def test_hooks(self) -> tuple[Object, ...]:
        """The hooks that ``helm test`` runs."""
        return self.hooks_at(*_TESTS)

    @classmethod
    def from_helm(cls, raw: Object, metadata: Object | None = None) -> Release:
        """From the JSON that Helm stores and that ``helm … --output json`` prints.

        :param metadata: that of the Secret or ConfigMap in which it is stored.
        """
        metadata = metadata or {}
        info = raw.get("info") or {}
        chart = (raw.get("chart") or {}).get("metadata") or {}
        told = _ROLLBACK.match(str(info.get("description") or ""))
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
            rolled_back_to=int(
                info.get("rollback_revision") or (told.group(1) if told else 0)
            ),  # the field is helm 4's
            crds=tuple(_crds(raw.get("chart") or {})),
            apply_method=str(raw.get("apply_method") or ""),
            labels=tuple(sorted((k, str(v)) for k, v in (metadata.get("labels") or {}).items() if k not in OWN_LABELS)),
            hook_runs=tuple(
                (str(hook.get("kind") or ""), str(hook.get("name") or ""), hook.get("last_run") or {})
                for hook in raw.get("hooks") or []
            ),
            first_deployed=str(info.get("first_deployed") or ""),
            written=_last_written(metadata),
        )


def history(cluster: Cluster, name: str, namespace: str, driver: str = "") -> list[Release]:
    """All revisions of a release that Helm keeps, newest first; empty where there is none.

    :param driver: Helm's storage driver (``HELM_DRIVER``): Secrets, the default, or ConfigMaps.
    """
    kind = store_of(driver)
    stored = cluster.list("v1", kind, namespace, labels=f"owner=helm,name={name}")
    releases = [decode(text_of(item), encoded_twice=kind == "Secret", metadata=item.get("metadata")) for item in stored]
    return sorted(releases, key=lambda release: release.revision, reverse=True)


def store_of(driver: str) -> str:
    """The kind in which Helm's storage driver keeps its records."""
    kind = DRIVERS.get(driver)
    if kind is None:
        raise InputError(f"Helm's storage driver {driver} is not supported: use secret or configmap.")
    return kind


def text_of(record: Object) -> str:
    """The stored release in a record, as the API shows it."""
    return str((record.get("data") or {}).get("release") or "")


def _last_written(metadata: Object) -> str:
    """The newest time at which the API server noted a write; its times are RFC 3339 in UTC, so texts compare."""
    noted = [str(entry.get("time") or "") for entry in metadata.get("managedFields") or []]
    return max([str(metadata.get("creationTimestamp") or ""), *noted])


def opened(stored: str, *, encoded_twice: bool) -> bytes:
    """The JSON in a stored release."""
    data = base64.b64decode(stored)
    if encoded_twice:
        data = base64.b64decode(data)
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def decode(stored: str, *, encoded_twice: bool = True, metadata: Object | None = None) -> Release:
    """A stored release: JSON, gzipped, base64; Secrets add the API's own base64."""
    try:
        return Release.from_helm(json.loads(opened(stored, encoded_twice=encoded_twice)), metadata)
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
    return _listed(hook, "helm.sh/hook")


def delete_policies(hook: Object) -> list[str]:
    """When helm deletes what a hook has made; where nothing is said, before it is made anew."""
    return [policy for policy in _listed(hook, "helm.sh/hook-delete-policy") if policy] or ["before-hook-creation"]


def _listed(hook: Object, annotation: str) -> list[str]:
    annotations = (hook.get("metadata") or {}).get("annotations") or {}
    return [word.strip() for word in str(annotations.get(annotation, "")).split(",")]


def _crds(chart: Object) -> Iterable[tuple[str, str]]:
    """Helm installs these once and leaves them alone ever after."""
    for file in chart.get("files") or []:
        name = str(file.get("name") or "")
        if name.startswith("crds/") and name.endswith((".yaml", ".yml", ".json")):
            yield name, hashlib.sha256(str(file.get("data") or "").encode()).hexdigest()


def _hooks(raw: Iterable[Object]) -> Iterable[Object]:
    for hook in raw:
        yield from manifest.parse(hook.get("manifest") or "", f"hook {hook.get('name')}")
