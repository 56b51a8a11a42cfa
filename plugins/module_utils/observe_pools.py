# The pools of a release: the size that its workloads are told, times the replicas that they may have.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import Pool
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.module_utils.observe_environment import SCALED, Environment, Setting
from ansible_collections.bytebot.production.plugins.module_utils.observe_secrets import referenced
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_spec

Object = dict[str, Any]


def pools_of(
    cluster: Cluster,
    objects: Iterable[Object],
    environment: Environment,
    variables: tuple[str, ...],
    *,
    namespace: str,
    secret: str,
) -> tuple[tuple[Pool, ...], str]:
    """The pools of the workloads that have one of the variables, or use the Secret, and what could not be seen of them.

    :param objects: as :func:`live` gives them; :param secret: that of the database: who has it connects, and where no
        variable says a size, it is the driver's own.
    """
    workloads = [obj for obj in objects if obj.get("kind") in SCALED]
    problems: list[str] = []
    maxima = _maxima(cluster, namespace, problems)
    found: list[Pool] = []
    for obj in workloads:
        settings = environment.of([obj], variables)
        replicas, source = _replicas(obj, maxima)
        name = str((obj.get("metadata") or {}).get("name"))
        if settings:
            size, variable = _size(settings, variables)
            found.append(Pool(name, size, replicas, f"{variable}; {source}"))
        elif replicas and secret in referenced(_running(obj)):
            found.append(Pool(name, None, replicas, f"Secret {secret}; {source}"))
    return tuple(found), "; ".join(dict.fromkeys([*problems, *environment.problems]))


def _running(obj: Object) -> Object:
    """A workload's pod without what has ended before its containers start."""
    spec = pod_spec(obj) or {}
    sidecars = [one for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always"]
    return {"kind": "Pod", "spec": {**spec, "initContainers": sidecars}}


def _size(settings: Iterable[Setting], variables: tuple[str, ...]) -> tuple[int | None, str]:
    """The first variable that says a number, itself or as ``connection_limit`` of a URL."""
    given = {one.name: one.value for one in settings}
    for name in variables:
        text = given.get(name, "")
        if "://" in text:
            text = (parse_qs(urlsplit(text).query).get("connection_limit") or [""])[0]
        if text.strip().isdigit():
            return int(text), name
    return None, variables[0] if variables else ""


def _maxima(cluster: Cluster, namespace: str, problems: list[str]) -> dict[tuple[str, str], int]:
    """By kind and name of what they scale, the largest maximum of the autoscalers."""
    try:
        found = cluster.list("autoscaling/v2", "HorizontalPodAutoscaler", namespace)
    except CollectionError as exc:
        problems.append(exc.sentence)
        return {}
    maxima: dict[tuple[str, str], int] = {}
    for one in found:
        spec = one.get("spec") or {}
        target: Mapping[str, Any] = spec.get("scaleTargetRef") or {}
        key = (str(target.get("kind")), str(target.get("name")))
        maxima[key] = max(maxima.get(key, 0), int(spec.get("maxReplicas") or 0))
    return maxima


def _replicas(obj: Object, maxima: Mapping[tuple[str, str], int]) -> tuple[int, str]:
    kind, name = str(obj.get("kind")), str((obj.get("metadata") or {}).get("name"))
    if (kind, name) in maxima:
        return maxima[kind, name], "maximum of its HorizontalPodAutoscaler"
    replicas = (obj.get("spec") or {}).get("replicas")
    return (1 if replicas is None else int(replicas)), f"replicas of the {kind}"
