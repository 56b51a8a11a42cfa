# What the release's containers get as environment, for those variables that are asked for.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_spec
from ansible_collections.bytebot.production.plugins.module_utils.secret import hide

Object = dict[str, Any]
SCALED = ("Deployment", "StatefulSet")


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable of a container; its value may be a secret."""

    workload: str
    name: str
    value: str = field(repr=False)


def live(cluster: Cluster, namespace: str, objects: Iterable[Object]) -> tuple[list[Object], str]:
    """The release's workloads as they are in the cluster now, and why some are told as the release has them."""
    found, problems = list(objects), []
    for kind in sorted({str(one.get("kind")) for one in found} & set(SCALED)):
        try:
            now = {one["metadata"]["name"]: one for one in cluster.list("apps/v1", kind, namespace)}
        except CollectionError as exc:
            problems.append(exc.sentence)
            continue
        found = [now.get(_name(one), one) if one.get("kind") == kind else one for one in found]
    return found, "; ".join(problems)


def _name(obj: Object) -> str:
    return str((obj.get("metadata") or {}).get("name"))


class Environment:
    """Reads variables of workloads; each ConfigMap and Secret is read once, and ``problems`` says which were not."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._held: dict[tuple[str, str], Mapping[str, str]] = {}
        self.problems: list[str] = []

    def of(self, objects: Iterable[Object], names: Iterable[str]) -> list[Setting]:
        """The variables of those names, of each workload once; later sources win, as in the kubelet."""
        wanted = tuple(names)
        return [
            Setting(f"{obj.get('kind')} {_name(obj)}", name, value)
            for obj in objects
            for name, value in self._workload(obj, wanted).items()
        ]

    def every(self, container: Mapping[str, Any]) -> dict[str, str]:
        """All variables of a container whose sources say a value; later sources win, as in the kubelet."""
        found: dict[str, str] = {}
        for source in container.get("envFrom") or []:
            found |= dict(self._all(source))
        for variable in container.get("env") or []:
            if (value := self._one(variable)) is not None:
                found[str(variable["name"])] = value
        return found

    def _workload(self, obj: Object, wanted: tuple[str, ...]) -> dict[str, str]:
        found: dict[str, str] = {}
        for container in (pod_spec(obj) or {}).get("containers") or []:
            found |= {name: value for name, value in self.every(container).items() if name in wanted}
        return found

    @property
    def secrets(self) -> dict[str, Mapping[str, str]]:
        """What the Secrets that were read hold, by their names."""
        return {name: held for (kind, name), held in self._held.items() if kind == "Secret"}

    def _all(self, source: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for reference, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if name := (source.get(reference) or {}).get("name"):
                for key, value in self._data(kind, str(name)).items():
                    yield f"{source.get('prefix', '')}{key}", value

    def _one(self, variable: Mapping[str, Any]) -> str | None:
        if "value" in variable:
            return str(variable["value"])
        origin = variable.get("valueFrom") or {}
        for reference, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if named := origin.get(reference):
                return self._data(kind, str(named.get("name"))).get(str(named.get("key")))
        return None

    def _data(self, kind: str, name: str) -> Mapping[str, str]:
        if (kind, name) not in self._held:
            try:
                obj = self._cluster.get("v1", kind, name, self._namespace) or {}
            except CollectionError as exc:
                self.problems.append(exc.sentence)
                obj = {}
            self._held[kind, name] = (
                {key: value.decode("utf-8", "replace") for key, value in hide.data_of(obj).items()}
                if kind == "Secret"
                else {key: str(value) for key, value in (obj.get("data") or {}).items()}
            )
        return self._held[kind, name]
