# Prometheus by its HTTP API, and what speaks the same: Thanos, Mimir, VictoriaMetrics.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.service import WRONG, Service, Told

# Thanos leaves out what a store does not answer, and warns, if it is not told to fail; others do not know this word,
# and Google's managed service refuses it.
_PARTIAL = "partial_response"
_SHOWN = 200  # characters of a warning


class Prometheus:
    """One server. Sources: Prometheus documentation, "HTTP API" and "Management API"."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._whole = {_PARTIAL: "false"}

    def ready(self) -> Told:
        """Whether it serves."""
        return self.service.text("/-/ready")

    def build(self) -> Told:
        """Its ``version``, and ``application`` where it is not Prometheus itself."""
        return self._object("/api/v1/status/buildinfo")

    def runtime(self) -> Told:
        """``reloadConfigSuccess``, ``lastConfigTime``, ``storageRetention``, ``corruptionCount`` and more."""
        return self._object("/api/v1/status/runtimeinfo")

    def query(self, expression: str, at: float | None = None) -> Told:
        """The samples of an instant query: labels and value of each.

        :param at: the Unix time that is asked about; now where it is not given.
        """
        time = {} if at is None else {"time": f"{at:.3f}"}
        told = self._asked("/api/v1/query", {"query": expression, **time})
        data = _data(told)
        found = data.get("result") if isinstance(data, Mapping) else None
        if not told.ok:
            return told
        if not isinstance(found, list):
            return Told(WRONG, None, "its answer to a query is not that of Prometheus", told.status)
        if data.get("resultType") == "scalar":
            return replace(told, data=[({}, found[1])])
        return replace(told, data=[(one.get("metric") or {}, (one.get("value") or [0, ""])[1]) for one in found])

    def query_range(self, expression: str, begin: float, end: float, step_s: float) -> Told:
        """The series of an expression: labels, and its points as times and numbers; what is no number is left out."""
        asked = {"query": expression, "start": f"{begin:.3f}", "end": f"{end:.3f}", "step": f"{step_s:.3f}"}
        told = self._asked("/api/v1/query_range", asked)
        data = _data(told)
        found = data.get("result") if isinstance(data, Mapping) and data.get("resultType") == "matrix" else None
        if not told.ok:
            return told
        try:
            rows = [(dict(one["metric"]), _points(one["values"])) for one in found or ()]
        except (KeyError, TypeError, ValueError):
            found = None
        if not isinstance(found, list):
            return Told(WRONG, None, "its answer to a query over time is not that of Prometheus", told.status)
        return replace(told, data=rows)

    def targets(self) -> Told:
        """The targets that it scrapes: ``labels``, ``health``, ``lastError``, ``lastScrape``, ``scrapeInterval`` …"""
        return self._listed("/api/v1/targets?state=active", "activeTargets")

    def rules(self) -> Told:
        """The groups of rules that it has loaded, each with its ``rules``."""
        return self._listed("/api/v1/rules", "groups")

    def describes(self, name: str) -> Told:
        """Whether a target describes a metric of this name, with samples or without."""
        told = self.service.json("/api/v1/metadata", {"metric": name})
        data = _data(told)
        return replace(told, data=bool(data)) if told.ok else told

    def _asked(self, path: str, query: Mapping[str, str]) -> Told:
        """What is told whole; who refuses the word for that is asked without it from then on."""
        told = self.service.json(path, {**query, **self._whole})
        if self._whole and told.status == HTTPStatus.BAD_REQUEST and _PARTIAL in str(told.data):
            self._whole = {}
            told = self.service.json(path, query)
        return _whole(told)

    def _listed(self, path: str, key: str) -> Told:
        told = self._object(path, told_whole=True)
        found = told.data.get(key) if told.ok else None
        if told.ok and not isinstance(found, list):
            return Told(WRONG, None, f"its answer at {path.partition('?')[0]} is not that of Prometheus", told.status)
        return replace(told, data=found) if told.ok else told

    def _object(self, path: str, told_whole: bool = False) -> Told:
        told = self.service.json(path)
        told = unwarned(told) if told_whole else told
        if not told.ok:
            return told
        data = _data(told)
        if not isinstance(data, Mapping):
            return Told(WRONG, None, f"its answer at {path} is not that of Prometheus", told.status)
        return replace(told, data=dict(data))


def _whole(told: Told) -> Told:
    """What VictoriaMetrics' cluster tells while one of its stores is away is not all that it has."""
    if told.ok and isinstance(told.data, Mapping) and told.data.get("isPartial") is True:
        return Told(WRONG, None, "it tells only a part, since a store behind it does not answer", told.status)
    return told


def unwarned(told: Told) -> Told:
    """What is listed is not all where a warning stands beside it: Thanos so tells which of its sources is away."""
    told = _whole(told)
    found = told.data.get("warnings") if told.ok and isinstance(told.data, Mapping) else None
    if not found:
        return told
    first = " ".join(str(found[0] if isinstance(found, list) else found).split())[:_SHOWN]
    return Told(WRONG, None, f"it tells only a part, and warns: {first}", told.status)


def _points(values: Any) -> list[tuple[float, float]]:
    found = [(float(at), float(value)) for at, value in values]
    return [(at, value) for at, value in found if math.isfinite(value)]


def _data(told: Told) -> Any:
    """What Prometheus wraps: ``{"status": "success", "data": …}``."""
    whole = told.data
    return whole.get("data") if isinstance(whole, Mapping) and whole.get("status") == "success" else None
