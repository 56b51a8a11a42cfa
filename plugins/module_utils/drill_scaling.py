# A drill on autoscalers: for a moment one is over its target, then below it, and then as it was.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import Scaled
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, NotPermitted, NotThere

Object = dict[str, Any]
Pause = Callable[[float], None]
API, KIND = "autoscaling/v2", "HorizontalPodAutoscaler"
KEPT = "bytebot.production/drill-before"  # what the autoscaler was, until it is so again
BOUND_S = 75.0  # some periods of the controller, which looks every 15 seconds by default
POLL_S = 1.0
_MERGE = "application/merge-patch+json"
_CHANGED = ("minReplicas", "maxReplicas", "metrics", "behavior")
_LOW, _HIGH = 1, 100_000  # percent of the request: always above, always below
_AT_ONCE = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def scale(cluster: Cluster, scaler: Object, pause: Pause) -> Scaled:
    """Put its target below what its pods use, see it scale out; put it above, see it scale in; give back what was."""
    name, place = str(scaler["metadata"]["name"]), str(scaler["metadata"]["namespace"])
    told = Scaled(f"HorizontalPodAutoscaler {name}")
    metric = next((one for one in _metrics(scaler) if _by_share(one)), None)
    if metric is None:
        return replace(told, problem="none of its metrics is a share of what is requested")
    least = int((scaler.get("spec") or {}).get("minReplicas") or 1)
    try:
        keep(cluster, scaler)
        try:
            before = _settled(cluster, scaler, pause)
            told = replace(told, before=before, most=before, after=before)
            if before >= int((scaler.get("spec") or {}).get("maxReplicas") or 0):
                return replace(told, problem=f"it has {before} replicas already, its maximum, and needs them")
            began = time.monotonic()
            room = {
                "minReplicas": max(least, before),
                "maxReplicas": before + 1,
            }  # one more, and no fewer, whatever the load
            _set(cluster, (place, name), metric, _LOW, room)
            most = _follow(cluster, (place, name), lambda now: now > before, pause)
            told = replace(told, most=most, out_s=time.monotonic() - began)
            if most <= before:
                return told
            began = time.monotonic()
            _set(cluster, (place, name), metric, _HIGH, room)
            after = _follow(cluster, (place, name), lambda now: now <= before, pause)
            return replace(told, after=after, in_s=time.monotonic() - began)
        finally:
            heal(cluster, cluster.get(API, KIND, name, place))
    except CollectionError as exc:
        return replace(told, problem=exc.sentence)


def _settled(cluster: Cluster, scaler: Object, pause: Pause) -> int:
    """The replicas that it wants now; at its maximum, what it wants where it need not wait before it scales in."""
    place, name = str(scaler["metadata"]["namespace"]), str(scaler["metadata"]["name"])
    now, most = _wanted(cluster, place, name), int((scaler.get("spec") or {}).get("maxReplicas") or 0)
    if now < most:
        return now
    _patch(cluster, place, name, {"spec": {"behavior": {"scaleDown": _AT_ONCE}}})
    return _follow(cluster, (place, name), lambda wanted: wanted < most, pause)


def _metrics(scaler: Mapping[str, Any]) -> list[Object]:
    return list((scaler.get("spec") or {}).get("metrics") or [])


def _by_share(metric: Mapping[str, Any]) -> bool:
    return metric.get("type") == "Resource" and (metric["resource"].get("target") or {}).get("type") == "Utilization"


def _wanted(cluster: Cluster, place: str, name: str) -> int:
    found = cluster.get(API, KIND, name, place) or {}
    return int((found.get("status") or {}).get("desiredReplicas") or 0)


def _follow(cluster: Cluster, which: tuple[str, str], holds: Callable[[int], bool], pause: Pause) -> int:
    """What it wants as soon as that holds, or in the end."""
    end = time.monotonic() + BOUND_S
    while not holds(now := _wanted(cluster, *which)) and time.monotonic() < end:
        pause(POLL_S)
    return now


# ---------------------------------------------------------------------------- changing and healing


def _path(place: str, name: str) -> str:
    return f"/apis/{API}/namespaces/{quote(place)}/horizontalpodautoscalers/{quote(name)}"


def _patch(cluster: Cluster, place: str, name: str, body: Object) -> None:
    cluster.raw(
        "PATCH", _path(place, name), body=body, query={"fieldManager": "bytebot.production.drill"}, content_type=_MERGE
    )


def _set(cluster: Cluster, which: tuple[str, str], metric: Object, share: int, room: Mapping[str, int]) -> None:
    target = {"type": "Utilization", "averageUtilization": share}
    one = {"type": "Resource", "resource": {"name": metric["resource"]["name"], "target": target}}
    fast = {"scaleDown": _AT_ONCE, "scaleUp": _AT_ONCE}
    _patch(cluster, *which, {"spec": {**room, "metrics": [one], "behavior": fast}})


def keep(cluster: Cluster, scaler: Object) -> None:
    """Write what it is onto itself, before anything is changed."""
    meta, spec = scaler["metadata"], scaler.get("spec") or {}
    kept = {**{name: spec.get(name) for name in _CHANGED}, "managedFields": meta.get("managedFields")}
    _patch(cluster, meta["namespace"], meta["name"], {"metadata": {"annotations": {KEPT: json.dumps(kept)}}})


def heal(cluster: Cluster, scaler: Object | None) -> bool:
    """Give back what it was where a drill has changed it, and the owners of its fields; whether there was need to."""
    meta = (scaler or {}).get("metadata") or {}
    text = (meta.get("annotations") or {}).get(KEPT)
    if not text:
        return False
    place, name = str(meta["namespace"]), str(meta["name"])
    try:
        kept = json.loads(text)
    except ValueError:
        kept = {}
    if "metrics" in kept:
        _patch(cluster, place, name, {"spec": {name: kept.get(name) for name in _CHANGED}})
    _patch(cluster, place, name, {"metadata": {"annotations": {KEPT: None}}})
    if kept.get("managedFields"):  # else the next upgrade by another manager would find the fields taken
        _patch(cluster, place, name, {"metadata": {"managedFields": kept["managedFields"]}})
    return True


def heal_all(cluster: Cluster, scalers: Iterable[Object]) -> bool:
    """Heal what an earlier run that was ended has left; whether any was."""
    found = False
    for one in scalers:
        try:
            found = heal(cluster, one) or found
        except (NotPermitted, NotThere):
            continue
    return found
