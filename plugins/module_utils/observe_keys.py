# Observes where the keys of tokens may be beside their Secret: in containers of the namespace, and in ConfigMaps.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import JwtKeys, KeyUses
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import ContainerAt, containers
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.module_utils.pod_owners import as_workload, made_by_cron
from ansible_collections.bytebot.production.plugins.module_utils.podspec import is_over

Object = dict[str, Any]
_DESCRIBED = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "Job"),
              ("batch/v1", "CronJob"))  # fmt: skip


def uses_of(cluster: Cluster, namespace: str, wanted: JwtKeys) -> KeyUses:
    """Who has a private key by a mount or a variable, described or running, and what ConfigMaps hold."""
    problems: list[str] = []

    def every(api_version: str, kind: str) -> list[Object]:
        try:
            return cluster.list(api_version, kind, namespace)
        except CollectionError as exc:
            problems.append(exc.sentence)
            return []

    described = [one for pair in _DESCRIBED for one in every(*pair)]
    jobs = {one["metadata"]["name"]: one for one in described if one.get("kind") == "Job"}
    pods = [one for one in every("v1", "Pod") if not is_over(one)]
    objects = [one for one in described if not made_by_cron(one)] + [as_workload(pod, jobs) for pod in pods]
    names = frozenset([wanted.shared] if wanted.shared else [private for private, _public in wanted.pairs])
    held = [at.where for at in containers(objects, namespace) if has_key(at, wanted.secret, names)]
    maps = tuple(
        (str(one["metadata"]["name"]), str(key), str(value))
        for one in every("v1", "ConfigMap")
        for key, value in (one.get("data") or {}).items()
    )
    return KeyUses(tuple(dict.fromkeys(held)), maps, "; ".join(dict.fromkeys(problems)))


def has_key(at: ContainerAt, secret: str, names: frozenset[str]) -> bool:
    """Whether a container has one of these keys of a Secret: in a variable, or in a volume that it mounts."""
    container = at.container
    mounted = {mount.get("name") for mount in container.get("volumeMounts") or []}
    volumes = [one for one in at.pod.get("volumes") or [] if one.get("name") in mounted]
    given = any(
        _is(reference, "name", secret) and str(reference.get("key")) in names
        for variable in container.get("env") or []
        if (reference := (variable.get("valueFrom") or {}).get("secretKeyRef") or {})
    )
    whole = any(_is(source.get("secretRef") or {}, "name", secret) for source in container.get("envFrom") or [])
    return given or whole or any(_brings(source, names) for source in _sources(volumes, secret))


def _sources(volumes: Iterable[Object], secret: str) -> Iterator[Object]:
    for volume in volumes:
        if _is(own := volume.get("secret") or {}, "secretName", secret):
            yield own
        for one in (volume.get("projected") or {}).get("sources") or []:
            if _is(part := one.get("secret") or {}, "name", secret):
                yield part


def _brings(source: Object, names: frozenset[str]) -> bool:
    items = source.get("items")
    return not items or any(str(item.get("key")) in names for item in items)


def _is(reference: Mapping[str, Any], field: str, name: str) -> bool:
    return reference.get(field) == name
